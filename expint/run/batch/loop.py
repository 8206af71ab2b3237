"""The loop to a tolerance for many trajectories: the third of ``expint.run.loops`` in arrays."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from expint.backend import Array
from expint.run.batch.rows import Rows
from expint.run.batch.running import (
    EachAccepted,
    EachControl,
    after,
    begun,
    failures_of_each,
    judged,
    rest_ahead_of_each,
)
from expint.run.batch.trees import merged, picked
from expint.run.control.many import EachPolicy, too_short
from expint.run.control.rest import ASLEEP, QUIET
from expint.run.steppers.batched import Batched

__all__ = ["each_to_tolerance"]


def each_to_tolerance(
    stepper: Batched,
    policy: EachPolicy,
    rows: Rows,
    y: Array,
    t: np.ndarray,
    stops: np.ndarray,
    control: EachControl,
) -> Generator[EachAccepted, np.ndarray | None, None]:
    """Yield what trajectories reach, each by steps of its own, until none runs: ``to_tolerance`` in arrays.

    All that run try a step in every turn; one whose step is rejected tries a shorter one in the next. Those that are
    done, or fail, leave, and cost nothing more. What a trajectory reaches does not depend on the others.

    Parameters
    ----------
    stepper, policy
        Make the steps, and decide about their lengths.
    rows
        N of the trajectories.
    y, t
        The initial states and times.
    stops
        The times to land on, in the direction of integration, one row for each trajectory; its run ends at the last.
    control
        Tolerances and bounds.

    Notes
    -----
    The generator may be sent, for each of the trajectories that it has just yielded, whether it ends there.
    """
    last = stops[:, -1]
    span, ahead = np.abs(last - t), np.copysign(1.0, last - t)
    first = rows(np.arange(len(t)), t, y)
    yield EachAccepted(np.arange(len(t)), t, y, np.zeros(len(t), dtype=np.int64), None, first)
    run, unable = begun(stepper, policy, rows, y, first, t, last, control)
    if len(unable.which):
        yield unable
    while len(run.which):
        which = run.which
        state, stop, forth = policy.prepare(which, run.state), stops[which, run.stop], ahead[which]
        h, lands = policy.approach(state, run.t, stop)
        if control.first is not None and not run.tried.all():
            given, reach = control.first[which], np.abs(stop - run.t)
            h = np.where(run.tried == 0, np.minimum(given, reach), h)
            lands = np.where(run.tried == 0, given >= reach, lands)
        stuck = (~lands & too_short(h, run.t, span[which])) | (run.tried >= control.most)
        if stuck.any():
            yield run.reached(np.flatnonzero(stuck), failures_of_each(run, stuck, h, last, span, control.most))
            run = picked(run, np.flatnonzero(~stuck))
            continue
        if run.asleep.any():
            seen = rest_ahead_of_each(stepper, run, rows, h, forth, span[which], control.error)
            short = seen < h
            state, h, lands = merged(short, policy.watchful(which, state), state), seen, lands & ~short
        end = np.where(lands, stop, run.t + forth * h)
        made = stepper.attempt(which, run.memory, rows, run.t, end, forth * h)
        error, change, found, reached = judged(run, made, rows, end, forth * h, control)
        good = error <= 1.0
        state = merged(good, policy.accepted(state, h, error), policy.rejected(state, h, error))
        rests, asleep = change <= QUIET, (change <= ASLEEP) & control.strides
        state = merged(good & rests & ~asleep, policy.watchful(which, state), state)
        run = after(run, made, good, end, lands, state, error, found, reached, rests, asleep)
        if good.any():
            at = np.flatnonzero(good)
            new = run.memory
            now = EachAccepted(*picked((which, run.t, new.y, run.rejected, made.memory.slope, new.slope), at))
            ended = yield now
            done = now.t == last[now.which] if ended is None else (now.t == last[now.which]) | ended
            if done.any():
                run = picked(run, np.delete(np.arange(len(which)), at[done]))
