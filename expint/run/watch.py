"""What is watched along a run: dense output and events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from expint.backend import array_namespace
from expint.operators.base import Operator
from expint.run.dense_output import Trail
from expint.run.events import Event, EventFinder
from expint.run.fixed import Accepted

__all__ = ["Watch"]


class Watch:
    """Builds the dense output of a run and finds events on it.

    Parameters
    ----------
    operator
        L.
    order
        How many slopes the dense output interpolates.
    events
        Functions event(t, y).
    dense
        Whether the dense output of the whole run is wanted.
    """

    def __init__(self, operator: Operator, order: int, events: Sequence[Event], dense: bool) -> None:
        self._trail, self._finder, self._dense = Trail(operator, order, dense), EventFinder(events), dense

    def look(self, reached: Accepted) -> Accepted | None:
        """Take a new state; return the state of a terminal event in the step that led to it, if there is one."""
        trail, finder = self._trail, self._finder
        before = trail.times[-1] if trail.times else None
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
        y = between(end)
        trail.cut(end, y)
        return reached._replace(t=end, y=y)

    def seen(self) -> dict[str, Any]:
        """Return the fields of a Solution that come from watching."""
        fields: dict[str, Any] = {"sol": self._trail.output() if self._dense else None}
        if self._finder.events:
            fields["t_events"] = [np.array(times) for times in self._finder.times]
            fields["y_events"] = [
                array_namespace(states[0]).stack(states) if states else None for states in self._finder.states
            ]
        return fields
