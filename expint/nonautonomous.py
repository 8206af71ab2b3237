"""Solving y' = A(t) y + b(t) + N(t, y) with operators that depend on time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from expint.backend import Array
from expint.derive.lie_group import LieGroupMethod
from expint.door import check_slopes, check_tolerance, no_force
from expint.methods.magnus import magnus
from expint.operators import Operator, TimeDependent, TimeScaled, as_operator
from expint.operators.clock import Integral
from expint.operators.commuting import check_commuting
from expint.run import Controller, StepControl
from expint.run.loops import over_times
from expint.run.record import run_adaptive, run_states
from expint.run.stepped_output import SteppedTrail
from expint.run.steppers.doubled import Doubled
from expint.run.steppers.exact import EXACT, ExactSteps
from expint.run.steppers.lie_group import DoubledLieGroup, LieGroupSteps
from expint.run.steppers.one_step import OneStep
from expint.run.watch import Watch
from expint.solution import Solution
from expint.times import StepLimits, lay_out_stops, lay_out_times

__all__ = ["solve_time_dependent"]

_EXACTLY = "Without N the exponential of ∫ L dt was applied, which is exact."


def solve_time_dependent(
    nonlinear: Callable[..., Array] | None,
    t_span: tuple[float, float],
    y0: Array,
    linear: TimeDependent | TimeScaled,
    method: Any,
    jac: Any,
    *,
    step: float | None,
    grid: Sequence[float] | None,
    t_eval: Sequence[float] | None,
    rtol: float | Array | None,
    atol: float | Array | None,
    norm: Callable[[Array], float] | None,
    limits: StepLimits,
    error: str | None,
    controller: Controller | None,
    dense_output: bool,
    events: Sequence[Any],
    args: tuple[Any, ...],
    **shown: Any,
) -> Solution:
    """Solve a problem whose linear part depends on time; the arguments are those of ``solve_ivp``.

    Raises
    ------
    ValueError, TypeError
        As ``solve_ivp``.
    """
    exact = isinstance(linear, TimeScaled)  # in_own_clock has taken those with an N
    chosen, why = (EXACT, _EXACTLY) if exact else _method(method, nonlinear is not None)
    if jac is not None:
        raise ValueError(f"expected no jac= beside a linear part that depends on time, received one for {chosen.name}")
    if error == "embedded":
        raise ValueError(
            f"expected error='doubling', which is the default for {chosen.name}, received 'embedded', which it is not"
        )
    start = float(t_span[0])
    if step is not None or grid is not None:
        times, wanted = lay_out_times(t_span, step, grid, t_eval)
        accuracy = None
    else:
        stops = lay_out_stops(t_span, t_eval, limits)
        tolerance = check_tolerance(chosen, rtol, atol, norm, y0, doubling=True)
        control = StepControl(tolerance, controller or Controller(), *limits.sizes(), doubling=True, looks=not exact)
        accuracy = tolerance.tightest
    slope: Callable[[float, Array], Array] = no_force
    steps: OneStep
    if isinstance(linear, TimeScaled):
        steps = _exact_steps(linear, (start, float(t_span[1])), y0, accuracy)
    else:
        slope = _slope(nonlinear, linear.forcing, args, y0)
        forced = nonlinear is not None or linear.forcing is not None
        steps = LieGroupSteps(chosen, lambda t: _operator_at(linear, t, y0), forced, y0, start, accuracy)
    watch = Watch(SteppedTrail(steps, slope, dense_output), events) if events or dense_output else None

    def counted(solution: Solution) -> Solution:
        """Return the solution with what its operators cost."""
        calls = solution.stats.nonlinear_evaluations if nonlinear is not None else 0
        stats = replace(solution.stats, nonlinear_evaluations=calls, linear_evaluations=steps.operators)
        return replace(solution, stats=stats, message=f"{solution.message} {why}".rstrip())

    try:
        if accuracy is None:
            states = over_times(steps, slope, y0, times.tolist())
            run = run_states(states, y0, len(times) - 1, keep=wanted, name=chosen.name, watch=watch, **shown)
        else:
            keep = None if t_eval is None else {float(t) for t in t_eval}
            doubled = DoubledLieGroup(steps) if isinstance(steps, LieGroupSteps) else Doubled(steps)
            run = run_adaptive(doubled, slope, y0, start, stops, control, keep=keep, watch=watch, **shown)
    except Exception as failure:
        if hasattr(failure, "solution"):
            failure.solution = counted(failure.solution)
        raise
    return counted(run)


def _method(method: Any, depends_on_state: bool) -> tuple[LieGroupMethod, str]:
    """Return the method asked for, or the one chosen and why."""
    if method == "auto":
        if depends_on_state:
            return magnus("cfree4"), "Method cfree4 was chosen: of order 4 for linear parts that depend on time."
        return magnus("cf4"), "Method cf4 was chosen: of order 4 without commutators, for y' = A(t) y + b(t)."
    chosen = method if isinstance(method, LieGroupMethod) else magnus(getattr(method, "name", method))
    if depends_on_state and not chosen.points:
        raise ValueError(
            f"expected nonlinear=None for {chosen.name}, which is made for y' = A(t) y + b(t), received a function; "
            "take 'cfree4' (order 4) or 'magnus2' (order 2), or give b(t) as TimeDependent(A, forcing=b)"
        )
    return chosen, ""


def _slope(
    nonlinear: Callable[..., Array] | None,
    forcing: Callable[[float], Array] | None,
    args: tuple[Any, ...],
    y0: Array,
) -> Callable[[float, Array], Array]:
    """Return N(t, y) + b(t), each checked against the state."""
    own = no_force if nonlinear is None else check_slopes(nonlinear, args, y0)
    if forcing is None:
        return own
    given = check_slopes(lambda t, _: forcing(t), (), y0, what="forcing(t)")
    return given if nonlinear is None else (lambda t, y: own(t, y) + given(t, y))


def _exact_steps(
    linear: TimeScaled, span: tuple[float, float], y0: Array, accuracy: tuple[float, float] | None
) -> ExactSteps:
    """Return the steps of y' = Σ g_i(t) A_i y, refusing operators that do not commute."""
    operators = [as_operator(part.operator, y0) for part in linear.parts]
    check_commuting(operators, y0, "take TimeDependent(…) of the sum, whose parts need not commute")
    integrals = [Integral(part.rate, *span, part.integral) for part in linear.parts]
    return ExactSteps(integrals, operators, y0, accuracy)


def _operator_at(linear: TimeDependent, t: float, y0: Array) -> Operator:
    """Return A(t), refusing what cannot act on states like ``y0``."""
    try:
        return as_operator(linear.operator(t), y0)
    except (TypeError, ValueError) as error:
        error.add_note(f"this was A(t) of TimeDependent at t = {t:.6g}")
        raise
