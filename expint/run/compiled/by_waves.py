"""A plan run wave by wave: N at all points that do not wait for each other in one batched call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from expint.arguments import integer
from expint.backend import Array, stack
from expint.lower.plan import Plan
from expint.lower.waves import CONSTANT, FIRST, rows_by_waves
from expint.run.loops import Accepted

__all__ = ["by_waves"]


def by_waves(
    plan: Plan, nonlinear: Callable[[list[float], Array], Array], y: Array, *, together: int | None = None
) -> Iterator[Accepted]:
    """Run ``plan`` from ``y`` and yield every accepted state, as ``expint.run.over_plan`` does to rounding.

    Parameters
    ----------
    plan
        A plan without noise; ``plan.waves()`` says which evaluations are made together.
    nonlinear
        N of several times, a list, and as many states along a new first axis; it returns as many values.
    y
        The initial state.
    together
        The most points of one call; None for all of a wave.

    Raises
    ------
    ValueError, TypeError
        If the plan draws noise or looks at states before ``y``, or ``together`` is no integer above 0.
    """
    if plan.layout.noise or plan.layout.states > 1:
        raise ValueError(
            f"expected a plan of one state and without noise, received one of {plan.layout.states} states and "
            f"{plan.layout.noise} random columns; run it one by one, by expint.run.over_plan"
        )
    most = None if together is None else integer("together", together)
    return _states(plan, nonlinear, y, most)


def _states(
    plan: Plan, nonlinear: Callable[[list[float], Array], Array], y: Array, most: int | None
) -> Iterator[Accepted]:
    waves, combine, calls = rows_by_waves(plan.rows, plan.layout, plan.depth), plan.operator.combiner(), 0
    last = {own: n for n, wave in enumerate(waves) for due in wave.values() for own in due.columns}
    known: dict[Any, Any] = {FIRST: y, CONSTANT: 1.0}
    for n, wave in enumerate(waves):
        for number, due in wave.items():
            known["point", number] = combine(due.row.weights, [known.get(own) for own in due.columns])
        asked = [number for number, due in wave.items() if due.row.evaluate]
        size = most or max(len(asked), 1)
        for first in range(0, len(asked), size):
            part = asked[first : first + size]
            points = stack([known["point", number] for number in part])
            values = nonlinear([wave[number].row.told(wave[number].t) for number in part], points)
            known.update({("value", number): values[i, ...] for i, number in enumerate(part)})
        for number, due in wave.items():
            if due.row.accept:
                yield Accepted(due.t, known["point", number], calls)
            calls += due.row.evaluate
        known = {own: value for own, value in known.items() if last.get(own, -1) > n}
