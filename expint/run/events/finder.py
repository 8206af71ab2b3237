"""Events: zeros of functions of the solution, located on the dense output."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from numbers import Integral, Real
from typing import Any

import numpy as np

from expint.arguments import function, is_traced
from expint.backend import Array, is_complex
from expint.exchange import ask, lent
from expint.operators.rotations import Rotations
from expint.run.events.moving import state_at_event
from expint.run.events.phases import Phases
from expint.run.events.samples import Sample, confirms, foreseen, probes, samples_inside, with_dips

__all__ = ["EventFinder", "check_events"]

Event = Callable[[float, Array], float]

_RESOLUTION = 4 * math.ulp(1.0)
"""How finely a zero is located between two times at which signs differ, in units of what lies between them."""

_MOST_TRIES = 10_000
"""Tries to locate a zero: at a flat one, as of an event (t - 1)³, they gain little each. Bisection alone takes 51."""

_NUMBERS = 2**20
"""States between the steps are made this many numbers at a time."""

_FEW, _AFFORDED = 32, 2**14
"""A step is looked into at so many places, or so that their states have this many numbers, even if nothing tells that
the solution rotates, only that it may."""

_REMEMBERED = 4
"""The ends of so many steps are remembered."""


@dataclass
class EventFinder:
    """Watches events along a run, as SciPy does: attributes ``terminal`` and ``direction`` of a function are heeded.

    ``terminal`` is True, or the number of the occurrence that ends the run. An event that is zero at the start does not
    count as occurring there.

    Events are looked at where steps end. Inside a step they are looked at as often as the fastest rotation of L asks
    for, which the solution follows exactly however long the step is. Where that is not known, or would be dear, and
    where L does not rotate, the step is looked into unless values at the ends of the last steps, and at a few places
    inside, run smoothly through it.

    Attributes
    ----------
    events
        Functions event(t, y) of a real number whose zeros are sought.
    times, states
        What has been found, for each event.
    y
        The first state, like which others are.
    """

    events: Sequence[Event]
    times: list[list[float]] = field(default_factory=list)
    states: list[list[Array]] = field(default_factory=list)
    y: Array | None = None
    _last: list[Sample] = field(default_factory=list)

    def start(self, t: float, y: Array) -> None:
        """Take the first values.

        Raises
        ------
        TypeError
            If an event does not return a real number.
        """
        self.times, self.states = [[] for _ in self.events], [[] for _ in self.events]
        self.y, self._last = y, [self._sample(t, y)]

    def look(
        self, start: float, end: float, y: Array, between: Callable[..., Array], rotations: Rotations | None
    ) -> float | None:
        """Record what happens in a step that ends in ``y`` and return the time of the first terminal event, if any.

        ``rotations`` says how fast modes of L rotate, None where that is unknown.
        """
        self._last = [*self._last[1 - _REMEMBERED :], self._sample(end, y)]
        samples = self._last[-2:]

        size = max(math.prod(y.shape), 1)
        at_once = max(1, _NUMBERS // size)

        def measure(times: Sequence[float]) -> list[Sample]:
            pieces = (times[first : first + at_once] for first in range(0, len(times), at_once))
            found = ((piece, between(piece)) for piece in pieces)
            return [self._sample(t, states[i, ...]) for piece, states in found for i, t in enumerate(piece)]

        phases = Phases(rotations, abs(end - start), max(_FEW, _AFFORDED // size))
        smooth = not phases.certain and foreseen(self._last)
        if not smooth or not (phases.quiet or confirms(self._last, measure(probes(start, end, phases)))):
            samples = with_dips(samples_inside(samples[0], samples[1], measure, phases), measure)
        for piece in pairwise(samples):
            found = [(_zero(self.events[i], between, *ends), i) for ends, i in self._crossings(*piece)]
            for root, i in sorted(found, key=lambda pair: abs(pair[0] - start)):
                self.times[i].append(root)
                self.states[i].append(state_at_event(self.events[i], between, root, (start, end)))
                terminal = getattr(self.events[i], "terminal", False)
                if terminal and len(self.times[i]) >= int(terminal):
                    return root
        return None

    def pack(self) -> tuple[Any, ...]:
        """Return what was found and is remembered, in plain values, from which ``unpack`` makes it."""
        return list(self.times), list(self.states), self.y, [tuple(own) for own in self._last]

    def unpack(self, packed: tuple[Any, ...]) -> None:
        """Take what was packed."""
        self.times, self.states, self.y, last = packed
        self._last = [Sample(*own) for own in last]

    def newest(self, t: float) -> Array:
        """Return the state of the event that was found at ``t``."""
        return next(self.states[i][-1] for i, times in enumerate(self.times) if times and times[-1] == t)

    def _sample(self, t: float, y: Array) -> Sample:
        return Sample(t, tuple(_number(event(t, y)) for event in self.events))

    def _crossings(self, one: Sample, other: Sample) -> Iterator[tuple[tuple[tuple[float, float], ...], int]]:
        """Yield the events that change their sign between two samples as their direction asks.

        Each comes after the two times with its values there.
        """
        for i, (before, after) in enumerate(zip(one.values, other.values)):
            direction = getattr(self.events[i], "direction", 0)
            rises, falls = before <= 0 <= after, before >= 0 >= after
            if before not in (0, after) and ((rises and direction >= 0) or (falls and direction <= 0)):
                yield ((one.t, before), (other.t, after)), i


def check_events(events: Any, args: tuple[Any, ...] = ()) -> tuple[Event, ...]:
    """Return events as a tuple of functions event(t, y) with ``args`` bound, or say what is wrong with them."""
    if events is None:
        return ()
    watched = tuple(events) if isinstance(events, (list, tuple)) else (events,)
    for event in watched:
        function("events", event, "event(t, y) or a list of them")
        terminal, direction = _terminal(event), getattr(event, "direction", 0)
        if not isinstance(terminal, Integral | np.bool_) or terminal < 0:
            raise ValueError(
                "expected event.terminal to be True, False or the number of the occurrence that ends the run, received "
                f"{terminal!r}"
            )
        if not isinstance(direction, Real) or math.isnan(direction):
            raise TypeError(
                "expected event.direction to be positive for rising zeros, negative for falling ones, 0 for both, "
                f"received {direction!r}"
            )
    return tuple(_bound(event, args) for event in watched)


def _bound(event: Callable[..., float], args: tuple[Any, ...]) -> Event:
    def bound(t: float, y: Array) -> float:
        return ask(event, t, lent(y), *args)

    vars(bound).update(terminal=_terminal(event), direction=getattr(event, "direction", 0))
    return bound


def _terminal(event: Any) -> Any:
    """Return whether, or how often, an event has to occur to end the run; None says no, as in SciPy."""
    terminal = getattr(event, "terminal", None)
    return False if terminal is None else terminal


def _number(value: Any) -> float:
    """Return the value of an event, refusing arrays, complex numbers and nan."""
    shape = tuple(getattr(value, "shape", ()))
    if is_traced(value):
        raise TypeError(
            "expected an event whose value is known, received an array that JAX traces: zeros cannot be located inside "
            "jit, grad and vmap; leave events out there, or solve outside"
        )
    value = value.detach() if hasattr(value, "detach") else value
    kind = f"{type(value).__name__} of shape {shape}" + (", complex" if is_complex(value) else "")
    wrong = TypeError(
        f"expected an event to return a real number, received {kind}; reduce it, for example y[0] or max(abs(y))"
    )
    if shape or is_complex(value):
        raise wrong
    try:
        number = float(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise wrong from error
    if math.isnan(number):
        raise ValueError("expected an event to return a real number, received nan; define it for all states of the run")
    return number


def _zero(
    event: Event, between: Callable[[float], Array], start: tuple[float, float], end: tuple[float, float]
) -> float:
    """Return a time between those of ``start`` and ``end`` at which the event is zero; both come with its value."""
    from scipy.optimize import brentq  # slow to import, and few runs have events

    (first, before), (last, after) = start, end
    size = max(abs(before), abs(after))  # in units of the bracket and of the larger value every problem looks the same

    def value(part: float) -> float:
        if part in (0.0, 1.0):  # measured again they might differ by rounding, and in sign
            return (after if part else before) / size
        t = _between(first, last, part)
        return _number(event(t, between(t))) / size

    root = brentq(value, 0.0, 1.0, xtol=_RESOLUTION, rtol=_RESOLUTION, maxiter=_MOST_TRIES)
    return _between(first, last, root)


def _between(first: float, last: float, part: float) -> float:
    """Return the time at a part of the way from ``first`` to ``last``, never outside."""
    t = first + (last - first) * part
    return min(max(t, min(first, last)), max(first, last))
