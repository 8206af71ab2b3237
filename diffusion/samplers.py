"""The catalogue of named samplers: one declaration each."""

from __future__ import annotations

from functools import partial

import numpy as np

import expint
from expint.derive.adams import INDEX

from . import grids
from .declaration import Sampler
from .gauge import DATA, NOISE, RHO
from .names import resolve
from .schedule import NoiseSchedule

__all__ = ["SAMPLERS", "sampler", "sampler_names"]


def quadratic_in_t(steps: int, schedule: NoiseSchedule) -> np.ndarray:
    """Return the grid uniform in √t, with which DEIS is published."""
    return grids.power(steps, 2, clock="t", schedule=schedule)


def uniform_in_t(steps: int, schedule: NoiseSchedule) -> np.ndarray:
    """Return the grid uniform in t."""
    return grids.uniform(steps, clock="t", schedule=schedule)


def uniform_in_lambda(steps: int, schedule: NoiseSchedule) -> np.ndarray:
    """Return the grid uniform in λ, with which DPM-Solver and its descendants are published."""
    return grids.uniform(steps, clock="lambda", schedule=schedule)


def karras(steps: int, schedule: NoiseSchedule) -> np.ndarray:
    """Return the grid of Karras et al. (2022), uniform in ρ^(1/7)."""
    return grids.power(steps, 7, clock="rho", schedule=schedule)


_DEIS = partial(Sampler, gauge=RHO, grid=quadratic_in_t, reference="zhang2023")

_CATALOGUE = (
    _DEIS("ddim", expint.Adams(1), reference="song2021"),
    *(_DEIS(f"deis-tab{r}", expint.Adams(r + 1, ramp=True), interpolate_in="t") for r in range(4)),
    *(_DEIS(f"deis-rhoab{r}", expint.Adams(r + 1, ramp=True)) for r in range(4)),
    _DEIS("deis-rho-heun", expint.method("lawson-heun2")),
    _DEIS("deis-rho-kutta3", expint.method("lawson-kutta3")),
    _DEIS("deis-rho-rk4", expint.method("lawson-rk4")),
    _DEIS("ipndm", expint.Adams(4, clock=INDEX, ramp=True), grid=uniform_in_t),
    Sampler("dpm1", expint.Adams(1), NOISE, uniform_in_lambda, reference="lu2022"),
    Sampler("dpm2", expint.method("etd2rk-weak"), NOISE, uniform_in_lambda, reference="lu2022"),
    Sampler("dpm3", expint.method("hochbruck-ostermann3"), NOISE, uniform_in_lambda, reference="lu2022"),
    Sampler("dpm2m", expint.Adams(2, ramp=True), NOISE, uniform_in_lambda, reference="lu2022"),
    Sampler("dpm3m", expint.Adams(3, ramp=True), NOISE, uniform_in_lambda, reference="lu2022"),
    Sampler("dpmpp-2s", expint.method("etd2rk-weak"), DATA, uniform_in_lambda, reference="lu2022pp"),
    Sampler("dpmpp-2m", expint.Adams(2, ramp=True), DATA, uniform_in_lambda, reference="lu2022pp"),
    Sampler("dpmpp-3s", expint.method("hochbruck-ostermann3"), DATA, uniform_in_lambda, reference="lu2022pp"),
    Sampler("dpmpp-3m", expint.Adams(3, ramp=True), DATA, uniform_in_lambda, reference="lu2022pp"),
    Sampler("euler", expint.Adams(1), RHO, karras, reference="karras2022"),
    Sampler("edm-heun", expint.method("lawson-heun2"), RHO, karras, reference="karras2022"),
    Sampler("lms4", expint.Adams(4, ramp=True), RHO, karras, reference="karras2022"),
)

SAMPLERS: dict[str, Sampler] = {entry.name: entry for entry in _CATALOGUE}
"""The named samplers. Order r of DEIS' names counts past slopes: tAB3 interpolates four and is of order 4."""


def sampler(name: str | Sampler) -> Sampler:
    """Return the sampler called ``name``; a sampler is returned as it is.

    Raises
    ------
    ValueError
        If no sampler has this name; the message gives the nearest.
    """
    return name if isinstance(name, Sampler) else SAMPLERS[resolve(name, SAMPLERS, {}, "sampler")]


def sampler_names() -> list[str]:
    """Return the names of all samplers."""
    return list(SAMPLERS)
