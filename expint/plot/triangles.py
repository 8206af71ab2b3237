"""Where a triangle that shows an order has room, among curves in doubly logarithmic axes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Place", "place_below"]

_BELOW = (0.35, 0.2, 0.12, 0.07)
"""So far below its curve a triangle stands at its left end, the nearest first."""

_ROOM = math.log(1.2)
"""The room that is left between a triangle and what is drawn."""

_LABEL = 0.3
"""The room for the number beside it, in units of its width."""


class Place(NamedTuple):
    """A triangle: the abscissae of its ends, and the ordinate at the left one."""

    left: float
    right: float
    start: float


class _Drawn(NamedTuple):
    """A triangle in logarithms, with the room for its number."""

    left: float
    right: float
    start: float
    end: float

    @property
    def low(self) -> float:
        """The ordinate of its lower side."""
        return min(self.start, self.end)

    def top(self, x: np.ndarray) -> np.ndarray:
        """Return how high it reaches; in the room for the number half of its height."""
        rises = self.start + (self.end - self.start) * (x - self.left) / (self.right - self.left)
        inside = (x >= self.left) & (x <= self.right)
        return np.where(inside, rises, self.low + 0.7 * abs(self.end - self.start))

    def reach(self) -> tuple[float, float]:
        """Return the abscissae between which it and its number lie."""
        room = _LABEL * (self.right - self.left)
        return (self.left, self.right + room) if self.end > self.start else (self.left - room, self.right)


def place_below(
    order: float,
    curve: tuple[np.ndarray, np.ndarray],
    curves: Sequence[tuple[np.ndarray, np.ndarray]],
    taken: Sequence[tuple[float, Place]],
) -> Place:
    """Return the place of a triangle below a curve that covers no curve and no other triangle, below all in the end.

    Parameters
    ----------
    order
        Its slope.
    curve
        The abscissae, ascending, and ordinates of its curve.
    curves
        Those of all.
    taken
        The slopes and places of the triangles that are drawn.
    """
    logs = [(np.log(x), np.log(y)) for x, y in curves]
    others = [_of(slope, place) for slope, place in taken]
    for left, right, y in _segments(*curve):
        for drop in _BELOW:
            found = _of(order, Place(left, right, drop * y))
            if not any(_covers(found, *own) for own in logs) and not any(_touch(found, own) for own in others):
                return Place(left, right, drop * y)
    left, right, _ = next(_segments(*curve))
    bottom = min([*(float(y.min()) for _, y in logs), *(own.low for own in others)])
    rise = order * math.log(right / left)
    return Place(left, right, math.exp(bottom - _ROOM - max(rise, 0.0) - 0.1 * abs(rise)))


def _segments(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[float, float, float]]:
    """Yield the ends of the pieces of a curve and the ordinates at the left ones, from its middle outwards."""
    if len(x) == 1:
        yield float(x[0]) / math.sqrt(2), float(x[0]) * math.sqrt(2), float(y[0])
        return
    middle = len(x) // 2
    for n in sorted(range(1, len(x)), key=lambda n: abs(n - middle)):
        if x[n] > x[n - 1]:
            yield float(x[n - 1]), float(x[n]), float(y[n - 1])


def _of(order: float, place: Place) -> _Drawn:
    left, right, start = (math.log(own) for own in place)
    return _Drawn(left, right, start, start + order * (right - left))


def _covers(triangle: _Drawn, x: np.ndarray, y: np.ndarray) -> bool:
    """Whether a curve runs through a triangle or its number."""
    low, high = triangle.reach()
    at = np.unique(np.concatenate([np.linspace(low, high, 33), x]))
    at = at[(at >= max(low, x[0])) & (at <= min(high, x[-1]))]
    values = np.interp(at, x, y)
    return bool(np.any((values >= triangle.low - _ROOM) & (values <= triangle.top(at) + _ROOM)))


def _touch(one: _Drawn, other: _Drawn) -> bool:
    apart = (one.reach()[1] < other.reach()[0]) or (other.reach()[1] < one.reach()[0])
    highest = max(one.start, one.end), max(other.start, other.end)
    return not (apart or one.low > highest[1] or other.low > highest[0])
