"""Splitting: y' = L y + N(t, y) where the flow of N is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from expint.backend import Array
from expint.derive.splitting import Splitting
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
    ValueError
        If the grid is not strictly monotone, or L cannot act on y0.
    """
    times = check_grid(grid).tolist()
    stepper = Flows(method, as_operator(linear, y0), y0)
    return run_states(over_times(stepper, flow, y0, times), y0, len(times) - 1, name=method.name)
