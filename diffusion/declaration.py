"""What a sampler is: a method, and the three clocks it runs by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

import expint
from expint.derive import Method

from .citations import bibtex
from .clock import Clock, clock
from .gauge import Gauge
from .history import ScheduleClock
from .schedule import NoiseSchedule

__all__ = ["Sampler", "plan_sampler"]


@dataclass(frozen=True)
class Sampler:
    """A deterministic sampler: an exponential integrator for the probability-flow ODE, by declaration.

    Parameters
    ----------
    name
        Its name.
    method
        The method of ``expint``.
    gauge
        The scaled state and the clock in which the linear part is constant.
    grid
        The clock in which the grid is uniform, as a function (steps, schedule) ↦ decreasing times.
    interpolate_in
        The clock in which a multistep method interpolates its history; None is the clock of the gauge.
    reference
        BibTeX key of the source.
    """

    name: str
    method: Method
    gauge: Gauge
    grid: Callable[[int, NoiseSchedule], np.ndarray]
    interpolate_in: str | Clock | None = None
    reference: str = ""

    def on(self, schedule: NoiseSchedule) -> Method:
        """Return the method with its history clock bound to ``schedule``."""
        if self.interpolate_in is None:
            return self.method
        if not isinstance(self.method, expint.Adams):
            raise ValueError(
                f"{self.name}: expected a multistep method (expint.Adams) to interpolate in {self.interpolate_in!r}, "
                f"received {self.method.name}, which keeps no history; leave interpolate_in out"
            )
        return replace(self.method, clock=ScheduleClock(schedule, self.gauge.clock, clock(self.interpolate_in)))

    def plan(self, schedule: NoiseSchedule, times: np.ndarray) -> expint.Plan:
        """Return the numbers of a run over ``times`` (monotone).

        The plan is for the state x and for outputs of the kind ``gauge.predicts``, in double precision. That of the
        same sampler, schedule and times is made once.
        """
        return plan_sampler(self, schedule, tuple(float(t) for t in times))

    def cite(self) -> str:
        """Return the source of the sampler as BibTeX."""
        return bibtex(self.reference)


@lru_cache(maxsize=128)
def plan_sampler(sampler: Sampler, schedule: NoiseSchedule, times: tuple[float, ...]) -> expint.Plan:
    """Return the plan in x and t: the method is lowered in the gauge, whose scales are folded into the weights."""
    gauge = sampler.gauge
    s = gauge.clock.value(schedule, np.array(times))
    plan = expint.lower(sampler.on(schedule), expint.operators.Scalar(float(gauge.linear)), s)
    where = []
    for end, step in zip(times, plan.steps, strict=True):
        inner = np.array([gauge.clock.time(schedule, at) for at in step.times[:-1]])
        where.append((*inner.tolist(), end))
    scale = [gauge.scale(schedule.alpha(np.array(t)), schedule.sigma(np.array(t))).tolist() for t in where]
    return plan.in_coordinates(scale, where, slope=float(gauge.nonlinear))
