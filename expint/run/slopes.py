"""The slopes that a pair remembers, and the vectors that are combined from them."""

from __future__ import annotations

import numpy as np

from expint.backend import Array
from expint.lower.pair import PairCache, PairRows
from expint.operators.base import linear_combination

__all__ = ["ListedSlopes", "StackedSlopes", "remember"]


class ListedSlopes:
    """Slopes one by one, of any library, for any operator."""

    def __init__(self, pairs: PairCache, y: Array, slope: Array) -> None:
        self._combine, self._depth = pairs.operator.combiner(), pairs.method.q
        self._y, self._slopes = y, [slope]

    def predict(self, rows: PairRows) -> Array:
        """Return the predicted point."""
        return self._combine(rows.predict, (self._y, *self._slopes))

    def difference(self, rows: PairRows, slope: Array, k: int) -> Array:
        """Return the difference between ``slope`` and the one that k past slopes foresee."""
        weights = (-rows.foreseen[k]).tolist()
        return linear_combination((1.0, *weights), (slope, *self._slopes[: len(weights)]))

    def weigh(self, weight: object, difference: Array) -> Array:
        """Return weight · difference: a correction or an estimate."""
        return self._combine((weight,), (difference,))

    def accept(self, y: Array, slope: Array) -> None:
        """Go on from the state ``y`` with its slope."""
        self._y, self._slopes = y, [slope, *self._slopes[: self._depth - 1]]


class StackedSlopes:
    """Slopes in one array, for weights that multiply NumPy arrays elementwise: one product and one sum per vector.

    Rows are written from the end of the array to its beginning: the state, and behind it the slopes, newest first. So
    the columns of a row are always neighbours. At the beginning the newest slopes are copied back to the end.
    """

    def __init__(self, pairs: PairCache, y: Array, slope: Array) -> None:
        self._depth = pairs.method.q
        self._rows = np.empty((2 * (self._depth + 1), *y.shape), y.dtype)
        self._products = np.empty((self._depth + 1, *y.shape), y.dtype)
        self._flat = self._rows.reshape(len(self._rows), -1)
        if self._flat.dtype.kind == "c":  # real numbers times complex slopes
            self._flat = self._flat.view(self._flat.real.dtype)
        self._foreseen = np.empty_like(y, order="C")
        self._flat_foreseen = self._foreseen.reshape(-1).view(self._flat.dtype)
        self._first = len(self._rows) - 2  # where the state lies
        self._rows[self._first], self._rows[self._first + 1] = y, slope

    def predict(self, rows: PairRows) -> Array:
        """Return the predicted point."""
        count, first = len(rows.predict), self._first
        products = self._products[:count]
        np.multiply(rows.predict, self._rows[first : first + count], out=products)
        return np.add.reduce(products, 0)

    def difference(self, rows: PairRows, slope: Array, k: int) -> Array:
        """Return the difference between ``slope`` and the one that k past slopes foresee."""
        start = self._first + 1
        weights = rows.foreseen[k]
        np.dot(weights, self._flat[start : start + len(weights)], out=self._flat_foreseen)
        return slope - self._foreseen

    def weigh(self, weight: object, difference: Array) -> Array:
        """Return weight · difference: a correction or an estimate."""
        return weight * difference

    def accept(self, y: Array, slope: Array) -> None:
        """Go on from the state ``y`` with its slope."""
        if self._first == 0:
            kept = self._rows[1 : self._depth]
            self._first = len(self._rows) - self._depth
            self._rows[self._first + 1 :] = kept
        self._rows[self._first] = slope
        self._first -= 1
        self._rows[self._first] = y


def remember(pairs: PairCache, y: Array, slope: Array) -> ListedSlopes | StackedSlopes:
    """Return the memory that fits the weights of ``pairs``, with a first state and slope."""
    return StackedSlopes(pairs, y, slope) if pairs.stacked else ListedSlopes(pairs, y, slope)
