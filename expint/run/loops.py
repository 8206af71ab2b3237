"""The loops over steps. They know no method and no operator: a stepper makes the steps, a policy decides about them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from expint.backend import Array, array_namespace
from expint.lower.lower import same_step
from expint.phi.action import ActionFailure
from expint.run.control import ErrorOf, Policy
from expint.run.fixed import Accepted
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

__all__ = ["over_times", "to_tolerance"]


def over_times(
    stepper: Stepper[Any], nonlinear: Callable[[float, Array], Array], y: Array, times: Sequence[float]
) -> Iterator[Accepted]:
    """Yield y_0 and the states at all further ``times``.

    Parameters
    ----------
    stepper
        Makes the steps.
    nonlinear
        N(t, y); it is evaluated where the stepper looks at it, but not at the end of the run.
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

    def slope(t: float, y: Array) -> Array:
        nonlocal evaluations
        evaluations += 1
        return nonlinear(inside(t, start, end), y)

    at_start = slope(times[0], y) if stepper.starts_with_slope else None
    yield Accepted(times[0], y, evaluations, ahead=at_start)
    memory = stepper.start(times[0], y, at_start)
    for start, end in pairwise(times):
        h = same_step(h, start, end)
        made = stepper.advance(memory, slope, start, end, h)
        memory, ahead = made.commit(made.finish() if end != times[-1] else None)
        yield Accepted(end, made.y, evaluations, 0, at_start, ahead)
        at_start = ahead


def to_tolerance(
    stepper: Stepper[Any],
    policy: Policy[Any],
    nonlinear: Callable[[float, Array], Array],
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
        N(t, y).
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
    evaluations, rejected, last_error, end = 0, 0, math.nan, stops[-1]
    failure: ActionFailure | None = None

    def slope(at: float, y: Array) -> Array:
        nonlocal evaluations
        evaluations += 1
        return nonlinear(inside(at, t, end), y)

    first = slope(t, y)
    yield Accepted(t, y, evaluations, ahead=first)
    check_first_slope(first, t)
    memory, at_start = stepper.start(t, y, first), first
    span, direction = abs(stops[-1] - t), math.copysign(1.0, stops[-1] - t)

    def choose(**aim: float) -> float:
        return first_step(stepper.euler(memory), slope, y, first, t, stops[-1], control, **aim)

    state, scale = policy.begin(control.first, choose), control.error.scale(y)
    pending, given = iter(stops), control.first
    stop = next(pending)
    for _ in range(control.most):
        state, found, error = policy.prepare(state), None, math.inf
        error_of: ErrorOf = _no_error
        h, lands = approach(state.h, state.rung, t, stop, state.previous) if given is None else begin(given, t, stop)
        given = None
        if not lands:
            check_step(h, t, span, failure, last_error)
        end, order = stop if lands else t + direction * h, state.order
        try:
            made = stepper.attempt(memory, slope, t, end, direction * h, order)
            reached = control.error.scale(made.y)
            error_of = _measured(made, array_namespace(y).maximum(scale, reached), policy.strictness(state, h), control)
            order, failure = made.order, None
            error = error_of(order)
        except ActionFailure as failed:
            failure = failed
        if error <= 1.0:
            found = made.finish()
            if found is not None and not finite(found):
                error = math.inf  # the step after would find no way on
        if error > 1.0:
            rejected, last_error = rejected + 1, error
            state = policy.rejected(state, h, error, order, error_of)
            continue
        state = policy.accepted(state, h, error, order, error_of, abs(stops[-1] - end))
        memory, ahead = made.commit(found)
        y, t, scale = made.y, end, reached
        yield Accepted(t, y, evaluations, rejected, at_start, ahead)
        at_start = stepper.newest(memory) if ahead is None else ahead
        if lands:
            if stop == stops[-1]:
                return
            stop = next(pending)
    raise too_many_steps(stops[-1], control.most, t, state.h)


def _measured(made: Trial, scale: Array, strictness: float, control: StepControl) -> ErrorOf:
    """Return by an order the error of the step, in units of what is allowed."""

    def error_of(order: int) -> float:
        estimate = made.error(order)
        return math.nan if estimate is None else strictness * control.error.size(estimate, scale)

    return error_of


def _no_error(order: int) -> float:
    """Return nan: the step could not be made, or has no estimate of this order."""
    del order
    return math.nan
