"""The front doors: solve_ivp, shaped like SciPy's, and solve for problems."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from expint.auto import choose, choose_linearised
from expint.backend import Array, to_numpy
from expint.bind import fixed_linear_stepper
from expint.breakpoints import piece_by_piece
from expint.clocked import in_own_clock
from expint.derive.forcing import sees_forcing
from expint.derive.rosenbrock import Linearised
from expint.derive.splitting import Splitting
from expint.derive.stage import Method
from expint.derive.tableau import Tableau
from expint.door import (
    check_estimate,
    check_rtol,
    check_slopes,
    check_state,
    check_tolerance,
    climbing,
    no_force,
    refuse_tolerances,
)
from expint.lower import lower
from expint.methods import method as find_method
from expint.operators import Operator, TimeDependent, TimeScaled, as_operator
from expint.problem import SemilinearProblem
from expint.progress import Progress
from expint.run import Controller, StepControl, run_adaptive, run_plan
from expint.run.dense_output import Trail
from expint.run.events import Event, check_events
from expint.run.watch import Watch
from expint.solution import Solution
from expint.times import StepLimits, check_history, lay_out_stops, lay_out_times
from expint.unsplit import solve_linearised

__all__ = ["solve", "solve_ivp"]


@piece_by_piece
@in_own_clock
def solve_ivp(
    nonlinear: Callable[..., Array] | None,
    t_span: tuple[float, float],
    y0: Array,
    *,
    linear: Any = None,
    method: str | Method = "auto",
    jac: Any = None,
    step: float | None = None,
    grid: Sequence[float] | None = None,
    t_eval: Sequence[float] | None = None,
    breakpoints: Sequence[float] | None = None,
    rtol: float | Array | None = None,
    atol: float | Array | None = None,
    first_step: float | None = None,
    max_step: float = math.inf,
    max_steps: int = 1_000_000,
    norm: Callable[[Array], float] | None = None,
    error: Literal["embedded", "doubling"] | None = None,
    controller: Controller | None = None,
    dense_output: bool = False,
    events: Event | Sequence[Event] | None = None,
    args: tuple[Any, ...] = (),
    callback: Callable[[float, Array], None] | None = None,
    progress: Progress = False,
) -> Solution:
    r"""Solve y' = L y + N(t, y), y(t_0) = y_0, by an exponential integrator, with fixed steps or to a tolerance.

    Parameters
    ----------
    nonlinear
        N(t, y, *args), returning an array like y. Only methods that linearise differentiate it.
    t_span
        (t_0, t_end). Backwards integration must be asked for by a negative ``step``, ``first_step`` or ``max_step``, or
        a decreasing ``grid``.
    y0
        Initial state: a floating-point or complex array of any shape, of NumPy, PyTorch or any array-API namespace.
        Python numbers and lists become NumPy arrays.
    linear
        L: a number, an array that multiplies elementwise (a Fourier symbol), a square matrix for the last axis, or an
        operator of ``expint.operators``; one of these times a function of time, ``TimeScaled(g, A)``; or one of these
        for every time, ``TimeDependent(lambda t: A(t))``, for the methods of ``expint.methods.magnus``. Without it the
        problem is y' = N(t, y), for methods that linearise.
    method
        A name (see ``expint.method_names()``), a method, or "auto": chosen from operator, precision and tolerance, with
        the reason in the message of the solution. Without ``step`` and ``grid`` it must have an error
        estimate. Methods that linearise, such as "exprb43", make L the Jacobian of the right-hand side at every step,
        with ``linear`` or without.
    jac
        For methods that linearise: where ∂f/∂y of the whole right-hand side f = Ly + N comes from. A function
        (t, y, *args) that returns an array, a sparse matrix or a ``LinearOperator``, or an object of
        ``expint.jacobian``: given products, differences, complex steps, automatic differentiation. By default finite
        differences for NumPy, and forward mode for torch and JAX.
    step
        A fixed step size. It is the largest step used: each piece between the ends of ``t_span`` and the times in
        ``t_eval`` is divided into equal steps of at most this size, so that every time asked for is hit exactly.
    grid
        Instead of ``step``: the step boundaries, strictly monotone, from t_0 to t_end.
    t_eval
        Times at which the states are wanted, in the direction of integration, within t_span. By default those of all
        steps.
    breakpoints
        Times at which N, L(t) or one of their derivatives jumps. Steps end there, nothing is remembered across them,
        and functions of time are seen from one side: a step that ends at a breakpoint b is told the floating-point
        number before b, one that begins there the number after it. The value at b itself is not asked for. Pulses and
        switches whose times are known are so met whatever their width; the tolerance holds for each piece. Multistep
        methods with fixed steps need as many steps as they look back in every piece.
    rtol, atol
        Tolerances: steps are chosen so that the estimated error e of each is at most 1 in units of
        w_i = atol + rtol |y_i|: max( sqrt(1/n Σ_i |e_i / w_i|²), ‖e‖₂ / ‖w‖₂ ) ≤ 1. The second term is for states that
        a few of the n components carry, as Fourier modes may: the first alone lets each err by sqrt(n) w_i.
        By default rtol is 1e-6, and atol is rtol times the root mean square of y_0. Each may be an array that
        broadcasts to the state.
        Adams methods and predictor–corrector pairs (adams2, adams3, …, pec2, pec3, …) choose their order, too, and
        allow a step of length h only √(h/T) of this, T the span, and (h/T)^(3/4) where L damps nothing, so that errors
        that add up stay near the tolerance.
    first_step, max_step, max_steps
        The first step (chosen by default), the largest step, and the most steps, rejected ones included.
    norm
        Instead of that maximum: a function from the array |e_i| / w_i to a number.
    error
        How the error of a step is estimated: "embedded", by the method itself (the default), or "doubling", by the
        difference from two steps of half the length, for one-step methods without an estimate of their own.
    controller
        The step-size controller, an ``expint.run.Controller``: ``Controller((1, 0, 0))`` is I, (0.7, -0.4, 0) PI, the
        default, (0.49, -0.34, 0.1) PID. Of Adams methods and pairs, whose steps change seldom and by factors of √2, it
        sets safety and bounds; they take I.
    dense_output
        Whether the solution gets ``sol``, a function t ↦ y(t) of the order of the method that follows e^{tL} exactly.
    events
        A function event(t, y) of a real number, or several; their zeros are located on the dense output. As in SciPy,
        ``event.terminal = True`` ends the solve there, a number n at the n-th zero, and ``event.direction`` = ±1 heeds
        rising or falling zeros only. Steps that may be longer than what happens in them are looked into; unlike in
        SciPy a value of zero at t_0 itself does not count.
    args
        Further arguments of ``nonlinear``, of ``jac`` where it is a function, and of ``events``, as in SciPy.
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
    del breakpoints  # heeded by piece_by_piece
    y0 = check_state(y0)
    watched = check_events(events, args)
    fixed, doubling = step is not None or grid is not None, check_estimate(error)
    if fixed:
        refuse_tolerances(rtol=rtol, atol=atol, first_step=first_step, norm=norm, error=error, controller=controller)
    if not isinstance(controller, Controller | None):
        raise TypeError(
            f"expected controller to be an expint.run.Controller, received {type(controller).__name__}; (1, 0, 0) is "
            "the I controller, (0.7, -0.4, 0) PI, (0.49, -0.34, 0.1) PID: Controller((1, 0, 0))"
        )
    asked: dict[str, Any] = {
        "step": step,
        "grid": grid,
        "t_eval": t_eval,
        "rtol": rtol,
        "atol": atol,
        "norm": norm,
        "limits": StepLimits(first_step, max_step, max_steps),
        "controller": controller,
        "dense_output": dense_output,
        "events": watched,
        "args": args,
        "callback": callback,
        "progress": progress,
    }
    if isinstance(linear, (TimeDependent, TimeScaled)):
        from expint.nonautonomous import solve_time_dependent  # few problems need it

        return solve_time_dependent(nonlinear, t_span, y0, linear, method, jac, error=error, **asked)
    operator = None if linear is None else as_operator(linear, y0)
    chosen, why = _method(
        method, operator, jac, y0, None if fixed or doubling else float(np.min(to_numpy(check_rtol(rtol, y0))))
    )
    nonlinear = no_force if nonlinear is None else nonlinear
    if isinstance(chosen, Linearised):
        solution = solve_linearised(nonlinear, t_span, y0, operator, chosen, jac, doubling=doubling, **asked)
        return _explained(solution, why)
    if operator is None or jac is not None:
        received = f"{chosen.name} without linear=" if operator is None else f"jac= beside {chosen.name}"
        raise ValueError(
            f"expected linear= for a method with a fixed L, or jac= for one that linearises, received {received}; "
            'take method="auto" or "exprb43" for y\' = f(t, y) with its Jacobian'
        )
    if not (fixed or doubling or _sees_forcing(chosen)):  # type: ignore[arg-type]  # methods are frozen
        why = f"{why} {_BLIND.format(chosen.name)}".lstrip()
    watch = Watch(Trail(operator, chosen.order, dense_output), watched) if watched or dense_output else None
    shown: dict[str, Any] = {"callback": callback, "progress": progress, "watch": watch}
    if not fixed:
        limits: StepLimits = asked["limits"]
        stops = lay_out_stops(t_span, t_eval, limits)
        tolerance = check_tolerance(chosen, rtol, atol, norm, y0, doubling)
        control = StepControl(tolerance, controller, *limits.sizes(), doubling, looks=nonlinear is not no_force)
        operator = operator.for_steps(changing=True).within(*tolerance.tightest)
        stepper = fixed_linear_stepper(chosen, operator, y0, doubling)
        start, keep = float(t_span[0]), None if t_eval is None else {float(t) for t in t_eval}
        checked = check_slopes(nonlinear, args, y0)
        return _explained(run_adaptive(stepper, checked, y0, start, stops, control, keep=keep, **shown), why)
    times, wanted = lay_out_times(t_span, step, grid, t_eval)
    check_history(chosen, len(times) - 1)
    plan = lower(chosen, operator.for_steps(changing=False), times, like=y0)
    checked = check_slopes(nonlinear, args, y0)
    return _explained(run_plan(plan, checked, y0, keep=wanted, name=chosen.name, **shown), why)


