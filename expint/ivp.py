"""The front doors: solve_ivp, shaped like SciPy's, and solve for problems."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from expint.backend import Array
from expint.derive.stage import Method
from expint.door import check_history, check_slopes, check_state, lay_out_times
from expint.lower import lower
from expint.methods import method as find_method
from expint.operators import as_operator
from expint.problem import SemilinearProblem
from expint.progress import Progress
from expint.run import run_plan
from expint.solution import Solution

__all__ = ["solve", "solve_ivp"]


def solve_ivp(
    nonlinear: Callable[..., Array],
    t_span: tuple[float, float],
    y0: Array,
    *,
    linear: Any,
    method: str | Method = "krogstad4",
    step: float | None = None,
    grid: Sequence[float] | None = None,
    t_eval: Sequence[float] | None = None,
    args: tuple[Any, ...] = (),
    callback: Callable[[float, Array], None] | None = None,
    progress: Progress = False,
) -> Solution:
    r"""Solve y' = L y + N(t, y), y(t_0) = y_0, by an exponential integrator.

    Parameters
    ----------
    nonlinear
        N(t, y, *args), returning an array like y. It is never differentiated.
    t_span
        (t_0, t_end). Backwards integration must be asked for by a negative ``step`` (or a decreasing ``grid``).
    y0
        Initial state: a floating-point or complex array of any shape, of NumPy, PyTorch or any array-API namespace.
        Python numbers and lists become NumPy arrays.
    linear
        L: a number, an array that multiplies elementwise (a Fourier symbol), a square matrix for the last axis, or an
        operator of ``expint.operators``.
    method
        A name (see ``expint.method_names()``) or a method.
    step
        The step size. It is the largest step used: each piece between the ends of ``t_span`` and the times in
        ``t_eval`` is divided into equal steps of at most this size, so that every time asked for is hit exactly.
    grid
        Instead of ``step``: the step boundaries, strictly monotone, from t_0 to t_end.
    t_eval
        Times at which the states are wanted, in the direction of integration, within t_span. By default those of all
        steps.
    args
        Further arguments of ``nonlinear``.
    callback
        Called as callback(t, y) after each step.
    progress
        True for a progress bar (needs tqdm; silent when not on a terminal).

    Returns
    -------
    Solution
        Times, states of shape (len(t), *y0.shape), status, message and statistics. A solve that meets inf or nan ends
        there: the status says so, and the states reached before are kept.

    Raises
    ------
    ValueError, TypeError
        For arguments that make no sense, before any work. If N raises, its exception is passed on with the states
        reached so far in its attribute ``solution``.
    """
    y0 = check_state(y0)
    operator = as_operator(linear, y0)
    chosen = find_method(method) if isinstance(method, str) else method
    times, wanted = lay_out_times(t_span, step, grid, t_eval)
    check_history(chosen, len(times) - 1)
    plan = lower(chosen, operator, times, like=y0)
    checked = check_slopes(nonlinear, args, y0)
    return run_plan(plan, checked, y0, keep=wanted, name=chosen.name, callback=callback, progress=progress)


def solve(problem: SemilinearProblem, method: str | Method = "krogstad4", **options: Any) -> Solution:
    """Solve a ``SemilinearProblem``; the options are those of ``solve_ivp`` (``step``, ``t_eval``, …).

    Raises
    ------
    ValueError, TypeError
        As ``solve_ivp``.
    """
    t_span = options.pop("t_span", problem.t_span)
    return solve_ivp(problem.nonlinear, t_span, problem.y0, linear=problem.linear, method=method, **options)
