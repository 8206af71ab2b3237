"""What the loop over many trajectories remembers of each, and how their steps are judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from expint.backend import Array, array_namespace, copied
from expint.run.batch.lengths import first_steps
from expint.run.batch.norm import EachNorm, finite_each
from expint.run.batch.rows import Rows
from expint.run.batch.trees import beside, merged, picked, put
from expint.run.control.many import EachPolicy, EachSteps
from expint.run.control.rest import AWAKE, FAINT, LOOKS, QUIET
from expint.run.steppers.batched import Batched, EachMemory, EachTrial
from expint.run.tolerance import AdaptiveFailure, check_first_slope, check_step, too_many_steps

__all__ = [
    "EachAccepted",
    "EachControl",
    "Judged",
    "Running",
    "after",
    "begun",
    "failures_of_each",
    "judged",
    "rest_ahead_of_each",
]


@dataclass(frozen=True)
class EachControl:
    """What steps are chosen by; as ``StepControl``.

    Attributes
    ----------
    error
        The norm.
    first
        The first step of each trajectory, or None to choose it.
    largest, most, looks, strides
        As in ``StepControl``.
    """

    error: EachNorm
    first: np.ndarray | None
    largest: float
    most: int
    looks: bool
    strides: bool


class EachAccepted(NamedTuple):
    """What some of the trajectories have reached.

    Attributes
    ----------
    which
        Their numbers.
    t, y, slope, ahead
        As in ``Accepted``, for each; ``slope`` is None for the first states.
    rejected
        The steps rejected so far.
    failures
        Why each of them cannot go on; empty where they do. States are then those reached before.
    """

    which: np.ndarray
    t: np.ndarray
    y: Array
    rejected: np.ndarray
    slope: Array | None
    ahead: Array
    failures: tuple[AdaptiveFailure, ...] = ()


class Running(NamedTuple):
    """The trajectories that run.

    Attributes
    ----------
    which
        Their numbers.
    t
        The times reached.
    stop
        Which of the times to land on comes next.
    memory, state
        What the stepper and the policy remember.
    scale
        The tolerance of each component.
    rests, asleep
        Whether N rests, and so much that it is looked at inside long steps.
    tried, rejected, last_error
        How many steps were tried and rejected, and the error of the last one rejected.
    """

    which: np.ndarray
    t: np.ndarray
    stop: np.ndarray
    memory: EachMemory
    state: EachSteps
    scale: Array
    rests: np.ndarray
    asleep: np.ndarray
    tried: np.ndarray
    rejected: np.ndarray
    last_error: np.ndarray

    def reached(self, at: np.ndarray, failures: tuple[AdaptiveFailure, ...]) -> EachAccepted:
        """Return what the trajectories ``at``, which fail, have reached before."""
        own = picked(self, at)
        return EachAccepted(own.which, own.t, own.memory.y, own.rejected, None, own.memory.slope, failures)


class Judged(NamedTuple):
    """What is said of a step of each trajectory.

    Attributes
    ----------
    error, change, found, reached
        As in the loop of one trajectory: the error in units of what is allowed, how much N changes within the step,
        N at its end where the step is good, and the tolerance of each component there.
    """

    error: np.ndarray
    change: np.ndarray
    found: Array
    reached: Array


def begun(
    stepper: Batched,
    policy: EachPolicy,
    rows: Rows,
    y: Array,
    first: Array,
    t: np.ndarray,
    end: np.ndarray,
    control: EachControl,
) -> tuple[Running, EachAccepted]:
    """Return the trajectories that can begin, and those that cannot, since N is not finite where they start."""
    everyone = np.arange(len(t))
    good = finite_each(first)
    able = everyone[good]
    y_able, slope = picked(y, able), picked(first, able)
    memory = stepper.start(y_able, slope)
    choose = partial(
        first_steps,
        able,
        partial(stepper.euler, able, y_able, slope),
        rows,
        y_able,
        slope,
        t[able],
        end[able],
        control.error,
        control.largest,
    )
    state = policy.begin(able, None if control.first is None else control.first[able], choose)
    none, zero = np.zeros(len(able), dtype=bool), np.zeros(len(able), dtype=np.int64)
    scale = control.error.scale(able, t[able], y_able)
    run = Running(able, t[able], zero, memory, state, scale, none, none, zero, zero, np.full(len(able), np.nan))
    bad = everyone[~good]
    failures = tuple(
        _failure(partial(check_first_slope, picked(first, bad[i : i + 1]), float(t[bad[i]]))) for i in range(len(bad))
    )
    none_yet = np.zeros(len(bad), dtype=np.int64)
    return run, EachAccepted(bad, t[bad], picked(y, bad), none_yet, None, picked(first, bad), failures)


def judged(run: Running, made: EachTrial, rows: Rows, end: np.ndarray, h: np.ndarray, control: EachControl) -> Judged:
    """Judge a step of each trajectory; N at the ends of good steps is evaluated where it is pending."""
    norm, which = control.error, run.which
    error, reached, larger = norm.judged(which, end, made.y, made.error, run.scale)
    change = np.full(len(which), np.inf)
    good = np.flatnonzero(error <= 1.0)
    found = made.found
    if found is None:
        found = _at_ends(rows, which, good, end, made.y, run.memory.slope)
    unusable = good[~finite_each(picked(found, good))] if len(good) else good
    error[unusable] = np.inf  # the step after would find no way on
    looked = np.flatnonzero(error <= np.where(run.rests, 1.0, FAINT)) if control.looks else good[:0]
    if len(looked):
        change[looked] = _changes(norm, made, found, h, larger, looked)
        awake = run.rests & (change > AWAKE) & (error <= 1.0)
        error = np.where(awake, change / AWAKE, error)  # no estimate has seen it
    grows = norm.grows[which]
    return Judged(error, change, found, merged(grows, larger, reached) if grows.any() else reached)


def _at_ends(rows: Rows, which: np.ndarray, good: np.ndarray, end: np.ndarray, y: Array, slope: Array) -> Array:
    """Return N at the ends of good steps, and ``slope`` for the others."""
    if not len(good):
        return slope
    if len(good) == len(which):
        return rows(which, end, y)
    return put(copied(slope), good, rows(which[good], end[good], picked(y, good)))


def _changes(norm: EachNorm, made: EachTrial, found: Array, h: np.ndarray, scale: Array, at: np.ndarray) -> np.ndarray:
    """Return how much N changes within the steps ``at``, at most, in units of the tolerance."""
    xp = array_namespace(found)
    slope, scale = picked(made.memory.slope, at), picked(scale, at)
    length = xp.asarray(beside(h[at], slope), dtype=scale.dtype, device=slope.device)
    seen = [norm.size(length * (picked(own, at) - slope), scale) for own in (found, *made.seen)]
    return np.max(seen, axis=0)


def after(
    run: Running,
    made: EachTrial,
    good: np.ndarray,
    end: np.ndarray,
    lands: np.ndarray,
    state: EachSteps,
    error: np.ndarray,
    found: Array,
    reached: Array,
    rests: np.ndarray,
    asleep: np.ndarray,
) -> Running:
    """Return the trajectories after a step that was ``good`` for some of them."""
    y, slope = merged(good, (made.y, found), (run.memory.y, run.memory.slope))
    return Running(
        run.which,
        np.where(good, end, run.t),
        run.stop + (good & lands),
        made.memory._replace(y=y, slope=slope),
        state,
        merged(good, reached, run.scale),
        np.where(good, rests, run.rests),
        np.where(good, asleep, run.asleep),
        run.tried + 1,
        run.rejected + ~good,
        np.where(good, run.last_error, error),
    )


def failures_of_each(
    run: Running, stuck: np.ndarray, h: np.ndarray, last: np.ndarray, span: np.ndarray, most: int
) -> tuple[AdaptiveFailure, ...]:
    """Return why the trajectories that are ``stuck`` cannot go on."""
    found = []
    for i in np.flatnonzero(stuck).tolist():
        j, t = int(run.which[i]), float(run.t[i])
        if run.tried[i] >= most:
            found.append(too_many_steps(float(last[j]), most, t, float(h[i])))
            continue
        error = float(run.last_error[i])
        found.append(_failure(partial(check_step, float(h[i]), t, float(span[j]), None, error)))
    return tuple(found)


def _failure(check: Callable[[], None]) -> AdaptiveFailure:
    """Return the failure that a check raises."""
    try:
        check()
    except AdaptiveFailure as failure:
        return failure
    raise AssertionError("expected a check that fails, received one that passes; the same numbers were judged before")


def rest_ahead_of_each(
    stepper: Batched, run: Running, rows: Rows, h: np.ndarray, ahead: np.ndarray, span: np.ndarray, norm: EachNorm
) -> np.ndarray:
    """Return how long steps are in which N is seen to rest, of trajectories asleep; see ``look_ahead``."""
    apart, seen = span / LOOKS, h.copy()
    looks = np.where(run.asleep, np.ceil(h / apart * (1 - 1e-10)), 0)
    at, k = np.flatnonzero(looks > 1), 1
    while len(at):
        which, y, slope = run.which[at], picked(run.memory.y, at), picked(run.memory.slope, at)
        place = k * apart[at] * ahead[at]
        y = stepper.euler(which, y, slope, place)
        xp = array_namespace(y)
        scale = norm.scale(which, run.t[at] + place, y)
        length = xp.asarray(beside(apart[at], y), dtype=scale.dtype, device=y.device)
        quiet = norm.size(length * (rows(which, run.t[at] + place, y) - slope), scale) <= QUIET
        seen[at[~quiet]] = max(1, k - 1) * apart[at[~quiet]]
        k += 1
        at = at[quiet & (looks[at] > k)]
    return seen
