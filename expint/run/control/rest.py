"""How long steps may be while N says nothing.

L is exact, so that nothing but N holds the steps. Where N rests, as it does before a pulse, an estimate of zero tells
nothing about what comes: N is then looked at evenly over the span, by short steps or, where these take several
evaluations, once at each place inside a long one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import pairwise

from expint.backend import Array
from expint.run.tolerance import ErrorNorm

__all__ = ["ASLEEP", "AWAKE", "FAINT", "LOOKS", "QUIET", "longest_at_rest", "look_ahead", "rest_ahead", "widest_gap"]

LOOKS = 64
"""While N rests it is looked at so many times at least, evenly over the span. Measured by ``python -m
benchmarks.pulses``: 32 looks miss twice as many pulses as 64, which cost a run in which nothing happens 70 to 120
evaluations and problems of the zoo nothing, but for those whose N vanishes."""

QUIET = 0.1
"""N rests while the changes of N within a step, times its length, are at most this in units of the tolerance."""

AWAKE = 10.0
"""The most that this may be in the step in which N wakes up: nothing before told how fast N changes, and an estimate
may be blind to what it has not been made for. That of expint43 does not see a pulse that covers the inner nodes, those
of Lawson–Dormand–Prince and of pexprb54s4 see a jump late in a step only 250 times too small, or not at all."""

ASLEEP = 1e-3
"""While it is at most this, long steps are made and N is looked at inside them. Where N drifts, the first look inside a
long step would find it awake, and cost an evaluation more than the short step that is then made."""

FAINT = 1e-2
"""It is asked whether N rests where the error is at most this in units of the tolerance, and while N rests."""


def longest_at_rest(span: float, looks: bool = True, gap: float = 1.0) -> float:
    """Return the longest step while N rests, where the longest piece of a step in which N is not looked at is ``gap``.

    Parameters
    ----------
    span
        The length of the run.
    looks
        Whether there is an N to look at; inf is returned if there is none.
    gap
        The length of that piece, as a part of the step.
    """
    return abs(span) / (LOOKS * gap) if looks else math.inf


def look_ahead(change: Callable[[float], float], h: float, span: float) -> float:
    """Return how long a step from where N rests may be: as far as N is seen to rest, and as one look at least.

    Parameters
    ----------
    change
        By a time ahead: how far N is from what is foretold, times the time between two looks, in units of the
        tolerance. It evaluates N once. The end of the step is not asked for: the step looks at it.
    h
        The length of the step that is wanted.
    span
        The length of the run.
    """
    apart = span / LOOKS
    for k in range(1, math.ceil(h / apart * (1 - 1e-10))):
        if not change(k * apart) <= QUIET:
            return max(1, k - 1) * apart
    return h


def rest_ahead(norm: ErrorNorm, foretold: Callable[[float], tuple[Array, Array]], h: float, span: float) -> float:
    """Return how long a step is in which N is seen to rest, at most |h|; see ``look_ahead``.

    Parameters
    ----------
    norm
        That of the run.
    foretold
        By a time ahead, the state then if N goes on resting, and how far N there is from that.
    h
        The step that is wanted, with its sign.
    span
        The length of the run.
    """
    apart, direction = span / LOOKS, math.copysign(1.0, h)

    def change(ahead: float) -> float:
        y, deviation = foretold(direction * ahead)
        return norm.size(apart * deviation, norm.scale(y))

    return look_ahead(change, abs(h), span)


def widest_gap(places: Iterable[float]) -> float:
    """Return the widest gap between 0, 1 and the ``places`` between them, the nodes of a method."""
    inside = sorted({0.0, 1.0, *(float(c) for c in places if 0 < c < 1)})
    return max(right - left for left, right in pairwise(inside))
