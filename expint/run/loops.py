"""The loops over steps: over a plan, over given times, to a tolerance.

They know no method and no operator: a plan is numbers, a stepper makes steps, and a policy decides about them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

from expint.backend import Array, Namespace, array_namespace
from expint.lower.lower import same_step
from expint.lower.plan import Plan
from expint.phi.action import ActionFailure
from expint.run.control import ErrorOf, Policy
from expint.run.control.rest import AWAKE, FAINT, QUIET
from expint.run.steppers import Stepper, Trial
from expint.run.stepsize import (
    approach,
    begin,
    check_first_slope,
    check_step,
    finite,
    first_step,
    inside,
    too_many_steps,
)
from expint.run.tolerance import StepControl

__all__ = ["Accepted", "over_plan", "over_times", "to_tolerance"]


_Judged = tuple[float, ErrorOf, float, Array | None, Array]
"""What is said of a step; see ``_judge``."""


class Accepted(NamedTuple):
    """A state reached, and what it took.

    Attributes
    ----------
    t, y
        Time and state.
    evaluations
        Evaluations of N so far.
    rejected
        Steps rejected so far.
    slope
        N at the start of the step that led here, None for the first state.
    ahead
        N at the state reached, None where it is not known yet.
    local
        What the step that led here hands on for interpolation.
    """

    t: float
    y: Array
    evaluations: int
    rejected: int = 0
    slope: Array | None = None
    ahead: Array | None = None
    local: Any = None


def over_plan(
    plan: Plan,
    nonlinear: Callable[[float, Array], Array],
    y: Array,
    *,
    earlier: Sequence[Array] = (),
    noise: Callable[[float], Sequence[Array]] | None = None,
) -> Iterator[Accepted]:
    """Run ``plan`` from ``y`` and yield every accepted state, for most methods y_0 first.

    Nothing is derived, converted or synchronised here: each row costs one combination and at most one evaluation of N.

    Parameters
    ----------
    plan
        The plan.
    nonlinear
        N(t, y).
    y
        The initial state.
    earlier
        The states before it, newest first, for plans that look at them from their first row on.
    noise
        By the time of the end of a step its random columns, for plans that have some.
    """
    memory, (accept, evaluate) = plan.layout.start(y, earlier), plan.layout.moves(plan.depth)
    combine, newest, evaluations = plan.operator.combiner(), None, 0
    for step in plan.steps:
        at_start = newest
        if noise is not None and at_start is not None:  # the first step is y_0 itself
            memory = plan.layout.draw(memory, noise(step.times[-1]))
        for t, row in zip(step.times, step.rows):
            point = combine(row.weights, memory)
            if row.accept:
                memory = accept(memory, point)
                yield Accepted(t, point, evaluations, 0, at_start)
            if row.evaluate:
                newest = nonlinear(row.told(t), point)
                memory = evaluate(memory, newest)
                evaluations += 1


def over_times(
    stepper: Stepper[Any], nonlinear: Callable[..., Array], y: Array, times: Sequence[float]
) -> Iterator[Accepted]:
    """Yield y_0 and the states at all further ``times``.

    Parameters
    ----------
    stepper
        Makes the steps.
    nonlinear
        What the stepper evaluates, N(t, y) for most; where it starts steps with N, not at the end of the run.
    y
        The initial state.
    times
        The step boundaries.

    Raises
    ------
    AdaptiveFailure
        If the stepper finds no way on.
    ActionFailure
        If φ-functions cannot be applied.
    """
    evaluations, h, start, end = 0, 0.0, times[0], times[0]

    def slope(at: float, where: Any, then: Any = None) -> Array:  # of flows a time goes before the state
        nonlocal evaluations
        evaluations += 1
        if not (start <= at <= end or end <= at <= start):
            at = inside(at, start, end)
        return nonlinear(at, where) if then is None else nonlinear(at, where, then)

    at_start = stepper.value(slope, times[0], y) if stepper.starts_with_slope else None
    yield Accepted(times[0], y, evaluations, ahead=at_start)
    memory = stepper.start(times[0], y, at_start)
    for start, end in pairwise(times):
        h = same_step(h, start, end)
        made = stepper.advance(memory, slope, start, end, h)
        memory, ahead = made.commit(made.finish() if end != times[-1] else None)
        yield Accepted(end, made.y, evaluations, 0, at_start, ahead, made.local)
        at_start = ahead


def to_tolerance(
    stepper: Stepper[Any],
    policy: Policy[Any],
    nonlinear: Callable[..., Array],
    y: Array,
    t: float,
    stops: list[float],
    control: StepControl,
) -> Iterator[Accepted]:
    """Yield y_0 and the states after every accepted step; every time in ``stops`` is hit exactly.

    Parameters
    ----------
    stepper
        Makes the steps.
    policy
        Decides about lengths and orders.
    nonlinear
        What the stepper evaluates, N(t, y) for most.
    y, t
        The initial state and time.
    stops
        Times to land on, in the direction of integration; the run ends at the last.
    control
        Tolerances and bounds.

    Raises
    ------
    AdaptiveFailure
        If the step underflows, more steps than allowed are needed, or the stepper finds no way on.
    ActionFailure
        If φ-functions cannot be applied to the first state. Later such a failure rejects the step.
    """
    evaluations, rejected, last_error, rests, end = 0, 0, math.nan, False, stops[-1]
    failure: ActionFailure | None = None

    def slope(at: float, where: Any, then: Any = None) -> Array:  # of flows a time goes before the state
        nonlocal evaluations
        evaluations += 1
        if not (t <= at <= end or end <= at <= t):
            at = inside(at, t, end)
        return nonlinear(at, where) if then is None else nonlinear(at, where, then)

    value = partial(stepper.value, slope)
    first = value(t, y)
    yield Accepted(t, y, evaluations, ahead=first)
    check_first_slope(first, t)
    memory, at_start = stepper.start(t, y, first), first
    span, direction = abs(stops[-1] - t), math.copysign(1.0, stops[-1] - t)
    choose = partial(first_step, stepper.euler(memory), value, y, first, t, stops[-1], control)
    state, scale = policy.begin(control.first, choose), control.error.scale(y)
    pending, given, last = iter(stops), control.first, stops[-1]
    stop, attempt, judge = next(pending), stepper.attempt, _judge(control, array_namespace(scale))
    for _ in range(control.most):
        state = policy.prepare(state)
        h, lands = approach(state.h, state.rung, t, stop, state.previous) if given is None else begin(given, t, stop)
        given = None
        if not lands:
            check_step(h, t, span, failure, last_error)
        end = stop if lands else t + direction * h
        try:
            made = attempt(memory, slope, t, end, direction * h, state.order)
            error, error_of, change, found, reached = judge(made, scale, policy.strictness(state, h), rests)
            failure = None
        except ActionFailure as failed:
            failure, last_error, rejected = failed, math.inf, rejected + 1
            state = policy.rejected(state, h, math.inf, state.order, _no_error)
            continue
        if error > 1.0:
            rejected, last_error = rejected + 1, error
            state = policy.rejected(state, h, error, made.order, error_of)
            continue
        state = policy.accepted(state, h, error, made.order, error_of, abs(last - end))
        rests = change <= QUIET
        if rests:
            state = policy.watchful(state)
        memory, ahead = made.commit(found)
        y, t, scale = made.y, end, reached
        yield Accepted(t, y, evaluations, rejected, at_start, ahead, made.local)
        at_start = stepper.newest(memory) if ahead is None else ahead
        if lands:
            if stop == last:
                return
            stop = next(pending)
    raise too_many_steps(stops[-1], control.most, t, state.h)


def _no_error(order: int) -> float:
    """Return nan: there is no estimate of this order."""
    del order
    return math.nan


def _judge(control: StepControl, xp: Namespace) -> Callable[[Trial, Array, float, bool], _Judged]:
    """Return what judges steps of a run with states of the namespace ``xp``.

    It takes a step, the tolerance of each component where it starts, the policy's strictness, and whether N rests. It
    returns plain values, since it is asked at every step:

    - the error in units of what is allowed, inf where there is no way on, and by an order that of other estimates;
    - how much N changes within the step in units of the tolerance, inf where it was not looked at;
    - N at its end, if it was pending and the step is good, and the tolerance of each component there.
    """
    norm, looks, maximum = control.error, control.looks, xp.maximum
    scale_of, size, grows = norm.scale, norm.size, norm.grows

    def judge(made: Trial, scale: Array, strictness: float, rests: bool) -> _Judged:
        reached, found, change, error_at = scale_of(made.y), None, math.inf, made.error
        larger = maximum(scale, reached)

        def error_of(order: int) -> float:
            estimate = error_at(order)
            return math.nan if estimate is None else strictness * size(estimate, larger)

        own = error_at(made.order)
        error = math.nan if own is None else strictness * size(own, larger)
        if error <= 1.0:
            found = made.finish()
            if found is not None and not finite(found):
                return math.inf, error_of, change, None, reached  # the step after would find no way on
        if looks and error <= (1.0 if rests else FAINT):
            change = max((size(change, larger) for change in made.changes(found)), default=math.inf)
            if rests and change > AWAKE:
                return change / AWAKE, _no_error, change, None, reached
        return error, error_of, change, found, larger if grows else reached

    return judge
