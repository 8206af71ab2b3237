"""Steps of methods that are lowered step by step for one operator."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from expint.backend import Array
from expint.derive.kinds.presentation import uniform_step
from expint.lower.cache import LoweredStep, StepCache
from expint.lower.memory import Memory
from expint.run.control import Controller
from expint.run.control.rest import longest_at_rest, widest_gap
from expint.run.control.steps import GROWTH_OF_MULTISTEP, StepPolicy
from expint.run.dense.collocated import Collocated
from expint.run.dense.continuous import Counted
from expint.run.flow import flow
from expint.run.steppers.protocol import Slope, Trial, no_estimate, nothing_pending, trusted_order
from expint.run.tolerance import StepControl

__all__ = ["FixedLinear", "Remembered"]


class Remembered(NamedTuple):
    """What is remembered from step to step.

    Attributes
    ----------
    columns
        The states and the values of N, in the order of ``Layout``.
    places
        Where the values lie, seen from the state; see ``StepCache``.
    slopes
        The values, newest first.
    """

    columns: Memory
    places: tuple[float | None, ...]
    slopes: tuple[Array, ...]


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
        self._layout = steps.layout
        self._accept, self._evaluate = steps.layout.moves()

    @property
    def order(self) -> int:
        """The order that step doubling may rely on."""
        return trusted_order(self.steps.method)

    def policy(self, control: StepControl, span: float) -> StepPolicy:
        """Return the policy that chooses steps."""
        method = self.steps.method
        growth = GROWTH_OF_MULTISTEP if method.history > 1 else math.inf
        order, controller = int(method.error_order or 0), control.controller or Controller()
        gap = widest_gap(stage.c for stage in method.recipe(uniform_step(method.history)))
        rungs, at_rest = self.steps.operator.rungs, longest_at_rest(span, control.looks, gap)
        return StepPolicy(controller, order, abs(span), rungs, control.largest, growth, at_rest)

    def value(self, slope: Slope, t: float, y: Array) -> Array:
        """Return N(t, y)."""
        return slope(t, y)

    def start(self, t: float, y: Array, slope: Array | None) -> Remembered:
        """Return the memory at the start of a run."""
        del t
        assert slope is not None  # steps look at it
        return Remembered(self._evaluate(self._layout.start(y), slope), self.steps.START, (slope,))

    def newest(self, memory: Remembered) -> Array:
        """Return the newest value of N in memory."""
        return memory.slopes[0]

    def interpolation(self, slope: Counted) -> Collocated:
        """Return what makes the solution between the steps."""
        method = self.steps.method
        return Collocated(self.steps.operator, method.order, slope, bootstraps=method.history == 1)

    def euler(self, memory: Remembered) -> Callable[[float], Array]:
        """Return h ↦ the state after a short step of the exponential Euler method."""
        return lambda h: flow(self.steps.operator, h, memory.columns[0], memory.slopes[0])

    def advance(self, memory: Remembered, slope: Slope, t: float, end: float, h: float) -> Trial:
        """Return a step from ``t`` to ``end``, without error estimate."""
        step, point, columns = self._stages(memory, slope, t, h)
        finish = (lambda: slope(end, point)) if step.rows[-1].evaluate else nothing_pending
        return Trial(
            point, 0, no_estimate, finish, self._commit(step, point, columns), self._changes(memory, columns, h)
        )

    def attempt(self, memory: Remembered, slope: Slope, t: float, end: float, h: float, order: int) -> Trial:
        """Return a step with the error estimate of its method, None if it has none."""
        del order
        step, point, columns = self._stages(memory, slope, t, h)
        finish = (lambda: slope(end, point)) if step.rows[-1].evaluate else nothing_pending
        if step.error is None:
            return Trial(point, 0, no_estimate, finish, self._commit(step, point, columns))
        if step.error.at_end:
            columns, finish = self._evaluate(columns, slope(end, point)), nothing_pending
        error = self._combine(step.error.weights, columns)
        changes = self._changes(memory, columns, h)
        return Trial(point, step.error.order, lambda _: error, finish, self._commit(step, point, columns), changes)

    def _stages(self, memory: Remembered, slope: Slope, t: float, h: float) -> tuple[LoweredStep, Array, Memory]:
        """Return the step, y_{n+1}, and the columns after all stages, y_{n+1} not yet among them and N not there."""
        step, columns, point = self.steps.step(t, h, memory.places), memory.columns, None
        combine, take_up = self._combine, self._evaluate
        for c, row in zip(step.c, step.rows):
            point = combine(row.weights, columns)
            if row.evaluate and not row.accept:
                columns = take_up(columns, slope(t + c * h, point))
        return step, point, columns

    def _commit(
        self, step: LoweredStep, point: Array, columns: Memory
    ) -> Callable[[Array | None], tuple[Remembered, Array | None]]:
        def commit(found: Array | None) -> tuple[Remembered, Array | None]:
            after = columns if found is None else self._evaluate(columns, found)
            after = self._accept(self._layout.keep(after, len(step.memory)), point)
            slopes = self._layout.values(after)
            return Remembered(after, step.memory, slopes), slopes[0] if step.memory[0] == 0 else None

        return commit

    def _changes(self, memory: Remembered, columns: Memory, h: float) -> Callable[[Array | None], Sequence[Array]]:
        def changes(found: Array | None) -> Sequence[Array]:
            values = self._layout.values(columns if found is None else self._evaluate(columns, found))
            seen = values[: len(values) - len(memory.slopes)]
            return [h * (value - memory.slopes[0]) for value in seen] if memory.places[0] == 0 else ()

        return changes
