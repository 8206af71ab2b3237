"""Methods that linearise at every step: y' = f(t, y), split or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

from expint.backend import Array
from expint.derive.kinds.linearised_collocation import linearised_ladder
from expint.derive.kinds.stage import Method
from expint.exchange import ask, lent, like_state
from expint.ivp.bound import Bound, Problem, said
from expint.ivp.checks import check_function, check_slopes, no_force
from expint.jacobian import Lineariser, as_source
from expint.jacobian.source import refuse_recorded
from expint.operators import Operator, Scalar
from expint.run import ErrorNorm
from expint.run.steppers.doubled import Doubled
from expint.run.steppers.linearised import LinearisedSteps
from expint.solution import Solution, Stats

__all__ = ["bind_linearised", "starting_method"]


def bind_linearised(
    problem: Problem, operator: Operator | None, method: Method, norm: ErrorNorm | None, doubling: bool
) -> Bound:
    """Bind a method that linearises y' = Ly + N(t, y), with L or without.

    Raises
    ------
    ValueError, TypeError
        If the source of the Jacobian cannot serve such states.
    """
    given, y0, args, jac = problem.nonlinear, problem.y0, problem.args, problem.jac
    if 0 in y0.shape:
        raise ValueError(
            f"expected a state with entries to differentiate by, received y0 of shape {tuple(y0.shape)}; leave the run "
            "out, or take a method with a fixed L"
        )
    nonlinear = no_force if given is None else given
    check_function(nonlinear, args, "nonlinear(t, y)")

    def whole(t: Any, y: Array) -> Array:  # differentiated, too: its arguments may be complex, or those of a transform
        return like_state(ask(nonlinear, t, lent(y), *args), y)

    def matrix(t: float, y: Array) -> Any:
        return jac(t, y, *args)

    source = as_source(matrix if args and callable(jac) else jac, y0)
    accuracy = None if norm is None else norm.tightest
    linearise = Lineariser(source, whole, operator, problem.span[0], y0, accuracy, Stats(), problem.recorded)
    steps = LinearisedSteps(method, operator or Scalar(0.0), linearise, y0, starting_method(method))
    slope = check_slopes(nonlinear, args, y0)
    slope = slope if problem.recorded else _without_gradient(slope)

    def counted(solution: Solution) -> Solution:
        """Return the solution with what its derivatives cost."""
        stats, own = linearise.stats, solution.stats
        calls = own.nonlinear_evaluations + stats.nonlinear_evaluations
        whole_cost = replace(stats, nonlinear_evaluations=calls, steps=own.steps, rejected=own.rejected)
        return said(replace(solution, stats=whole_cost), linearise.sentence)

    return Bound(method, slope, lambda: Doubled(steps) if doubling else steps, norm, tell=counted)


def _without_gradient(slope: Callable[[float, Array], Array]) -> Callable[[float, Array], Array]:
    def refused(t: float, y: Array) -> Array:
        value = slope(t, y)
        refuse_recorded(value)
        return value

    return refused


def starting_method(method: Method) -> Method | None:
    """Return the one-step method with which a multistep method begins, None for one-step methods.

    Its order is one less at least: the few first steps then cost no order.
    """
    if method.history < 2:
        return None
    counts = range(method.order - 3, 0, -2)  # each level gains two orders over the one below
    levels = [[Fraction(j, count) for j in range(1, count + 1)] for count in counts]
    return linearised_ladder(f"start of {method.name}", levels[::-1])
