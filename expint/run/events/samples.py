"""Where inside a step events are looked at: exponential steps may be longer than what the solution does within them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from operator import mul
from typing import NamedTuple

import numpy as np

__all__ = ["PLACE", "Sample", "confirms", "foreseen", "samples_inside"]

_RESOLVED = 0.1
"""Values are resolved where they differ from what their neighbours foresee by this part of their range at most."""

_LEAST, _MOST = 8, 256
"""The fewest and the most pieces into which a step is divided: with fewer, chance resolves what is not smooth."""

_QUARTERS = (0.25, 0.5, 0.75)

PLACE = 2.0 - 0.5 * (1.0 + 5.0**0.5)
"""Where a step is looked at inside, as a part of it, even if its ends tell a smooth story: rotations that L follows
exactly may go round once or more from end to end. The place is irrational, so that they do not fall on it as well."""


class Sample(NamedTuple):
    """The values of events at one time."""

    t: float
    values: tuple[float, ...]


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
        at_end, *inside = (sum(map(mul, row, column)) for row in weights[:-1])
        if not abs(at_end - column[-1]) <= _RESOLVED * (max(column) - min(column)):
            return False
        if sum((a > 0) != (b > 0) for a, b in pairwise((column[-2], *inside, column[-1]))) > 1:
            return False
    return True


def confirms(last: Sequence[Sample], inside: Sample) -> bool:
    """Whether a sample at ``PLACE`` inside the newest step is where four ends of steps, ``foreseen``, say it is."""
    (first, second, start, end) = (sample.t for sample in last[-4:])
    row = _foreseeing(round((first - start) / (end - start), 9), round((second - start) / (end - start), 9))[-1]
    return all(
        abs(sum(map(mul, row, column)) - value) <= _RESOLVED * (max(column) - min(column))
        for value, column in zip(inside.values, zip(*(sample.values for sample in last[-4:])))
    )


@lru_cache(maxsize=64)
def _foreseeing(first: float, second: float) -> tuple[tuple[float, ...], ...]:
    """Return the numbers by which values at ``first``, ``second`` and 0 foresee that at 1, and with it those inside."""

    def weights(nodes: Sequence[float], at: float) -> tuple[float, ...]:
        return tuple(float(np.prod([(at - other) / (own - other) for other in nodes if other != own])) for own in nodes)

    nodes = (first, second, 0.0, 1.0)
    return ((*weights(nodes[:3], 1.0), 0.0), *(weights(nodes, at) for at in (*_QUARTERS, PLACE)))


def samples_inside(start: Sample, end: Sample, measure: Callable[[Sequence[float]], list[Sample]]) -> list[Sample]:
    """Return samples along a step, in as many equal pieces as resolve them; its ends alone, if none do.

    Parameters
    ----------
    start, end
        The ends of the step.
    measure
        Returns the samples at several times.
    """
    found, parts = [start, end], tuple(j / _LEAST for j in range(1, _LEAST))
    while len(found) <= _MOST:
        inside = measure([start.t + (end.t - start.t) * part for part in parts])
        if len(found) == 2:
            found = [start, *inside, end]
        else:
            found[1:] = [sample for pair in zip(inside, found[1:]) for sample in pair]
        values = np.array([sample.values for sample in found])
        with np.errstate(invalid="ignore"):  # infinite values are never resolved
            missed = np.abs(values[1::2] - (values[:-1:2] + values[2::2]) / 2)
            if np.all(missed <= _RESOLVED * np.ptp(values, axis=0)):
                return found
        pieces = len(found) - 1
        parts = tuple((j + 0.5) / pieces for j in range(pieces))
    return [start, end]
