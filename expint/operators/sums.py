"""Sums of products of arrays: what applies weights to columns, and matrices to φ-functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from expint.backend import Array

__all__ = ["linear_combination", "real_product", "sum_of_products"]

_PIECE = 8192
"""How many numbers are combined at a time."""


def real_product(matrix: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return matrix · values, of shapes (…, m, k) and (…, k, n), real by real or complex, in real products only."""
    return (matrix @ values.view(np.float64)).view(values.dtype)


def sum_of_products(products: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return Σ matrix · values for real matrices (m, k) and values (k, …), in pieces so that sums stay in a cache."""
    shape, kind = products[0][1].shape[1:], products[0][1].dtype
    size = math.prod(shape)
    flat = [(matrix, values.reshape(len(values), size).view(np.float64)) for matrix, values in products]
    total = np.empty((len(flat[0][0]), flat[0][1].shape[1]))
    for start in range(0, total.shape[1], _PIECE):
        piece = slice(start, start + _PIECE)
        total[:, piece] = flat[0][0] @ flat[0][1][:, piece]
        for matrix, values in flat[1:]:
            total[:, piece] += matrix @ values[:, piece]
    return total.view(kind).reshape(len(total), *shape)


def linear_combination(weights: Sequence[Any], columns: Sequence[Array]) -> Array:
    """Return Σ weights_j columns_j as a new array; weights are numbers or arrays that multiply elementwise.

    Tensors are multiplied and added in one operation.
    """
    total = None
    tensors = hasattr(columns[0], "addcmul_")
    for weight, column in zip(weights, columns):
        if weight is not None:
            if total is None:
                total = weight * column
            elif not tensors:
                total += weight * column  # total is our own array
            elif hasattr(weight, "addcmul_"):
                total.addcmul_(weight, column)
            else:
                total.add_(column, alpha=weight)
    return total
