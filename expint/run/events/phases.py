"""How often a step is looked into, from how fast L rotates within it."""

from __future__ import annotations

import math

import numpy as np

from expint.operators.rotations import Rotations

__all__ = ["Phases"]

_EVEN = 8
"""The fewest pieces into which a step is divided, for what N does in it: with fewer, chance resolves what is not
smooth."""

_PER_RADIAN = 2.0
"""Pieces for each radian of the fastest rotation: twelve in a period, six between two zeros."""

_FADED = 30.0
"""A mode that has decayed by e to this power since the start of a step is rounding."""

_ALIVE = 7.0
"""One that decays by at most e to this power within the step is there all along."""

_UNKNOWN = (16, 2048)
"""The pieces at first and at most where rotations are not known."""

_MOST_KNOWN = 256
"""The pieces at most, however slow what L does: N and the event may be faster."""

_UNEVEN = 0.5
"""How uneven pieces are that may be too few: equal ones may all fall on one phase of what is faster than they are."""


class Phases:
    """The phase through which the fastest mode turns in a step, as a measure of where in it to look.

    A mode counts until it has faded; so a step over a decaying oscillation is looked into at its start. Pieces of equal
    phase, with a few for what N does, are the parts into which the step is divided.

    Parameters
    ----------
    rotations
        How fast modes of L rotate, None where it is unknown.
    length
        The length of the step.
    afforded
        The most pieces to look at without a sign that anything oscillates.

    Attributes
    ----------
    quiet
        Whether nothing turns by more than a radian.
    certain
        Whether the step is to be looked into in any case: what turns is there all along, and seeing all of it is not
        dear.
    pieces, most
        Into how many pieces the step is divided at first, and at most.
    """

    def __init__(self, rotations: Rotations | None, length: float, afforded: int) -> None:
        known = rotations or ()
        ends = [length if own.decay * length <= _FADED else _FADED / own.decay for own in reversed(known)]
        widths = np.diff(ends, prepend=0.0)
        turned = np.cumsum([0.0, *(own.rate * width for own, width in zip(reversed(known), widths))])
        alive = max((own.rate for own in known if own.decay * length <= _ALIVE), default=0.0)
        if not known or ends[-1] < length:
            ends, turned = [*ends, length], np.append(turned, turned[-1])
        self._places, self._phases = np.array([0.0, *ends]) / length, _PER_RADIAN * turned
        self._phases += _EVEN * self._places
        wanted = 2 * math.ceil(self._phases[-1] / 2)
        self.quiet = rotations is not None and turned[-1] <= 1.0
        self.certain = alive * length > 1.0 and wanted <= afforded
        if rotations is None:
            self.pieces, self.most = _UNKNOWN
        else:
            self.pieces, self.most = min(wanted, 2 * (max(afforded, _EVEN) // 2)), max(_MOST_KNOWN, 2 * wanted)
        self._uneven = 0.0 if rotations is not None and self.pieces == wanted else _UNEVEN

    def places(self, parts: np.ndarray) -> np.ndarray:
        """Return the places, in units of the step, that lie at the given parts of its phase."""
        uneven = parts + self._uneven * parts * (1.0 - parts)
        return np.interp(uneven * self._phases[-1], self._phases, self._places)
