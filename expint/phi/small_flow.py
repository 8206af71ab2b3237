"""The exponential of one small matrix at many times, out of one scaling and squaring."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from expint.phi.dense import phi_matrices

__all__ = ["SmallFlow"]

_REFINEMENTS = 3
"""How often the longest acceptable power of two is refined by halves: to within an eighth."""

_SMALL, _FINER = 30, 8
"""Spaces of few dimensions may not even reach a time x with ‖xH‖ = 1; theirs are divided more finely."""


class SmallFlow:
    r"""The vector c(x) = e^{xH} e_1 and the number i(x) = e_m^T ∫_0^x e^{sH} e_1 ds, at times x ≤ longest.

    Squaring e^{δH} again and again passes through e^{2δH}, e^{4δH}, …, and products of these with one vector lead to
    any other multiple of δ.

    Parameters
    ----------
    matrix
        H, of shape (m, m).
    longest
        The largest x.
    """

    def __init__(self, matrix: np.ndarray, longest: float) -> None:
        m = matrix.shape[0]
        size = float(np.linalg.norm(matrix, 1)) * longest
        squarings = max(0, math.ceil(math.log2(size))) if size > 0 else 0
        squarings += _FINER if m < _SMALL else 0
        bordered = np.zeros((m + 1, m + 1), dtype=matrix.dtype)
        bordered[:m, :m] = matrix
        bordered[0, m] = 1.0  # its exponential has ∫ e^{sH} e_1 ds in the last column
        self.times = longest / 2.0 ** np.arange(squarings, -1, -1.0)
        scaled = bordered * self.times[0]
        with np.errstate(all="ignore"):
            minus_one = phi_matrices(scaled, 1)[1] @ scaled  # e^B − I, before anything is lost beside 1
            self._minus_one = [minus_one]
            for _ in range(squarings):
                minus_one = 2 * minus_one + minus_one @ minus_one
                self._minus_one.append(minus_one)

    def at_longest(self) -> tuple[np.ndarray, complex]:
        """Return c and i at the longest time."""
        return _split(self._columns(len(self.times) - 1))

    def longest_time(
        self, accept: Callable[[float, np.ndarray, complex], bool]
    ) -> tuple[float, np.ndarray, complex] | None:
        """Return the longest time for which accept(x, c, i) holds, to within an eighth, with c and i there."""
        for level in range(len(self.times) - 1, -1, -1):
            columns, x = self._columns(level), float(self.times[level])
            if accept(x, *_split(columns)):
                break
        else:
            return None
        if level == len(self.times) - 1:
            return x, *_split(columns)
        for lower in range(level - 1, max(-1, level - 1 - _REFINEMENTS), -1):
            further, later = columns + self._minus_one[lower] @ columns, x + float(self.times[lower])
            if accept(later, *_split(further)):
                columns, x = further, later
        return x, *_split(columns)

    def _columns(self, level: int) -> np.ndarray:
        columns = self._minus_one[level][:, [0, -1]]
        columns[0, 0] += 1.0
        columns[-1, 1] += 1.0
        return columns


def _split(columns: np.ndarray) -> tuple[np.ndarray, complex]:
    return columns[:-1, 0], columns[-2, 1]
