"""The loop that chooses its own steps and the order of an exponential Adams method, with a corrector or without."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

from expint.backend import Array, array_namespace
from expint.lower.pair import PairCache, PairRows
from expint.phi.action import ActionFailure
from expint.run.control import Controller, best_order
from expint.run.fixed import Accepted
from expint.run.slopes import ListedSlopes, StackedSlopes, remember
from expint.run.stepsize import approach, check_first_slope, check_step, finite, first_step, on_ladder, too_many_steps
from expint.run.tolerance import ErrorNorm, StepControl

__all__ = ["pair_states"]

_ELEMENTARY = Controller((1.0, 0.0, 0.0), safety=0.75)
"""Steps change seldom and by factors of √2 or more, so that there is nothing to filter: a filter counts on every step's
following it, and its small factors would never be heeded. The safety is that of the default: measured over the zoo, the
work for an error is that with a safety of 0.9, and the error is nearer to what is asked for."""

_RUNGS = 2
"""Steps are the span over powers of √2. Measured: powers of two need a tenth more evaluations of N, finer ladders no
fewer, but more φ-functions and rows, which repeat the more often the fewer steps there are."""

_HOLD = (0.95, 1.4)
"""Factors between these leave the step as it is: below √2, so that the next rung is within reach."""

_SAVED = 2.0
"""A longer step that saves no more steps than this until the end of the run is not worth new φ-functions."""

_LOOK = 2
"""After so many times q steps that need no change, it is asked whether another order would allow one."""

_GROWTH = 2.0
"""The largest factor from one step to the next, its square at the lowest orders: the older slopes crowd together, seen
from a longer step, and their rounding grows with every power of the factor."""

_CLIMB = 2.0
"""The run climbs, reconsidering order and step after every step, while the step may grow by this factor."""

_SHARE = {True: 0.5, False: 0.75}
"""The power of h/T that is the share of a step in the tolerance, where L damps and where it does not. Measured over the
zoo: where nothing is damped a power of 1 makes errors ten times smaller than is asked for, and one of 1/2 fifty times
larger after thousands of steps."""

_STARTING = 4.0
"""Until the first climb ends, one over this is the part of the tolerance that an error is allowed: such steps are as
few as a step can be doubled, however long the span. Measured: with the share of other steps, far less for so short
ones, short runs to an error of 1e-4 take up to a fifth more evaluations."""

_FIRST = 0.25
"""The error of the first step that is aimed at, in units of what is allowed."""


def pair_states(
    pairs: PairCache,
    nonlinear: Callable[[float, Array], Array],
    y: Array,
    t: float,
    stops: list[float],
    control: StepControl,
) -> Iterator[Accepted]:
    """Yield y_0 and the states after every accepted step; every time in ``stops`` is hit exactly.

    The run starts with one past slope and climbs: order and step are raised after every step as long as the errors are
    small. Otherwise both are reconsidered where a step and an order have been kept long enough for the estimates of the
    neighbouring orders to mean something, or where the error comes near the tolerance: the order is taken that promises
    the longest step. An order beyond its limit of stability betrays itself by differences that grow with the
    order, and is left for a lower one.

    A step of length h is allowed √(h/T) of the tolerance, T the span: the errors of T/h steps count once where errors
    decay and T/h times where they are kept. It is (h/T)^(3/4) where L damps nothing, as on imaginary spectra, and a
    quarter until the first climb ends.

    Parameters
    ----------
    pairs
        The method, lowered order by order and step by step.
    nonlinear, y, t, stops, control
        As for ``expint.run.adaptive.adaptive_states``.

    Raises
    ------
    AdaptiveFailure, ActionFailure
        As ``adaptive_states``.

    References
    ----------
    Shampine and Gordon (1975), Computer Solution of Ordinary Differential Equations: The Initial Value Problem.
    """
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
            return slopes.predict(pairs.rows(h, memory, 1))

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
            point = slopes.predict(rows)
            found = nonlinear(end, point)
            evaluations += 1
            difference = slopes.difference(rows, found, q)
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
    slopes: ListedSlopes | StackedSlopes,
    rows: PairRows,
    found: Array,
    measure: Array,
    norm: ErrorNorm,
    orders: tuple[int, ...],
) -> dict[int, float]:
    """Return the estimates of other orders, where they can be had, for the step that ``rows`` have made."""
    return {
        k: norm.size(slopes.weigh(rows.estimates[k], slopes.difference(rows, found, k)), measure)
        for k in orders
        if k in rows.estimates
    }
