"""Kind of problem × kind of method → stepper: which methods solve which problems, and what to say of the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

from expint.arguments import seen
from expint.backend import Array
from expint.derive.kinds.adams import Adams
from expint.derive.kinds.predictor_corrector import PredictorCorrector
from expint.derive.kinds.stage import Method, kind_of_method
from expint.derive.kinds.tableau import Tableau
from expint.derive.orders.forcing import follows_flow, sees_forcing
from expint.ivp.bound import Bound, Problem, Tolerance
from expint.ivp.checks import check_rtol, check_slopes, check_tolerance, no_force
from expint.ivp.choose import choose, choose_linearised
from expint.ivp.runner import refuse_kernels, run_by
from expint.lower import lower
from expint.lower.cache import StepCache
from expint.lower.damped import may_damp
from expint.lower.pair import AdamsCache
from expint.methods import method as find_method
from expint.operators import Operator, TimeDependent, TimeScaled, as_operator
from expint.operators.base import Use
from expint.run import ErrorNorm
from expint.run.steppers.adams import AdamsPairs
from expint.run.steppers.doubled import Doubled
from expint.run.steppers.fixed_linear import FixedLinear
from expint.run.steppers.flows import Flows

__all__ = ["bind", "blind_spot", "check_method", "linearises"]

_SHORT = 1e-6
"""The time, in units of the span, over which the flow of a splitting tells N."""

_BLIND = (
    "The error estimate of {} does not see a part of N that depends on time alone: where N has one, the tolerance may "
    "not be kept; take zoto-bowman43, or error='doubling'."
)


def bind(problem: Problem, method: str | Method, error: str | None = None, tolerance: Tolerance | None = None) -> Bound:
    """Return a problem and a method ready to run.

    Parameters
    ----------
    problem
        The problem; its state is checked.
    method
        A name, a method, or "auto".
    error
        "embedded", "doubling", or None, as in ``solve_ivp``.
    tolerance
        What a run to a tolerance keeps; None for steps that are given.

    Raises
    ------
    ValueError, TypeError
        If no method of this kind solves problems of this kind, or a tolerance makes no sense.
    """
    check_method(method)
    kind = _kind_of_problem(problem)
    if kind in ("over time", "integral"):
        from expint.ivp.over_time import bind_exact, bind_over_time  # few problems need it

        refuse_kernels(problem.runner, f"{problem.linear!r}")
        return (bind_exact if kind == "integral" else bind_over_time)(problem, method, error, tolerance)
    operator = None if problem.linear is None else as_operator(problem.linear, problem.y0)
    doubling = kind == "flow" or error == "doubling"
    chosen, why = _chosen(kind, method, operator, problem.y0, None if doubling else tolerance)
    make = _TABLE.get((kind, kind_of_method(chosen)))
    if make is None:
        raise _refusal(problem, chosen)
    if make is not _fixed_linear:
        refuse_kernels(problem.runner, str(chosen.name))
    norm = None
    if tolerance is not None:
        norm = check_tolerance(chosen, *tolerance, problem.y0, doubling=doubling)
        chosen = chosen if doubling else _climbing(chosen)
        if not doubling:
            why = f"{why} {blind_spot(chosen)}".strip()
    found = make(problem, operator, chosen, norm, doubling and norm is not None)
    return replace(found, why=f"{why} {found.why}".strip())


def check_method(method: Any) -> None:
    """Raise TypeError unless it is a name or a method."""
    if not isinstance(method, str) and (isinstance(method, type) or not hasattr(method, "error_order")):
        raise TypeError(
            f"expected method to be a name of expint.method_names() or a method, received {seen(method)}; "
            "expint.derive.Tableau makes one"
        )


def blind_spot(method: Method) -> str:
    """Return what the error estimate of a method does not see, in a sentence, "" where it sees all."""
    return "" if _sees_forcing(method) else _BLIND.format(method.name)  # type: ignore[arg-type]  # methods are frozen


@lru_cache(maxsize=64)
def _sees_forcing(method: Method) -> bool:
    """Whether the error estimate of a method sees an N that depends on time alone; only tableaux are looked at."""
    return not isinstance(method, Tableau) or sees_forcing(method)


def _kind_of_problem(problem: Problem) -> str:
    if problem.flow is not None:
        return "flow"
    if isinstance(problem.linear, TimeDependent):
        return "over time"
    if isinstance(problem.linear, TimeScaled):
        return "integral"
    return "unsplit" if problem.linear is None or problem.jac is not None else "split"


def linearises(method: Any) -> bool:
    """Whether the method makes L the Jacobian of the right-hand side at every step."""
    return kind_of_method(method) == "linearises"


def _chooses_orders(method: Any) -> bool:
    """Whether the order of the method may change from step to step: Adams methods and predictor–corrector pairs."""
    return isinstance(method, Adams | PredictorCorrector)


def _climbing(method: Any) -> Method:
    """Return the method with ``ramp=True``: one-step starts have no error estimate, so a run begins at order 1."""
    return replace(method, ramp=True) if _chooses_orders(method) else method


def _chosen(
    kind: str, method: str | Method, operator: Operator | None, y0: Array, tolerance: Tolerance | None
) -> tuple[Method, str]:
    """Return the method asked for, or the one chosen and why."""
    if method == "auto" and kind == "unsplit":
        return choose_linearised(operator is not None)
    if method == "auto" and kind == "split":
        assert operator is not None  # that makes it a split problem
        rtol = None if tolerance is None else ErrorNorm(check_rtol(tolerance.rtol, y0), 0.0).tightest[0]
        return choose(operator, y0, rtol)
    return find_method(method) if isinstance(method, str) else method, ""


def _refusal(problem: Problem, method: Any) -> Exception:
    if kind_of_method(method) == "splitting":
        return method.needs_flow
    if problem.flow is not None:
        return TypeError(
            f"expected a splitting method for a flow of N, received {method.name}; expint.method('strang') is one"
        )
    received = f"{method.name} without linear=" if problem.linear is None else f"jac= beside {method.name}"
    return ValueError(
        f"expected linear= for a method with a fixed L, or jac= for one that linearises, received {received}; "
        'take method="auto" or "exprb43" for y\' = f(t, y) with its Jacobian'
    )


def _fixed_linear(
    problem: Problem, operator: Operator | None, method: Method, norm: ErrorNorm | None, doubling: bool
) -> Bound:
    """Bind a method with a fixed L; Adams methods and pairs choose their orders, too, unless errors are by doubling."""
    assert operator is not None  # that makes it a split problem
    nonlinear, y0 = no_force if problem.nonlinear is None else problem.nonlinear, problem.y0
    slope = check_slopes(nonlinear, problem.args, y0)
    if norm is None:
        prepared, _, told = run_by(problem.runner, operator.prepare(Use("equal")), None, y0)
        make = partial(_lowered, method, operator, y0)
        return Bound(method, slope, make, None, partial(lower, method, prepared, like=y0), operator, why=told)
    prepared, norm, told = run_by(problem.runner, operator.prepare(Use("changing", norm.tightest)), norm, y0)
    if _chooses_orders(method) and not doubling:
        adams: Any = method
        pairs = partial(AdamsCache, adams, prepared, y0, alone=problem.alone)
        return Bound(method, slope, lambda: AdamsPairs(pairs()), norm, why=told)
    make = partial(_lowered, method, prepared, y0, problem.alone)
    span = problem.span[1] - problem.span[0]
    if norm is not None and method.history == 1 and follows_flow(method) and may_damp(operator, span):
        norm = replace(norm, forgets=True)
    return Bound(method, slope, (lambda: _doubled(make())) if doubling else make, norm, why=told)


def _doubled(stepper: FixedLinear) -> Doubled:
    return Doubled(stepper, stepper.lacking if stepper.layout.states == 1 else None)


def _lowered(method: Method, operator: Operator, y0: Array, alone: bool = False) -> FixedLinear:
    return FixedLinear(StepCache(method, operator, y0, alone=alone))


def _linearised(
    problem: Problem, operator: Operator | None, method: Method, norm: ErrorNorm | None, doubling: bool
) -> Bound:
    from expint.ivp.linearise import bind_linearised  # few problems need it

    return bind_linearised(problem, operator, method, norm, doubling)


def _flows(problem: Problem, operator: Operator | None, method: Any, norm: ErrorNorm | None, doubling: bool) -> Bound:
    """Bind a splitting to the flow of N; errors are estimated by doubling."""
    assert operator is not None  # a flow comes beside it
    assert problem.flow is not None
    prepared = operator if norm is None else operator.prepare(Use("changing", norm.tightest))
    stepper = Flows(method, prepared, problem.y0, _SHORT * (problem.span[1] - problem.span[0]), problem.alone)
    return Bound(method, problem.flow, lambda: Doubled(stepper) if doubling else stepper, norm)


_TABLE: dict[tuple[str, str], Callable[..., Bound]] = {
    ("split", "fixed L"): _fixed_linear,
    ("split", "follows fields"): _fixed_linear,
    ("split", "linearises"): _linearised,
    ("unsplit", "linearises"): _linearised,
    ("flow", "splitting"): _flows,
}
"""By the kind of the problem and that of the method; those of L over time are in ``expint.ivp.over_time``."""
