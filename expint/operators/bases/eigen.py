"""Eigenvectors of one factor, as well conditioned as they are to be had."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy import linalg

__all__ = ["Eigen", "eigen"]


class Eigen(NamedTuple):
    """A = V diag(λ) V^{-1}.

    Attributes
    ----------
    values
        λ.
    vectors, inverse
        V and V^{-1}; None for the identity.
    condition
        The condition number of V in the Euclidean norm; inf if A has no basis of eigenvectors.
    """

    values: np.ndarray
    vectors: np.ndarray | None
    inverse: np.ndarray | None
    condition: float


def eigen(matrix: np.ndarray) -> Eigen:
    """Return eigenvalues and eigenvectors of a matrix, or of a diagonal given as a vector.

    Hermitian, skew-Hermitian and other normal matrices have orthonormal ones; real tridiagonal matrices
    with off-diagonals of equal signs (differences of advection and diffusion) real ones.
    """
    if matrix.ndim == 1:
        return Eigen(matrix, None, None, 1.0)
    adjoint = matrix.conj().T
    size = float(np.linalg.norm(matrix))
    if np.array_equal(matrix, adjoint):
        values, vectors = np.linalg.eigh(matrix)
        return Eigen(values, vectors, vectors.conj().T, 1.0)
    if np.linalg.norm(matrix @ adjoint - adjoint @ matrix) <= 1e-14 * size**2:
        triangle, vectors = linalg.schur(matrix, output="complex")
        return Eigen(np.diag(triangle).copy(), vectors, vectors.conj().T, 1.0)
    scale = _symmetrising(matrix)
    if scale is not None:
        symmetric = np.sign(np.diag(matrix, 1)) * np.sqrt(np.diag(matrix, 1) * np.diag(matrix, -1))
        values, vectors = linalg.eigh_tridiagonal(np.diag(matrix), symmetric)
        condition = float(np.max(scale) / np.min(scale))
        return Eigen(values, scale[:, None] * vectors, vectors.T / scale, condition)
    values, vectors = np.linalg.eig(matrix)
    condition = float(np.linalg.cond(vectors))
    if not condition <= 1.0 / np.finfo(np.float64).eps:
        return Eigen(values, None, None, math.inf)
    return Eigen(values, vectors, np.linalg.inv(vectors), condition)


def _symmetrising(matrix: np.ndarray) -> np.ndarray | None:
    """Return d for which diag(d)^{-1} A diag(d) is symmetric, for real tridiagonal A that has one (differences)."""
    above, below = np.diag(matrix, 1), np.diag(matrix, -1)
    tridiagonal = not (np.any(np.triu(matrix, 2)) or np.any(np.tril(matrix, -2)))
    if np.iscomplexobj(matrix) or not tridiagonal or not np.all(above * below > 0):
        return None
    logarithm = 0.5 * np.concatenate([[0.0], np.cumsum(np.log(below / above))])
    logarithm -= (np.max(logarithm) + np.min(logarithm)) / 2
    return np.exp(logarithm) if np.max(np.abs(logarithm)) < 300 else None
