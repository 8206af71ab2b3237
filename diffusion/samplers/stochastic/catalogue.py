"""The named stochastic samplers: one declaration each."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import Any

import expint
from diffusion.grids.published import diffusers, karras, quadratic_in_t, uniform_in_lambda, uniform_in_t
from diffusion.process.gauge import DATA, NOISE, RHO
from diffusion.process.strength import Constant, Eta, ExtendedReverse, Fresh
from diffusion.samplers.deviating import DPM_SOLVER, HALVED, MIDPOINT, Deviating
from diffusion.samplers.ends import End, taper
from diffusion.samplers.presets import TaperBelow
from diffusion.samplers.sampler import Sampler
from diffusion.samplers.stochastic.deviating import MinusOne
from diffusion.samplers.stochastic.er_sde import ExtendedAdams
from diffusion.samplers.stochastic.jumps import Ancestral, Churned, Restarted, TrajectoryConsistent
from diffusion.samplers.stochastic.langevin import LangevinCorrected
from diffusion.samplers.stochastic.two_noises import TwoNoises
from expint.derive import PredictorCorrector

__all__ = ["STOCHASTIC", "stochastic_by_name", "with_noise"]

_REVERSE = Constant(1.0)  # the reverse of the process itself
_MIDPOINT, _HEUN = expint.method("etd2rk-weak"), expint.method("lawson-heun2")
_FIRST = partial(Sampler, method=expint.Adams(1), gauge=DATA)
_DPMPP = partial(Sampler, gauge=DATA, grid=uniform_in_lambda, reference="lu2022pp", stochasticity=_REVERSE)
_SA = partial(Sampler, gauge=DATA, grid=uniform_in_lambda, reference="xue2023", stochasticity=_REVERSE)
_SEEDS = partial(Sampler, gauge=NOISE, grid=uniform_in_lambda, reference="gonzalez2023", stochasticity=_REVERSE)
_ER_SDE = partial(Sampler, gauge=DATA, grid=uniform_in_lambda, reference="cui2023", stochasticity=ExtendedReverse())
_K_DIFFUSION = partial(Sampler, gauge=DATA, grid=karras, end=End(zero=1), reference="lu2022pp", stochasticity=_REVERSE)


def _ddim(eta: float) -> Sampler:
    return _FIRST(f"ddim-eta{eta:g}", grid=quadratic_in_t, reference="song2021", stochasticity=Eta(eta))


_CATALOGUE: tuple[Sampler, ...] = (
    _FIRST("ddpm", grid=uniform_in_t, end=End(zero=1), reference="ho2020", stochasticity=_REVERSE),
    _ddim(0.5),
    _FIRST("euler-ancestral", grid=karras, end=End(zero=1), reference="song2021", stochasticity=Eta(1.0)),
    Ancestral("dpm2-ancestral", _MIDPOINT, NOISE, karras, end=End(zero=1), reference="lu2022"),
    Ancestral("dpmpp-2s-ancestral", _MIDPOINT, DATA, karras, end=End(zero=1), reference="lu2022pp"),
    _DPMPP("dpmpp-sde", expint.Adams(1)),
    _DPMPP("dpmpp-2s-sde", expint.method("etd2rk-weak")),
    _DPMPP("dpmpp-3s-sde", expint.method("hochbruck-ostermann3")),
    _DPMPP("dpmpp-2m-sde", expint.Adams(2, ramp=True)),
    _DPMPP("dpmpp-3m-sde", expint.Adams(3, ramp=True)),
    _SA("sa-solver", PredictorCorrector(3, ramp=True), end=End(correct=False)),
    _SA("sa-solver-p", expint.Adams(3, ramp=True)),
    _SEEDS("seeds-1", expint.Adams(1)),
    _SEEDS("seeds-2", expint.method("etd2rk-weak")),
    _SEEDS("seeds-3", expint.method("hochbruck-ostermann3")),
    _ER_SDE("er-sde-1", expint.Adams(1)),
    _ER_SDE("er-sde-2", ExtendedAdams(2)),
    _ER_SDE("er-sde-3", ExtendedAdams(3)),
    _FIRST("lcm", grid=uniform_in_t, end=End(zero=1), reference="luo2023", stochasticity=Fresh()),
    TrajectoryConsistent("tcd", expint.Adams(1), DATA, uniform_in_t, end=End(zero=1), reference="zheng2024", eta=0.3),
    Churned("edm-stochastic", _HEUN, RHO, karras, end=End(zero=1), reference="karras2022"),
    Restarted("restart", _HEUN, RHO, karras, end=End(zero=1), reference="xu2023"),
    LangevinCorrected("ddpm-langevin", expint.Adams(1), DATA, uniform_in_t, end=End(zero=1), reference="song2021score"),
    _ER_SDE("er-sde-3@er-sde", ExtendedAdams(3, published=True)),
    _K_DIFFUSION("dpmpp-2m-sde@k-diffusion", Deviating(expint.Adams(2, ramp=True), MIDPOINT)),
    _K_DIFFUSION("dpmpp-3m-sde@k-diffusion", Deviating(expint.Adams(3, ramp=True), HALVED)),
    TwoNoises("dpmpp-sde@k-diffusion", _MIDPOINT, DATA, karras, end=End(zero=1), reference="lu2022pp"),
    *(
        Sampler(
            f"dpmpp-{q}m-sde@diffusers",
            kind(expint.Adams(q, ramp=True), DPM_SOLVER),
            DATA,
            diffusers("linspace"),
            end=TaperBelow(taper(q).orders, below=15, zero=1, at_zero="counted"),
            reference="lu2022pp",
            stochasticity=_REVERSE,
        )
        for q, kind in ((2, Deviating), (3, MinusOne))
    ),
)


STOCHASTIC: dict[str, Sampler] = {entry.name: entry for entry in _CATALOGUE}
"""The named samplers that draw noise."""


def with_noise(found: Any, stochasticity: Any) -> Any:
    """Return the sampler ``found`` on the SDE of another strength.

    One of order 1 that predicts the noise in ρ is without noise the same as in the gauge of the data, and taken there:
    to keep ε in a step adds to the noise that comes anew, to keep x₀ does not.

    Raises
    ------
    ValueError
        If it is not a declaration with a gauge in which that can be.
    """
    if not isinstance(found, Sampler):
        raise ValueError(
            f"expected a sampler that is a method in one gauge for stochasticity=, received {found.name!r}, whose rows "
            "follow from a rule or are numbers; take an Adams method, such as 'dpmpp-2m' or 'unipc3'"
        )
    own = replace(found, gauge=DATA) if found.gauge is RHO and found.method.order == 1 else found
    return replace(own, stochasticity=stochasticity)


def stochastic_by_name(spelt: str) -> Sampler | None:
    """Return the sampler of a folded name with a number in it, "ddim-eta0.2"; None if it is none."""
    eta = re.fullmatch(r"ddim-eta([0-9.]+)", spelt)
    return _ddim(float(eta[1])) if eta and re.fullmatch(r"[01]?\.?[0-9]*", eta[1]) and eta[1] != "." else None
