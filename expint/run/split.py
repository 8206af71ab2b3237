"""Splitting: y' = L y + N(t, y) where the flow of N is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from expint.backend import Array, all_finite, array_namespace
from expint.derive.splitting import Splitting
from expint.lower.cache import StepCache
from expint.lower.lower import check_grid, stage_times
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
        backwards, and some t lie outside the step.
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
    ValueError
        If the grid is not strictly monotone, or L cannot act on y0.
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
        rows, times_inside = cache.step(start, h, StepCache.START).rows, stage_times(start, h, end, starts)
        for row, at, part in zip(rows, times_inside, durations):
            point = operator.combine(row.weights, (y, *slopes))
            slopes = ((flow(float(at), part * h, point) - point) / h, *slopes)
        y = operator.combine(rows[-1].weights, (y, *slopes))
        stats.nonlinear_evaluations += len(durations)
        if not all_finite(y):
            status = Status.NON_FINITE
            break
        states.append(y)
        stats.steps += 1
    reached = np.array(times[: len(states)])
    return Solution(reached, xp.stack(states), status, status.sentence, stats, method.name)
