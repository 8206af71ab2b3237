"""The loops over steps: over a plan, over given times, to a tolerance.

They know no method and no operator: a plan is numbers, a stepper makes steps, and a policy decides about them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

from expint.backend import Array, all_finite, array_namespace
from expint.lower.lower import same_step
from expint.lower.plan import Plan
from expint.phi.action import ActionFailure
from expint.run.control import Policy
from expint.run.control.controller import approach, begin, inside
from expint.run.control.rest import ASLEEP, AWAKE, FAINT, QUIET, rest_ahead
from expint.run.standing import Notes, Standing, unpacked
from expint.run.steppers import Attempt, Stepper
from expint.run.stepsize import first_step
from expint.run.tolerance import StepControl, check_first_slope, check_step, larger_of, too_many_steps

__all__ = ["Accepted", "over_plan", "over_times", "to_tolerance"]


_Judged = tuple[float, float, Array | None, Array]
"""What is said of a step; see ``_Judge``."""


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
    notes: Notes | None = None,
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
        By the time of the end of a step its random columns, for plans that have some. It is asked once for each step,
        in order; None stands for a column that the step does not look at.
    notes
        Are told at every state how to ask where the run stands; and say where an earlier run, without noise, stood,
        from which this one goes on: its next state comes first.
    """
    memory, (accept, evaluate) = plan.layout.start(y, earlier), plan.layout.moves(plan.depth)
    combine, newest, evaluations, first, done = plan.operator.combiner(), None, 0, 0, 0
    reached = notes is not None and notes.standing is not None  # its row is done, but for its evaluation
    if notes is not None and notes.standing is not None:
        _, point, evaluations, _, memory, (first, done), (newest,) = notes.standing
    for number, step in enumerate(plan.steps[first:], first):
        at_start = newest
        if noise is not None and number:  # the first step is y_0 itself
            memory = plan.layout.draw(memory, noise(step.times[-1]))
        for k, (t, row) in enumerate(zip(step.times[done:], step.rows[done:]), done):
            if not reached:
                point = combine(row.weights, memory)
                if row.accept:
                    memory = accept(memory, point)
                    if notes is not None:
                        notes.note(partial(Standing, t, point, evaluations, 0, memory, (number, k), (newest,)))
                    yield Accepted(t, point, evaluations, 0, at_start)
            reached, done = False, 0
            if row.evaluate:
                newest = nonlinear(row.told(t), point)
                memory = evaluate(memory, newest)
                evaluations += 1


