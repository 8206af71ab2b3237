"""Solving with methods that linearise at every step: y' = f(t, y), split or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from expint.backend import Array
from expint.derive.linearised_ladder import linearised_ladder
from expint.derive.stage import Method
from expint.door import check_slopes, check_tolerance, no_force
from expint.jacobian import Lineariser, as_source
from expint.operators import Operator, Scalar
from expint.run import Controller, StepControl
from expint.run.linearised_output import LinearisedTrail
from expint.run.loops import over_times
from expint.run.record import run_adaptive, run_states
from expint.run.steppers.doubled import Doubled
from expint.run.steppers.linearised import LinearisedSteps
from expint.run.watch import Watch
from expint.solution import Solution, Stats
from expint.times import StepLimits, check_history, lay_out_stops, lay_out_times

__all__ = ["linearised_steps", "solve_linearised", "starting_method"]


def solve_linearised(
    nonlinear: Callable[..., Array],
    t_span: tuple[float, float],
    y0: Array,
    operator: Operator | None,
    method: Method,
    jac: Any,
    *,
    step: float | None,
    grid: Sequence[float] | None,
    t_eval: Sequence[float] | None,
    rtol: float | Array | None,
    atol: float | Array | None,
    norm: Callable[[Array], float] | None,
    limits: StepLimits,
    controller: Controller | None,
    doubling: bool,
    dense_output: bool,
    events: Sequence[Any],
    args: tuple[Any, ...],
    **shown: Any,
) -> Solution:
    """Solve y' = Ly + N(t, y) by a method that linearises; the arguments are those of ``solve_ivp``, checked.

    Raises
    ------
    ValueError, TypeError
        As ``solve_ivp``.
    """
    start = float(t_span[0])
    fixed = step is not None or grid is not None
    if fixed:
        times, wanted = lay_out_times(t_span, step, grid, t_eval)
        check_history(method, len(times) - 1)
    else:
        stops = lay_out_stops(t_span, t_eval, limits)
        tolerance = check_tolerance(method, rtol, atol, norm, y0, doubling)
        control = StepControl(
            tolerance, controller or Controller(), *limits.sizes(), doubling, looks=nonlinear is not no_force
        )
    accuracy = None if fixed else tolerance.tightest
    steps = linearised_steps(nonlinear, start, y0, operator, method, jac, args, accuracy)
    linearise, stats = steps.linearise, steps.linearise.stats
    watch = Watch(LinearisedTrail(steps, dense_output), events) if events or dense_output else None
    checked = check_slopes(nonlinear, args, y0)

    def counted(solution: Solution) -> Solution:
        """Return the solution with what its derivatives cost."""
        added = solution.stats.nonlinear_evaluations + stats.nonlinear_evaluations
        own = replace(stats, nonlinear_evaluations=added, steps=solution.stats.steps, rejected=solution.stats.rejected)
        said = solution.message if solution.message.endswith(".") else f"{solution.message}."
        return replace(solution, stats=own, message=f"{said} {linearise.sentence}")

    try:
        if fixed:
            states = over_times(steps, checked, y0, times.tolist())
            run = run_states(states, y0, len(times) - 1, keep=wanted, name=method.name, watch=watch, **shown)
        else:
            keep = None if t_eval is None else {float(t) for t in t_eval}
            stepper = Doubled(steps) if doubling else steps
            run = run_adaptive(stepper, checked, y0, start, stops, control, keep=keep, watch=watch, **shown)
    except Exception as error:
        if hasattr(error, "solution"):
            error.solution = counted(error.solution)
        raise
    return counted(run)


def linearised_steps(
    nonlinear: Callable[..., Array],
    t0: float,
    y0: Array,
    operator: Operator | None,
    method: Method,
    jac: Any,
    args: tuple[Any, ...] = (),
    accuracy: tuple[float, float] | None = None,
) -> LinearisedSteps:
    """Return what makes the steps of a method that linearises.

    Parameters
    ----------
    nonlinear, t0, y0, operator, method, jac, args
        As for ``solve_linearised``.
    accuracy
        (rtol, smallest atol) of an adaptive run, None for fixed steps.

    Raises
    ------
    ValueError, TypeError
        If the source of the Jacobian cannot serve such states.
    """

    def whole(t: Any, y: Array) -> Array:
        return nonlinear(t, y, *args)

    def matrix(t: float, y: Array) -> Any:
        return jac(t, y, *args)

    source = as_source(matrix if args and callable(jac) else jac, y0)
    linearise = Lineariser(source, whole, operator, t0, y0, accuracy, Stats())
    return LinearisedSteps(method, operator or Scalar(0.0), linearise, y0, starting_method(method))


def starting_method(method: Method) -> Method | None:
    """Return the one-step method with which a multistep method begins, None for one-step methods.

    Its order is one less at least: the few first steps then cost no order.
    """
    if method.history < 2:
        return None
    counts = range(method.order - 3, 0, -2)  # each level gains two orders over the one below
    levels = [[Fraction(j, count) for j in range(1, count + 1)] for count in counts]
    return linearised_ladder(f"start of {method.name}", levels[::-1])
