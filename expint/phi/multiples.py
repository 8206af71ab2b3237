"""φ-functions of many multiples of one matrix."""

from __future__ import annotations

import math
from collections import OrderedDict

import numpy as np

from expint.phi.dense import Doubled, begin, double, least_doublings, scaled_size

__all__ = ["Multiples"]

_MOST_BYTES = 2**28
"""The most memory for what may be doubled again."""


class Multiples:
    r"""s ↦ [φ_0(s A), …, φ_p(s A)] where multiples s whose ratio is a power of two share one chain of doublings.

    The stages of a step look at φ-functions of hA and hA/2, and adaptive runs at quantised step sizes: each costs one
    doubling where the one below is known. The numbers are those of ``phi_matrices``, whose chains pass through the same
    multiples.

    Parameters
    ----------
    matrix
        A, of shape (n, n), float64 or complex128.
    """

    def __init__(self, matrix: np.ndarray) -> None:
        self.matrix = matrix
        self._sizes: dict[float, float] = {}
        self._known: OrderedDict[tuple[float, int], Doubled] = OrderedDict()

    def __call__(self, p: int, scale: float) -> list[np.ndarray]:
        """Return φ_0(s A), …, φ_p(s A) for s = ``scale``."""
        if scale == 0 or not self.matrix.size:
            return [np.eye(len(self.matrix), dtype=self.matrix.dtype) / math.factorial(k) for k in range(p + 1)]
        with np.errstate(all="ignore"):
            return [value[0] for value in self._at(*math.frexp(scale), max(p, 1)).values[: p + 1]]

    def _at(self, fraction: float, exponent: int, p: int) -> Doubled:
        """Return the φ-functions at s = fraction · 2^exponent, with those below on the way."""
        if fraction not in self._sizes:
            self._sizes[fraction] = scaled_size(fraction * self.matrix)
        found, doublings = None, 0
        for doublings in range(least_doublings(math.ldexp(self._sizes[fraction], exponent)) + 1):
            found = self._known.get((fraction, exponent - doublings))
            if found is not None and len(found.higher) > p:
                break
        else:
            found = begin(math.ldexp(fraction, exponent - doublings) * self.matrix[None], p)
        for i in range(exponent - doublings, exponent):
            self._keep((fraction, i), found)
            found = double(found)
        self._keep((fraction, exponent), found)
        return found

    def _keep(self, at: tuple[float, int], found: Doubled) -> None:
        self._known[at] = found
        self._known.move_to_end(at)
        size = (len(found.higher) + 1) * self.matrix.nbytes
        while len(self._known) > max(1, _MOST_BYTES // size):
            self._known.popitem(last=False)