def _method(
    method: str | Method, operator: Operator | None, jac: Any, y0: Array, rtol: float | None
) -> tuple[Method, str]:
    """Return the method asked for, or the one chosen and why."""
    if method == "auto":
        if operator is None or jac is not None:
            return choose_linearised(operator is not None)
        return choose(operator, y0, rtol)
    found = find_method(method) if isinstance(method, str) else method
    if not hasattr(found, "error_order"):
        raise TypeError(
            f"expected method to be a name of expint.method_names() or a method, received {type(method).__name__}; "
            "expint.derive.Tableau makes one"
        )
    if isinstance(found, Splitting):
        raise found.needs_flow
    return found if rtol is None else climbing(found), ""


_BLIND = (
    "The error estimate of {} does not see a part of N that depends on time alone: where N has one, the tolerance may "
    "not be kept; take zoto-bowman43, or error='doubling'."
)


@lru_cache(maxsize=64)
def _sees_forcing(method: Method) -> bool:
    """Whether the error estimate of a method sees an N that depends on time alone; only tableaux are looked at."""
    return not isinstance(method, Tableau) or sees_forcing(method)


def _explained(solution: Solution, why: str) -> Solution:
    said = solution.message if solution.message.endswith((".", ")")) else f"{solution.message}."
    return replace(solution, message=f"{said} {why}") if why else solution


def solve(problem: SemilinearProblem, method: str | Method = "auto", **options: Any) -> Solution:
    """Solve a ``SemilinearProblem``; the options are those of ``solve_ivp`` (``step``, ``t_eval``, …).

    Methods that linearise take the Jacobian of the problem, where it is known.

    Raises
    ------
    ValueError, TypeError
        As ``solve_ivp``.
    """
    t_span = options.pop("t_span", problem.t_span)
    found = find_method(method) if isinstance(method, str) and method != "auto" else method
    if problem.jacobian is not None and (isinstance(found, Linearised) or problem.linear is None):
        options.setdefault("jac", problem.jacobian)
    return solve_ivp(problem.nonlinear, t_span, problem.y0, linear=problem.linear, method=method, **options)
