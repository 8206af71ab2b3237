"""What is watched along a run: dense output and events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from expint.backend import Array, array_namespace
from expint.run.events import Event, EventFinder
from expint.run.loops import Accepted

__all__ = ["AnyTrail", "Watch"]


class AnyTrail(Protocol):
    """What a run leaves behind for dense output and events, such as ``Trail``."""

    whole: bool

    @property
    def end(self) -> float | None:
        """The time of the newest state, None before the first."""

    def add(self, t: float, y: Array, slope: Array | None, ahead: Array | None = None) -> None:
        """Add a state and the slopes that are known with it."""

    def cut(self, t: float, y: Array) -> None:
        """Let the run end at ``t`` inside its newest step."""

    def output(self) -> Callable[[float], Array] | None:
        """Return the continuous solution of the whole run."""

    def newest(self) -> Callable[[float], Array] | None:
        """Return the continuous solution on the newest step."""


class Watch:
    """Builds the dense output of a run and finds events on it.

    Parameters
    ----------
    trail
        What gathers the states from which the dense output is made: all of them (``trail.whole``) if that of the whole
        run is wanted.
    events
        Functions event(t, y).
    """

    def __init__(self, trail: AnyTrail, events: Sequence[Event]) -> None:
        self._trail, self._finder = trail, EventFinder(events)

    def look(self, reached: Accepted) -> Accepted | None:
        """Take a new state; return the state of a terminal event in the step that led to it, if there is one."""
        trail, finder = self._trail, self._finder
        before = trail.end
        trail.add(reached.t, reached.y, reached.slope, reached.ahead)
        if before is None:
            finder.start(reached.t, reached.y)
            return None
        if not finder.events:
            return None
        between = trail.newest()
        assert between is not None  # there is a step
        end = finder.look(before, reached.t, reached.y, between)
        if end is None:
            return None
        y = finder.newest(end)
        trail.cut(end, y)
        return reached._replace(t=end, y=y)

    def seen(self) -> dict[str, Any]:
        """Return the fields of a Solution that come from watching."""
        fields: dict[str, Any] = {"sol": self._trail.output() if self._trail.whole else None}
        if self._finder.events:
            fields["t_events"] = [np.array(times) for times in self._finder.times]
            fields["y_events"] = [
                array_namespace(states[0]).stack(states) if states else None for states in self._finder.states
            ]
        return fields
