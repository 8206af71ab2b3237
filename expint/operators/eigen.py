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

    Hermitian, skew-Hermitian and other normal matrices have orthonormal ones; real matrices with real eigenvalues, real
    ones.
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
    values, vectors = np.linalg.eig(matrix)
    condition = float(np.linalg.cond(vectors))
    if not condition <= 1.0 / np.finfo(np.float64).eps:
        return Eigen(values, None, None, math.inf)
    return Eigen(values, vectors, np.linalg.inv(vectors), condition)
