"""The methods of PNDM: Adams–Bashforth with the weights of uniform steps, after a step by Heun, or three by RK4."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np

import expint
from expint.derive import INDEX, Multistep, Stage, StepContext, WithoutEstimate

__all__ = ["HeunThenAdams", "RungeKuttaThenAdams"]


_ROUNDED = 1e-6
"""By so much a timestep may differ from a whole number."""


@dataclass(frozen=True)
class HeunThenAdams(Multistep, WithoutEstimate):
    """Adams–Bashforth of order up to ``q`` with the weights of uniform steps, its first step made by Heun's method.

    The first step calls the network twice, and the next one again at its end. A step to a clock of 0, the only one of
    a run, is Euler's: there is nothing to be called at σ = 0.

    Notes
    -----
    Liu, Ren, Lin & Zhao, *Pseudo numerical methods for diffusion models on manifolds*, 2022, as the code of latent
    diffusion has it.
    """

    q: int = 4
    clock: ClassVar[Any] = INDEX

    @property
    def name(self) -> str:
        """The name of the method."""
        return f"heun-adams{self.q}"

    @property
    def order(self) -> int:
        """The order: 2, on steps that are not uniform."""
        return 2

    def recipe(self, step: StepContext) -> Sequence[Stage]:
        """Return the stages of a step."""
        first: Any = expint.Adams(1) if step.start + step.step == 0.0 else expint.method("lawson-heun2")
        method: Any = first if len(step.history) < 2 else expint.Adams(self.q, clock=INDEX, ramp=True)
        stages: Sequence[Stage] = method.recipe(step)
        return stages


@dataclass(frozen=True)
class RungeKuttaThenAdams(Multistep, WithoutEstimate):
    """Adams–Bashforth of order ``q`` with the weights of uniform steps, its first q − 1 steps by four calls each.

    These are the classical Runge–Kutta method, but that its middle lies half-way in *time*, which in the clock of the
    gauge it does not. Their first calls become the history.

    Parameters
    ----------
    q
        The order of the Adams method, 4.
    middle
        (s, s') ↦ the value of the clock half-way in time between two of its values; None for half-way between them.

    Notes
    -----
    Liu, Ren, Lin & Zhao, *Pseudo numerical methods for diffusion models on manifolds*, 2022, algorithm 2 ("PRK", then
    "PLMS"), as diffusers has it.
    """

    q: int = 4
    middle: Callable[[float, float], float] | None = None
    clock: ClassVar[Any] = INDEX

    @property
    def name(self) -> str:
        """The name of the method."""
        return f"rk4-adams{self.q}"

    @property
    def order(self) -> int:
        """The order: 2, on steps that are not uniform."""
        return 2

    def in_time(self, clock: Any, schedule: Any) -> Self:
        """Return the method that knows the time of each value of a ``clock``."""
        return replace(self, middle=partial(_half_way, clock, schedule))

    def recipe(self, step: StepContext) -> Sequence[Stage]:
        """Return the stages of a step."""
        if len(step.history) >= self.q:
            stages: Sequence[Stage] = expint.Adams(self.q, clock=INDEX).recipe(step)
            return stages
        end = step.start + step.step
        m = 0.5 if self.middle is None else (self.middle(step.start, end) - step.start) / step.step
        return (
            Stage(m, {(0, m): 1}, (), ({(0, m): m},), True, False, False),
            Stage(m, {(0, m): 1}, ({(0, 0): m},), ({},), True, False, False),
            Stage(1, {(0, 1): 1}, ({(0, 1 - m): 1}, {}), ({},), True, False, False),
            Stage(
                1,
                {(0, 1): 1},
                ({(0, 0): 1 / 6}, {(0, 1 - m): 1 / 3}, {(0, 1 - m): 1 / 3}),
                ({(0, 1): 1 / 6},),
                True,
                True,
                True,
            ),
        )


def _half_way(clock: Any, schedule: Any, start: float, end: float) -> float:
    t = np.asarray(clock.time(schedule, np.array([start, end])))
    places = t * len(getattr(schedule, "half_log_snrs", ()))  # in a table
    whole = np.abs(places - np.round(places)) < _ROUNDED
    if whole.all() and round(float(places.sum())) % 2:
        raise ValueError(
            "expected steps of an even number of timesteps, which have a middle, received one from timestep "
            f"{places[0] - 1:.0f} to {places[1] - 1:.0f}; take another number of steps, or 'pndm@diffusers'"
        )
    return float(np.asarray(clock.value(schedule, np.array([t.mean()])))[0])
