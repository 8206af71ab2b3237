"""The catalogue of named samplers: one declaration each."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction as F
from functools import partial
from typing import Any, TypeAlias

import numpy as np

import expint
from diffusion.grids.published import karras, quadratic_in_t, uniform_in, uniform_in_lambda, uniform_in_t
from diffusion.names import fold, resolve
from diffusion.process.gauge import DATA, GAUGES, NOISE, RHO
from diffusion.process.schedule import NoiseSchedule
from diffusion.process.strength import Strength
from diffusion.samplers.automatic import AUTO, Automatic
from diffusion.samplers.elsewhere import GRIDS, meant
from diffusion.samplers.ends import End
from diffusion.samplers.fitted import FittedSampler
from diffusion.samplers.ipndm_v import PublishedVariableSteps
from diffusion.samplers.presets import PRESETS
from diffusion.samplers.reversible import OPTIMAL, Damping, ReversibleSampler
from diffusion.samplers.sampler import Sampler
from diffusion.samplers.singlestep import SpacedNodes, grouped_of_diffusers
from diffusion.samplers.stochastic.catalogue import STOCHASTIC, stochastic_by_name, with_noise
from expint import plugins
from expint.arguments import flag
from expint.derive import INDEX, Butcher, PredictorCorrector, lawson

__all__ = ["REVERSIBLE", "SAMPLERS", "AnySampler", "sampler", "sampler_names"]

AnySampler: TypeAlias = Sampler | Automatic | FittedSampler
"""What can be run: a declaration, the rule that finds one, or rows as data."""


_DEIS = partial(Sampler, gauge=RHO, grid=quadratic_in_t, reference="zhang2023")
_DPM = partial(Sampler, gauge=NOISE, grid=uniform_in_lambda, reference="lu2022")
_DPMPP = partial(Sampler, gauge=DATA, grid=uniform_in_lambda, reference="lu2022pp")
_UNIPC = partial(Sampler, grid=uniform_in_lambda, end=End(correct=False), reference="zhao2023")
_EDM = partial(Sampler, gauge=RHO, grid=karras, end=End(zero=1), reference="karras2022")


def _tab(r: int) -> Sampler:
    return _DEIS(f"deis-tab{r}", expint.Adams(r + 1, ramp=True), interpolate_in="t")


def _rhoab(r: int) -> Sampler:
    return _DEIS(f"deis-rhoab{r}", expint.Adams(r + 1, ramp=True))


def _logrhoab(r: int) -> Sampler:
    return _DEIS(f"deis-logrhoab{r}", expint.Adams(r + 1, ramp=True), gauge=NOISE)


def _unipc(p: int) -> Sampler:
    return _UNIPC(f"unipc{p}", PredictorCorrector(p, ramp=True), DATA)


def _unipc_noise(p: int) -> Sampler:
    return _UNIPC(f"unipc{p}-noise", PredictorCorrector(p, ramp=True), NOISE)


def _sa(p: int) -> Sampler:
    return _UNIPC(f"sa{p}", PredictorCorrector(p, ramp=True), DATA, reference="xue2023")


def _lms(q: int) -> Sampler:
    return _EDM(f"lms{q}", expint.Adams(q, ramp=True), end=End(zero=q))


_FAMILIES = {
    "deis-tab#": _tab,
    "deis-rhoab#": _rhoab,
    "deis-logrhoab#": _logrhoab,
    "unipc#": _unipc,
    "unipc#-noise": _unipc_noise,
    "sa#": _sa,
    "lms#": _lms,
    "singlestep#@diffusers": grouped_of_diffusers,
}
"""Samplers of any order, # standing for it, up to 8 by name; the catalogue lists the usual ones."""

_REVERSIBLE = partial(ReversibleSampler, method=expint.Adams(1), gauge=RHO, grid=quadratic_in_t)

REVERSIBLE: dict[str, ReversibleSampler] = {
    "bdia": _REVERSIBLE("bdia", weights=Damping(1.0), reference="zhang2023bdia"),
    "o-belm": _REVERSIBLE("o-belm", weights=OPTIMAL, reference="wang2024belm"),
}
"""Those with an exact inverse; `diffusion.reversible` makes others."""

