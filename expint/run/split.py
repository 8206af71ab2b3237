"""Splitting: y' = L y + N(t, y) where the flow of N is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from expint.backend import Array
from expint.derive.splitting import Splitting
from expint.exchange import as_state, ask, lent
from expint.given import check_state, given_grid
from expint.lower.cache import StepCache
from expint.lower.lower import check_grid
from expint.operators import Operator, as_operator
from expint.run.fixed import Accepted
from expint.run.record import run_states
from expint.solution import Solution

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
        If the grid is not strictly monotone, L cannot act on y0, or the method is no splitting. If ``flow`` raises, its
        exception is passed on with the states reached so far in its attribute ``solution``.
    """
    if not isinstance(method, Splitting):
        raise TypeError(
            f"expected a splitting method, received {type(method).__name__}; expint.method('strang') is one"
        )
    if not callable(flow):
        raise TypeError(f"expected flow(t, τ, y) to be a function, received {type(flow).__name__}")
    y0, boundaries = check_state(y0), given_grid(grid)
    states = _states(method, as_operator(linear, y0), flow, y0, check_grid(boundaries).tolist())
    return run_states(states, y0, len(boundaries) - 1, name=method.name)


def _states(
    method: Splitting,
    operator: Operator,
    flow: Callable[[float, float, Array], Array],
    y: Array,
    times: Sequence[float],
) -> Iterator[Accepted]:
    """Yield y_0 and the states at all further ``times``."""
    cache = StepCache(method.points, operator, y)
    durations = [float(part) for part in method.b]
    starts = [float(sum(method.b[:j])) for j in range(len(durations))]
    calls = 0
    yield Accepted(times[0], y, calls)
    for start, end in pairwise(times):
        h = end - start
        slopes: tuple[Array, ...] = ()
        rows = cache.step(start, h, StepCache.START).rows
        for row, before, part in zip(rows, starts, durations):
            point = operator.combine(row.weights, (y, *slopes))
            moved = as_state(ask(flow, start + before * h, part * h, lent(point)), point, "flow(t, τ, y)")
            slopes, calls = ((moved - point) / h, *slopes), calls + 1
        y = operator.combine(rows[-1].weights, (y, *slopes))
        yield Accepted(end, y, calls)
