"""What is kept of a run of many trajectories, and what becomes of it: ``Solutions``."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from expint.backend import Array, array_namespace, copied, device
from expint.lower.cache import StepCache
from expint.run.batch.between import Inside, states_inside
from expint.run.batch.norm import EachNorm, finite_each
from expint.run.batch.rows import Rows
from expint.run.batch.running import EachAccepted
from expint.run.batch.trees import picked, put
from expint.run.dense.continuous import Continuous, Counted, Interpolation, Reached
from expint.run.steppers.batched import Batched
from expint.run.steppers.fixed_linear import FixedLinear
from expint.solution import Stats, Status
from expint.solutions import Kept, Solutions

__all__ = ["Asked", "Found", "Recorded", "States", "alone", "run_each"]

States = Generator[EachAccepted, np.ndarray | None, None]

BETWEEN = (
    "expected nonlinear to be finite between the steps, received inf or nan at a time asked for; pass land=True, so "
    "that steps end there"
)


class Asked(NamedTuple):
    """What is wanted of a run.

    Attributes
    ----------
    ends
        The end of the run of each trajectory.
    wanted
        The times at which states are wanted, one row for each trajectory, in the direction of its run; None for those
        of all steps.
    dense_output
        As in ``solve_ivp``.
    """

    ends: np.ndarray
    wanted: np.ndarray | None
    dense_output: bool


class Found(NamedTuple):
    """States that are kept, of any trajectories in any order: their numbers, their places in a row, times, states."""

    which: np.ndarray
    column: np.ndarray
    t: np.ndarray
    y: Array


class Recorded:
    """Keeps what trajectories reach, turn by turn; states between the steps are made at the end, all at once.

    Parameters
    ----------
    stepper, rows
        What makes the steps, and N.
    y0, t0
        The initial states and times.
    norm, asked
        The norm of the run, and what is wanted of it.
    """

    def __init__(self, stepper: Batched, rows: Rows, y0: Array, t0: np.ndarray, norm: EachNorm, asked: Asked) -> None:
        count = len(t0)
        self.stepper, self.rows, self.norm, self.asked = stepper, rows, norm, asked
        self.t, self.y, self._ahead = np.array(t0), y0, np.copysign(1.0, asked.ends - t0)
        self.status, self.messages = np.zeros(count, dtype=np.int64), [Status.SUCCESS.sentence] * count
        self.steps, self.rejected = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
        self.found, self._turns, self._inside = list[Found](), list[EachAccepted](), list[tuple[Inside, Found]]()
        self._next = np.zeros(count, dtype=np.int64)

    def take(self, made: EachAccepted) -> np.ndarray | None:
        """Take what some trajectories have reached; return which of them end there, None if none does."""
        self.rejected[made.which] = made.rejected
        if made.failures:
            for i, failure in zip(made.which.tolist(), made.failures):
                self.status[i], self.messages[i] = int(failure.status), str(failure)
            return None
        start = self.t[made.which], (picked(self.y, made.which) if self.asked.wanted is not None else None)
        self.t[made.which] = made.t
        self.y = made.y if len(made.which) == len(self.t) else put(copied(self.y), made.which, made.y)
        self.steps[made.which] += made.slope is not None
        return self.keep(made, *start)

    def keep(self, made: EachAccepted, t: np.ndarray, y: Array) -> np.ndarray | None:
        """Keep what is wanted of the states reached from ``y`` at ``t``; return which trajectories end there."""
        if self.asked.dense_output:
            self._turns.append(made)
        if self.asked.wanted is None:
            self.found.append(Found(made.which, self.steps[made.which], made.t, made.y))
            return None
        while len(at := self._passed(made)):
            column = self._next[made.which[at]]
            self._next[made.which[at]] += 1
            own, wanted = picked(made, at), self.asked.wanted[made.which[at], column]
            there = np.flatnonzero(wanted == own.t)
            self.found.append(picked(Found(own.which, column, wanted, own.y), there))
            inside = np.flatnonzero(wanted != own.t)
            if len(inside):
                start, now = picked((t[at], picked(y, at)), inside), picked(own, inside)
                assert now.slope is not None  # the first states lie at no time before the start
                step = Inside(now.which, start[0], now.t - start[0], start[1], now.slope, now.y, now.ahead)
                self._inside.append((step, Found(now.which, column[inside], wanted[inside], now.y)))
        return None

    def _passed(self, made: EachAccepted) -> np.ndarray:
        """Return which of the trajectories have come to the next time that is wanted of them."""
        wanted = self.asked.wanted
        assert wanted is not None  # it was looked
        more = self._next[made.which] < wanted.shape[1]
        following = wanted[made.which, np.minimum(self._next[made.which], wanted.shape[1] - 1)]
        return np.flatnonzero(more & (self._ahead[made.which] * (following - made.t) <= 0))

    def look_inside(self) -> None:
        """Make the states at times that are no steps."""
        if not self._inside:
            return
        steps, wanted = (joined([own[k] for own in self._inside]) for k in (0, 1))
        apart, first, at = np.unique(np.stack([steps.which, steps.t]), axis=1, return_index=True, return_inverse=True)
        del apart
        own = picked(steps, first)
        theta = (wanted.t - steps.t) / steps.h
        y = states_inside(self.stepper, self.rows, own, at.reshape(-1), theta)
        good = finite_each(y)
        self.found.append(picked(wanted._replace(y=y), np.flatnonzero(good)))
        for i in np.unique(wanted.which[~good]).tolist():
            self.status[i], self.messages[i] = int(Status.NON_FINITE), BETWEEN
        self._inside.clear()

    def solutions(self, remark: str = "") -> Solutions:
        """Return what was kept."""
        self.look_inside()
        failed = np.flatnonzero((self.status < 0) & (self._kept_last() != self.t))
        if len(failed) and self.asked.wanted is not None:
            last = np.full(len(failed), np.iinfo(np.int64).max)
            self.found.append(Found(failed, last, self.t[failed], picked(self.y, failed)))
        sols = self.continuous() if self.asked.dense_output else None
        stats = Stats(self.rows.evaluations.copy(), self.steps, self.rejected)  # type: ignore[arg-type]  # arrays, one entry for each
        zero = np.zeros(len(self.t), dtype=np.int64)
        stats.jacobian_evaluations = stats.jacobian_products = stats.linear_evaluations = zero  # type: ignore[assignment]  # arrays, one entry for each
        return Solutions(
            self.t,
            self.y,
            self.status,
            tuple(self.messages),
            stats,
            self.stepper.name,
            kept(self.found, self.y, self.asked.wanted is not None),
            self.asked.wanted,
            sols,
            remark=remark,
        )

    def _kept_last(self) -> np.ndarray:
        """Return the last time that is kept of each trajectory, nan where there is none."""
        last = np.full(len(self.t), math.nan)
        for found in self.found:
            later = ~(np.abs(last[found.which] - self.t[found.which]) < np.abs(found.t - self.t[found.which]))
            last[found.which[later]] = found.t[later]
        return last

    def continuous(self) -> tuple[Continuous | None, ...]:
        """Return the continuous solution of each trajectory, None where there is no step."""
        turns = joined([own._replace(slope=None, failures=()) for own in self._turns])
        order = np.argsort(turns.which, kind="stable")
        first = np.searchsorted(turns.which[order], np.arange(len(self.t) + 1))
        found = list[Continuous | None]()
        for i in range(len(self.t)):
            own = order[first[i] : first[i + 1]].tolist()
            reached = [Reached(float(turns.t[j]), turns.y[j, ...], turns.ahead[j, ...]) for j in own]
            found.append(
                solution_between(self.stepper, self.rows, i, reached[0].y).through(reached) if len(own) > 1 else None
            )
        return tuple(found)


def run_each(states: States, record: Recorded, remark: str) -> Solutions:
    """Drive a run to its end and return what is kept of it.

    If N raises, the exception is passed on with the states reached so far in its attribute ``solution``.
    """
    ended: np.ndarray | None = None
    try:
        while True:
            try:
                made = states.send(ended)
            except StopIteration:
                break
            ended = record.take(made)
        return record.solutions(remark)
    except BaseException as error:
        running = np.flatnonzero((record.status == Status.SUCCESS) & (record.t != record.asked.ends))
        record.status[running] = int(Status.RAISED)
        for i in running.tolist():
            record.messages[i] = f"{type(error).__name__} raised after t = {record.t[i]:.6g}: {error}".rstrip(": ")
        record._inside.clear()
        error.solution = record.solutions(remark)  # type: ignore[attr-defined]  # nothing reached is lost
        error.add_note("the states reached so far are in the attribute 'solution' of this exception")
        raise


def solution_between(stepper: Batched, rows: Rows, i: int, like: Array) -> Interpolation:
    """Return what makes the solution between the steps of one trajectory, of states ``like`` one, as it does alone."""
    steps = StepCache(stepper.method, stepper.linear.operator(i), like)
    return FixedLinear(steps).interpolation(Counted(partial(alone, rows, i)))


def alone(rows: Rows, i: int, t: float, y: Array) -> Array:
    """Return N of one trajectory."""
    return rows(np.array([i]), np.array([t]), y[None, ...])[0, ...]


def joined(pieces: Sequence[Any]) -> Any:
    """Return tuples of arrays as one, its arrays along their first axes; None and empty tuples stay."""
    columns = []
    for own in zip(*pieces):
        if own[0] is None or isinstance(own[0], tuple):
            columns.append(own[0])
        else:
            columns.append(own[0] if len(own) == 1 else array_namespace(*own).concat(list(own)))
    return type(pieces[0])(*columns)


def kept(found: Sequence[Found], like: Array, asked: bool) -> Kept:
    """Return what was found, one trajectory after the other; the columns say which of the times asked for each is."""
    count = like.shape[0]
    pieces = [own for own in found if len(own.which)]
    if not pieces:
        xp = array_namespace(like)
        nothing = xp.empty((0, *like.shape[1:]), dtype=like.dtype, device=device(like))
        return Kept(np.empty(0), nothing, np.zeros(count + 1, dtype=np.int64), np.empty(0, dtype=np.int64))
    whole = joined(pieces)
    order = np.lexsort((whole.column, whole.which))
    whole = picked(whole, order)
    first = np.searchsorted(whole.which, np.arange(count + 1))
    none = ~np.full(len(order), asked) | (whole.column == np.iinfo(np.int64).max)
    return Kept(whole.t, whole.y, first, np.where(none, -1, whole.column))
