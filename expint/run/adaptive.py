"""The loop that chooses its own steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from expint.backend import Array
from expint.phi.action import ActionFailure
from expint.run.control import Controller
from expint.run.fixed import Accepted
from expint.run.flow import flow
from expint.run.stepsize import approach, check_first_slope, check_step, finite, first_step, on_ladder, too_many_steps
from expint.run.tolerance import AdaptiveFailure, ErrorNorm, StepControl
from expint.run.trial import Attempt, Steps, doubled, embedded, trusted_order

__all__ = ["AdaptiveFailure", "ErrorNorm", "StepControl", "adaptive_states"]

_HOLD = (0.9, 1.2)
"""Factors between these leave the step as it is: a new step size costs new φ-functions, and a multistep method its
history."""

_GROWTH = 2.0
"""The largest factor from one step of a multistep method to the next: beyond it the older slopes crowd together, seen
from the new step, and the error estimate, which leaves out the oldest of them, becomes blind."""


def adaptive_states(
    steps: Steps,
    nonlinear: Callable[[float, Array], Array],
    y: Array,
    t: float,
    stops: list[float],
    control: StepControl,
    attempt: Attempt | None = None,
) -> Iterator[Accepted]:
    """Yield y_0 and the states after every accepted step; every time in ``stops`` is hit exactly.

    Parameters
    ----------
    steps
        The method, lowered step by step.
    nonlinear
        N(t, y).
    y, t
        The initial state and time.
    stops
        Times to land on, in the direction of integration; the run ends at the last.
    control
        Tolerances and bounds.
    attempt
        How a step is tried, where it is not one of a fixed operator; it is called as ``embedded`` is.

    Raises
    ------
    AdaptiveFailure
        If the step underflows, or more steps than allowed are needed.
    ActionFailure
        If φ-functions cannot be applied to the first state. Later such a failure rejects the step.
    """
    own: Attempt = doubled if control.doubling else embedded
    combine, attempt = steps.operator.combiner(), attempt or own
    order = trusted_order(steps.method) if control.doubling else int(steps.method.error_order or 0)
    direction, controller = math.copysign(1.0, stops[-1] - t), control.controller or Controller()
    evaluations, rejected, errors = 0, 0, (1.0, 1.0, 1.0)
    failure: ActionFailure | None = None

    def slope(t: float, y: Array) -> Array:
        nonlocal evaluations
        evaluations += 1
        return nonlinear(t, y)

    slopes, memory = (slope(t, y),), steps.START
    yield Accepted(t, y, evaluations, ahead=slopes[0])
    check_first_slope(slopes[0], t)
    if control.first is not None:
        h = control.first
    else:

        def euler(h: float) -> Array:
            return flow(steps.operator, h, y, slopes[0])

        h = first_step(euler, slope, y, slopes[0], t, stops[-1], control, order + 1)
    growth = _GROWTH if steps.method.history > 1 else math.inf
    ladder, previous, last_error = abs(stops[-1] - t), 0.0, math.nan
    pending = iter(stops)
    stop = next(pending)
    for _ in range(control.most):
        h = min(on_ladder(h, ladder, steps.operator.rungs), control.largest)
        trial, lands = approach(h, h, t, stop, previous)
        check_step(trial, t, ladder, failure, last_error)
        h_signed, end = direction * trial, stop if lands else t + direction * trial
        try:
            made = attempt(steps, combine, slope, t, end, h_signed, y, slopes, memory)
            assert made.error is not None  # the door lets only methods with an estimate in
            error, columns, order = control.error(made.error, y, made.y), made.slopes, made.order
            failure = None
        except ActionFailure as failed:
            failure, error = failed, math.inf
        if error <= 1.0 and made.pending:
            columns = (slope(end, made.y), *columns)
            if not finite(columns[0]):
                error = math.inf  # the step after would find no way on
        if error > 1.0:
            rejected += 1
            h = trial * controller.retreat(error, order)
            last_error = error
            continue
        y, t, memory, newest, previous = made.y, end, made.memory, slopes[0], trial
        slopes = columns[: len(memory)]
        yield Accepted(t, y, evaluations, rejected, newest, slopes[0] if memory[0] == 0 else None)
        if lands:
            if stop == stops[-1]:
                return
            stop = next(pending)
        errors = (error, *errors[:2])
        factor = min(controller.factor(errors, order), growth)
        if trial < h:
            h = max(trial * factor, h)  # a step shortened to land says little about h
        elif not _HOLD[0] <= factor <= _HOLD[1]:
            h = trial * factor
    raise too_many_steps(stops[-1], control.most, t, h)
