"""A plan turned inside out: for hosts that evaluate N themselves, and hand its values in one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
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

    Attributes
    ----------
    plan
        The plan.
    evaluations
        Its evaluations.
    begun
        For each of them, and each of its rows, the number of the step that begins there, 0 for none; empty for a plan
        that draws no noise.
    """

    plan: Plan
    evaluations: tuple[Evaluated, ...]
    begun: tuple[tuple[int, ...], ...] = ()

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields: functions that were made of them are made again."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def _moves(self) -> tuple[Callable[..., Any], ...]:
        return (self.plan.operator.combiner(), *self.plan.layout.moves(self.plan.depth))

    def advance(
        self,
        memory: Memory | None,
        number: int,
        point: Array,
        value: Array,
        noise: Callable[[int, Sequence[bool]], Sequence[Array | None]] | None = None,
    ) -> tuple[Memory, Array]:
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
        noise
            By the number of a step, counted from 1, and which of its random columns are looked at: these columns, None
            for the others. It is asked once for each step, in order; for plans that draw noise only.

        Raises
        ------
        ValueError
            If a plan that draws noise is given none.
        """
        layout, (combine, accept, evaluate) = self.plan.layout, self._moves
        _, of_state, rows = self.evaluations[number]
        if memory is None:
            memory = layout.start(point)
        elif of_state:
            memory = layout.with_state(memory, point)
        memory = evaluate(memory, value)
        begun = self.begun[number] if self.begun else (0,) * len(rows)
        if self.begun and noise is None:
            raise ValueError("expected noise for a plan that draws some, received none; give a function of the step")
        for row, step in zip(rows, begun):
            if step and noise is not None:
                memory = layout.draw(memory, noise(step, self._used[step]))
            point = combine(row.weights, memory)
            if row.accept:
                memory = accept(memory, point)
        return memory, point

    @cached_property
    def _used(self) -> list[tuple[bool, ...]]:
        """Which random columns each step looks at."""
        columns = ([self.plan.layout.parts(row.weights).noise for row in step.rows] for step in self.plan.steps)
        return [tuple(any(weight is not None for weight in column) for column in zip(*rows)) for rows in columns]


def pushed(plan: Plan) -> Pushed:
    """Return the ``plan`` for a host that evaluates N itself.

    Raises
    ------
    ValueError
        If the plan does not evaluate N at the first state, as that of a process whose noise rises there.
    """
    (t, first), *_ = plan.rows
    if not first.evaluate:
        raise ValueError(
            "expected a plan that evaluates N at the first state, received one that does not; take that of another "
            "method"
        )
    found: list[tuple[float, bool, list[Row]]] = [(first.told(t), True, [])]
    begun: list[list[int]] = [[]]
    for number, step in enumerate(plan.steps[1:], 1):
        for place, (at, row) in enumerate(zip(step.times, step.rows)):
            found[-1][2].append(row)
            begun[-1].append(0 if place else number)
            if row.evaluate:
                found.append((row.told(at), row.accept, []))
                begun.append([])
    evaluations = tuple(Evaluated(t, of_state, tuple(rows)) for t, of_state, rows in found)
    return Pushed(plan, evaluations, tuple(map(tuple, begun)) if plan.layout.noise else ())
