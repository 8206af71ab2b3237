"""Method × operator × grid → Plan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from expint.backend import Array
from expint.derive.rosenbrock import Linearised
from expint.derive.stage import Method
from expint.derive.tableau import Tableau
from expint.lower.cache import StepCache
from expint.lower.plan import Plan, Step
from expint.operators.base import Operator

__all__ = ["check_grid", "lower", "same_step"]


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
    """
    if isinstance(method, Linearised):
        raise TypeError(
            f"expected a method for a fixed L, received {method.name}, whose L is the Jacobian at every step; take "
            "expint.solve_ivp"
        )
    times = check_grid(grid).tolist()
    cache = StepCache(method, operator, like)
    start_row, alike = cache.start(), isinstance(method, Tableau)  # whose steps differ by their length only
    steps = [Step((times[0],), (start_row,))]
    lowered, h, depth = None, 0.0, len(start_row.weights) - 1
    for start, end in pairwise(times):
        previous, h = h, same_step(h, start, end)
        if lowered is None or h != previous or not alike:
            lowered = cache.step(start, h, StepCache.START if lowered is None else lowered.memory)
            depth = max(depth, *[len(row.weights) - 1 for row in lowered.rows])
        steps.append(Step((*[start + c * h for c in lowered.c[:-1]], end), lowered.rows))  # the last row is accepted
    steps[-1] = _without_last_evaluation(steps[-1])
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


def same_step(previous: float, start: float, end: float) -> float:
    """Return the step length, equal to the previous one where they differ by no more than the rounding of the times.

    Without this the steps of a uniform grid, differing in their last bits, would each be lowered anew.
    """
    h = end - start
    return previous if h == previous or abs(h - previous) <= 4 * math.ulp(max(abs(start), abs(end))) else h


def _without_last_evaluation(step: Step) -> Step:
    """Return the step with its last row not evaluated: the end of the run needs no slope."""
    return step._replace(rows=(*step.rows[:-1], step.rows[-1]._replace(evaluate=False)))
