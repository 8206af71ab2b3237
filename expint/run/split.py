"""Splitting: y' = L y + N(t, y) where the flow of N is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from expint.backend import Array
from expint.derive.splitting import Splitting
from expint.exchange import as_state, ask, lent
from expint.given import check_state, given_grid
from expint.lower.lower import check_grid
from expint.operators import as_operator
from expint.run.loops import over_times
from expint.run.record import run_states
from expint.run.steppers.flows import Flows
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
    y0 = check_state(y0)
    times = check_grid(given_grid(grid)).tolist()

    def moved(t: float, tau: float, y: Array) -> Array:
        return as_state(ask(flow, t, tau, lent(y)), y, "flow(t, τ, y)")

    stepper = Flows(method, as_operator(linear, y0), y0)
    return run_states(over_times(stepper, moved, y0, times), y0, len(times) - 1, name=method.name)
