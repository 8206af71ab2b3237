"""L is a matrix, small enough to form its φ-functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from expint.arrays import check_dtype, host_numbers
from expint.backend import Array, asarray_like, is_complex, is_sparse
from expint.operators.base import USE, Act, Operator, PhiTable, StoredOperator, Use
from expint.operators.columns import Columns
from expint.operators.rotations import Rotation, Rotations, rotations_of
from expint.phi import phi_matrices
from expint.phi.multiples import Multiples

__all__ = ["Dense"]

_MOST_BYTES = 2**30
"""The most memory for the matrix."""

_EIGENBASIS = {"changing": 48, "equal": 256}
"""The fewest rows of a Hermitian matrix that works in its eigenbasis, where step sizes change and where they are equal.
Measured: a step then costs no more than one by matrices for any method, and a new step size a hundredth."""

_WELL_CONDITIONED = 1e4
"""The largest condition number of eigenvectors in whose basis states between the steps are made: four of sixteen digits
may be lost there, where the run itself keeps all."""


class Dense(StoredOperator):
    """The operator y ↦ A y with a matrix A acting on the last axis of the state.

    Parameters
    ----------
    matrix
        Array of shape (n, n), real or complex; or one matrix for each trajectory of a batch, of shape (…, n, n) for
        states whose last axes are (…, n).

    Raises
    ------
    ValueError
        If the matrix is not square, not finite or larger than 1 GiB.
    TypeError
        If it is sparse.

    Examples
    --------
    >>> import numpy as np
    >>> Dense(np.array([[0.0, 1.0], [-1.0, 0.0]]))
    Dense(matrix of shape (2, 2))
    """

    rungs = 2

    def __init__(self, matrix: Array) -> None:
        if is_sparse(matrix):
            raise TypeError(
                "expected an array, received a sparse matrix, which would be filled in; take "
                "expint.operators.Sparse(matrix), or fill it in yourself: Dense(matrix.toarray())"
            )
        if (16 if is_complex(matrix) else 8) * math.prod(getattr(matrix, "shape", ())) > _MOST_BYTES:
            raise ValueError(
                f"expected a matrix of at most {_MOST_BYTES / 2**30:.0f} GiB, since its φ-functions are several as "
                f"large, received shape {tuple(matrix.shape)}; take expint.operators.MatrixFree(lambda v: matrix @ v, "
                "n), which forms none"
            )
        host = host_numbers(matrix)
        if host.ndim < 2 or host.shape[-2] != host.shape[-1]:
            raise ValueError(
                f"expected a square matrix of shape (n, n), or a batch of them, received shape {host.shape}"
            )
        if not np.all(np.isfinite(host)):
            raise ValueError(f"expected a finite matrix, received {int(np.sum(~np.isfinite(host)))} non-finite entries")
        self.matrix = host

    def check(self, y0: Array) -> None:
        """Refuse states whose last axes are not those of the matrix, and real states for complex matrices."""
        expected = self.matrix.shape[:-1]
        if tuple(y0.shape[-len(expected) :]) != expected:
            raise ValueError(
                f"expected a state whose last axis has length {expected[-1]}, as the matrix of shape "
                f"{self.matrix.shape} acts on it, received y0 of shape {tuple(y0.shape)}"
                if len(expected) == 1
                else f"expected a state of shape (…, {', '.join(map(str, expected))}), a vector for each of the "
                f"matrices of shape {self.matrix.shape}, received y0 of shape {tuple(y0.shape)}"
            )
        check_dtype(is_complex(self.matrix), y0)

    @property
    def values(self) -> np.ndarray:
        """The matrix."""
        return self.matrix

    def phi(self, p: int, scale: float) -> Sequence[Any]:
        """Return [φ_0(scale A), …, φ_p(scale A)]."""
        return self.evaluator()(p, scale)

    def phi_many(self, p: int, scales: np.ndarray) -> Sequence[np.ndarray]:
        """Return [φ_0(s A), …, φ_p(s A)] for several s, all in one go."""
        return phi_matrices(np.multiply.outer(scales, self.matrix), p)

    def evaluator(self) -> Callable[[int, float], Sequence[Any]]:
        """Return ``phi`` for one run, in which the step sizes and stages of one matrix share doublings."""
        if self.matrix.ndim == 2:
            return Multiples(self.matrix)
        return lambda p, scale: phi_matrices(scale * self.matrix, p)  # each has doublings of its own

    def prepare(self, use: Use = USE) -> Operator:
        """Return the matrix in its eigenbasis where that costs less: n numbers for a new step size or time.

        For steps a Hermitian matrix that is not small is taken there, with rounding errors of the same size: those of a
        Hermitian matrix that differs from A by a few ε‖A‖. Between the steps any matrix is whose eigenvectors are well
        conditioned: no more digits than those of the condition number are lost.
        """
        if use.steps is None or self.matrix.ndim > 2:
            return self
        if use.steps == "between":
            basis, condition = self._eigenbasis
            return basis if condition <= _WELL_CONDITIONED else self
        small = len(self.matrix) < _EIGENBASIS[use.steps]
        return self if small or not np.array_equal(self.matrix, self.matrix.conj().T) else self._eigenbasis[0]

    def rotations(self, direction: float = 1.0) -> Rotations | None:
        """Return how fast modes rotate, by the eigenvalues of the matrix or of all matrices of a batch."""
        if np.array_equal(self.matrix, np.swapaxes(self.matrix, -1, -2).conj()):
            return (Rotation(0.0, 0.0),)
        return rotations_of(np.linalg.eigvals(self.matrix), direction)

    @cached_property
    def _eigenbasis(self) -> tuple[Operator, float]:
        """The eigenbasis and its condition number."""
        from expint.operators.bases.eigen import eigen
        from expint.operators.bases.in_basis import Eigenbasis  # these bring SciPy's linear algebra

        basis = eigen(self.matrix)
        return Eigenbasis((basis,), not is_complex(self.matrix)), basis.condition

    def cast(self, weight: Any, like: Array | None) -> Any:
        """Return the weight transposed, so that it multiplies rows of a batch from the right.

        For complex states it is complex: not every library multiplies matrices of two kinds.
        """
        transposed = np.swapaxes(weight, -1, -2)
        if like is None:
            return transposed
        return asarray_like(transposed.astype(np.complex128) if is_complex(like) else transposed, like)

    def acting(self) -> Act:
        """Return what applies a row by one vector Σ_j r v_j for each φ_k, and forms no weights."""
        by_weights = super().acting()

        def act(columns: Columns, factors: Sequence[float], table: PhiTable, vectors: Sequence[Array | None]) -> Array:
            like = vectors[0]
            if type(like) is not np.ndarray or like.ndim != 1:
                return by_weights(columns, factors, table, vectors)
            table.require(self.needs(columns))
            nothing, total = np.zeros(len(like), like.dtype), None
            held = np.array([nothing if (v := vectors[j]) is None else factors[j] * v for j in columns.held])
            for c, numbers in columns.transposed.items():
                terms = table.values(c)[: len(numbers)] @ (numbers @ held)[..., None]
                total = np.add.reduce(terms, 0) if total is None else total + np.add.reduce(terms, 0)
            return nothing if total is None else total[:, 0].astype(like.dtype, copy=False)

        return act

    def combine(self, weights: Sequence[Any], columns: Sequence[Array]) -> Array:
        """Return Σ weights_j columns_j along the last axis."""
        many = self.matrix.ndim > 2
        total = None
        for weight, column in zip(weights, columns):
            if weight is not None:
                term = (column[..., None, :] @ weight)[..., 0, :] if many else column @ weight
                if total is None:
                    total = term
                else:
                    total += term
        return total

    def __repr__(self) -> str:
        return f"Dense(matrix of shape {self.matrix.shape})"
