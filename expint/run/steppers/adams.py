"""Steps of exponential Adams methods, with a corrector or without, of changing order and length."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from expint.backend import Array, array_namespace
from expint.lower.memory import ListedColumns, StackedColumns
from expint.lower.pair import AdamsCache, AdamsRows
from expint.run.control.orders import ELEMENTARY, OrderPolicy
from expint.run.control.rest import longest_at_rest
from expint.run.dense.collocated import Collocated
from expint.run.dense.continuous import Counted
from expint.run.steppers.protocol import OfNonlinear, Slope, Trial, no_estimate
from expint.run.tolerance import StepControl

__all__ = ["AdamsPairs", "remember"]


_Memory = tuple[ListedColumns | StackedColumns, tuple[float, ...], Array]
"""The state and the slopes, in buffers that change only when a step is accepted; where they lie; the newest."""


class AdamsPairs(OfNonlinear):
    """Adams–Bashforth methods and predictor–corrector pairs of up to ``pairs.method.q`` past slopes.

    Parameters
    ----------
    pairs
        Makes the numbers of the steps.
    """

    repeats = starts_with_slope = True

    def __init__(self, pairs: AdamsCache) -> None:
        self.pairs, self.name, self._again = pairs, pairs.method.name, pairs.method.mode == "PECE"
        self.order, self.foretells = pairs.method.order, self._again

    def policy(self, control: StepControl, span: float) -> OrderPolicy:
        """Return the policy that chooses steps and orders."""
        controller, like = control.controller, self.pairs.like
        own = ELEMENTARY if controller is None else replace(controller, beta=ELEMENTARY.beta)
        precision = float(array_namespace(like).finfo(like.dtype).eps)
        strictest = max(1.0, control.error.tightest[0] / (10 * precision))
        damps = self.pairs.operator.damps(span)
        at_rest = longest_at_rest(span, control.looks)
        return OrderPolicy(own, self.pairs.method.q, abs(span), damps, strictest, control.largest, at_rest)

    def start(self, t: float, y: Array, slope: Array | None) -> _Memory:
        """Return the memory at the start of a run."""
        del t
        assert slope is not None  # steps look at it
        return remember(self.pairs, y, slope), (0.0,), slope

    def pack(self, memory: _Memory) -> Any:
        """Return the memory in plain values, from which ``unpack`` makes it."""
        columns, places, newest = memory
        return columns.pack(), places, newest

    def unpack(self, packed: Any, y: Array) -> _Memory:
        """Return the memory, where the state is ``y``."""
        kept, places, newest = packed
        columns = remember(self.pairs, y, newest)
        columns.unpack(kept)
        return columns, places, newest

    def newest(self, memory: _Memory) -> Array:
        """Return the newest value of N in memory."""
        return memory[-1]

    def interpolation(self, slope: Counted) -> Collocated:
        """Return what makes the solution between the steps."""
        return Collocated(self.pairs.operator, self.pairs.method.order, slope, bootstraps=False)

    def euler(self, memory: _Memory) -> Callable[[float], Array]:
        """Return h ↦ the state after a short step of the exponential Euler method."""
        columns, places, _ = memory
        return lambda h: columns.predict(self.pairs.rows(h, places, 1).predict)

    def advance(self, memory: _Memory, slope: Slope, t: float, end: float, h: float) -> Trial:
        """Return a step of the highest order that the memory allows."""
        made = self.attempt(memory, slope, t, end, h, min(len(memory[1]), self.pairs.method.q))
        return Trial(made.y, 0, no_estimate, made.finish, made.commit, made.changes)

    def attempt(self, memory: _Memory, slope: Slope, t: float, end: float, h: float, order: int) -> _Step:
        """Return a step from ``order`` past slopes, with the error estimates of that order and its neighbours.

        There are fewer slopes where some nearly coincide.
        """
        del t
        columns, places, _ = memory
        rows = self.pairs.rows(h, places, order)
        predict, correct, order, _, foreseen, _ = rows
        point = columns.predict(predict)
        found = slope(end, point)
        difference = columns.difference(foreseen[order], found)
        after = point if correct is None else point + columns.weigh(correct, difference)
        pending = partial(slope, end, after) if self._again else None
        return _Step(after, order, pending, memory, h, rows, found, difference)


class _Step(NamedTuple):
    """A step that is not yet accepted, as ``Attempt``: a tuple is made in less time than functions.

    Attributes
    ----------
    y, order, local
        As in ``Trial``.
    pending
        Evaluates N at the end, where that is to be done once more.
    memory, h, rows
        The memory, the length of the step and its numbers.
    found, difference
        N at the point that was predicted, and how far it is from what was foreseen.
    """

    y: Array
    order: int
    pending: Callable[[], Array] | None
    memory: _Memory
    h: float
    rows: AdamsRows
    found: Array
    difference: Array
    local: None = None

    def error(self, k: int) -> Array | None:
        """Return the estimate of order ``k`` of the local error, None where there is none."""
        columns, estimates = self.memory[0], self.rows.estimates
        if k not in estimates:
            return None
        own = self.difference if k == self.order else columns.difference(self.rows.foreseen[k], self.found)
        return columns.weigh(estimates[k], own)

    def finish(self) -> Array | None:
        """Return N at the end, if it is evaluated there once more."""
        return None if self.pending is None else self.pending()

    def commit(self, again: Array | None) -> tuple[_Memory, Array]:
        """Return the memory after the step, and N there."""
        columns, ahead = self.memory[0], self.found if again is None else again
        columns.accept(self.y, ahead)
        return (columns, self.rows.memory, ahead), ahead

    def changes(self, again: Array | None) -> tuple[Array]:
        """Return how much N changes from one end of the step to the other."""
        return (self.h * ((self.found if again is None else again) - self.memory[2]),)


def remember(pairs: AdamsCache, y: Array, value: Array) -> ListedColumns | StackedColumns:
    """Return the columns that fit the weights of ``pairs``, with a first state and N there."""
    depth = pairs.method.q
    if pairs.stacked:
        return StackedColumns(depth, y, value, getattr(pairs.operator, "kernels", None))
    return ListedColumns(pairs.operator.combiner(), depth, y, value)