_VAN_DER_HOUWEN = Butcher(  # van der Houwen, *Construction of integration formulas*, 1977
    name="van-der-houwen3", order=3, a=((), (F(8, 15),), (F(1, 4), F(5, 12))), b=(F(1, 4), 0, F(3, 4)), reference=""
)

_CATALOGUE: tuple[Sampler | Automatic, ...] = (
    _DEIS("ddim", expint.Adams(1), reference="song2021"),
    *(_tab(r) for r in range(4)),
    *(_rhoab(r) for r in range(4)),
    *(_logrhoab(r) for r in range(4)),
    _DEIS("deis-rho-heun", expint.method("lawson-heun2")),
    _DEIS("deis-rho-kutta3", expint.method("lawson-kutta3")),
    *(_DEIS(f"deis-rho-{name}", expint.method(f"lawson-{name}")) for name in ("heun3", "ralston3", "ssprk3")),
    _DEIS("deis-rho-vdh3", lawson(_VAN_DER_HOUWEN)),
    _DEIS("deis-rho-rk4", expint.method("lawson-rk4")),
    _DEIS("ipndm", expint.Adams(4, clock=INDEX, ramp=True), grid=uniform_in_t),
    _DEIS("ipndm-v", PublishedVariableSteps(4, ramp=True), grid=uniform_in_t, reference="zhou2024"),
    _DPM("dpm1", expint.Adams(1)),
    _DPM("dpm2", expint.method("etd2rk-weak")),
    _DPM("dpm3", expint.method("hochbruck-ostermann3")),
    _DPM("dpm2m", expint.Adams(2, ramp=True)),
    _DPM("dpm3m", expint.Adams(3, ramp=True)),
    _DPMPP("dpmpp-2s", expint.method("etd2rk-weak")),
    _DPMPP("dpmpp-2m", expint.Adams(2, ramp=True)),
    _DPMPP("dpmpp-3s", expint.method("hochbruck-ostermann3")),
    _DPMPP("dpmpp-3m", expint.Adams(3, ramp=True)),
    *(_DPM(f"dpm{q}-time", SpacedNodes(q), grid=uniform_in_t, interpolate_in="t") for q in (2, 3)),
    *(_DPMPP(f"dpmpp-{q}s-time", SpacedNodes(q), grid=uniform_in_t, interpolate_in="t") for q in (2, 3)),
    *(_unipc(p) for p in range(1, 5)),
    *(_unipc_noise(p) for p in range(1, 5)),
    _sa(3),
    _EDM("euler", expint.Adams(1)),
    _EDM("edm-heun", expint.method("lawson-heun2")),
    AUTO,
    _lms(4),
)

SAMPLERS: dict[str, Sampler | Automatic] = {entry.name: entry for entry in (*_CATALOGUE, *PRESETS)}
"""The named samplers, and the rule "auto". Order r of DEIS' names counts past slopes: tAB3 interpolates four, and is of
order 4."""

_GRIDS: dict[str, Callable[[int, NoiseSchedule], np.ndarray]] = {
    "noise": uniform_in_lambda,
    "data": uniform_in_lambda,
    "rho": karras,
    "signal": uniform_in("flow"),
    "velocity": uniform_in("angle"),
    "flow": uniform_in("flow"),
    "flow-data": uniform_in("log-flow"),
    "edm": uniform_in("edm-angle"),
}


