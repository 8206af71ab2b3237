r"""Between the steps of a run: its states at any time, and its predictions of the data, without further calls.

With r = α/σ the sampling equation is d(x/σ)/dr = x₀(r), so that on a step from t_n

.. math::

    x(t) = \frac{\sigma}{\sigma_n} x_n + \sigma \int_{r_n}^{r} x_0 \, dr.

The predictions x₀ are interpolated in arctan(σ/α): it is bounded, also where α = 0 and where σ = 0, and the predictions
of a Gaussian are smooth in it, whatever clock the sampler runs by. The rest of the equation is solved exactly.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import atan2, hypot
from typing import NamedTuple

import numpy as np

import expint
from diffusion.planning.plan import slopes_since
from diffusion.planning.signal_rule import lagrange_basis, signal_rule
from diffusion.process.schedule import NoiseSchedule
from expint.arguments import refuse_gradients
from expint.backend import Array, all_finite, array_namespace

__all__ = ["DensePath", "with_dense_output"]

_MOST_NODES = 4  # a higher order does not help at so few steps
_AMPLIFICATION = 2.0  # the most by which interpolation may enlarge predictions: 1.63 on equal steps, at their ends


class DensePath:
    """The continuous solution of a run: called with times of the schedule it returns the states there.

    On each step the predictions at the nearest times are interpolated in arctan(σ/α), on the side of the step where the
    network is discontinuous, and the equation is solved exactly; at the times of the run the states are those of the
    run. Where the prediction at the end of a step is not known, as in the last, the state at its end stands for it.

    Attributes
    ----------
    t
        The times of the run at which the network was called, decreasing.
    previews
        What the network predicted the data to be at these times, (len(t), *shape).
    """

    def __init__(
        self,
        schedule: NoiseSchedule,
        times: Sequence[float],
        states: Sequence[Array],
        predictions: Mapping[float, Array],
        to_zero: bool = False,
        edges: tuple[float, ...] = (),
    ) -> None:
        self.schedule, self._times, self._states = schedule, [float(t) for t in times], states
        self._keys = [-t for t in self._times]
        self._data = [predictions.get(t) for t in self._times]
        self.t = np.array([t for t, data in zip(self._times, self._data) if data is not None])
        known = [data for data in self._data if data is not None]
        self.previews = array_namespace(known[0]).stack(known)
        self._places = [self._place(t) for t in self._times[: len(times) - to_zero]] + [_CLEAN] * to_zero
        self._sides = _sides(slopes_since(edges, np.array(self._times)), [data is not None for data in self._data])
        self._made: dict[int, tuple[range, bool, np.ndarray]] = {}

    def __call__(self, t: float | Sequence[float] | np.ndarray) -> Array:
        """Return the state at the time ``t``, or the states at several times along a new first axis.

        Raises
        ------
        ValueError
            If a time lies outside the run.
        TypeError
            If a gradient by the time is asked for.
        """
        refuse_gradients("the time of sol(t)", t)
        times = np.asarray(t, dtype=float)
        outside = times[~((times >= self._times[-1]) & (times <= self._times[0]))]
        if outside.size:
            raise ValueError(
                f"expected a time between {self._times[0]:.6g} and {self._times[-1]:.6g}, those of the run; received "
                f"{outside[0]:.6g}"
            )
        states = [self._at(float(at)) for at in times.flat]
        if not times.ndim:
            return states[0]
        return array_namespace(self._states[0]).stack(states) if states else self._states[0][None, ...][:0, ...]

    def _at(self, t: float) -> Array:
        """Return the state at one time: a sum of those at the ends of its step and of predictions."""
        end = bisect_left(self._keys, -t)
        if self._times[end] == t:
            return 1.0 * self._states[end]
        start, place = end - 1, self._place(t)
        window, closed, whole = self._step(start)
        part = self._weights(start, place, window)
        before, after = self._places[start], self._places[end]
        if closed:  # a polynomial that leads to x_{n+1}: its value at the end is what is missing there
            share = part[-1] / whole[-1]
            part, whole, window = part[:-1], whole[:-1], window[:-1]
        else:  # the sampler's step is another one: the difference comes in evenly
            share = before.turn(place) / before.turn(after) * (place.size / after.size)
        state = (place.sigma - share * after.sigma) / before.sigma * self._states[start] + share * self._states[end]
        for j, weight in zip(window, (part - share * whole).tolist()):
            state = state + weight * self._data[j]
        return state

    def _step(self, start: int) -> tuple[range, bool, np.ndarray]:
        """Return the nodes of a step, whether its end is one without a prediction, and their weights over all of it."""
        if start not in self._made:
            first, last = self._sides[start]
            closed = last == start  # nothing is known beyond its start
            known = range(first, start + 2 if closed else last + 1)
            window = _window(self._places, start, known, 3 if closed else _MOST_NODES)
            self._made[start] = window, closed, self._weights(start, self._places[start + 1], window)
        return self._made[start]

    def _weights(self, start: int, end: _Place, window: range) -> np.ndarray:
        """Return σ ∫ ℓ_j dr from the start of a step, ℓ_j the polynomials of the nodes in the angle."""
        begin = self._places[start]
        nodes = [begin.turn(self._places[j]) for j in window]
        if end.sigma == 0.0:
            return end.alpha * lagrange_basis(nodes, np.array([begin.turn(end)]))[:, 0]
        r, of_r = signal_rule(begin.alpha / begin.sigma, end.alpha / end.sigma)
        turns = np.arctan2(r * begin.sigma - begin.alpha, begin.sigma + r * begin.alpha)
        return end.sigma * (lagrange_basis(nodes, turns) @ of_r)

    def _place(self, t: float) -> _Place:
        alpha, sigma = float(self.schedule.alpha(t)), float(self.schedule.sigma(t))
        return _Place(alpha, sigma)

    def __repr__(self) -> str:
        return f"DensePath({self._times[0]:.6g} … {self._times[-1]:.6g}, {len(self._times)} times)"


class _Place(NamedTuple):
    """α and σ at a time."""

    alpha: float
    sigma: float

    @property
    def size(self) -> float:
        """√(α² + σ²)."""
        return hypot(self.alpha, self.sigma)

    def turn(self, other: _Place) -> float:
        """Return arctan(σ/α) here minus there, without the cancellation that the angles themselves have near π/2."""
        cross = self.sigma * other.alpha - self.alpha * other.sigma
        return atan2(cross, self.alpha * other.alpha + self.sigma * other.sigma)


_CLEAN = _Place(1.0, 0.0)


def with_dense_output(
    run: expint.Solution,
    predictions: Mapping[float, Array],
    schedule: NoiseSchedule,
    to_zero: bool = False,
    edges: tuple[float, ...] = (),
) -> expint.Solution:
    """Return the run with its continuous solution in ``sol``.

    Parameters
    ----------
    run
        The run: all its times and states.
    predictions
        What the network predicted the data to be, by time.
    schedule
        The schedule.
    to_zero
        Whether the last time is that of σ = 0, which the schedule may not know.
    edges
        Times at which the network is discontinuous.
    """
    if not run.success:  # what the network said last may not be finite
        predictions = {t: data for t, data in predictions.items() if all_finite(data)}
    times, states = run.t.tolist(), [run.y[i, ...] for i in range(len(run.t))]
    return replace(run, sol=DensePath(schedule, times, states, predictions, to_zero, edges))


def _sides(known: Sequence[int], called: Sequence[bool]) -> list[tuple[int, int]]:
    """Return for each step the first and the last prediction on its side of all edges.

    ``known`` says how many there are up to its start.
    """
    firsts = [n - count + 1 for n, count in enumerate(known)]
    side = [*firsts, firsts[-1]]  # of the prediction at each time, the first with it
    return [
        (first, max(m for m, of in enumerate(side) if m == n or (m > n and of == first and called[m])))
        for n, first in enumerate(firsts)
    ]


def _window(places: Sequence[_Place], start: int, known: range, most: int) -> range:
    """Return the nodes to interpolate: as many near the step as enlarge nothing much inside it."""
    begin = places[start]
    inside = np.linspace(0.0, begin.turn(places[start + 1]), 9)
    for count in range(min(most, len(known)), 2, -1):
        first = min(max(start + 1 - count // 2, known.start), known.stop - count)
        window = range(first, first + count)
        nodes = [begin.turn(places[j]) for j in window]
        if np.abs(lagrange_basis(nodes, inside)).sum(axis=0).max() <= _AMPLIFICATION:
            return window
    return range(start, start + 2)
