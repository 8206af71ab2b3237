"""The front doors: solve_ivp, shaped like SciPy's, and solve for problems."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from inspect import signature
from typing import Any, Literal

from expint.arguments import flag, instance
from expint.arrays import check_state
from expint.backend import Array
from expint.derive.kinds.stage import Method
from expint.given import given_times, with_known_values
from expint.ivp.asked import problem_of, shown_of
from expint.ivp.bind import bind, linearises
from expint.ivp.bound import Tolerance
from expint.ivp.checks import check_controller, check_estimate, refuse_tolerances
from expint.ivp.elsewhere import by_other_runs
from expint.ivp.resuming import checkpoints_of, resume_by, written_down
from expint.ivp.run import over, to_stops
from expint.ivp.times import MOST_STEPS, StepLimits, lay_out_stops, lay_out_times
from expint.ivp.typed import door
from expint.methods import method as find_method
from expint.operators import TimeDependent
from expint.problem import SemilinearProblem
from expint.progress import Progress
from expint.run import Controller, StepControl
from expint.run.events import Event, check_events
from expint.solution import Solution

__all__ = ["resume", "solve", "solve_each", "solve_ivp"]


@door
@with_known_values
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
    land: bool = False,
    save: Callable[[float, Array], Any] | None = None,
    save_to: str | os.PathLike[str] | None = None,
    breakpoints: Sequence[float] | None = None,
    rtol: float | Array | None = None,
    atol: float | Array | None = None,
    first_step: float | None = None,
    max_step: float = math.inf,
    max_steps: float = MOST_STEPS,
    norm: Callable[[Array], float] | Literal["max"] | None = None,
    error: Literal["embedded", "doubling"] | None = None,
    controller: Controller | None = None,
    dense_output: bool = False,
    events: Event | Sequence[Event] | None = None,
    args: tuple[Any, ...] = (),
    callback: Callable[[float, Array], None] | None = None,
    progress: Progress = False,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: float | None = None,
    gradient: Literal["through", "adjoint"] | None = None,
    batched: Literal[False] = False,
    runner: Literal["auto", "plain", "kernels"] = "auto",
) -> Solution:
    r"""Solve y' = L y + N(t, y), y(t_0) = y_0, by an exponential integrator, with fixed steps or to a tolerance.

    Parameters
    ----------
    nonlinear
        N(t, y, *args), returning an array like y; for states of NumPy also a list or, for one unknown, a number. Only
        methods that linearise differentiate it. States are lent: read only in NumPy, a copy in torch, to ``jac``,
        ``events`` and ``callback`` too. What is returned may be written over by the next call.
    t_span
        (t_0, t_end); a run goes backwards where t_end < t_0. Steps (``step``, ``first_step``, ``max_step``) need no
        sign.
    y0
        Initial state: a floating-point or complex array of any shape, of NumPy, PyTorch or any array-API namespace.
        Python numbers, lists and integer arrays become arrays of double precision.
    linear
        L: a number, an array that multiplies elementwise (a Fourier symbol), a square matrix for the last axis, or an
        operator of ``expint.operators`` or of a grid, ``grid.laplacian``; one of these times a function of time,
        ``TimeScaled(g, A)``; or one of these
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
        ``t_eval`` is divided into equal steps of at most this size, so that steps end at every time asked for.
    grid
        Instead of ``step``: the step boundaries, strictly monotone, from t_0 to t_end.
    t_eval
        Times at which the states are wanted, in the direction of integration, within t_span. By default those of all
        steps. Steps that are chosen to a tolerance do not end there: states between them are those of the dense output,
        of the order of the method, at its cost.
    land
        Whether steps to a tolerance end at all times in ``t_eval``, as fixed steps always do.
    save
        What to keep instead of states: save(t, y) returns a number, an array of fixed shape, or a dict of them, such as
        an energy, a spectrum or a slice. The values are ``saved`` of the solution, along a new first axis, and only
        the last state is kept.
    save_to
        The path of a NetCDF file (.nc) to which states, or what ``save`` returns of them, are added as the run goes: it
        is whole at every moment, and replaces one that was there. Memory and the solution hold the last state alone.
        Complex numbers have two names, ``y_real`` and ``y_imag``; integers of 64 bits become double precision.
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
        By default rtol is 1e-6 in double precision, 1.2e-5 in single and twenty times the precision in half (0.02, and
        0.16 for bfloat16), and atol is rtol times the root mean square of y_0; where y_0 is zero, of the states reached
        so far, so that w_i grows with them from nothing. Each may be an array that broadcasts to the state.
        Adams methods and predictor–corrector pairs (adams2, adams3, …, pec2, pec3, …) choose their order, too, and
        allow a step of length h only √(h/T) of this, T the span, and (h/T)^(3/4) where L damps nothing, so that errors
        that add up stay near the tolerance.
    first_step, max_step, max_steps
        The first step (chosen by default), the largest step, and the most steps, rejected ones included. The first
        step has exactly the length given, unless a time to land on comes before. Not beside ``step`` and ``grid``.
    norm
        Instead of that maximum: a function from the array |e_i| / w_i to a number, or "max", which lets no component
        err by more than w_i. Take that for many trajectories in one state: one of 10⁵ that moves where the others rest
        has no weight in a mean, and would err by many times the tolerance.
    error
        How the error of a step is estimated: "embedded", by the method itself (the default), or "doubling", by the
        difference from two steps of half the length, for one-step methods without an estimate of their own.
    controller
        The step-size controller, an ``expint.run.Controller``: ``Controller((1, 0, 0))`` is I, (0.7, -0.4, 0) PI, the
        default, (0.49, -0.34, 0.1) PID. Of Adams methods and pairs, whose steps change seldom and by factors of √2, it
        sets safety and bounds; they take I.
    dense_output
        Whether the solution gets ``sol``, a function t ↦ y(t) of the order of the method that follows e^{tL} exactly.
        Where it first looks into a step of a one-step method, N is evaluated inside it: 1, 3, 6, 10 times at orders 3,
        4, 5, 6, and 0, 1, 2, 4 times for methods that linearise; once more where L damps, for any method with stages
        inside its steps, but for Lawson methods, which make a shorter step to every time there. So N has to stay as it
        is; a pickled ``sol`` holds the values of all steps instead.
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
    batched
        Whether the first axis of y0 counts trajectories, each with its own steps, error control, events and end: y_i' =
        L_i y_i + N(t, y_i). N is told the states (b, …) of the b trajectories that run, their times in the shape
        (b, 1, …), and their rows of the arrays in ``args``; it returns an array like y. ``linear`` serves all, or has a
        first axis of its own: symbols (B, …), matrices (B, n, n), or a list of B operators. The ends of ``t_span`` may
        be arrays (B,), ``t_eval`` (m,) or (B, m), tolerances (B, 1, …). ``events`` are told one trajectory. No bit of
        one depends on the others, and one that fails ends alone. One-step pairs with a fixed L run side by side, other
        methods and operators one after the other. ``step``, ``grid``, ``save``, ``callback``, ``breakpoints``,
        ``progress`` and ``checkpoint`` are refused.
    checkpoint, checkpoint_every
        The path of a file in which the run is written down as it goes, and after how many steps, an integer, or
        seconds, a float (60.0 by default). After it was stopped, however hard, ``expint.resume`` goes on from there.
        For states of NumPy or torch; N is evaluated once more, uncounted, at the start and with each checkpoint, to
        tell problems apart.
    gradient
        How torch differentiates the states ``y`` of the solution: "through" records the run, "adjoint" makes it again
        on the way back, a few steps at a time, by the transposed weights and one vector–Jacobian product for each
        evaluation. Both are the gradient of the numbers that were computed, and agree to rounding. By y_0, by what N
        holds, by tensors among ``args``, by L as a tensor (a number, a symbol, a matrix) and by the ends of
        ``t_span``, of which N is then told times as tensors. Steps that were chosen to a tolerance are constants; all
        times keep their proportions within ``t_span``. The adjoint remembers about √n of n steps, evaluates N twice
        (once more to find what it holds), and with ``t_eval`` lands there; it has no second derivative, and is for
        methods with a fixed L. Methods that linearise are recorded where their Jacobian is formed, by how it changes,
        too. None: "through", with L and times as constants, for methods with a fixed L.
    runner
        What combines the rows of methods with a fixed L: "plain", NumPy; "kernels", loops compiled by numba (``pip
        install numba``) for states of NumPy and an elementwise L of their shape, one call for each row,
        estimate and norm, the same to rounding; "auto", kernels where they can, for runs with fixed steps so long that
        loading numba, about a second, is repaid. The message says where kernels ran.

    Returns
    -------
    Solution
        Times, states of shape (len(t), *y0.shape), status, message and statistics. A solve that meets inf or nan ends
        there: the status says so, and the states reached before are kept. With ``batched=True`` it is a ``Solutions``,
        a sequence of one Solution for each trajectory, with ``y_end``, ``status`` and the like in arrays.

    Raises
    ------
    ValueError, TypeError
        For arguments that make no sense, before any work. If N raises, or ``jac``, an event, the norm, ``save`` or the
        callback, the exception is passed on with the states reached so far in its attribute ``solution``;
        KeyboardInterrupt and SystemExit, too.

    Notes
    -----
    Gradients of torch flow through the run to y_0 and to whatever N holds, and to the states at events, whose times
    move. Steps and tolerances are constants, and without ``gradient`` L and times are, too: tensors among them that
    require a gradient are refused, as is a gradient through methods that linearise. Under ``jax.jit``, ``grad`` and
    ``vmap`` steps have to be fixed.

    Examples
    --------
    >>> import numpy as np, expint
    >>> logistic = lambda t, y: -y * y
    >>> solution = expint.solve_ivp(logistic, (0.0, 5.0), np.array([0.1]), linear=1.0, rtol=1e-8, atol=1e-10)
    >>> bool(np.isclose(solution.y_end[0], 1.0 / (1.0 + 9.0 * np.exp(-5.0)), rtol=1e-6))
    True
    """
    asked = {name: value for name, value in locals().items() if name not in ("nonlinear", "t_span", "y0", "batched")}
    if flag("batched", batched):
        return import_module("expint.ivp.batched").solve_batched(solve_ivp, nonlinear, t_span, y0, **asked)
    asked["checkpoint"] = written_down(asked, "solve_ivp", t_span, y0)
    del asked["breakpoints"], asked["save_to"]
    other = by_other_runs(nonlinear, linear, breakpoints, gradient, save_to)
    if other is not None:
        return other(solve_ivp, nonlinear, t_span, y0, **asked)
    y0, times = check_state(y0), given_times(t_span, step, grid, t_eval, first_step, max_step, max_steps)
    watched, fixed = check_events(events, args), times.step is not None or times.grid is not None
    check_estimate(error)
    if fixed:
        bounds = StepLimits(first_step, max_step, max_steps).given()
        refuse_tolerances(rtol=rtol, atol=atol, norm=norm, error=error, controller=controller, **bounds)
    check_controller(controller)
    shown, problem = shown_of(asked, watched), problem_of(nonlinear, y0, times, asked)
    limits = StepLimits(times.first, times.largest, times.most)
    stops = [] if fixed else lay_out_stops(times.span, times.t_eval, limits)
    bound = bind(problem, method) if fixed else bind(problem, method, error, Tolerance(rtol, atol, norm))
    shown = shown._replace(checkpoints=checkpoints_of(asked["checkpoint"], problem, bound, shown.dense_output))
    if fixed:
        return over(bound, y0, *lay_out_times(times.span, times.step, times.grid, times.t_eval), shown)
    assert bound.error is not None  # a tolerance was asked for
    has_nonlinear = nonlinear is not None or isinstance(linear, TimeDependent)
    control = StepControl(bound.error, controller, *limits.sizes(), looks=has_nonlinear, strides=not watched)
    return to_stops(bound, y0, times.span[0], stops, control, times.t_eval, shown)


def solve_each(
    nonlinear: Callable[..., Array], t_span: Any, y0: Array, inner: Mapping[str, Any], **options: Any
) -> Any:
    """Solve as ``solve_ivp(…, batched=True)``, with what only a caller inside the house says of ``batched.Inner``."""
    batched = import_module("expint.ivp.batched")
    defaults = {
        name: own.default for name, own in signature(solve_ivp).parameters.items() if own.kind == own.KEYWORD_ONLY
    }
    del defaults["batched"]
    return batched.solve_batched(solve_ivp, nonlinear, t_span, y0, inner=batched.Inner(**inner), **defaults | options)


@door
def solve(
    problem: SemilinearProblem, method: str | Method = "auto", *, batched: Literal[False] = False, **options: Any
) -> Solution:
    """Solve a ``SemilinearProblem``; the options are those of ``solve_ivp`` (``step``, ``t_eval``, …).

    Methods that linearise take the Jacobian of the problem, where it is known.

    Raises
    ------
    ValueError, TypeError
        As ``solve_ivp``.

    Examples
    --------
    >>> import expint
    >>> expint.solve(expint.problems.make("riccati"), "etdrk4", step=0.01).success
    True
    """
    instance("problem", problem, SemilinearProblem, "a SemilinearProblem", "expint.problems.make(name) makes one")
    t_span = options.pop("t_span", problem.t_span)
    found = find_method(method) if isinstance(method, str) and method != "auto" else method
    if problem.jacobian is not None and (problem.linear is None or linearises(found)):
        options.setdefault("jac", problem.jacobian)
    options |= {"linear": problem.linear, "method": method, "batched": batched}
    return solve_ivp(problem.nonlinear, t_span, problem.y0, **options)


def resume(
    path: str | os.PathLike[str],
    nonlinear: Callable[..., Array] | SemilinearProblem | None,
    *,
    linear: Any = None,
    method: str | Method | None = None,
    jac: Any = None,
    events: Event | Sequence[Event] | None = None,
    args: tuple[Any, ...] = (),
    norm: Any = None,
    save: Callable[[float, Array], Any] | None = None,
    callback: Callable[[float, Array], None] | None = None,
    progress: Progress = False,
    checkpoint_every: float | None = None,
) -> Solution:
    """Go on with a run that was stopped, of ``solve_ivp`` or ``run_splitting`` with ``checkpoint=path``.

    On the same machine the answer is that of a run that was not stopped, to the last bit. It goes on writing to files.

    Parameters
    ----------
    path
        The file. It holds plain numbers only, and nothing in it is executed.
    nonlinear
        N(t, y, *args), as in the run that was stopped; of ``run_splitting`` its flow; or a ``SemilinearProblem``.
    linear, method, jac, events, args, norm, save
        As in that run, where they are no numbers, arrays or names, which are written down: operators, functions.
    callback, progress, checkpoint_every
        As in ``solve_ivp``; checkpoints are due by default as in that run.

    Returns
    -------
    Solution
        That of the whole run.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    ValueError
        If it is no checkpoint, is damaged or of another version, or L, N at the start or the method are not those of
        the run that was stopped.

    Examples
    --------
    >>> import expint, numpy as np, tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "run.npz"
    >>> force = lambda t, y: -(y**2)
    >>> whole = expint.solve_ivp(force, (0, 1), np.ones(2), linear=-1.0, checkpoint=path, checkpoint_every=5)
    >>> bool(np.all(expint.resume(path, force).y == whole.y))
    True
    """
    given = {name: value for name, value in locals().items() if name not in ("path", "nonlinear")}
    return resume_by(solve_ivp, path, nonlinear, given)
