"""Operators that depend on time: y' = A(t) y + b(t) + N(t, y)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from expint.backend import Array
from expint.derive.kinds.lie_group import LieGroupMethod
from expint.exchange import asking
from expint.ivp.bound import Bound, Problem, Tolerance
from expint.ivp.checks import check_slopes, check_tolerance, no_force
from expint.methods.magnus import magnus
from expint.operators import Operator, TimeDependent, as_operator
from expint.operators.addition.commuting import check_commuting
from expint.operators.over_time.time_integral import Integral
from expint.run import ErrorNorm
from expint.run.control.controller import inside
from expint.run.steppers.doubled import Doubled
from expint.run.steppers.exact import EXACT, ExactSteps
from expint.run.steppers.lie_group import DoubledLieGroup, LieGroupSteps
from expint.run.steppers.protocol import Slope, Stepper
from expint.solution import Solution

__all__ = ["bind_exact", "bind_over_time"]

_EXACTLY = "Without N the exponential of ∫ L dt was applied, which is exact."


def bind_over_time(problem: Problem, method: Any, error: str | None, tolerance: Tolerance | None) -> Bound:
    """Bind a Magnus or commutator-free method to a problem whose linear part depends on time.

    Raises
    ------
    ValueError, TypeError
        As ``bind``.
    """
    linear, y0, (start, end) = problem.linear, problem.y0, problem.span
    chosen, why = _chosen(method, problem.nonlinear is not None)
    norm = _norm(problem, chosen, error, tolerance)
    slope = _slope(problem.nonlinear, linear.forcing, problem.args, y0)
    has_nonlinear = problem.nonlinear is not None or linear.forcing is not None

    operator_at = partial(_operator_at, linear, start, end, y0)
    steps = LieGroupSteps(chosen, operator_at, has_nonlinear, y0, start, None if norm is None else norm.tightest)
    return replace(_bound(problem, steps, slope, norm, DoubledLieGroup), why=why)


def bind_exact(problem: Problem, method: Any, error: str | None, tolerance: Tolerance | None) -> Bound:
    """Bind y' = Σ g_i(t) A_i y, without N, to the exponential of the integral, refusing operators that do not commute.

    Raises
    ------
    ValueError, TypeError
        As ``bind``.
    """
    del method
    norm, linear, y0 = _norm(problem, EXACT, error, tolerance), problem.linear, problem.y0
    operators = [as_operator(part.operator, y0) for part in linear.parts]
    check_commuting(operators, y0, "take TimeDependent(…) of the sum, whose parts need not commute")
    integrals = [Integral(part.rate, *problem.span, part.integral) for part in linear.parts]
    steps = ExactSteps(integrals, operators, y0, None if norm is None else norm.tightest)
    return replace(_bound(problem, steps, no_force, norm, Doubled), why=_EXACTLY)


def _norm(problem: Problem, method: LieGroupMethod, error: str | None, tolerance: Tolerance | None) -> ErrorNorm | None:
    """Return the norm of a run to a tolerance, refusing what such methods do not heed."""
    if problem.jac is not None:
        raise ValueError(f"expected no jac= beside a linear part that depends on time, received one for {method.name}")
    if error == "embedded":
        raise ValueError(
            f"expected error='doubling', which is the default for {method.name}, received 'embedded', which it is not"
        )
    return None if tolerance is None else check_tolerance(method, *tolerance, problem.y0, doubling=True)


def _bound(
    problem: Problem, steps: Any, slope: Slope, norm: ErrorNorm | None, double: Callable[[Any], Stepper[Any]]
) -> Bound:
    def counted(solution: Solution) -> Solution:
        """Return the solution with what its operators cost."""
        calls = solution.stats.nonlinear_evaluations if problem.nonlinear is not None else 0
        stats = replace(solution.stats, nonlinear_evaluations=calls, linear_evaluations=steps.operators)
        return replace(solution, stats=stats)

    return Bound(steps.method, slope, lambda: steps if norm is None else double(steps), norm, tell=counted)


def _chosen(method: Any, depends_on_state: bool) -> tuple[LieGroupMethod, str]:
    """Return the method asked for, or the one chosen and why."""
    if method == "auto":
        if depends_on_state:
            return magnus("cfree4"), "Method cfree4 was chosen: of order 4 for linear parts that depend on time."
        return magnus("cf4"), "Method cf4 was chosen: of order 4 without commutators, for y' = A(t) y + b(t)."
    chosen = method if hasattr(method, "final") else magnus(getattr(method, "name", method))
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
    given = check_slopes(_OfTime(forcing), (), y0, what="forcing(t)")
    return given if nonlinear is None else check_slopes(_Added(own, given), (), y0)


@dataclass(frozen=True)
class _OfTime:
    """b(t) as a function of the state, too."""

    forcing: Callable[[float], Array]

    def __call__(self, t: float, y: Array) -> Array:
        del y
        return self.forcing(t)


@dataclass(frozen=True)
class _Added:
    """N(t, y) + b(t)."""

    own: Slope
    given: Slope

    def __call__(self, t: float, y: Array) -> Array:
        return self.own(t, y) + self.given(t, y)

    def __reduce__(self) -> tuple[Any, ...]:
        return _added, (self.own.made_of, self.given.made_of)  # type: ignore[attr-defined]  # as `asking` marks them


def _added(own: tuple[Any, ...], given: tuple[Any, ...]) -> _Added:
    return _Added(asking(*own), asking(*given))


def _operator_at(linear: TimeDependent, start: float, end: float, y0: Array, t: float) -> Operator:
    """Return A(t), t between the ends of a run, refusing what cannot act on states like ``y0``."""
    try:
        return as_operator(linear.operator(inside(t, start, end)), y0, whole=True)
    except (TypeError, ValueError) as error:
        error.add_note(f"this was A(t) of TimeDependent at t = {t:.6g}")
        raise
