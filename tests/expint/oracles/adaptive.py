"""The loop with steps of one order as it was before there was one loop for all, with its four ways to try a step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from expint.backend import Array
from expint.jacobian import JacobianFailure
from expint.lower.cache import LoweredStep
from expint.phi.action import ActionFailure
from expint.run.control import Controller
from expint.run.flow import flow
from expint.run.loops import Accepted
from expint.run.steppers.protocol import Slope, trusted_order
from expint.run.stepsize import approach, check_first_slope, check_step, finite, first_step, on_ladder, too_many_steps
from expint.run.tolerance import StepControl

_HOLD = (0.9, 1.2)
_GROWTH = 2.0
START = (0.0,)


class Trial(NamedTuple):
    y: Array
    slopes: tuple[Array, ...]
    memory: tuple[float | None, ...]
    error: Array | None
    order: int
    pending: bool


def embedded(
    steps: Any,
    combine: Callable[..., Array],
    slope: Slope,
    t: float,
    end: float,
    h: float,
    y: Array,
    slopes: tuple[Array, ...],
    memory: tuple[float | None, ...],
) -> Trial:
    step = steps.step(t, h, memory)
    point, columns = make_stages(step, combine, slope, t, h, y, slopes)
    pending = step.rows[-1].evaluate
    if step.error is None:
        return Trial(point, columns, step.memory, None, 0, pending)
    if step.error.at_end:
        columns, pending = (slope(end, point), *columns), False
    error = combine(step.error.weights, (y, *columns))
    return Trial(point, columns, step.memory, error, step.error.order, pending)


def doubled(
    steps: Any,
    combine: Callable[..., Array],
    slope: Slope,
    t: float,
    end: float,
    h: float,
    y: Array,
    slopes: tuple[Array, ...],
    memory: tuple[float | None, ...],
) -> Trial:
    del end
    order = trusted_order(steps.method)
    whole, half = steps.step(t, h, memory), steps.step(t, h / 2, memory)
    single, _ = make_stages(whole, combine, slope, t, h, y, slopes)
    middle, _ = make_stages(half, combine, slope, t, h / 2, y, slopes)
    point, columns = make_stages(half, combine, slope, t + h / 2, h / 2, middle, (slope(t + h / 2, middle),))
    return Trial(point, columns, half.memory, (point - single) / (2**order - 1), order, half.rows[-1].evaluate)


def make_stages(
    step: LoweredStep,
    combine: Callable[..., Array],
    slope: Slope,
    t: float,
    h: float,
    y: Array,
    slopes: tuple[Array, ...],
) -> tuple[Array, tuple[Array, ...]]:
    point = y
    for c, row in zip(step.c, step.rows):
        point = combine(row.weights, (y, *slopes))
        if row.evaluate and not row.accept:
            slopes = (slope(t + c * h, point), *slopes)
    return point, slopes


def linearised(
    steps: Any,
    combine: Callable[..., Array],
    slope: Slope,
    t: float,
    end: float,
    h: float,
    y: Array,
    slopes: tuple[Array, ...],
    memory: tuple[float | None, ...],
) -> Trial:
    point, error, order = steps.reach(steps.at(t, y, slopes[0], h), slope, h, (), steps.method)
    return Trial(point, (), START, error, order, pending=True)


def linearised_doubled(
    steps: Any,
    combine: Callable[..., Array],
    slope: Slope,
    t: float,
    end: float,
    h: float,
    y: Array,
    slopes: tuple[Array, ...],
    memory: tuple[float | None, ...],
) -> Trial:
    local, half, order = steps.at(t, y, slopes[0], h), h / 2, trusted_order(steps.method)
    single, _, _ = steps.reach(local, slope, h, ())
    middle, _, _ = steps.reach(local, slope, half, ())
    try:
        further = steps.linearise(t + half, middle, slope(t + half, middle), half)
    except JacobianFailure:
        return Trial(middle, (), START, single * float("nan"), order, pending=True)
    point, _, _ = steps.reach(further, slope, end - t - half, ())
    return Trial(point, (), START, (point - single) / (2**order - 1), order, pending=True)


def one_step_doubled(
    steps: Any,
    combine: Callable[..., Array],
    slope: Slope,
    t: float,
    end: float,
    h: float,
    y: Array,
    slopes: tuple[Array, ...],
    memory: tuple[float | None, ...],
) -> Trial:
    half, order = h / 2, trusted_order(steps.method) if steps.forced else steps.method.order
    single = steps.reach(slope, t, h, y, slopes[0])
    middle = steps.reach(slope, t, half, y, slopes[0])
    point = steps.reach(slope, t + half, end - t - half, middle)
    return Trial(point, (), START, (point - single) / (2**order - 1), order, pending=True)


def adaptive_states(
    steps: Any,
    nonlinear: Callable[[float, Array], Array],
    y: Array,
    t: float,
    stops: list[float],
    control: StepControl,
    attempt: Callable[..., Trial],
    doubling: bool,
) -> Iterator[Accepted]:
    combine = steps.operator.combiner()
    order = trusted_order(steps.method) if doubling else int(steps.method.error_order or 0)
    direction, controller = math.copysign(1.0, stops[-1] - t), control.controller or Controller()
    evaluations, rejected, errors = 0, 0, (1.0, 1.0, 1.0)
    failure: ActionFailure | None = None

    def slope(t: float, y: Array) -> Array:
        nonlocal evaluations
        evaluations += 1
        return nonlinear(t, y)

    slopes, memory = (slope(t, y),), START
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
            assert made.error is not None
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
