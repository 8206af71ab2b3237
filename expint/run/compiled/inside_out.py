"""A plan turned inside out: for hosts that evaluate N themselves, and hand its values in one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from expint.backend import Array
from expint.lower.memory import Memory
from expint.lower.plan import Plan, Row

__all__ = ["Evaluated", "Pushed", "pushed"]


class Evaluated(NamedTuple):
    """An evaluation of N, and what follows it.

    Attributes
    ----------
    t
        The time that N is told.
    of_state
        Whether it is at a state, which is accepted, or at a point within a step.
    rows
        The rows up to the next evaluation, whose point is the last of them; after the last evaluation, to the end.
    """

    t: float
    of_state: bool
    rows: tuple[Row, ...]


@dataclass(frozen=True, eq=False)
class Pushed:
    """The rows of a ``plan``, grouped by the evaluations that they follow.

    Where `over_plan` asks for N at its points, a host asks here for the next point, given N at the last one. What the
    next call needs is a value, the memory, that goes from call to call: it starts as None.
    """

    plan: Plan
    evaluations: tuple[Evaluated, ...]

    @cached_property
    def _moves(self) -> tuple[Callable[..., Any], ...]:
        return (self.plan.operator.combiner(), *self.plan.layout.moves(self.plan.depth))

    def advance(self, memory: Memory | None, number: int, point: Array, value: Array) -> tuple[Memory, Array]:
        """Return the memory after evaluation ``number``, and the next point: that of the next one, or the last state.

        Parameters
        ----------
        memory
            That before it, None before the first.
        number
            The evaluation, counted from 0.
        point, value
            Where N was evaluated, and its value there. Where the plan is at a state, the ``point`` is taken for it,
            also if the host has changed it meanwhile.
        """
        layout, (combine, accept, evaluate) = self.plan.layout, self._moves
        _, of_state, rows = self.evaluations[number]
        if memory is None:
            memory = layout.start(point)
        elif of_state:
            memory = layout.with_state(memory, point)
        memory = evaluate(memory, value)
        for row in rows:
            point = combine(row.weights, memory)
            if row.accept:
                memory = accept(memory, point)
        return memory, point


def pushed(plan: Plan) -> Pushed:
    """Return the ``plan`` for a host that evaluates N itself.

    Raises
    ------
    ValueError
        If the plan draws noise, evaluates N nowhere, or does not evaluate it at the first state, as all methods do.
    """
    (t, first), *others = plan.rows
    if plan.layout.noise or not first.evaluate:
        raise ValueError(
            "expected a deterministic plan that evaluates N at the first state, received "
            f"{'one that draws noise' if plan.layout.noise else 'one that does not'}; take that of another method"
        )
    found: list[tuple[float, bool, list[Row]]] = [(first.told(t), True, [])]
    for t, row in others:
        found[-1][2].append(row)
        if row.evaluate:
            found.append((row.told(t), row.accept, []))
    return Pushed(plan, tuple(Evaluated(t, of_state, tuple(rows)) for t, of_state, rows in found))
