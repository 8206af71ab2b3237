"""L is a matrix, small enough to form its φ-functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from expint.backend import Array, asarray_like, is_complex, to_numpy
from expint.operators.base import StoredOperator, check_dtype, is_sparse
from expint.phi import phi_matrices

__all__ = ["Dense"]


class Dense(StoredOperator):
    """The operator y ↦ A y with a matrix A acting on the last axis of the state.

    Parameters
    ----------
    matrix
        Array of shape (n, n), real or complex.

    Raises
    ------
    ValueError
        If the matrix is not square or not finite.
    TypeError
        If it is sparse.
    """

    def __init__(self, matrix: Array) -> None:
        if is_sparse(matrix):
            raise TypeError(
                "expected an array, received a sparse matrix, which would be filled in; take "
                "expint.operators.Sparse(matrix), or fill it in yourself: Dense(matrix.toarray())"
            )
        host = to_numpy(matrix)
        if host.ndim != 2 or host.shape[0] != host.shape[1]:
            raise ValueError(f"expected a square matrix of shape (n, n), received shape {host.shape}")
        if not np.all(np.isfinite(host)):
            raise ValueError(f"expected a finite matrix, received {int(np.sum(~np.isfinite(host)))} non-finite entries")
        self.matrix = host.astype(np.complex128 if np.iscomplexobj(host) else np.float64)

    def check(self, y0: Array) -> None:
        """Refuse states whose last axis does not have length n, and real states for complex matrices."""
        n = self.matrix.shape[0]
        if y0.ndim == 0 or y0.shape[-1] != n:
            raise ValueError(
                f"expected a state whose last axis has length {n}, as the matrix of shape {self.matrix.shape} acts "
                "on it, "
                f"received y0 of shape {tuple(y0.shape)}"
            )
        check_dtype(is_complex(self.matrix), y0)

    @property
    def values(self) -> np.ndarray:
        """The matrix."""
        return self.matrix

    def phi(self, p: int, scale: float) -> Sequence[Any]:
        """Return [φ_0(scale A), …, φ_p(scale A)]."""
        return phi_matrices(scale * self.matrix, p)

    def cast(self, weight: Any, like: Array | None) -> Any:
        """Return the weight transposed, so that it multiplies rows of a batch from the right.

        For complex states it is complex: not every library multiplies matrices of two kinds.
        """
        if like is None:
            return weight.T
        return asarray_like(weight.T.astype(np.complex128) if is_complex(like) else weight.T, like)

    def combine(self, weights: Sequence[Any], columns: Sequence[Array]) -> Array:
        """Return Σ weights_j columns_j along the last axis."""
        total = None
        for weight, column in zip(weights, columns):
            if weight is not None:
                if total is None:
                    total = column @ weight
                else:
                    total += column @ weight
        return total

    def __repr__(self) -> str:
        return f"Dense(matrix of shape {self.matrix.shape})"
