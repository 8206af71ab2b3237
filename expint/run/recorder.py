"""Record the accepted steps that dense output and events interpolate."""

from __future__ import annotations

from expint.backend import Array
from expint.run.dense.continuous import Continuous, Interpolation, Reached
from expint.run.loops import Accepted

__all__ = ["Recorder"]


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
        self.reached: list[Reached] = []

    @property
    def end(self) -> float | None:
        """The time of the newest state, None before the first."""
        return self.reached[-1].t if self.reached else None

    def add(self, accepted: Accepted) -> None:
        """Add a state, and what is known now of the one before."""
        if self.reached:
            start = self.reached[-1]
            value = start.value if accepted.slope is None else accepted.slope
            self.reached[-1] = Reached(start.t, start.y, value, accepted.local)
        self.reached.append(Reached(accepted.t, accepted.y, accepted.ahead))
        if not self.whole:
            del self.reached[: -self._interpolation.points]

    def cut(self, t: float, y: Array) -> None:
        """Let the run end at ``t`` inside its newest step."""
        self.reached[-1] = Reached(t, y, None)

    def output(self) -> Continuous | None:
        """Return the continuous solution of what is kept, None if there is no step yet."""
        return self._interpolation.through(self.reached) if len(self.reached) > 1 else None

    def newest(self) -> Continuous | None:
        """Return the continuous solution on the newest step, at a cost that does not grow with the run."""
        last = self.reached[-self._interpolation.points :]
        return self._interpolation.through(last) if len(last) > 1 else None
