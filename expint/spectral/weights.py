"""Differentiation matrices: of polynomials on Chebyshev points, of finite differences on any points (Fornberg 1988)."""

from __future__ import annotations

import numpy as np
from scipy import sparse

__all__ = ["chebyshev_matrix", "chebyshev_points", "difference_matrix", "fornberg", "wrapped_matrix"]


def chebyshev_points(n: int) -> np.ndarray:
    """Return cos(jπ/n), j = 0…n, ascending and symmetric to the last bit."""
    found: np.ndarray = np.sin(np.pi * (2 * np.arange(n + 1) - n) / (2 * n))
    return found


def chebyshev_matrix(x: np.ndarray) -> np.ndarray:
    """Return the differentiation matrix on Chebyshev points; its rows sum to zero (negative-sum trick)."""
    n = len(x) - 1
    weights = np.where(np.arange(n + 1) % n == 0, 2.0, 1.0) * (-1.0) ** np.arange(n + 1)
    gaps = x[:, None] - x[None, :] + np.eye(n + 1)
    matrix = np.outer(weights, 1 / weights) / gaps
    found: np.ndarray = matrix - np.diag(matrix.sum(axis=1))
    return found


def fornberg(at: float, nodes: np.ndarray, order: int) -> np.ndarray:
    """Return the weights w of Σ w_j u(x_j) ≈ u^(order)(at), exact for polynomials of degree len(nodes) - 1.

    Parameters
    ----------
    at
        Where the derivative is wanted.
    nodes
        The points x_j, different.
    order
        Of the derivative; 0 interpolates.
    """
    scale = float(np.max(np.abs(nodes - at))) or 1.0  # weights of points at distances of about 1 do not overflow
    x = (nodes - at) / scale
    weights = np.zeros((len(x), order + 1))
    weights[0, 0] = 1.0
    below, before = 1.0, x[0]
    for i in range(1, len(x)):
        product, most = 1.0, min(i, order)
        for j in range(i):
            gap = x[i] - x[j]
            product *= gap
            if j == i - 1:
                for k in range(most, 0, -1):
                    weights[i, k] = below * (k * weights[i - 1, k - 1] - before * weights[i - 1, k]) / product
                weights[i, 0] = -below * before * weights[i - 1, 0] / product
            for k in range(most, 0, -1):
                weights[j, k] = (x[i] * weights[j, k] - k * weights[j, k - 1]) / gap
            weights[j, 0] = x[i] * weights[j, 0] / gap
        below, before = product, x[i]
    found: np.ndarray = weights[:, order] / scale**order
    return found


def difference_matrix(nodes: np.ndarray, order: int, accuracy: int) -> sparse.csr_array:
    """Return the matrix of a derivative on nodes, of an order of accuracy; stencils lean inwards near the ends.

    Inside, stencils of accuracy + 1 nodes are centred. Where they lean, a second derivative takes one node more; so
    does the first derivative at the ends, by which values there are found: their error is divided by h² afterwards.
    """
    count, half = len(nodes), accuracy // 2
    rows, columns, values = [], [], []
    for i in range(count):
        leaning = i < half or i >= count - half
        width = accuracy + (2 if i in (0, count - 1) else order if leaning else 1)
        first = min(max(i - (width - 1) // 2 if leaning else i - half, 0), count - width)
        stencil = np.arange(first, first + width)
        rows += [i] * width
        columns += stencil.tolist()
        values += fornberg(nodes[i], nodes[stencil], order).tolist()
    return sparse.csr_array((values, (rows, columns)), shape=(count, count))


def wrapped_matrix(nodes: np.ndarray, length: float, order: int, accuracy: int) -> sparse.csr_array:
    """Return the matrix of a derivative on the nodes of a period, by centred stencils."""
    count, half = len(nodes), accuracy // 2
    offsets = np.arange(-half, half + 1)
    rows, columns, values = [], [], []
    for i in range(count):
        laps, wrapped = np.divmod(i + offsets, count)
        rows += [i] * len(offsets)
        columns += wrapped.tolist()
        values += fornberg(nodes[i], nodes[wrapped] + length * laps, order).tolist()
    return sparse.csr_array((values, (rows, columns)), shape=(count, count))
