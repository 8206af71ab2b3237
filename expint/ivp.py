"""The front doors: solve_ivp, shaped like SciPy's, and solve for problems."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from expint.backend import Array, array_namespace, device
from expint.derive.stage import Method
from expint.door import check_history, check_slopes, check_state, lay_out_times
from expint.lower import lower
from expint.methods import method as find_method
from expint.operators import as_operator
from expint.problem import SemilinearProblem
from expint.progress import Progress, progress_bar
from expint.run import Accepted, run_plan
from expint.solution import Solution, Stats, Status

__all__ = ["solve", "solve_ivp"]

_CHECK_EVERY = 32
"""Accepted steps between two looks for non-finite values when not every state is kept."""


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
    run = run_plan(plan, check_slopes(nonlinear, args, y0), y0)
    with progress_bar(progress, len(plan.steps) - 1, chosen.name) as advance:
        return collect(run, wanted, chosen.name, y0, callback, advance)


def solve(problem: SemilinearProblem, method: str | Method = "krogstad4", **options: Any) -> Solution:
    """Solve a ``SemilinearProblem``; the options are those of ``solve_ivp`` (``step``, ``t_eval``, …).

    Raises
    ------
    ValueError, TypeError
        As ``solve_ivp``.
    """
    t_span = options.pop("t_span", problem.t_span)
    return solve_ivp(problem.nonlinear, t_span, problem.y0, linear=problem.linear, method=method, **options)


def collect(
    run: Any,
    wanted: np.ndarray | None,
    name: str,
    y0: Array,
    callback: Callable[[float, Array], None] | None,
    advance: Callable[[], None],
) -> Solution:
    """Drive a run, keep the states that are wanted, and look for non-finite values on the way."""
    xp = array_namespace(y0)
    kept: list[Accepted] = []
    keep = None if wanted is None else {int(i) for i in wanted}
    last, steps = Accepted(math.nan, y0, 0), -1

    def finite(y: Array) -> bool:
        return bool(xp.all(xp.isfinite(y)))

    def finish(status: Status, message: str) -> Solution:
        states = (
            xp.stack([state.y for state in kept])
            if kept
            else xp.empty((0, *y0.shape), dtype=y0.dtype, device=device(y0))
        )
        stats = Stats(nonlinear_evaluations=last.evaluations, steps=max(steps, 0))
        return Solution(np.array([state.t for state in kept]), states, status, message, stats, name)

    try:
        for steps, last in enumerate(run):
            asked = keep is None or steps in keep
            if asked or steps % _CHECK_EVERY == 0:
                if not finite(last.y):
                    return finish(Status.NON_FINITE, _non_finite_message(last.t, steps))
                if asked:
                    kept.append(last)
            if callback is not None:
                callback(last.t, last.y)
            if steps:
                advance()
    except Exception as error:
        error.solution = finish(Status.RAISED, f"{type(error).__name__} raised after t = {last.t:.6g}: {error}")  # type: ignore[attr-defined]
        error.add_note(
            f"raised in a solve after t = {last.t:.6g}; the states reached so far are in this exception's .solution"
        )
        raise
    if not finite(last.y):
        return finish(Status.NON_FINITE, _non_finite_message(last.t, steps))
    return finish(Status.SUCCESS, Status.SUCCESS.sentence)


def _non_finite_message(t: float, steps: int) -> str:
    return (
        f"expected finite states, received inf or nan found at t = {t:.6g} after {steps} steps; try a smaller step, "
        "a method "
        "of higher stiff order, or check that nonlinear is finite there"
    )
