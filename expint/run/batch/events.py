"""Events of many trajectories, and what they have between their steps: each is watched alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from expint.backend import Array, copied, stack
from expint.lower.cache import StepCache
from expint.run.batch.norm import EachNorm
from expint.run.batch.record import Asked, Found, Recorded, alone
from expint.run.batch.rows import Rows
from expint.run.batch.running import EachAccepted
from expint.run.batch.trees import put
from expint.run.dense.continuous import Continuous, Counted
from expint.run.loops import Accepted
from expint.run.steppers.batched import Batched
from expint.run.steppers.fixed_linear import FixedLinear
from expint.run.tolerance import AdaptiveFailure
from expint.run.watch import Asked as AskedOfOne
from expint.run.watch import Recorder, Watch
from expint.solution import Status
from expint.solutions import Solutions

__all__ = ["Watched"]


class Watched(Recorded):
    """Keeps what trajectories reach, with a ``Watch`` for each.

    Parameters
    ----------
    stepper, rows, y0, t0, norm, asked
        As in ``Recorded``.
    events
        By the number of a trajectory its events.
    """

    def __init__(
        self,
        stepper: Batched,
        rows: Rows,
        y0: Array,
        t0: np.ndarray,
        norm: EachNorm,
        asked: Asked,
        events: Callable[[int], Sequence[Any]],
    ) -> None:
        super().__init__(stepper, rows, y0, t0, norm, asked)
        self._watches = [self._watch(i, events(i), y0[i, ...]) for i in range(len(t0))]
        self._kept: list[tuple[int, int, float, Array]] = []
        self._columns = np.zeros(len(t0), dtype=np.int64)

    def _watch(self, i: int, events: Sequence[Any], like: Array) -> Watch:
        """Return what watches one trajectory."""
        slope, operator = Counted(partial(alone, self.rows, i)), self.stepper.linear.operator(i)
        steps = FixedLinear(StepCache(self.stepper.method, operator, like))
        recorder = Recorder(steps.interpolation(slope), self.asked.dense_output)
        if self.asked.wanted is None:
            return Watch(recorder, events, slope)
        times = self.asked.wanted[i].tolist()
        ahead = float(np.copysign(1.0, self.asked.ends[i] - self.t[i]))
        return Watch(recorder, events, slope, AskedOfOne(times, ahead))

    def keep(self, made: EachAccepted, t: np.ndarray, y: Array) -> np.ndarray | None:
        """Look at the events of each, and keep what is wanted."""
        del t, y
        ended = np.zeros(len(made.which), dtype=bool)
        states = list[Array]()
        for k, i in enumerate(made.which.tolist()):
            end = self._look(i, made, k)
            if end is not None:
                ended[k], self.t[i] = True, end.t
                states.append(end.y)
        if states:
            self.y = put(copied(self.y), made.which[ended], stack(states))
        return ended

    def _look(self, i: int, made: EachAccepted, k: int) -> Accepted | None:
        """Take the new state of one trajectory, the ``k``-th of ``made``; return where it ends, None if it goes on."""
        slope = None if made.slope is None else made.slope[k, ...]
        reached = Accepted(float(made.t[k]), made.y[k, ...], 0, 0, slope, made.ahead[k, ...])
        watch = self._watches[i]
        try:
            end = watch.look(reached)
            last = reached if end is None else end
            if self.asked.wanted is None:
                self._add(i, last.t, last.y)
            else:
                for t, y in watch.passed(last):
                    self._add(i, t, y)
        except AdaptiveFailure as failure:
            self.status[i], self.messages[i] = int(failure.status), str(failure)
            return reached
        if end is not None:
            self.status[i] = int(Status.TERMINATED)
            self.messages[i] = f"{Status.TERMINATED.sentence} It was at t = {end.t:.6g}."
        return end

    def _add(self, i: int, t: float, y: Array) -> None:
        self._kept.append((i, int(self._columns[i]), t, y))
        self._columns[i] += 1

    def look_inside(self) -> None:
        """Gather what was kept."""
        if self._kept:
            which, column, t, y = zip(*self._kept)
            self.found.append(Found(np.array(which), np.array(column), np.array(t), stack(y)))
            self._kept.clear()

    def continuous(self) -> tuple[Continuous | None, ...]:
        """Return the continuous solution of each trajectory."""
        return tuple(watch.seen()["sol"] for watch in self._watches)

    def solutions(self, remark: str = "") -> Solutions:
        """Return what was kept, and the events."""
        seen = [watch.seen() for watch in self._watches]
        found = super().solutions(remark)
        return replace(
            found,
            t_events=tuple(own.get("t_events", []) for own in seen),
            y_events=tuple(own.get("y_events", []) for own in seen),
        )
