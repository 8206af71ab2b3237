"""The loop with steps of changing order as it was before there was one loop for all."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from expint.backend import Array, array_namespace
from expint.lower.pair import PairCache, PairRows
from expint.phi.action import ActionFailure
from expint.run.control import Controller, best_order
from expint.run.loops import Accepted
from expint.run.steppers.adams import remember
from expint.run.stepsize import approach, check_first_slope, check_step, finite, first_step, on_ladder, too_many_steps
from expint.run.tolerance import ErrorNorm, StepControl

_ELEMENTARY = Controller((1.0, 0.0, 0.0), safety=0.75)

_RUNGS = 2

_HOLD = (0.95, 1.4)

_SAVED = 2.0

_LOOK = 2

_GROWTH = 2.0

_CLIMB = 2.0

_SHARE = {True: 0.5, False: 0.75}

_STARTING = 4.0

_FIRST = 0.25


def pair_states(
    pairs: PairCache,
    nonlinear: Callable[[float, Array], Array],
    y: Array,
    t: float,
    stops: list[float],
    control: StepControl,
) -> Iterator[Accepted]:
    norm, span = control.error, abs(stops[-1] - t)
    controller = _ELEMENTARY if control.controller is None else replace(control.controller, beta=_ELEMENTARY.beta)
    largest, again = pairs.method.q, pairs.method.mode == "PECE"
    direction, evaluations, rejected = math.copysign(1.0, stops[-1] - t), 1, 0
    failure: ActionFailure | None = None
    xp = array_namespace(y)
    strictest = max(1.0, norm.tightest[0] / (10 * float(xp.finfo(y.dtype).eps)))
    power = _SHARE[pairs.operator.damps(direction * span)]

    newest = nonlinear(t, y)
    yield Accepted(t, y, evaluations, ahead=newest)
    check_first_slope(newest, t)
    slopes, scale = remember(pairs, y, newest), norm.scale(y)
    memory: tuple[float, ...] = (0.0,)

    h = control.first
    if h is None:

        def euler(h: float) -> Array:
            return slopes.predict(pairs.rows(h, memory, 1).predict)

        h = first_step(euler, nonlinear, y, newest, t, stops[-1], control, 2, _FIRST / _STARTING)
        evaluations += 1
    h = rung = min(on_ladder(h, span, 1), control.largest)  # rather short: the run climbs
    q, kept, climbing, limit, previous, last_error = 1, 0, True, min(_STARTING, strictest), 0.0, math.nan
    pending = iter(stops)
    stop = next(pending)
    for _ in range(control.most):
        trial, lands = approach(h, rung, t, stop, previous)
        check_step(trial, t, span, failure, last_error)
        end = stop if lands else t + direction * trial
        try:
            rows = pairs.rows(direction * trial, memory, q)
            point = slopes.predict(rows.predict)
            found = nonlinear(end, point)
            evaluations += 1
            difference = slopes.difference(rows.foreseen[q], found)
            after = point if rows.correct is None else point + slopes.weigh(rows.correct, difference)
            reached = norm.scale(after)
            measure = xp.maximum(scale, reached)
            stricter = min((span / trial) ** power, limit)
            error = stricter * norm.size(slopes.weigh(rows.estimates[q], difference), measure)
            failure = None
        except ActionFailure as failed:
            failure, error = failed, math.inf
        if again and error <= 1.0:
            ahead = nonlinear(end, after)
            evaluations += 1
            if not finite(ahead):
                error = math.inf  # the step after would find no way on
        if error > 1.0:
            rejected, climbing, limit, kept, last_error = rejected + 1, False, strictest, 0, error
            if q > 1 and math.isfinite(error):
                lower = stricter * _errors(slopes, rows, found, measure, norm, (q - 1,))[q - 1]
                q, error = (q - 1, lower) if lower < error else (q, error)
            h = trial * controller.retreat(error, q)
            rung = on_ladder(h, span, _RUNGS)
            continue
        following, wanted, kept = q, h, kept + 1
        factor = controller.factor((error,), q)
        if 2 * trial < h:
            kept = 0  # a step shortened to land says little about h
        elif climbing or factor < _HOLD[0] or kept > (q if factor > _HOLD[1] else _LOOK * q):
            others = _errors(slopes, rows, found, measure, norm, (q - 1, q + 1))
            errors = {q: error} | {k: stricter * other for k, other in others.items()}
            following, factor = best_order(errors, q, controller)
            climbing = factor >= _CLIMB
            limit = limit if climbing else strictest
            if climbing and following == q and q + 1 not in errors:
                following = min(q + 1, largest)  # there is no estimate yet of what is one order higher
            factor = min(factor, _GROWTH if following > 2 else _GROWTH**2)
            raised = min(trial * factor, control.largest)
            saved = abs(stops[-1] - end) * (1 / trial - 1 / raised)
            if factor < _HOLD[0] or (factor > _HOLD[1] and saved > _SAVED):
                wanted = raised
                rung = on_ladder(wanted, span, _RUNGS)
            kept = 0
        if again:
            found = ahead
        slopes.accept(after, found)
        y, t, scale, previous, q, h, memory = after, end, reached, trial, following, wanted, rows.memory
        yield Accepted(t, y, evaluations, rejected, newest, found)
        newest = found
        if lands:
            if stop == stops[-1]:
                return
            stop = next(pending)
    raise too_many_steps(stops[-1], control.most, t, h)


def _errors(
    slopes: Any,
    rows: PairRows,
    found: Array,
    measure: Array,
    norm: ErrorNorm,
    orders: tuple[int, ...],
) -> dict[int, float]:
    """Return the estimates of other orders, where they can be had, for the step that ``rows`` have made."""
    return {
        k: norm.size(slopes.weigh(rows.estimates[k], slopes.difference(rows.foreseen[k], found)), measure)
        for k in orders
        if k in rows.estimates
    }
