"""Where inside a step events are looked at: exponential steps may be longer than what the solution does within them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from operator import mul
from typing import NamedTuple, TypeAlias

import numpy as np

from expint.run.events.phases import Phases

__all__ = ["Measure", "Sample", "confirms", "foreseen", "probes", "samples_inside", "with_dips"]

_RESOLVED = 0.1
"""Values are resolved where they differ from what their neighbours foresee by this part of their range at most."""

_JUMPS = 0.25
"""Values that are not resolved at this part of all places or less are smooth but for jumps, not noise."""

_QUARTERS = (0.25, 0.5, 0.75)

_PROBES = tuple(math.fmod(0.5 + j * 0.5 * (math.sqrt(5.0) - 1.0), 1.0) for j in range(3))
"""Where a step is looked at inside, as parts of its phase, even if its ends tell a smooth story: rotations that L
follows exactly may go round once or more from end to end. The golden section keeps the places apart, and off any
period: one random rotation in 4000 looks smooth at four equal steps and there."""

_DIPS = 3
"""How often a dip towards zero is followed down to see whether it gets there."""

_DEEP = 0.1
"""A dip is followed if its parabola ends this near to zero, in units of how far its neighbours lie above."""


class Sample(NamedTuple):
    """The values of events at one time."""

    t: float
    values: tuple[float, ...]


Measure: TypeAlias = Callable[[Sequence[float]], list[Sample]]
"""Returns the samples at several times."""


def foreseen(last: Sequence[Sample]) -> bool:
    """Whether the newest step can be trusted not to hide a sign change.

    They do where values run smoothly through them, with one change of sign at most.

    Parameters
    ----------
    last
        The ends of three steps in a row, and the start of the first; fewer tell too little.
    """
    if len(last) < 4:
        return False
    (first, second, start, end) = (sample.t for sample in last[-4:])
    weights = _foreseeing(round((first - start) / (end - start), 9), round((second - start) / (end - start), 9))
    for column in zip(*(sample.values for sample in last[-4:])):
        at_end, *inside = (sum(map(mul, row, column)) for row in weights)
        if not abs(at_end - column[-1]) <= _RESOLVED * (max(column) - min(column)):
            return False
        if sum((a > 0) != (b > 0) for a, b in pairwise((column[-2], *inside, column[-1]))) > 1:
            return False
    return True


def confirms(last: Sequence[Sample], inside: Sequence[Sample]) -> bool:
    """Whether samples inside the newest step are where four ends of steps, ``foreseen``, say they are."""
    first, second, start, end = (sample.t for sample in last[-4:])
    nodes = tuple(round((t - start) / (end - start), 9) for t in (first, second))
    columns = list(zip(*(sample.values for sample in last[-4:])))
    for sample in inside:
        row = _weights((*nodes, 0.0, 1.0), (sample.t - start) / (end - start))
        for value, column in zip(sample.values, columns):
            if not abs(sum(map(mul, row, column)) - value) <= _RESOLVED * (max(column) - min(column)):
                return False
    return True


@lru_cache(maxsize=64)
def _foreseeing(first: float, second: float) -> tuple[tuple[float, ...], ...]:
    """Return the numbers by which values at ``first``, ``second`` and 0 foresee that at 1, and with it those inside."""
    nodes = (first, second, 0.0, 1.0)
    return ((*_weights(nodes[:3], 1.0), 0.0), *(_weights(nodes, at) for at in _QUARTERS))


def _weights(nodes: Sequence[float], at: float) -> tuple[float, ...]:
    """Return the numbers by which values at ``nodes`` give that of their polynomial at ``at``."""
    return tuple(math.prod((at - other) / (own - other) for other in nodes if other != own) for own in nodes)


def probes(start: float, end: float, phases: Phases) -> list[float]:
    """Return the times at which a step is looked at inside even if its ends tell a smooth story."""
    return (start + (end - start) * phases.places(np.array(_PROBES))).tolist()


def samples_inside(start: Sample, end: Sample, measure: Measure, phases: Phases) -> list[Sample]:
    """Return samples along a step, in as many pieces as resolve them; its ends alone, if none do.

    Parameters
    ----------
    start, end
        The ends of the step.
    measure
        Returns the samples at several times.
    phases
        Where to look.
    """
    found, pieces = [start, end], phases.pieces
    parts = np.arange(1, pieces) / pieces
    while True:
        inside = measure((start.t + (end.t - start.t) * phases.places(parts)).tolist())
        if len(found) == 2:
            found = [start, *inside, end]
        else:
            found[1:] = [sample for pair in zip(inside, found[1:]) for sample in pair]
        missed = _missed(found)
        if not missed:
            return found
        pieces *= 2
        if pieces > phases.most:
            return found if missed <= _JUMPS else [start, end]
        parts = (np.arange(pieces // 2) + 0.5) * 2 / pieces


def _missed(found: Sequence[Sample]) -> float:
    """Return the largest part of the odd samples, over the events, that their neighbours do not foresee."""
    t, values = np.array([sample.t for sample in found]), np.array([sample.values for sample in found])
    later = ((t[1::2] - t[:-2:2]) / (t[2::2] - t[:-2:2]))[:, None]
    with np.errstate(invalid="ignore"):  # infinite values are never resolved
        off = np.abs(values[1::2] - (1 - later) * values[:-2:2] - later * values[2::2])
        resolved = off <= _RESOLVED * np.ptp(values, axis=0)
    return float(np.max(np.mean(~resolved, axis=0)))


def with_dips(found: list[Sample], measure: Measure) -> list[Sample]:
    """Return samples along a step with further ones where an event may reach zero between two and come back."""
    known = {sample.t for sample in found}
    for _ in range(_DIPS):
        times = sorted(set(_dips(found)) - known)
        if not times:
            break
        known.update(times)
        found = sorted([*found, *measure(times)], key=lambda sample: abs(sample.t - found[0].t))
    return found


def _dips(found: Sequence[Sample]) -> list[float]:
    """Return where parabolas through three samples of one sign come nearest to zero, if that is near."""
    t, values = np.array([sample.t for sample in found]), np.array([sample.values for sample in found])
    at = (t[:-2], t[1:-1], t[2:])
    dips = list[float]()
    for column in values.T:
        before, middle, after = (np.abs(column)[i : len(t) - 2 + i] for i in range(3))
        one_sign = (np.abs(np.sign(column[:-2]) + np.sign(column[1:-1]) + np.sign(column[2:])) == 3) & np.isfinite(
            before + middle + after
        )
        with np.errstate(all="ignore"):  # straight lines have no vertex
            rise, fall = (after - middle) / (at[2] - at[1]), (middle - before) / (at[1] - at[0])
            bend = (rise - fall) / (at[2] - at[0])
            slope = fall + bend * (at[1] - at[0])  # at the middle
            move = -slope / (2 * bend)
            lowest = middle - slope**2 / (4 * bend)
            above = np.maximum(before, after) - lowest
            inside = np.where(move * (at[2] - at[1]) > 0, move / (at[2] - at[1]), move / (at[0] - at[1])) < 1
            taken = one_sign & (bend > 0) & inside & (lowest <= _DEEP * above)
        dips.extend((at[1] + move)[taken].tolist())
    return dips
