"""Which evaluations of a plan need not wait for each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from expint.lower.memory import Layout

__all__ = ["CONSTANT", "FIRST", "Due", "rows_by_waves", "waves"]

FIRST, CONSTANT = ("point", -1), ("one", -1)
"""The names of the first state and of the number 1 among the points and values of N of a plan."""


class Due(NamedTuple):
    """A row, its time, and the names of what it combines: ("point", n) and ("value", n) of row n; None of no weight."""

    t: float
    row: Any
    columns: tuple[tuple[str, int] | None, ...]


def waves(rows: Iterable[tuple[float, Any]], layout: Layout, depth: int) -> tuple[tuple[int, ...], ...]:
    """Return the evaluations by waves; see ``Plan.waves``."""
    due = rows_by_waves(rows, layout, depth)
    evaluated = sorted(number for wave in due for number, own in wave.items() if own.row.evaluate)
    calls = {number: call for call, number in enumerate(evaluated)}
    found = (tuple(calls[number] for number in wave if number in calls) for wave in due)
    return tuple(wave for wave in found if wave)


def rows_by_waves(rows: Iterable[tuple[float, Any]], layout: Layout, depth: int) -> list[dict[int, Due]]:
    """Return by waves the rows of a plan, by their numbers: the memory is run on names in place of arrays."""
    accept, evaluate = layout.moves(depth)
    memory = tuple(CONSTANT if own == 1.0 else own for own in layout.start(FIRST))
    levels: dict[Any, int] = {FIRST: 0, CONSTANT: 0}
    found: list[dict[int, Due]] = []
    for number, (t, row) in enumerate(rows):
        columns = tuple(None if weight is None else own for weight, own in zip(row.weights, memory))
        level = max((levels[own] for own in columns if own is not None), default=0)
        found += [{} for _ in range(level + 1 - len(found))]
        found[level][number] = Due(t, row, columns)
        levels["point", number], levels["value", number] = level, level + 1
        memory = accept(memory, ("point", number)) if row.accept else memory
        memory = evaluate(memory, ("value", number)) if row.evaluate else memory
    return found
