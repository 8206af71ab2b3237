"""What continuous solutions have in common: finding the step of a time, joining the steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from expint.backend import Array, array_namespace, asarray_like, device, stack
from expint.exchange import asking
from expint.given import given_moments
from expint.operators.base import Operator

__all__ = ["Continuous", "Counted", "Interpolation", "Reached"]

_MOST_DEFECTS = 64
"""Of so many steps it is remembered what their rules lack at the end."""


class Counted:
    """What a run evaluates, evaluated again between its steps, and counted.

    Parameters
    ----------
    slope
        N(t, y), for splittings the flow of N.

    Attributes
    ----------
    evaluations
        How often it was evaluated.
    """

    def __init__(self, slope: Callable[..., Array]) -> None:
        self._slope, self.evaluations = slope, 0

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to make it again, from the function of the user that it asks."""
        made_of = getattr(self._slope, "made_of", None)
        return _counted, (self._slope if made_of is None else None, made_of, self.evaluations)

    def __call__(self, t: float, *where: Any) -> Array:
        """Return the value, counted."""
        self.evaluations += 1
        return self._slope(t, *where)


def _counted(slope: Callable[..., Array] | None, made_of: Any, evaluations: int) -> Counted:
    counted = Counted(asking(*made_of) if slope is None else slope)
    counted.evaluations = evaluations
    return counted


class Continuous(ABC):
    """A solution at any time in its span: a rule inside every step, made continuous.

    On the step from t_n the solution is what the rule gives, y(t_n + θh) = f_n(θ), plus θ times what f_n(1) lacks to
    y_{n+1}.

    Parameters
    ----------
    times
        The accepted times, strictly monotone.
    states
        The states there.
    slope
        N(t, y), counted; None where it is not evaluated between the steps, or not any more.
    """

    def __init__(self, times: Sequence[float], states: Sequence[Array], slope: Counted | None = None) -> None:
        self._slope = slope
        self.times, self.states = [float(t) for t in times], states
        self._direction = 1.0 if self.times[-1] >= self.times[0] else -1.0
        self._keys = [self._direction * t for t in self.times]
        self._defects: dict[int, Array] = {}

    @property
    def evaluations(self) -> int:
        """How often N was evaluated between the steps so far, for the events of the run too."""
        return 0 if self._slope is None else self._slope.evaluations

    @property
    def operator_within(self) -> Operator | None:
        """The linear operator whose flow the rule follows exactly within the newest step, None if there is none."""
        return None

    def __call__(self, t: float | Sequence[float] | np.ndarray) -> Array:
        """Return the state at the time ``t``, or the states at several times along a new first axis.

        Many times in one call cost far less than as many calls.

        Raises
        ------
        ValueError
            If a time lies outside the span of the run, or the times are not in a row.
        """
        wanted = given_moments(t)
        if not wanted.size:
            return stack([self.states[0]])[:0, ...]
        return self._at(wanted.tolist()) if wanted.ndim else self._at([wanted.item()])[0, ...]

    def beyond(self, times: Sequence[float]) -> Array:
        """Return what the rule of the newest step gives at times before or after it, along a new first axis."""
        start, end = self.times[-2:]
        return self._inside([(len(self.times) - 2, (t - start) / (end - start)) for t in times])

    def _at(self, times: Sequence[float]) -> Array:
        """Return the states at some times along a new first axis."""
        places, inside, reached, at_steps = list[tuple[int, float]](), list[int](), list[Array](), list[int]()
        for i, t in enumerate(times):
            n = bisect_left(self._keys, self._direction * t)
            if n == len(self.times) or (n == 0 and t != self.times[0]):
                raise ValueError(f"expected a time between {self.times[0]} and {self.times[-1]}, received {t}")
            if t == self.times[n]:
                reached.append(self.states[n])
                at_steps.append(i)
            else:
                start = self.times[n - 1]
                places.append((n - 1, (t - start) / (self.times[n] - start)))
                inside.append(i)
        if not places:
            return stack(reached)
        if not reached:
            return self._inside(places)
        xp = array_namespace(reached[0])
        found = xp.concat([self._inside(places), stack(reached)])
        order = xp.asarray(np.argsort(inside + at_steps), device=device(found))
        return xp.take(found, order, axis=0)

    def _inside(self, places: list[tuple[int, float]]) -> Array:
        """Return the states inside steps, along a new first axis: f_n(θ), and θ times what f_n(1) lacks."""
        ends = sorted({n for n, _ in places} - self._defects.keys())
        followed = self._follow([*places, *((n, 1.0) for n in ends)])
        made = {n: self.states[n + 1] - followed[i, ...] for i, n in enumerate(ends, start=len(places))}
        known = self._defects | made
        self._defects = dict(list(known.items())[-_MOST_DEFECTS:])
        inside = followed[: len(places), ...]
        shape = (len(places), *(1,) * (inside.ndim - 1))
        shares = np.clip([theta for _, theta in places], 0.0, 1.0)
        theta = asarray_like(shares.reshape(shape), inside)
        return inside + theta * stack([known[n] for n, _ in places])

    @abstractmethod
    def _follow(self, places: Sequence[tuple[int, float]]) -> Array:
        """Return f_n(θ), the rule inside the step from the n-th time, for each (n, θ) along a new first axis."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.times[0]:.6g} … {self.times[-1]:.6g}, {len(self.times)} times)"


class Reached(NamedTuple):
    """A state on the way.

    Attributes
    ----------
    t, y
        The time and the state.
    value
        N there, where it is known.
    local
        What the step that begins there hands on for interpolation, if it does.
    """

    t: float
    y: Array
    value: Array | None
    local: Any = None


class Interpolation(Protocol):
    """Makes continuous solutions through the states of a run."""

    @property
    def points(self) -> int:
        """How many states the newest step needs."""

    def through(self, reached: Sequence[Reached]) -> Continuous:
        """Return the continuous solution through two states or more."""