def over_times(
    stepper: Stepper[Any],
    nonlinear: Callable[..., Array],
    y: Array,
    times: Sequence[float],
    notes: Notes | None = None,
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
    notes
        As in ``over_plan``; ``y`` stays that of the start.

    Raises
    ------
    AdaptiveFailure
        If the stepper finds no way on.
    ActionFailure
        If φ-functions cannot be applied.
    """
    evaluations, h, first, start, end = 0, 0.0, 0, times[0], times[0]

    def slope(at: float, where: Any, then: Any = None) -> Array:  # of flows a time goes before the state
        nonlocal evaluations
        evaluations += 1
        if not (start <= at <= end or end <= at <= start):
            at = inside(at, start, end)
        return nonlinear(at, where) if then is None else nonlinear(at, where, then)

    if notes is None or notes.standing is None:
        at_start = stepper.value(slope, times[0], y) if stepper.starts_with_slope else None
        yield Accepted(times[0], y, evaluations, ahead=at_start)
        memory = stepper.start(times[0], y, at_start)
    else:
        _, y, evaluations, _, memory, first, (h, at_start) = notes.standing
        memory = unpacked(stepper, memory, y)
    for number, (start, end) in enumerate(pairwise(times[first:]), first + 1):
        h = same_step(h, start, end)
        made = stepper.advance(memory, slope, start, end, h)
        memory, ahead = made.commit(made.finish() if end != times[-1] else None)
        before, at_start = at_start, ahead
        if notes is not None:
            notes.note(partial(_standing, stepper, end, made.y, evaluations, 0, memory, number, (h, at_start)))
        yield Accepted(end, made.y, evaluations, 0, before, ahead, made.local)


def to_tolerance(
    stepper: Stepper[Any],
    policy: Policy[Any],
    nonlinear: Callable[..., Array],
    y: Array,
    t: float,
    stops: list[float],
    control: StepControl,
    notes: Notes | None = None,
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
    notes
        As in ``over_plan``; ``y`` and ``t`` stay those of the start.

    Raises
    ------
    AdaptiveFailure
        If the step underflows, more steps than allowed are needed, or the stepper finds no way on.
    ActionFailure
        If φ-functions cannot be applied to the first state. Later such a failure rejects the step.
    """
    evaluations, rejected, done, last_error, rests, asleep, end, last = 0, 0, 0, math.nan, False, False, *stops[-1:] * 2
    failure: ActionFailure | None = None

    def slope(at: float, where: Any, then: Any = None) -> Array:  # of flows a time goes before the state
        nonlocal evaluations
        evaluations += 1
        at = at if t <= at <= end or end <= at <= t else inside(at, t, end)
        return nonlinear(at, where) if then is None else nonlinear(at, where, then)

    span, sign, judge = abs(last - t), math.copysign(1.0, last - t), _Judge(control, y)
    given, attempt, norm = control.first, stepper.attempt, control.error
    if notes is None or notes.standing is None:
        at_start = stepper.value(slope, t, y)
        yield Accepted(t, y, evaluations, ahead=at_start)
        memory, state, scale = _begun(stepper, policy, slope, y, at_start, t, last, control)
    else:
        t, y, evaluations, rejected, memory, state, (scale, at_start, last_error, rests, asleep, done) = notes.standing
        memory, given = unpacked(stepper, memory, y), None
    pending = (own for own in stops if sign * (own - t) > 0)
    stop = next(pending)
    for tried in range(done + 1, control.most + 1):
        state = policy.prepare(state)
        h, lands = approach(state.h, state.rung, t, stop, state.previous) if given is None else begin(given, t, stop)
        given = None
        check_step(math.inf if lands else h, t, span, failure, last_error)
        end = stop if lands else t + sign * h
        try:
            if asleep and (seen := rest_ahead(norm, stepper.foretold(memory, slope, t, sign * h), sign * h, span)) < h:
                state, h, lands, end = policy.watchful(state), seen, False, t + sign * seen
            made = attempt(memory, slope, t, end, sign * h, state.order)
            error, change, found, reached = judge(made, scale, policy.strictness(state, h), rests)
            failure, order = None, made.order
        except ActionFailure as failed:
            failure, order, error = failed, state.order, math.inf
        if error > 1.0:
            rejected, last_error = rejected + 1, error
            state = policy.rejected(state, h, error, order, judge.error_of if failure is None else _no_error)
            continue
        state = policy.accepted(state, h, error, order, judge.error_of, abs(last - end))
        rests, asleep = change <= QUIET, change <= ASLEEP and control.strides and stepper.foretells
        state = policy.watchful(state) if rests and not asleep else state
        memory, ahead = made.commit(found)
        y, t, scale = made.y, end, reached
        before, at_start = at_start, stepper.newest(memory) if ahead is None else ahead
        if notes is not None:
            rest = scale, at_start, last_error, rests, asleep, tried
            notes.note(partial(_standing, stepper, t, y, evaluations, rejected, memory, state, rest))
        yield Accepted(t, y, evaluations, rejected, before, ahead, made.local)
        if t == last:
            return
        stop = next(pending) if lands else stop
    raise too_many_steps(last, control.most, t, state.h)


def _begun(
    stepper: Stepper[Any],
    policy: Policy[Any],
    slope: Callable[..., Array],
    y: Array,
    first: Array,
    t: float,
    end: float,
    control: StepControl,
) -> tuple[Any, Any, Array]:
    """Return the memory, the state of the policy and the tolerance of each component at the start."""
    check_first_slope(first, t)
    memory, value = stepper.start(t, y, first), partial(stepper.value, slope)
    choose = partial(first_step, stepper.euler(memory), value, y, first, t, end, control)
    return memory, policy.begin(control.first, choose), control.error.scale(y)


def _standing(
    stepper: Any, t: float, y: Array, evaluations: int, rejected: int, memory: Any, state: Any, rest: tuple[Any, ...]
) -> Standing:
    """Return where a run stands, in plain values."""
    return Standing(t, y, evaluations, rejected, stepper.pack(memory), state, rest)


def _no_error(order: int) -> float:
    """Return nan: there is no estimate of this order."""
    del order
    return math.nan


class _Judge:
    """Judges the steps of a run with states like ``like``, one after the other.

    It is asked at every step, so that it returns plain values and remembers the step in question instead of making
    functions of it.
    """

    __slots__ = ("_grows", "_larger", "_looks", "_made", "_maximum", "_scale_of", "_size", "_strictness")

    def __init__(self, control: StepControl, like: Array) -> None:
        norm = control.error
        self._looks, self._grows = control.looks, norm.grows
        self._maximum = larger_of(array_namespace(like), norm.forgets and not norm.grows)
        self._scale_of, self._size = control.error.measures(like)

    def __call__(self, made: Attempt, scale: Array, strictness: float, rests: bool) -> _Judged:
        """Judge a step.

        Parameters
        ----------
        made
            The step.
        scale
            The tolerance of each component where it starts.
        strictness
            That of the policy.
        rests
            Whether N rests.

        Returns
        -------
        tuple
            The error in units of what is allowed, inf where there is no way on; how much N changes within the step in
            units of the tolerance, inf where it was not looked at; N at its end, if it was pending and the step is
            good; and the tolerance of each component there.
        """
        size, reached = self._size, self._scale_of(made.y)
        self._made, self._strictness, self._larger = made, strictness, self._maximum(scale, reached)
        larger, found, change, own = self._larger, None, math.inf, made.error(made.order)
        error = math.nan if own is None else strictness * size(own, larger)
        if error <= 1.0:
            found = made.finish()
            if found is not None and not all_finite(found):
                return math.inf, change, None, reached  # the step after would find no way on
        if self._looks and error <= (1.0 if rests else FAINT):
            change = max([size(change, larger) for change in made.changes(found)], default=math.inf)
            if rests and change > AWAKE:
                self._strictness = math.nan  # no estimate has seen it
                return change / AWAKE, change, None, reached
        return error, change, found, larger if self._grows else reached

    def error_of(self, order: int) -> float:
        """Return the error of the step in question by its estimate of another order, nan where there is none."""
        estimate = self._made.error(order)
        return math.nan if estimate is None else self._strictness * self._size(estimate, self._larger)
