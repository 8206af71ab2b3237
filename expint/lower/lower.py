"""Method × operator × grid → Plan."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from expint.backend import Array
from expint.derive.stage import Method, Stage, StepContext
from expint.lower.plan import Plan, Row, Step
from expint.lower.table import StepTable
from expint.operators.base import Operator, StoredOperator

__all__ = ["check_grid", "lower"]

_START = Stage(c=0, state={(0, 0): 1}, stages=(), past=(), evaluate=True, accept=True, remember=True)
"""y_0 itself, where N is evaluated for the first time."""


def lower(method: Method, operator: Operator, grid: Sequence[float] | np.ndarray, *, like: Array | None = None) -> Plan:
    """Return the numbers with which ``method`` runs over ``grid`` for ``operator``.

    Parameters
    ----------
    method
        A tableau or a multistep method.
    operator
        The linear part.
    grid
        Step boundaries, strictly increasing or strictly decreasing.
    like
        A state; the weights take its namespace, precision and device. Without it they stay in double precision on the
        host.

    Returns
    -------
    Plan
        One row for y_0, then the rows of each step. Steps of one length (to the rounding of the grid) share their rows.

    Raises
    ------
    ValueError
        If the grid has fewer than two points, is not finite or not strictly monotone.
    """
    times = check_grid(grid)
    lowered: dict[Any, tuple[Any, tuple[Row, ...]]] = {}
    memory: list[float | None] = [0.0]  # where each slope lies relative to t_n, newest first; None if not remembered
    steps = [Step((float(times[0]),), _rows((_START,), operator, 1.0, (), like))]
    h = 0.0
    for start, end in pairwise(times):
        h = _same_step(h, start, end)
        history = tuple(at / h for at in memory if at is not None)
        recipe = method.recipe(StepContext(float(start), h, history))
        slots = tuple(at is not None for at in memory)
        key = (h, id(recipe), slots if not all(slots) else ())
        if key not in lowered:
            lowered[key] = (recipe, _rows(recipe, operator, h, slots, like))  # holding the recipe keeps its id unique
        rows = lowered[key][1]
        steps.append(Step(tuple(float(end if s.accept else start + float(s.c) * h) for s in recipe), rows))
        memory = _advance(memory, recipe, h, method.history)
    steps[-1] = _without_last_evaluation(steps[-1])
    depth = max(len(row.weights) - 1 for step in steps for row in step.rows)
    return Plan(operator, tuple(steps), depth)


def check_grid(grid: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return the grid as a float64 array, or raise ValueError saying where it is not strictly monotone."""
    times = np.asarray(grid, dtype=np.float64)
    if times.ndim != 1 or len(times) < 2:
        raise ValueError(f"expected a grid of at least two times, received an array of shape {times.shape}")
    if not np.all(np.isfinite(times)):
        raise ValueError(f"expected finite times, received {times[~np.isfinite(times)][0]} in the grid")
    steps = np.diff(times)
    wrong = np.flatnonzero(np.sign(steps) != np.sign(times[-1] - times[0]))
    if len(wrong):
        i = int(wrong[0])
        raise ValueError(
            f"expected a strictly monotone grid, received {times[i]!r} followed by {times[i + 1]!r} at index {i + 1}; "
            "sort it and remove repeated times"
        )
    return times


def _same_step(previous: float, start: float, end: float) -> float:
    """Return the step length, equal to the previous one where they differ by no more than the rounding of the times.

    Without this the steps of a uniform grid, differing in their last bits, would each be lowered anew.
    """
    h = float(end - start)
    return previous if abs(h - previous) <= 4 * np.spacing(max(abs(start), abs(end))) else h


def _rows(
    recipe: Sequence[Stage], operator: Operator, h: float, slots: tuple[bool, ...], like: Array | None
) -> tuple[Row, ...]:
    """Return the rows of one step whose memory holds remembered slopes where ``slots`` is true."""
    if not isinstance(operator, StoredOperator):
        raise TypeError(f"expected an operator with stored φ-functions, received {operator!r}")
    table = StepTable(operator, h, recipe)
    rows = []
    for stage in recipe:
        past = iter(stage.past)
        columns = [stage.state, *stage.stages, *(next(past, {}) if remembered else {} for remembered in slots)]
        while not columns[-1]:
            columns.pop()
        factors = [1.0] + [h] * (len(columns) - 1)
        rows.append(Row(operator.row(columns, factors, table, like), stage.evaluate, stage.accept))
    return tuple(rows)


def _advance(memory: list[float | None], recipe: Sequence[Stage], h: float, history: int) -> list[float | None]:
    """Return where the slopes lie, seen from the end of the step, up to the last that the method looks at."""
    pushed = [(float(stage.c) - 1.0) * h if stage.remember else None for stage in recipe if stage.evaluate]
    moved = pushed[::-1] + [None if at is None else at - h for at in memory]
    remembered = [slot for slot, at in enumerate(moved) if at is not None][:history]
    return moved[: remembered[-1] + 1]


def _without_last_evaluation(step: Step) -> Step:
    """Return the step with its last row not evaluated: the end of the run needs no slope."""
    return step._replace(rows=(*step.rows[:-1], step.rows[-1]._replace(evaluate=False)))
