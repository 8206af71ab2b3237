"""Steps of splitting methods: the flows of L and of N, in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from expint.backend import Array
from expint.derive.kinds.splitting import Splitting
from expint.lower.cache import StepCache
from expint.operators.base import Operator
from expint.run.control import Controller
from expint.run.control.steps import StepPolicy
from expint.run.dense.continuous import Counted
from expint.run.dense.stepped import Stepped
from expint.run.flow import flow
from expint.run.steppers.protocol import OfNonlinear, Slope, Trial, no_estimate, nothing_pending
from expint.run.tolerance import StepControl

__all__ = ["Flows"]

_SAME = 1e-12
"""Places that differ by less, in units of the step, are the same."""


class _Memory(NamedTuple):
    """The state, and the mean of N over the last flow that led to it, None where that is not known."""

    y: Array
    mean: Array | None


class Flows(OfNonlinear):
    """A splitting method for y' = L y + N(t, y) where the flow of N is known.

    What the loops call N is for it the flow: flow(t, τ, y), the solution after a time τ of v' = N(t + s, v), v(0) = y.

    Parameters
    ----------
    method
        The method.
    operator
        L.
    like
        A state.
    short
        A short time: the flow over it tells N, by which the first step is chosen.
    alone
        As in ``StepCache``.
    """

    repeats, starts_with_slope, foretells = True, False, False

    def __init__(
        self, method: Splitting, operator: Operator, like: Array, short: float = 1e-6, alone: bool = False
    ) -> None:
        self.name, self.order, self._short = method.name, method.order, short
        self._made_of = method, operator, like, short, alone
        self._steps = StepCache(method.points, operator, like, alone=alone)
        self._operator, self._combine, self._layout = operator, operator.combiner(), self._steps.layout
        self._evaluate = self._layout.moves()[1]
        self._durations = [float(part) for part in method.b]
        self._starts = [float(sum(method.b[:j])) for j in range(len(method.b))]
        self._blind = _hides_from_doubling(list(accumulate(map(float, method.a))), self._starts, self._durations)

    def __reduce__(self) -> tuple[type[Flows], tuple[Any, ...]]:
        """Return how to make it again: what it keeps are functions made here."""
        return type(self), self._made_of

    def policy(self, control: StepControl, span: float) -> StepPolicy:
        """Return the policy that chooses steps."""
        controller = control.controller or Controller()
        return StepPolicy(controller, self.order, abs(span), self._operator.rungs, control.largest)

    def value(self, slope: Slope, t: float, y: Array) -> Array:
        """Return N(t, y), by a difference."""
        return (slope(t, self._short, y) - y) / self._short

    def start(self, t: float, y: Array, slope: Array | None) -> _Memory:
        """Return the memory at the start of a run."""
        del t
        return _Memory(y, slope)

    def pack(self, memory: _Memory) -> Any:
        """Return the memory in plain values, from which ``unpack`` makes it."""
        return tuple(memory)

    def unpack(self, packed: Any, y: Array) -> _Memory:
        """Return the memory, where the state is ``y``."""
        del y
        return _Memory(*packed)

    def newest(self, memory: _Memory) -> None:
        """Return None: no value of N is kept."""
        del memory

    def interpolation(self, slope: Counted) -> Stepped:
        """Return what makes the solution between the steps."""
        return Stepped(self, slope, self._operator)

    def euler(self, memory: _Memory) -> Callable[[float], Array]:
        """Return h ↦ the state after a short time of the flow of L alone."""
        return lambda h: flow(self._operator, h, memory.y)

    def advance(self, memory: _Memory, slope: Slope, t: float, end: float, h: float) -> Trial:
        """Return a step from ``t`` to ``end``; the method has no error estimate."""
        del end
        columns, (*rows, last) = self._layout.start(memory.y), self._steps.step(t, h, StepCache.START).rows
        moved = list[Array]()
        for row, before, part in zip(rows, self._starts, self._durations):
            point = self._combine(row.weights, columns)
            moved.append((slope(t + before * h, part * h, point) - point) / h)
            columns = self._evaluate(columns, moved[-1])
        reached = self._combine(last.weights, columns)

        def means() -> list[Array]:
            return [own / part for own, part in zip(moved, self._durations) if part]

        def changes(found: Array | None) -> list[Array]:
            """Return how much the means of N over the flows, which see all of it, differ from that before."""
            del found
            return [h * (mean - memory.mean) for mean in means()] if self._blind and memory.mean is not None else []

        def commit(found: Array | None) -> tuple[_Memory, None]:
            del found
            return _Memory(reached, means()[-1]), None

        return Trial(reached, 0, no_estimate, nothing_pending, commit, changes)

    def attempt(self, memory: _Memory, slope: Slope, t: float, end: float, h: float, order: int) -> Trial:
        """Return a step without error estimate, as ``advance``."""
        del order
        return self.advance(memory, slope, t, end, h)


def _hides_from_doubling(nodes: Sequence[float], starts: Sequence[float], durations: Sequence[float]) -> bool:
    """Whether a step and its halves put what N does at some times at one place, so that a pulse then leaves no error.

    Flow j sees N from ``starts[j]`` on, for ``durations[j]``, and puts it at ``nodes[j]``, in units of the step. Lie's
    method puts what comes in the second half at the end, in one step as in two.
    """
    flows = [
        (node, min(start, start + part), max(start, start + part))
        for node, start, part in zip(nodes, starts, durations)
    ]
    halves = [tuple((shift + place) / 2 for place in own) for own in flows for shift in (0, 1)]
    return any(
        abs(own[0] - half[0]) < _SAME and min(own[2], half[2]) - max(own[1], half[1]) > _SAME
        for own in flows
        for half in halves
    )
