"""A plan as arrays: runs of steps of one pattern, the numbers of each stacked; for hosts that compile loops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from expint.backend import Array
from expint.lower.memory import Layout, Memory
from expint.lower.plan import Plan, Row, Step

__all__ = ["Numbers", "Piece", "Program", "RowPattern", "filled", "stacked"]

_MOST_PIECES = 24
"""Plans of more patterns are laid out with zeros for weights that some steps lack: fewer pieces, each compiled once."""


class RowPattern(NamedTuple):
    """What is known of a row before its numbers: as in ``Row``, and which columns have a weight."""

    evaluate: bool
    accept: bool
    held: tuple[bool, ...]


@dataclass(frozen=True)
class Piece:
    """Steps of one pattern, one after the other.

    Attributes
    ----------
    rows
        The pattern of a step.
    count
        The number of steps.
    shared
        Whether all have the same weights.
    live
        The columns at the beginning of each step that it or a later one looks at; all others need not be kept.
    """

    rows: tuple[RowPattern, ...]
    count: int
    shared: bool
    live: tuple[bool, ...]


class Program(NamedTuple):
    """All of a plan but its numbers; plans of one program are run by one compiled function."""

    pieces: tuple[Piece, ...]
    layout: Layout
    depth: int


class Numbers(NamedTuple):
    """The numbers of a plan, piece by piece.

    Attributes
    ----------
    weights
        For each row one entry for each column, None where there is no weight: stacked along a first axis that counts
        the different steps, unless the piece is shared.
    which
        For each step its place along that axis; None where the piece is shared.
    times
        What N is told, of shape (steps, rows).
    """

    weights: tuple[Any, ...]
    which: tuple[Any, ...]
    times: tuple[Any, ...]


def stacked(plan: Plan, stack: Callable[[Sequence[Any]], Any], of: Callable[[Any], Any]) -> tuple[Program, Numbers]:
    """Return a plan as a program and its numbers.

    Parameters
    ----------
    plan
        The plan.
    stack
        Stacks weights along a new first axis.
    of
        Returns a weight in the form in which it is stacked; asked for None, that of a weight of zero.
    """
    groups = [[*own] for _, own in groupby(plan.steps, _pattern)]
    if len(groups) > _MOST_PIECES:
        groups = [[*own] for _, own in groupby(plan.steps, _flags)]
    patterns, weights, which, times, shared = [], [], [], [], []
    for steps in groups:
        rows = _union(steps)
        different = list({id(step.rows): step.rows for step in steps}.values())
        place = {id(own): i for i, own in enumerate(different)}
        full = [_full(own, rows, of) for own in different]
        alone = len(full) == 1
        weights.append(full[0] if alone else _stacked(full, stack))
        which.append(None if alone else np.array([place[id(step.rows)] for step in steps], np.int32))
        times.append(np.array([[row.told(t) for t, row in zip(step.times, step.rows)] for step in steps]))
        patterns.append(rows)
        shared.append(alone)
    counts = [len(steps) for steps in groups]
    lives = _lives(patterns, counts, plan.layout, plan.depth)
    pieces = tuple(Piece(*own) for own in zip(patterns, counts, shared, lives))
    return Program(pieces, plan.layout, plan.depth), Numbers(tuple(weights), tuple(which), tuple(times))


def _flags(step: Step) -> tuple[tuple[bool, bool], ...]:
    return tuple((row.evaluate, row.accept) for row in step.rows)


def _pattern(step: Step) -> tuple[RowPattern, ...]:
    return tuple(RowPattern(row.evaluate, row.accept, tuple(w is not None for w in row.weights)) for row in step.rows)


def _union(steps: Sequence[Step]) -> tuple[RowPattern, ...]:
    """Return the pattern of steps with the same flags: a column is held where one of them has a weight for it."""
    rows = []
    for own in zip(*({id(step.rows): step.rows for step in steps}.values())):
        width = max(len(row.weights) for row in own)
        held = tuple(any(j < len(row.weights) and row.weights[j] is not None for row in own) for j in range(width))
        rows.append(RowPattern(own[0].evaluate, own[0].accept, held))
    return tuple(rows)


def _full(rows: Sequence[Row], pattern: Sequence[RowPattern], of: Callable[[Any], Any]) -> Any:
    """Return the weights of a step with one entry for each column that the pattern holds, zeros where it has none."""
    return tuple(
        tuple(of(row.weights[j] if j < len(row.weights) else None) if held else None for j, held in enumerate(own.held))
        for row, own in zip(rows, pattern, strict=True)
    )


def _stacked(full: Sequence[Any], stack: Callable[[Sequence[Any]], Any]) -> Any:
    return tuple(
        tuple(None if own[0] is None else stack(own) for own in zip(*rows)) for rows in zip(*full, strict=True)
    )


def _lives(
    patterns: Sequence[Sequence[RowPattern]], counts: Sequence[int], layout: Layout, depth: int
) -> list[tuple[bool, ...]]:
    """Return for each piece the columns that have to be kept before each of its steps, the last piece first looked at.

    In the end the state alone is wanted.
    """
    width, lives = layout.fixed + depth, []
    live = {0}
    for rows, count in zip(reversed(patterns), reversed(counts)):
        before = _read(rows, live, layout, depth)
        while count > 1 and before | live != live:  # each of the steps comes before the next
            live |= before
            before = _read(rows, live, layout, depth)
        live = before | (live if count > 1 else set())
        lives.append(tuple(j in live for j in range(width)))
    return lives[::-1]


def _read(rows: Sequence[RowPattern], after: set[int], layout: Layout, depth: int) -> set[int]:
    """Return the columns before a step that it reads, or that are those ``after`` it."""
    accept, evaluate = layout.moves(depth)
    every = range(layout.fixed + depth)
    places: Memory = layout.draw(tuple(every), [None] * layout.noise)  # random columns come with each step
    read: set[int] = set()
    for row in rows:
        read |= {place for place, held in zip(places, row.held) if held and place is not None}
        places = accept(places, None) if row.accept else places
        places = evaluate(places, None) if row.evaluate else places
    return read | {places[j] for j in after if places[j] is not None}


def filled(memory: Memory, live: Sequence[bool], zero: Callable[[], Array]) -> Memory:
    """Return the memory as long as it may become, with None for what is not looked at and zeros where nothing is yet.

    So it keeps its form from step to step.
    """
    known = iter((*memory, *[None] * (len(live) - len(memory))))
    return tuple((zero() if own is None else own) if kept else None for own, kept in zip(known, live))
