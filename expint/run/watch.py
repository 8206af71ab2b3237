"""What is watched along a run: states between the steps, and events."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
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

__all__ = ["LACKING", "Asked", "Recorder", "Watch"]

LACKING = 0.2
"""So much, in units of the tolerance, the rule inside a step may lack at its end: where N turns with L and the method
follows that, as those of Lawson do, polynomials through N lack 25 tolerances, and err by 145 inside a step. Measured on
a rotation by exponential Runge–Kutta and Rosenbrock methods and pairs: the rule errs by six times as much at most."""


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

    def cut(self, t: float, y: Array) -> None:
        """Let the run end at ``t`` inside its newest step."""
        self.accepted[-1] = self.accepted[-1]._replace(t=t, y=y, ahead=None)

    def output(self) -> Continuous | None:
        """Return the continuous solution of what is kept, None if there is no step yet."""
        return self._through(self.accepted, self._interpolation)

    def newest(self, interpolation: Interpolation | None = None) -> Continuous | None:
        """Return the continuous solution on the newest step, at a cost that does not grow with the run.

        Another ``interpolation`` needs no more states than that of the recorder.
        """
        interpolation = interpolation or self._interpolation
        return self._through(self.accepted[-interpolation.points :], interpolation)

    def _through(self, accepted: Sequence[Accepted], interpolation: Interpolation) -> Continuous | None:
        """Return the continuous solution through states, of each of which the next one knows more."""
        if len(accepted) < 2:
            return None
        reached = [
            Reached(start.t, start.y, start.ahead if end.slope is None else end.slope, end.local)
            for start, end in pairwise(accepted)
        ]
        last = accepted[-1]
        return interpolation.through([*reached, Reached(last.t, last.y, last.ahead)])


def _no_size(difference: Array, y: Array) -> float:
    """Return 0, where there is no tolerance."""
    del difference, y
    return 0.0


class Asked(NamedTuple):
    """Times, not those of steps, at which states are wanted.

    Attributes
    ----------
    times
        The times, in the direction of the run.
    ahead
        This direction: 1 or -1.
    size
        By a difference of states and a state, how large it is in units of the tolerance; asked beside ``closer``.
    closer
        Interpolates in steps whose own rule is not as good as the step, None if all are.
    """

    times: Sequence[float]
    ahead: float
    size: Callable[[Array, Array], float] = _no_size
    closer: Interpolation | None = None


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
        first, (wanted, ahead, size, closer) = self._passed, self._asked
        while self._passed < len(wanted) and ahead * (wanted[self._passed] - reached.t) <= 0:
            self._passed += 1
        times = wanted[first : self._passed]
        if not times:
            return
        if times[0] == reached.t:
            yield reached.t, reached.y
            return
        between = self._between()
        states, lacks = between(times), between.lacks
        if lacks is not None and closer is not None and size(lacks, reached.y) > LACKING:
            self._newest = self._recorder.newest(closer)
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
        """Return what was seen, but for events, in plain values, from which ``unpack`` makes it."""
        accepted = [tuple(own._replace(local=None)) for own in self._recorder.accepted]
        return self._passed, self._slope.evaluations, accepted

    def unpack(self, packed: tuple[Any, ...]) -> None:
        """Take what was packed."""
        self._passed, self._slope.evaluations, accepted = packed
        self._recorder.accepted[:] = [Accepted(*own) for own in accepted]

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
