"""States between steps that were made as two of half the length."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from expint.backend import Array
from expint.run.dense.continuous import Continuous, Interpolation, Reached

__all__ = ["Halved", "Halves"]


class Halves(NamedTuple):
    """What a step of two halves hands on for interpolation, in plain values where both do.

    Attributes
    ----------
    first, second
        What each half hands on.
    middle, y, value
        The time in the middle, the state and N there.
    """

    first: object
    second: object
    middle: float
    y: Array
    value: Array | None


class Halved(NamedTuple):
    """Interpolates in each half: a rule over the whole step errs by 2^q as much as the halves, q its order.

    Attributes
    ----------
    inner
        Interpolates in a step.
    """

    inner: Interpolation

    @property
    def points(self) -> int:
        """How many states the newest step needs."""
        return self.inner.points

    def through(self, reached: Sequence[Reached]) -> Continuous:
        """Return the continuous solution through two states or more, and those in the middle between them."""
        return self.inner.through([*(own for pair in pairwise(reached) for own in _halves(*pair)), reached[-1]])


def _halves(start: Reached, end: Reached) -> list[Reached]:
    """Return where the halves of a step begin; of one that an event has cut short, those that are left."""
    if not isinstance(start.local, Halves):
        return [start]
    first, second, middle, y, value = start.local
    whole = start._replace(local=first)
    inside = start.t < middle < end.t or end.t < middle < start.t
    return [whole, Reached(middle, y, value, second)] if inside else [whole]
