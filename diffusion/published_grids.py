"""The grids with which samplers are published: functions (steps, schedule) ↦ decreasing times."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np

from . import grids
from .keeping import kept_of_values
from .schedule import NoiseSchedule

__all__ = ["GridRule", "diffusers", "karras", "quadratic_in_t", "uniform_in", "uniform_in_lambda", "uniform_in_t"]

GridRule = Callable[[int, NoiseSchedule], np.ndarray]


@lru_cache
def uniform_in(clock: str) -> GridRule:
    """Return the rule of grids uniform in the named clock."""
    return partial(_power, 1.0, clock)


def _power(exponent: float, clock: str, steps: int, schedule: NoiseSchedule) -> np.ndarray:
    return _kept(exponent, clock, steps, schedule).copy()


@kept_of_values(maxsize=128)
def _kept(exponent: float, clock: str, steps: int, schedule: NoiseSchedule) -> np.ndarray:
    return grids.power(steps, exponent, clock, schedule=schedule)


@lru_cache
def diffusers(spacing: str, final: str = "zero", spare: int = 1) -> GridRule:
    """Return the rule of the timesteps of a scheduler of diffusers; see `grids.timesteps`.

    A step to σ = 0 is that of the sampler's end, so that the rule leaves it out.
    """
    return partial(_timesteps, spacing, final, spare)


def _timesteps(spacing: Any, final: Any, spare: int, steps: int, schedule: NoiseSchedule) -> np.ndarray:
    to_zero = final == "zero"
    times = grids.timesteps(steps + to_zero, spacing, schedule=schedule, final=final, spare=spare)
    return times[:-1] if to_zero else times


uniform_in_t = uniform_in("t")
"""The grid uniform in t."""

quadratic_in_t: GridRule = partial(_power, 2.0, "t")
"""The grid uniform in √t, with which DEIS is published."""

uniform_in_lambda = uniform_in("lambda")
"""The grid uniform in λ, with which DPM-Solver and its descendants are published."""

karras: GridRule = partial(_power, 7.0, "rho")
"""The grid of Karras et al. (2022), uniform in ρ^(1/7)."""
