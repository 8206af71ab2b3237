"""What is watched along a run: the states that dense output and events need, and the events."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from expint.backend import Array, array_namespace
from expint.operators.base import Operator
from expint.operators.rotations import Rotations
from expint.run.dense import Counted
from expint.run.dense.continuous import Continuous, Interpolation, Reached
from expint.run.events import Event, EventFinder
from expint.run.loops import Accepted

__all__ = ["Recorder", "Watch"]


class Recorder:
    """Records accepted steps for interpolation.

    Parameters
    ----------
    interpolation
        Makes the solution between the recorded states.
    whole
        Whether all of the run is kept, or only what the newest step needs.
    """

    def __init__(self, interpolation: Interpolation, whole: bool) -> None:
        self.whole, self._interpolation = whole, interpolation
        self._accepted: list[Accepted] = []

    @property
    def end(self) -> float | None:
        """The time of the newest state, None before the first."""
        return self._accepted[-1].t if self._accepted else None

    def add(self, accepted: Accepted) -> None:
        """Add a state."""
        self._accepted.append(accepted)
        if not self.whole:
            del self._accepted[: -self._interpolation.points]

    def cut(self, t: float, y: Array) -> None:
        """Let the run end at ``t`` inside its newest step."""
        self._accepted[-1] = self._accepted[-1]._replace(t=t, y=y, ahead=None)

    def output(self) -> Continuous | None:
        """Return the continuous solution of what is kept, None if there is no step yet."""
        return self._through(self._accepted)

    def newest(self) -> Continuous | None:
        """Return the continuous solution on the newest step, at a cost that does not grow with the run."""
        return self._through(self._accepted[-self._interpolation.points :])

    def _through(self, accepted: Sequence[Accepted]) -> Continuous | None:
        """Return the continuous solution through states, of each of which the next one knows more."""
        if len(accepted) < 2:
            return None
        reached = [
            Reached(start.t, start.y, start.ahead if end.slope is None else end.slope, end.local)
            for start, end in pairwise(accepted)
        ]
        last = accepted[-1]
        return self._interpolation.through([*reached, Reached(last.t, last.y, last.ahead)])


class Watch:
    """Builds the dense output of a run and finds events on it.

    Parameters
    ----------
    recorder
        Gathers the states from which the dense output is made: all of them (``recorder.whole``) if that of the whole
        run is wanted.
    events
        Functions event(t, y).
    slope
        What is evaluated between the steps, counted.
    """

    def __init__(self, recorder: Recorder, events: Sequence[Event], slope: Counted) -> None:
        self._recorder, self._finder, self._slope = recorder, EventFinder(events), slope
        self._turning: tuple[Operator | None, Rotations | None] | None = None

    @property
    def evaluations(self) -> int:
        """How often N was evaluated between the steps so far."""
        return self._slope.evaluations

    def look(self, reached: Accepted) -> Accepted | None:
        """Take a new state; return the state of a terminal event in the step that led to it, if there is one."""
        recorder, finder = self._recorder, self._finder
        before = recorder.end
        recorder.add(reached)
        if before is None:
            finder.start(reached.t, reached.y)
            return None
        if not finder.events:
            return None
        between = recorder.newest()
        assert between is not None  # there is a step
        end = finder.look(before, reached.t, reached.y, between, self._rotations(between, reached.t - before))
        if end is None:
            return None
        y = finder.newest(end)
        recorder.cut(end, y)
        return reached._replace(t=end, y=y)

    def _rotations(self, between: Continuous, span: float) -> Rotations | None:
        """Return how fast modes rotate in the newest step, found once for an operator that serves many steps."""
        operator = between.operator_within
        if self._turning is None or self._turning[0] is not operator:
            self._turning = operator, None if operator is None else operator.rotations(math.copysign(1.0, span))
        return self._turning[1]

    def seen(self) -> dict[str, Any]:
        """Return the fields of a Solution that come from watching."""
        fields: dict[str, Any] = {"sol": self._recorder.output() if self._recorder.whole else None}
        if self._finder.events:
            fields["t_events"] = [np.array(times) for times in self._finder.times]
            fields["y_events"] = [_stacked(states, self._finder.y) for states in self._finder.states]
        return fields


def _stacked(states: list[Array], like: Array) -> Array:
    """Return states as one array, of shape (0, …) where there are none."""
    return array_namespace(like).stack([*states, like])[: len(states), ...]
