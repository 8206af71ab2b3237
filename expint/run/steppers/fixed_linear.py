"""Steps of methods that are lowered step by step for one operator."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from expint.backend import Array
from expint.lower.cache import LoweredStep, StepCache
from expint.run.control import Controller
from expint.run.control.steps import GROWTH_OF_MULTISTEP, StepPolicy
from expint.run.flow import flow
from expint.run.steppers.protocol import Slope, Trial, no_estimate, nothing_pending, trusted_order
from expint.run.tolerance import StepControl

__all__ = ["FixedLinear", "Remembered"]


class Remembered(NamedTuple):
    """What is remembered from step to step.

    Attributes
    ----------
    y
        The state.
    slopes
        Values of N, newest first.
    places
        Where they lie, seen from the state; see ``StepCache``.
    """

    y: Array
    slopes: tuple[Array, ...]
    places: tuple[float | None, ...]


class FixedLinear:
    """A Runge–Kutta or multistep method for y' = L y + N(t, y) with L fixed.

    Parameters
    ----------
    steps
        Lowers the steps.
    """

    repeats = starts_with_slope = True

    def __init__(self, steps: StepCache) -> None:
        self.steps, self.name, self._combine = steps, steps.method.name, steps.operator.combiner()

    @property
    def order(self) -> int:
        """The order that step doubling may rely on."""
        return trusted_order(self.steps.method)

    def policy(self, control: StepControl, span: float) -> StepPolicy:
        """Return the policy that chooses steps."""
        method = self.steps.method
        growth = GROWTH_OF_MULTISTEP if method.history > 1 else math.inf
        order, controller = int(method.error_order or 0), control.controller or Controller()
        return StepPolicy(controller, order, abs(span), self.steps.operator.rungs, control.largest, growth)

    def start(self, t: float, y: Array, slope: Array | None) -> Remembered:
        """Return the memory at the start of a run."""
        del t
        assert slope is not None  # steps look at it
        return Remembered(y, (slope,), self.steps.START)

    def newest(self, memory: Remembered) -> Array:
        """Return the newest value of N in memory."""
        return memory.slopes[0]

    def euler(self, memory: Remembered) -> Callable[[float], Array]:
        """Return h ↦ the state after a short step of the exponential Euler method."""
        return lambda h: flow(self.steps.operator, h, memory.y, memory.slopes[0])

    def advance(self, memory: Remembered, slope: Slope, t: float, end: float, h: float) -> Trial:
        """Return a step from ``t`` to ``end``, without error estimate."""
        step = self.steps.step(t, h, memory.places)
        point, slopes = self._stages(step, memory, slope, t, h)
        return _trial(step, point, slopes, slope, end, step.rows[-1].evaluate, None)

    def attempt(self, memory: Remembered, slope: Slope, t: float, end: float, h: float, order: int) -> Trial:
        """Return a step with the error estimate of its method, None if it has none."""
        del order
        step = self.steps.step(t, h, memory.places)
        point, slopes = self._stages(step, memory, slope, t, h)
        pending, error = step.rows[-1].evaluate, None
        if step.error is not None:
            if step.error.at_end:
                slopes, pending = (slope(end, point), *slopes), False
            error = self._combine(step.error.weights, (memory.y, *slopes))
        return _trial(step, point, slopes, slope, end, pending, error)

    def _stages(
        self, step: LoweredStep, memory: Remembered, slope: Slope, t: float, h: float
    ) -> tuple[Array, tuple[Array, ...]]:
        """Return y_{n+1} and the slopes in memory after all stages, N(y_{n+1}) not yet evaluated."""
        y, slopes, _ = memory
        point, combine = y, self._combine
        for c, row in zip(step.c, step.rows):
            point = combine(row.weights, (y, *slopes))
            if row.evaluate and not row.accept:
                slopes = (slope(t + c * h, point), *slopes)
        return point, slopes


def _trial(
    step: LoweredStep,
    point: Array,
    slopes: tuple[Array, ...],
    slope: Slope,
    end: float,
    pending: bool,
    error: Array | None,
) -> Trial:
    """Return the step made, with N at its end still to be evaluated where it is ``pending``."""

    def commit(found: Array | None) -> tuple[Remembered, Array | None]:
        columns = slopes if found is None else (found, *slopes)
        memory = Remembered(point, columns[: len(step.memory)], step.memory)
        return memory, memory.slopes[0] if step.memory[0] == 0 else None

    finish = (lambda: slope(end, point)) if pending else nothing_pending
    if error is None:
        return Trial(point, 0, no_estimate, finish, commit)
    return Trial(point, step.error.order if step.error else 0, lambda _: error, finish, commit)
