"""What is watched along a run: states between the steps, and events."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from expint.backend import Array, all_finite, array_namespace
from expint.operators.base import Operator
from expint.operators.rotations import Rotations
from expint.run.dense import Counted
from expint.run.dense.continuous import Continuous, Interpolation, Reached
from expint.run.events import Event, EventFinder
from expint.run.loops import Accepted
from expint.run.tolerance import AdaptiveFailure
from expint.solution import Status

__all__ = ["Asked", "Recorder", "Watch"]


class Recorder:
    """Records accepted steps for interpolation.

    Parameters
    ----------
    interpolation
        Makes the solution between the recorded states.
    whole
        Whether all of the run is kept, or only what the newest step needs.

    Attributes
    ----------
    accepted
        The steps that are kept.
    """

    def __init__(self, interpolation: Interpolation, whole: bool) -> None:
        self.whole, self._interpolation = whole, interpolation
        self.accepted: list[Accepted] = []

    @property
    def end(self) -> float | None:
        """The time of the newest state, None before the first."""
        return self.accepted[-1].t if self.accepted else None

    def add(self, accepted: Accepted) -> None:
        """Add a state."""
        self.accepted.append(accepted)
        if not self.whole:
            del self.accepted[: -self._interpolation.points]

    def pack(self) -> list[tuple[Any, ...]]:
        """Return the steps that a later one needs, as tuples.

        Where the newest step is all that is looked into, they are its start alone, and what the step before has handed
        on, a Jacobian perhaps, is done with.
        """
        if self.whole or self._interpolation.points > 2:
            return [tuple(own) for own in self.accepted]
        return [tuple(own._replace(local=None)) for own in self.accepted[-1:]]

    def cut(self, t: float, y: Array) -> None:
        """Let the run end at ``t`` inside its newest step."""
        self.accepted[-1] = self.accepted[-1]._replace(t=t, y=y, ahead=None)

    def output(self) -> Continuous | None:
        """Return the continuous solution of what is kept, None if there is no step yet."""
        return self._through(self.accepted)

    def newest(self) -> Continuous | None:
        """Return the continuous solution on the newest step, at a cost that does not grow with the run."""
        return self._through(self.accepted[-self._interpolation.points :])

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


class Asked(NamedTuple):
    """Times, not those of steps, at which states are wanted, and the direction of the run: 1 or -1."""

    times: Sequence[float]
    ahead: float


class Watch:
    """Builds the dense output of a run, finds events on it, and states at times that are no steps.

    Parameters
    ----------
    recorder
        Gathers the states from which the dense output is made: all of them (``recorder.whole``) if that of the whole
        run is wanted.
    events
        Functions event(t, y).
    slope
        What is evaluated between the steps, counted.
    asked
        The times at which states are wanted, None if at none.
    """

    def __init__(
        self,
        recorder: Recorder,
        events: Sequence[Event],
        slope: Counted,
        asked: Asked | None = None,
    ) -> None:
        self._recorder, self._finder, self._slope = recorder, EventFinder(events), slope
        self._turning: tuple[Operator | None, Rotations | None] | None = None
        self._asked, self._passed = asked or Asked((), 1.0), 0
        self._newest: Continuous | None = None

    @property
    def evaluations(self) -> int:
        """How often N was evaluated between the steps so far."""
        return self._slope.evaluations

    def look(self, reached: Accepted) -> Accepted | None:
        """Take a new state; return the state of a terminal event in the step that led to it, if there is one."""
        recorder, finder = self._recorder, self._finder
        before = recorder.end
        recorder.add(reached)
        self._newest = None
        if before is None:
            finder.start(reached.t, reached.y)
            return None
        if not finder.events:
            return None
        between = self._between()
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

    def passed(self, reached: Accepted) -> Iterator[tuple[float, Array]]:
        """Yield the wanted times since the state before, up to ``reached``, and the states there.

        Raises
        ------
        AdaptiveFailure
            If a state between the steps is not finite.
        """
        first, (wanted, ahead) = self._passed, self._asked
        while self._passed < len(wanted) and ahead * (wanted[self._passed] - reached.t) <= 0:
            self._passed += 1
        times = wanted[first : self._passed]
        if not times:
            return
        if times[0] == reached.t:
            yield reached.t, reached.y
            return
        states = self._between()(times)
        if not all_finite(states):
            raise AdaptiveFailure(
                Status.NON_FINITE,
                f"expected nonlinear to be finite between the steps, received inf or nan before t = {reached.t:.6g}; "
                "pass land=True, so that steps end at the times asked for",
            )
        for i, t in enumerate(times):
            yield t, states[i, ...]

    def pack(self) -> tuple[Any, ...]:
        """Return what was seen in plain values, from which ``unpack`` makes it."""
        return self._passed, self._slope.evaluations, self._recorder.pack(), self._finder.pack()

    def unpack(self, packed: tuple[Any, ...]) -> None:
        """Take what was packed."""
        self._passed, self._slope.evaluations, accepted, found = packed
        self._recorder.accepted[:] = [Accepted(*own) for own in accepted]
        self._finder.unpack(found)

    def _between(self) -> Continuous:
        """Return the solution on the newest step; what was found inside is remembered."""
        if self._newest is None:
            self._newest = self._recorder.newest()
        assert self._newest is not None  # there is a step
        return self._newest

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