def sampler(
    name: str | AnySampler,
    *,
    grid: Callable[[int, NoiseSchedule], np.ndarray] | None = None,
    start: str | None = None,
    end: End | None = None,
    stochasticity: float | Callable[[float], float] | Strength | None = None,
) -> AnySampler:
    """Return the sampler called ``name``; a sampler is returned as it is.

    DEIS, UniPC, SA-Solver and LMS are found up to "deis-tab8", "unipc8-noise", …, and any method of ``expint`` in any
    gauge by both names: "krogstad4-data", "adams3-velocity". A name with "-sde" behind it is the sampler on the SDE of
    strength 1: "unipc2-sde"; "ddim-eta0.2" has an η of 0.2.
    Other packages add samplers by the entry points ``diffusion.samplers``.

    Parameters
    ----------
    name
        A name of `sampler_names`, a method and a gauge joined by a hyphen, or a sampler.
    grid
        Its grid instead of the published one: a function (steps, schedule) ↦ decreasing times.
    start
        How a multistep sampler makes its first steps: "euler", "corrected" or "runge-kutta".
    end
        What happens at the end of the grid.
    stochasticity
        The strength τ of the SDE on which the same method is run: a number ≥ 0, a function of λ = log(α/σ), or a
        ``diffusion.Strength``. 0 is the ODE, 1 the reverse of the noising process.

    Raises
    ------
    ImportError
        If the package that adds the name does not load.
    ValueError
        If no sampler has this name; the message gives the nearest. Or if something of a `FittedSampler`, whose rows
        are numbers, is to be changed; or if the sampler cannot be stochastic.

    Examples
    --------
    >>> sampler("deis-tab3").method
    Adams(q=4, clock=TIME, ramp=True)
    """
    found = name if isinstance(name, AnySampler) else _find(name)
    changes: dict[str, Any] = {"grid": grid, "start": start, "end": end}
    given = {key: value for key, value in changes.items() if value is not None}
    if given and isinstance(found, FittedSampler):
        raise ValueError(
            f"expected a fitted sampler as it is, received {found.name!r} with another {next(iter(given))}; its "
            "rows are numbers for its own times"
        )
    found = replace(found, **given) if given else found
    return found if stochasticity is None else with_noise(found, stochasticity)


def sampler_names(*, stochastic: bool = False) -> list[str]:
    """Return the names of all samplers, without those of higher order or composed of a method and a gauge.

    "bdia" and "o-belm", which `diffusion.invert` inverts exactly, are found by name as well. Those that other packages
    add are listed among those that draw none, unloaded.

    Parameters
    ----------
    stochastic
        Whether those that draw noise are meant, or those that draw none.

    Examples
    --------
    >>> import diffusion
    >>> "ddim" in diffusion.sampler_names(), "dpmpp-2m-sde" in diffusion.sampler_names(stochastic=True)
    (True, True)
    """
    if flag("stochastic", stochastic):
        return list(STOCHASTIC)
    return [*SAMPLERS, *(name for name in plugins.names("diffusion.samplers") if name not in SAMPLERS)]


def _find(name: str) -> Sampler | Automatic:
    try:
        return _of_this_library(name)
    except ValueError:
        added: Sampler | None = plugins.load("diffusion.samplers", name, fold, lambda own: isinstance(own, AnySampler))
        if added is None:
            raise
        return added


def _of_this_library(name: str) -> Sampler | Automatic:
    every: dict[str, Sampler | Automatic] = {**SAMPLERS, **REVERSIBLE, **STOCHASTIC}
    try:
        return every[resolve(name, every, {}, "sampler")]
    except ValueError as unknown:
        spelt = fold(name)
        known = stochastic_by_name(spelt)
        if known is not None:
            return known
        base, noisy, origin = spelt.partition("-sde")
        if noisy and (not origin or origin[0] == "@"):
            try:
                on_ode = _find(base + origin)
            except ValueError:
                _explain(spelt)
                raise unknown from None
            found: Sampler = replace(with_noise(on_ode, 1.0), name=f"{base}-sde{origin}")
            return found
        number = re.search(r"(?<!\d)[0-8](?!\d)", spelt)
        family = _FAMILIES.get(spelt.replace(number[0], "#")) if number else None
        if number and family:
            return family(int(number[0]))
        gauge = max((gauge for gauge in GAUGES if spelt.endswith(f"-{gauge}")), key=len, default=None)
        if gauge is None:
            _explain(spelt)
            raise
        try:
            method = expint.method(spelt.removesuffix(f"-{gauge}"))
        except ValueError:
            raise unknown from None
        return Sampler(f"{method.name}-{gauge}", method, GAUGES[gauge], _GRIDS[gauge], reference="")


def _explain(spelt: str) -> None:
    """Raise ValueError that says what is meant by a folded name that other programs know and this library does not."""
    found = meant(spelt, {**SAMPLERS, **STOCHASTIC})
    if found is None:
        return
    if found.calm:
        raise ValueError(
            f"expected a sampler by its name here; received {spelt!r}; diffusion.sampler_names(stochastic=True) lists "
            f"those that draw noise, and {found.name!r} solves the ODE without noise"
        )
    asked = f" and grid={GRIDS[found.grid]} for the times" if found.grid else ""
    raise ValueError(f"expected a sampler by its name here; received {spelt!r}; take {found.name!r}{asked}")
