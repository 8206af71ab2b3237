"""States between the steps of one-step methods, by steps of their own."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from expint.backend import Array, array_namespace
from expint.run.stepper import Stepper
from expint.run.trial import Slope

__all__ = ["SteppedOutput", "SteppedTrail"]


class _Reached(NamedTuple):
    """A state on the way, and N there where it is known."""

    t: float
    y: Array
    slope: Array | None


class SteppedOutput:
    r"""The continuous solution of a run, callable at any time in its span: a step from the state before.

    y(t_n + θh) is what a step of length θh gives, plus θ times what such a step of length h lacks to y_{n+1}. So it has
    the order of the method, and costs what a step costs.

    Parameters
    ----------
    reached
        The states, in order.
    steps
        Makes the steps.
    slope
        N(t, y).
    """

    def __init__(self, reached: Sequence[_Reached], steps: Stepper, slope: Slope) -> None:
        self._reached, self._steps, self._slope = list(reached), steps, slope
        self.times = [own.t for own in reached]
        self._direction = 1.0 if self.times[-1] >= self.times[0] else -1.0
        self._keys = [self._direction * t for t in self.times]
        self._lacks: tuple[int, Array] | None = None

    def __call__(self, t: float | Sequence[float] | np.ndarray) -> Array:
        """Return the state at the time ``t``, or the states at several times along a new first axis.

        Raises
        ------
        ValueError
            If a time lies outside the span of the run.
        """
        if np.ndim(t) == 0:
            return self._at(float(t))  # type: ignore[arg-type]
        return array_namespace(self._reached[0].y).stack([self._at(float(time)) for time in np.asarray(t)])

    def _at(self, t: float) -> Array:
        n = bisect_left(self._keys, self._direction * t)
        if n == len(self.times) or (n == 0 and t != self.times[0]):
            raise ValueError(f"expected a time between {self.times[0]} and {self.times[-1]}, received {t}")
        start, end = self._reached[n - 1], self._reached[n]
        if t == end.t:
            return end.y
        if self._lacks is None or self._lacks[0] != n:
            self._lacks = (n, end.y - self._steps.advance(self._slope, start.t, end.t - start.t, start.y, start.slope))
        point = self._steps.advance(self._slope, start.t, t - start.t, start.y, start.slope)
        return point + (t - start.t) / (end.t - start.t) * self._lacks[1]

    def __repr__(self) -> str:
        return f"SteppedOutput({self.times[0]:.6g} … {self.times[-1]:.6g}, {len(self.times)} times)"


class SteppedTrail:
    """What a run leaves behind for dense output and events.

    Parameters
    ----------
    steps, slope
        As in ``SteppedOutput``.
    whole
        Whether all of the run is kept, or only what the newest step needs.
    """

    def __init__(self, steps: Stepper, slope: Slope, whole: bool) -> None:
        self._steps, self._slope, self.whole = steps, slope, whole
        self.times: list[float] = []
        self._reached: list[_Reached] = []

    def add(self, t: float, y: Array, slope: Array | None, ahead: Array | None = None) -> None:
        """Add a state, and N there where it is known."""
        del slope
        self.times.append(t)
        self._reached.append(_Reached(t, y, ahead))
        if not self.whole and len(self.times) > 2:
            del self.times[0], self._reached[0]

    def cut(self, t: float, y: Array) -> None:
        """Let the run end at ``t`` inside its newest step."""
        self.times[-1], self._reached[-1] = t, _Reached(t, y, None)

    def output(self) -> SteppedOutput | None:
        """Return the continuous solution of what is kept, None if there is no step yet."""
        return self._last(len(self.times))

    def newest(self) -> SteppedOutput | None:
        """Return the continuous solution on the newest step."""
        return self._last(2)

    def _last(self, count: int) -> SteppedOutput | None:
        if len(self.times) < 2:
            return None
        return SteppedOutput(self._reached[-count:], self._steps, self._slope)
