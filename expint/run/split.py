"""Splitting: y' = L y + N(t, y) where the flow of N is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from expint.backend import Array, all_finite, array_namespace, is_array
from expint.derive.splitting import Splitting
from expint.lower.cache import StepCache
from expint.lower.lower import check_grid
from expint.operators import as_operator
from expint.solution import Solution, Stats, Status

__all__ = ["run_splitting"]


def run_splitting(
    method: Splitting,
    linear: Any,
    flow: Callable[[float, float, Array], Array],
    y0: Array,
    grid: Sequence[float] | np.ndarray,
) -> Solution:
    """Run a splitting method over a grid.

    Parameters
    ----------
    method
        The method, such as ``expint.method("strang")``.
    linear
        L, as in ``solve_ivp``: a number, an array that multiplies elementwise, a square matrix, or an operator.
    flow
        flow(t, τ, y): the solution after a time τ of v' = N(t + s, v), v(0) = y. In methods of order above 2 some τ run
        backwards.
    y0
        The initial state.
    grid
        Step boundaries, strictly monotone; the states there are returned.

    Returns
    -------
    Solution
        A run that meets inf or nan ends there, with the states reached before.

    Raises
    ------
    ValueError, TypeError
        If the grid is not strictly monotone, L cannot act on y0, or ``flow`` returns no array like y0.
    """
    times = check_grid(grid).tolist()
    operator = as_operator(linear, y0)
    cache, xp = StepCache(method.points, operator, y0), array_namespace(y0)
    durations = [float(part) for part in method.b]
    starts = [float(sum(method.b[:j])) for j in range(len(durations))]
    stats, status = Stats(), Status.SUCCESS
    y, states = y0, [y0]
    for start, end in pairwise(times):
        h = end - start
        slopes: tuple[Array, ...] = ()
        rows = cache.step(start, h, StepCache.START).rows
        for row, before, part in zip(rows, starts, durations):
            point = operator.combine(row.weights, (y, *slopes))
            moved = flow(start + before * h, part * h, xp.asarray(point, copy=True))  # which it may write over
            _check_moved(moved, point)
            slopes = ((moved - point) / h, *slopes)
        y = operator.combine(rows[-1].weights, (y, *slopes))
        stats.nonlinear_evaluations += len(durations)
        if not all_finite(y):
            status = Status.NON_FINITE
            break
        states.append(y)
        stats.steps += 1
    reached = np.array(times[: len(states)])
    return Solution(reached, xp.stack(states), status, status.sentence, stats, method.name)


def _check_moved(moved: Any, point: Array) -> None:
    """Refuse what would be broadcast to the state, or change its precision."""
    expected = f"expected flow(t, τ, y) to return an array like y, of shape {tuple(point.shape)} and {point.dtype}"
    if not is_array(moved) or array_namespace(moved) is not array_namespace(point):
        raise TypeError(f"{expected}, received {type(moved).__name__}; convert it to the library of y")
    if tuple(moved.shape) != tuple(point.shape):
        raise ValueError(f"{expected}, received shape {tuple(moved.shape)}; a flow moves every entry")
    if moved.dtype != point.dtype:
        raise TypeError(f"{expected}, received {moved.dtype}; convert y0, or what flow returns")
