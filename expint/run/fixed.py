"""The loop over the rows of a plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from expint.backend import Array
from expint.lower.plan import Plan

__all__ = ["Accepted", "accepted_states"]


class Accepted(NamedTuple):
    """A state reached, and what it took.

    Attributes
    ----------
    t, y
        Time and state.
    evaluations
        Evaluations of N so far.
    rejected
        Steps rejected so far.
    slope
        N at the start of the step that led here, None for the first state.
    ahead
        N at the state reached, None where it is not known yet.
    """

    t: float
    y: Array
    evaluations: int
    rejected: int = 0
    slope: Array | None = None
    ahead: Array | None = None


def accepted_states(plan: Plan, nonlinear: Callable[[float, Array], Array], y0: Array) -> Iterator[Accepted]:
    """Run ``plan`` from ``y0`` and yield every accepted state, the first of them y_0.

    Nothing is derived, converted or synchronised here: each row costs one combination and at most one evaluation of N.
    """
    combine, depth = plan.operator.combiner(), plan.depth
    y, evaluations = y0, 0
    slopes: tuple[Array, ...] = ()
    for step in plan.steps:
        newest = slopes[0] if slopes else None
        for t, row in zip(step.times, step.rows):
            point = combine(row.weights, (y, *slopes))
            if row.accept:
                y = point
                yield Accepted(t, y, evaluations, 0, newest)
            if row.evaluate:
                slopes = (nonlinear(t, point), *slopes)[:depth]
                evaluations += 1
