"""Interpolation inside one step: values at its ends, and further ones at points that lower orders have found."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from expint.backend import Array
from expint.run.control.controller import inside
from expint.run.dense.continuous import Continuous, Counted

__all__ = ["Bootstrapped", "Known", "lobatto", "widest"]

_GRID = 1000
"""A point to add is chosen of so many."""


class Known(NamedTuple):
    """What is interpolated in a step: values at nodes in units of the step, 0 its start and 1 its end."""

    nodes: tuple[float, ...]
    values: tuple[Array, ...]


class Bootstrapped(Continuous):
    """A continuous solution whose rule inside a step is refined by further values of N, from low orders to high.

    The rule through the values at the ends of a step gives states inside it; N there, at Gauss–Lobatto points, gives a
    rule of higher order. This is done where a step is first looked into, and remembered. So the rule needs no step
    before or after, and is as good in the first step as in any.

    Parameters
    ----------
    times, states, slope
        As in ``Continuous``.
    counts
        How many points inside a step are looked at, refinement by refinement.
    sharpens
        Whether one point more is looked at in steps over which L damps.
    """

    def __init__(
        self,
        times: Sequence[float],
        states: Sequence[Array],
        slope: Counted | None,
        counts: Sequence[int],
        sharpens: bool = True,
    ) -> None:
        super().__init__(times, states, slope)
        self._counts, self._known, self._sharpens = tuple(counts), dict[int, Known](), sharpens

    @abstractmethod
    def _before(self, n: int) -> Known:
        """Return what is interpolated in the step from the n-th time before anything inside it is looked at."""

    @abstractmethod
    def _damps(self, n: int) -> bool:
        """Whether the step from the n-th time is one over which L damps, and worth one more value."""

    @abstractmethod
    def _seen(self, n: int, t: float, y: Array) -> Array:
        """Return the value to interpolate at a point inside the step from the n-th time."""

    @abstractmethod
    def _along(self, places: Sequence[tuple[int, float]], known: Mapping[int, Known]) -> Array:
        """Return the flow from the n-th state over θ times the step for each (n, θ), along a new first axis."""

    def _follow(self, places: Sequence[tuple[int, float]]) -> Array:
        self._look_into(sorted({n for n, _ in places}))
        return self._along(places, self._known)

    def _look_into(self, steps: Sequence[int]) -> None:
        """Evaluate N inside the steps that were not looked into before."""
        before = {n: self._before(n) for n in steps if n not in self._known}
        known = dict(before)
        for count in self._counts if before else ():
            points = [*lobatto(count), 1.0]
            states = self._along([(n, theta) for n in before for theta in points], known)
            for i, n in enumerate(before):
                found = [states[i * len(points) + j, ...] for j in range(len(points))]
                known[n] = self._refined(n, before[n], points[:-1], found)
        self._known |= self._sharper({n: known[n] for n in before})

    def _sharper(self, known: Mapping[int, Known]) -> dict[int, Known]:
        """Return what is interpolated with one value more where L damps within the step.

        There y follows N/L, so that what the polynomial misses of N is the error between the steps, while stages at
        c = 1 make it 1/(h|L|) times as large at their ends. Errors of the values themselves count as little.
        """
        damped = [n for n, own in known.items() if self._sharpens and own.values and self._damps(n)]
        if not damped:
            return dict(known)
        points = {n: widest(known[n].nodes) for n in damped}
        states = self._along([(n, theta) for n in damped for theta in (points[n], 1.0)], known)
        found = {n: [states[2 * i, ...], states[2 * i + 1, ...]] for i, n in enumerate(damped)}
        return dict(known) | {n: self._refined(n, known[n], [points[n]], found[n]) for n in damped}

    def _refined(self, n: int, before: Known, nodes: Sequence[float], found: Sequence[Array]) -> Known:
        """Return what is interpolated with values at ``nodes``, where the flow gave ``found``, the last at the end."""
        start, end, left = self.times[n], self.times[n + 1], self.states[n + 1] - found[-1]
        points = [(start + theta * (end - start), y + theta * left) for theta, y in zip(nodes, found)]
        values = [self._seen(n, inside(t, start, end), y) for t, y in points]
        return Known((*before.nodes, *nodes), (*before.values, *values))

    def _asked(self, t: float, y: Array) -> Array:
        """Return N(t, y)."""
        assert self._slope is not None  # all steps were looked into before a copy
        return self._slope(t, y)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy keeps: the values inside all steps instead of N, which may be anything."""
        if self._slope is not None:
            self._look_into(range(len(self.times) - 1))
        return vars(self) | {"_slope": None}


@lru_cache
def widest(nodes: tuple[float, ...]) -> float:
    """Return where in (0, 1) the product of the distances to the nodes and to 0 and 1 is largest."""
    theta = np.arange(1, _GRID) / _GRID
    ends = [end for end in (0.0, 1.0) if end not in nodes]
    distances = np.abs(np.subtract.outer(theta, [*nodes, *ends]))
    return float(theta[np.argmax(np.prod(distances, axis=1).round(12))])


@lru_cache
def lobatto(count: int) -> tuple[float, ...]:
    """Return the Gauss–Lobatto points inside (0, 1)."""
    inner = np.sort(np.real(np.polynomial.legendre.Legendre.basis(count + 1).deriv().roots()))
    return tuple((1 + float(x)) / 2 for x in inner)
