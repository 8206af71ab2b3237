"""The grids with which samplers are published: functions (steps, schedule) ↦ decreasing times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffusion import grids
from diffusion.process.keeping import kept_of_values
from diffusion.process.schedule import NoiseSchedule

__all__ = [
    "GridRule",
    "Timesteps",
    "diffusers",
    "karras",
    "quadratic_in_t",
    "uniform_in",
    "uniform_in_lambda",
    "uniform_in_t",
]

GridRule = Callable[[int, NoiseSchedule], np.ndarray]


@dataclass(frozen=True)
class _Power:
    """The rule of grids uniform in a root of the named clock."""

    exponent: float
    clock: str

    def __call__(self, steps: int, schedule: NoiseSchedule) -> np.ndarray:
        return _kept(self.exponent, self.clock, steps, schedule).copy()

    def __str__(self) -> str:
        return self.clock if self.exponent == 1 else f"{self.clock}^(1/{self.exponent:g})"


@kept_of_values(maxsize=128)
def _kept(exponent: float, clock: str, steps: int, schedule: NoiseSchedule) -> np.ndarray:
    return grids.power(steps, exponent, clock, schedule=schedule)


@dataclass(frozen=True)
class Timesteps:
    """The rule of the timesteps of diffusers; see `grids.timesteps`."""

    spacing: Any
    final: Any = "zero"
    spare: int = 1
    offset: int = 0
    whole: bool = True

    def __call__(self, steps: int, schedule: NoiseSchedule) -> np.ndarray:
        """Return the times, without the last of a run to σ = 0."""
        to_zero = self.final == "zero"
        times = grids.timesteps(
            steps + to_zero,
            self.spacing,
            schedule=schedule,
            offset=self.offset,
            final=self.final,
            spare=self.spare,
            whole=self.whole or self.spacing != "linspace",
        )
        return times[:-1] if to_zero else times

    def __str__(self) -> str:
        return f"timesteps, {self.spacing}"


def uniform_in(clock: str) -> GridRule:
    """Return the rule of grids uniform in the named clock."""
    return _Power(1.0, clock)


def diffusers(spacing: str, final: str = "zero", spare: int = 1, offset: int = 0, *, whole: bool = True) -> GridRule:
    """Return the rule of the timesteps of a scheduler of diffusers; see `grids.timesteps`.

    A step to σ = 0 is that of the sampler's end, so that the rule leaves it out.
    """
    return Timesteps(spacing, final, spare, offset, whole)


uniform_in_t = uniform_in("t")
"""The grid uniform in t."""

quadratic_in_t: GridRule = _Power(2.0, "t")
"""The grid uniform in √t, with which DEIS is published."""

uniform_in_lambda = uniform_in("lambda")
"""The grid uniform in λ, with which DPM-Solver and its descendants are published."""

karras: GridRule = _Power(7.0, "rho")
"""The grid of Karras et al. (2022), uniform in ρ^(1/7)."""
