"""Steps of methods that are lowered step by step for one operator."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from expint.backend import Array
from expint.derive.kinds.presentation import uniform_step
from expint.derive.orders.forcing import follows_flow
from expint.lower.cache import LoweredStep, StepCache
from expint.lower.memory import Memory
from expint.run.control import Controller
from expint.run.control.rest import longest_at_rest, widest_gap
from expint.run.control.steps import GROWTH_OF_MULTISTEP, StepPolicy
from expint.run.dense.collocated import Collocated
from expint.run.dense.continuous import Counted, Interpolation
from expint.run.dense.turning import Turning
from expint.run.flow import flow
from expint.run.steppers.protocol import OfNonlinear, Slope, trusted_order
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


class FixedLinear(OfNonlinear):
    """A Runge–Kutta or multistep method for y' = L y + N(t, y) with L fixed.

    Parameters
    ----------
    steps
        Lowers the steps.

    Attributes
    ----------
    layout, accept, evaluate
        The order of the columns, and what changes them; see ``Layout.moves``.
    """

    repeats = starts_with_slope = foretells = True

    def __init__(self, steps: StepCache) -> None:
        self.steps, self.name, self._combine = steps, steps.method.name, steps.operator.combiner()
        self.layout, (self.accept, self.evaluate) = steps.layout, steps.layout.moves()

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

    def start(self, t: float, y: Array, slope: Array | None) -> Remembered:
        """Return the memory at the start of a run."""
        del t
        assert slope is not None  # steps look at it
        return Remembered(self.evaluate(self.layout.start(y), slope), self.steps.START, (slope,))

    def pack(self, memory: Remembered) -> Any:
        """Return the memory in plain values, from which ``unpack`` makes it."""
        return tuple(memory)

    def unpack(self, packed: Any, y: Array) -> Remembered:
        """Return the memory, where the state is ``y``."""
        del y
        return Remembered(*packed)

    def newest(self, memory: Remembered) -> Array:
        """Return the newest value of N in memory."""
        return memory.slopes[0]

    def interpolation(self, slope: Counted) -> Interpolation:
        """Return what makes the solution between the steps."""
        operator, method = self.steps.operator, self.steps.method
        if follows_flow(method):
            return Turning(operator, method.order, slope, self if method.history == 1 else None)
        return Collocated.of(operator, method, slope)

    def euler(self, memory: Remembered) -> Callable[[float], Array]:
        """Return h ↦ the state after a short step of the exponential Euler method."""
        return lambda h: flow(self.steps.operator, h, memory.columns[0], memory.slopes[0])

    def advance(self, memory: Remembered, slope: Slope, t: float, end: float, h: float) -> _Step:
        """Return a step from ``t`` to ``end``, without error estimate."""
        return self._step(memory, slope, t, end, h, estimates=False)

    def lacking(self, second: _Step, h: float, order: int) -> Array | None:
        """Return what step doubling does not see in a step of length ``h``, whose ``second`` half is given.

        None is returned where it sees all that the step makes of a steady N. ``order`` is that of the extrapolation.
        """
        weights = self.steps.lacking(h, order, second.memory.places)
        return None if weights is None else self._combine(weights, second.columns)

    def attempt(self, memory: Remembered, slope: Slope, t: float, end: float, h: float, order: int) -> _Step:
        """Return a step with the error estimate of its method, None if it has none."""
        del order
        return self._step(memory, slope, t, end, h, estimates=True)

    def _step(self, memory: Remembered, slope: Slope, t: float, end: float, h: float, estimates: bool) -> _Step:
        lowered, columns, point = self.steps.step(t, h, memory.places), memory.columns, None
        combine, take_up = self._combine, self.evaluate
        for c, (weights, evaluate, accept, _) in zip(lowered.c, lowered.rows):
            point = combine(weights, columns)
            if evaluate and not accept:
                columns = take_up(columns, slope(t + c * h, point))
        pending = partial(slope, end, point) if lowered.rows[-1].evaluate else None
        estimate = lowered.error if estimates else None
        if estimate is None:
            return _Step(point, 0, pending, None, self, memory, h, lowered, columns)
        if estimate.at_end:
            columns, pending = take_up(columns, slope(end, point)), None
        return _Step(
            point, estimate.order, pending, combine(estimate.weights, columns), self, memory, h, lowered, columns
        )


class _Step(NamedTuple):
    """A step that is not yet accepted, as ``Attempt``: a tuple is made in less time than functions.

    Attributes
    ----------
    y, order, local
        As in ``Trial``.
    pending
        Evaluates N at the end, where that is still to be done.
    estimate
        The error estimate, None if there is none.
    stepper, memory, h, lowered
        What made the step, where it starts, its length and its numbers.
    columns
        The columns after all stages, y_{n+1} not yet among them.
    """

    y: Array
    order: int
    pending: Callable[[], Array] | None
    estimate: Array | None
    stepper: FixedLinear
    memory: Remembered
    h: float
    lowered: LoweredStep
    columns: Memory
    local: None = None

    def error(self, order: int) -> Array | None:
        """Return the error estimate, the only one."""
        del order
        return self.estimate

    def finish(self) -> Array | None:
        """Return N at the end, where it is still to be evaluated."""
        return None if self.pending is None else self.pending()

    def _taken_up(self, found: Array | None) -> Memory:
        return self.columns if found is None else self.stepper.evaluate(self.columns, found)

    def commit(self, found: Array | None) -> tuple[Remembered, Array | None]:
        """Return the memory after the step, and N at its end as far as it is known."""
        layout, places = self.stepper.layout, self.lowered.memory
        columns = self.stepper.accept(layout.keep(self._taken_up(found), len(places)), self.y)
        slopes = layout.values(columns)
        return Remembered(columns, places, slopes), slopes[0] if places[0] == 0 else None

    def changes(self, found: Array | None) -> Sequence[Array]:
        """Return how much the values of N that the step has seen differ from that where it starts."""
        (_, places, slopes), values = self.memory, self.stepper.layout.values(self._taken_up(found))
        seen = values[: len(values) - len(slopes)]
        return [self.h * (value - slopes[0]) for value in seen] if places[0] == 0 else ()
