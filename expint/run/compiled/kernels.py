"""What a row of an elementwise L costs as one compiled loop: combinations, differences and norms of arrays of NumPy.

Needs numba. Each function is compiled when it first meets a kind of numbers and a number of columns, and kept on disk
for the processes after.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

__all__ = ["NO_KERNEL", "combined", "difference", "predicted", "scale", "size"]

NO_KERNEL = (numba.core.errors.NumbaError, AttributeError, TypeError)
"""What is raised where there is no kernel for what is given: columns of several types, or numbers among them."""


@numba.njit(cache=True, error_model="numpy")
def combined(weights: np.ndarray, columns: Any, out: np.ndarray) -> bool:
    """Write Σ_j weights_j columns_j into ``out``, and return whether all columns, a tuple of vectors, have its size."""
    for j in range(len(columns)):
        if columns[j].size != out.size:
            return False
    for i in range(out.size):
        total = weights[0, i] * columns[0][i]
        for j in range(1, len(columns)):
            total += weights[j, i] * columns[j][i]
        out[i] = total
    return True


@numba.njit(cache=True, error_model="numpy")
def predicted(weights: np.ndarray, rows: np.ndarray, first: int, out: np.ndarray) -> None:
    """Write Σ_j weights_j rows_{first + j} into ``out``; matrices whose rows are vectors."""
    for i in range(out.size):
        total = weights[0, i] * rows[first, i]
        for j in range(1, len(weights)):
            total += weights[j, i] * rows[first + j, i]
        out[i] = total


@numba.njit(cache=True, error_model="numpy")
def difference(foreseen: np.ndarray, rows: np.ndarray, first: int, value: np.ndarray, out: np.ndarray) -> None:
    """Write value - Σ_j foreseen_j rows_{first + j} into ``out``; the numbers ``foreseen`` are real."""
    for i in range(out.size):
        total = foreseen[0] * rows[first, i]
        for j in range(1, len(foreseen)):
            total += foreseen[j] * rows[first + j, i]
        out[i] = value[i] - total


@numba.njit(cache=True, error_model="numpy")
def scale(y: np.ndarray, rtol: float, atol: float, out: np.ndarray) -> None:
    """Write |y| rtol + atol into ``out``."""
    for i in range(out.size):
        out[i] = abs(y[i]) * rtol + atol


@numba.njit(cache=True, error_model="numpy")
def size(error: np.ndarray, scale: np.ndarray) -> float:
    """Return the default norm of ``ErrorNorm`` in one pass, in double precision; inf where it is not finite.

    Sums that leave the range of squares are taken in units of the largest tolerance.
    """
    unit = 1.0
    for _ in range(2):
        scaled, whole, square = 0.0, 0.0, 0.0
        for i in range(error.size):
            own, allowed = float(abs(error[i])), float(scale[i])
            scaled += (own / allowed) ** 2
            whole += (own / unit) ** 2
            square += (allowed / unit) ** 2
        if 1e-30 < square < 1e30:
            break
        unit = float(np.max(scale))
    value = math.sqrt(max(scaled / error.size, whole / square))
    return value if value < math.inf else math.inf
