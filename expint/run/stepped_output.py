"""States between the steps of one-step methods, by steps of their own."""

from __future__ import annotations

from collections.abc import Sequence

from expint.backend import Array, stack
from expint.run.continuous import Continuous, Reached, ReachedTrail
from expint.run.steppers.one_step import OneStep
from expint.run.steppers.protocol import Slope
from expint.run.stepsize import inside

__all__ = ["SteppedOutput", "SteppedTrail"]


class SteppedOutput(Continuous):
    """The continuous solution of a run, callable at any time in its span: a step from the state before.

    The rule inside a step is the method itself: y(t_n + θh) is what a step of length θh gives, joined to y_{n+1}. So it
    has the order of the method, and costs what a step costs.

    Parameters
    ----------
    reached
        The states, in order.
    steps
        Makes the steps.
    slope
        N(t, y).
    """

    def __init__(self, reached: Sequence[Reached], steps: OneStep, slope: Slope) -> None:
        super().__init__([own.t for own in reached], [own.y for own in reached])
        self._reached, self._steps, self._slope = list(reached), steps, slope

    def _follow(self, places: Sequence[tuple[int, float]]) -> Array:
        return stack([self._stepped(n, theta) for n, theta in places])

    def _stepped(self, n: int, theta: float) -> Array:
        start, end = self._reached[n], self.times[n + 1]

        def slope(t: float, y: Array) -> Array:
            return self._slope(inside(t, start.t, end), y)

        return self._steps.reach(slope, start.t, theta * (end - start.t), start.y, start.slope)


class SteppedTrail(ReachedTrail):
    """What a run leaves behind for dense output and events.

    Parameters
    ----------
    steps, slope
        As in ``SteppedOutput``.
    whole
        Whether all of the run is kept, or only what the newest step needs.
    """

    def __init__(self, steps: OneStep, slope: Slope, whole: bool) -> None:
        super().__init__(whole, points=2)
        self._steps, self._slope = steps, slope

    def _continuous(self, reached: Sequence[Reached]) -> SteppedOutput:
        return SteppedOutput(reached, self._steps, self._slope)
