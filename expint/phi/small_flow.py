"""The exponential of one small matrix at many times, out of one scaling and squaring."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import numpy as np

from expint.phi.dense import phi_matrices

__all__ = ["Reached", "SmallFlow"]

_REFINEMENTS = 3
"""How often the longest acceptable power of two is refined by halves: to within an eighth."""

_SMALL, _FINER = 30, 8
"""Spaces of few dimensions may not even reach a time x with ‖xH‖ = 1; theirs are divided more finely."""


class Reached(NamedTuple):
    r"""The exponential at one time.

    Attributes
    ----------
    time
        x.
    column
        c = e^{xH} e_1.
    integral
        i = e_m^T ∫_0^x e^{sH} e_1 ds.
    total
        ∫_0^x \|e_m^T e^{sH} e_1\| ds, or \|i\| at an earlier time where that is larger: what turns may cancel in i.
    """

    time: float
    column: np.ndarray
    integral: complex
    total: float


class SmallFlow:
    r"""e^{xH} e_1 and integrals of its last entry at times x ≤ longest.

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
            minus_one = phi_matrices(scaled, 1)[1] @ scaled  # e^B − I, before digits are lost against 1
            self._minus_one = [minus_one]
            for _ in range(squarings):
                minus_one = 2 * minus_one + minus_one @ minus_one
                self._minus_one.append(minus_one)

    def at_longest(self) -> Reached:
        """Return the result at the longest time."""
        return self._all[-1]

    def longest_time(self, accept: Callable[[Reached], bool]) -> Reached | None:
        """Return the result at the longest accepted time, to within an eighth; None if there is no such time."""
        level = next((i for i in range(len(self.times) - 1, -1, -1) if accept(self._all[i])), None)
        if level is None or level == len(self.times) - 1:
            return None if level is None else self._all[level]
        columns, reached = self._columns(level), self._all[level]
        for lower in range(level - 1, max(-1, level - 1 - _REFINEMENTS), -1):
            further = columns + self._minus_one[lower] @ columns
            later = _next(reached, reached.time + float(self.times[lower]), further)
            if accept(later):
                columns, reached = further, later
        return reached

    @cached_property
    def _all(self) -> list[Reached]:
        """What there is at the times that squaring passes through."""
        start = np.zeros((len(self._minus_one[0]), 2), dtype=self._minus_one[0].dtype)
        reached = [Reached(0.0, start[:-1, 0], 0.0, 0.0)]
        for level, time in enumerate(self.times.tolist()):
            reached.append(_next(reached[-1], time, self._columns(level)))
        return reached[1:]

    def _columns(self, level: int) -> np.ndarray:
        columns = self._minus_one[level][:, [0, -1]]
        columns[0, 0] += 1.0
        columns[-1, 1] += 1.0
        return columns


def _next(before: Reached, time: float, columns: np.ndarray) -> Reached:
    """Return the result at a time after another, between which the last entry is taken for a power of the time."""
    column, integral = columns[:-1, 0], columns[-2, 1]
    here, there = float(abs(column[-1])), float(abs(before.column[-1])) if before.time else 0.0
    ratio = time / before.time if before.time else math.inf
    if here > 0 and there > 0 and math.isfinite(here):
        grows = 1.0 + math.log(here / there) / math.log(ratio)
        logarithm = math.log(ratio) * grows
        mean = math.expm1(logarithm) / grows if abs(grows) > 1e-6 else math.log(ratio)
        added = there * before.time * mean
    else:
        added = max(here, there) * (time - before.time)
    total = max(before.total + added, float(abs(integral)))
    return Reached(time, column, integral, total if math.isfinite(total) else math.inf)
