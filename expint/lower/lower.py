"""Method × operator × grid → Plan."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise, repeat
from typing import Any

import numpy as np

from expint.arguments import instance, seen
from expint.arrays import real_values
from expint.backend import Array
from expint.derive.kinds.stage import BY_NAME, Method
from expint.lower.cache import StepCache
from expint.lower.plan import Plan, Step
from expint.operators.base import Operator

__all__ = ["check_grid", "lower", "same_step", "stage_times"]

_ALIKE = 0.1
"""Steps of a few roundings of the times are alike only if they differ by no more than this part of them."""


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
    TypeError
        For methods that linearise, whose numbers are known only on the way.

    Examples
    --------
    >>> import expint
    >>> from expint.operators import Scalar
    >>> plan = expint.lower(expint.method("etdrk4"), Scalar(-1.0), [0.0, 0.5, 1.0])
    >>> plan.evaluations, plan.times.tolist()
    (8, [0.0, 0.5, 1.0])
    """
    if getattr(method, "linearises", False):
        raise TypeError(
            f"expected a method for a fixed L, received {method.name}, whose L is the Jacobian at every step; take "
            "expint.solve_ivp"
        )
    instance("operator", operator, Operator, "an operator of expint.operators")
    if not hasattr(method, "recipe") or isinstance(method, type):
        raise TypeError(f"expected method to be a tableau or a multistep method, received {seen(method)}; {BY_NAME}")
    times = check_grid(grid)
    cache = StepCache(method, operator, like)
    start_row = cache.start()
    make = _alike if getattr(method, "steps_alike", False) else _one_by_one
    steps = [Step((float(times[0]),), (start_row,)), *make(cache, times)]
    different = {id(step.rows): step.rows for step in steps}.values()
    depth = max(len(row.weights) for rows in different for row in rows) - cache.layout.fixed
    steps[-1] = _without_last_evaluation(steps[-1])
    return Plan(operator, tuple(steps), depth, cache.layout)


def _alike(cache: StepCache, times: np.ndarray) -> Iterator[Step]:
    """Yield steps that differ by their length only: those of a method without history."""
    starts, ends = times[:-1], times[1:]
    lengths = _lengths(starts, ends)
    changes = [0, *(np.flatnonzero(np.diff(lengths)) + 1).tolist(), len(lengths)]
    memory = StepCache.START
    for first, after in pairwise(changes):
        lowered = cache.step(float(starts[first]), float(lengths[first]), memory)
        piece = slice(first, after)
        at = stage_times(starts[piece], lengths[first], ends[piece], lowered.c)
        yield from map(Step, zip(*[own.tolist() for own in at]), repeat(lowered.rows))
        memory = lowered.memory


def _one_by_one(cache: StepCache, times: np.ndarray) -> Iterator[Step]:
    """Yield steps each of which looks at where those before it were."""
    h, memory = 0.0, StepCache.START
    for start, end in pairwise(times.tolist()):
        h = same_step(h, start, end)
        lowered = cache.step(start, h, memory)
        yield Step(tuple(float(at) for at in stage_times(start, h, end, lowered.c)), lowered.rows)
        memory = lowered.memory


def check_grid(grid: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return the grid as a float64 array, or raise ValueError saying where it is not strictly monotone."""
    times = real_values("grid", grid, what="a sequence of times")
    if times.ndim != 1 or len(times) < 2:
        raise ValueError(f"expected a grid of at least two times, received an array of shape {times.shape}")
    if not np.all(np.isfinite(times)):
        raise ValueError(f"expected finite times, received {times[~np.isfinite(times)][0]} in the grid")
    steps = np.diff(times)
    wrong = np.flatnonzero((np.sign(steps) != np.sign(times[-1] - times[0])) | (steps == 0))
    if len(wrong):
        i = int(wrong[0])
        raise ValueError(
            f"expected a strictly monotone grid, received {times[i]!r} followed by {times[i + 1]!r} at index {i + 1}; "
            "sort it and remove repeated times"
        )
    return times


def stage_times(start: Any, h: float, end: Any, c: Sequence[float]) -> list[Any]:
    """Return the times t_n + c h of the points of a step, or of several at once, none of them beyond its ends.

    Steps whose lengths differ by the rounding of the times share one ``h``: a point at c = 1 lies at ``end`` itself.
    """
    low, high = (start, end) if h > 0 else (end, start)
    times = [end if own == 1.0 else start if own == 0.0 else start + own * h for own in c]
    return [np.minimum(np.maximum(t, low), high) if 0.0 <= own <= 1.0 else t for t, own in zip(times, c)]


def same_step(previous: float, start: float, end: float) -> float:
    """Return the step length, equal to the previous one where they differ by no more than the rounding of the times.

    Without this the steps of a uniform grid, differing in their last bits, would each be lowered anew.
    """
    h = end - start
    rounding = min(4 * math.ulp(max(abs(start), abs(end))), _ALIKE * abs(h))
    return previous if abs(h - previous) <= rounding else h


def _lengths(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return the lengths of all steps, by ``same_step`` one after the other."""
    lengths = ends - starts
    rounding = np.minimum(4 * np.spacing(np.maximum(abs(starts), abs(ends))), _ALIKE * abs(lengths))
    if np.all(abs(lengths - lengths[0]) <= rounding):
        return np.full_like(lengths, lengths[0])
    previous = 0.0
    for n, (start, end) in enumerate(zip(starts.tolist(), ends.tolist())):
        lengths[n] = previous = same_step(previous, start, end)
    return lengths


def _without_last_evaluation(step: Step) -> Step:
    """Return the step with its last row not evaluated: the end of the run needs no slope."""
    return step._replace(rows=(*step.rows[:-1], step.rows[-1]._replace(evaluate=False)))
