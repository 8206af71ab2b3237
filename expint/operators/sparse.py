"""L is a large sparse matrix: it is multiplied with vectors, or factored, never filled in."""

from __future__ import annotations

import math
import warnings
from functools import cached_property
from typing import Any, Literal

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from expint.arrays import check_constant, check_dtype
from expint.backend import (
    Array,
    array_namespace,
    asarray_like,
    device,
    is_complex,
    is_numpy,
    is_sparse,
    is_torch,
    to_numpy,
)
from expint.operators.iterated import IteratedOperator, Spectrum, check_trailing
from expint.operators.on_device import Placed
from expint.operators.rotations import Rotation, Rotations, fastest_rotation
from expint.phi.action import Propagator
from expint.phi.augmented import Matvec
from expint.phi.rational import Rational
from expint.phi.ritz import ritz_values

__all__ = ["Sparse", "is_sparse"]

_MOST_FACTOR_BYTES = 4 * 2**30
"""The most memory that factors may need, judged by the bandwidth of the matrix."""

_FILL = 1.5
"""Matrices of a few diagonals are multiplied diagonal by diagonal, if that takes at most this much more entries."""

_RITZ = 10
"""Products with L for each start of the Rayleigh quotients that say how far its spectrum reaches at least."""

_STIFF = 1e3
"""Below this norm of hL Krylov spaces are small and a factorisation is not considered."""


class Sparse(IteratedOperator):
    r"""The operator y ↦ A y with a sparse matrix A; φ-functions are applied by iterations, not formed.

    Parameters
    ----------
    matrix
        Sparse matrix or array of SciPy in any format, or sparse tensor of torch, of shape (n, n), real or complex. It
        acts on the trailing axes of the state whose lengths multiply to n: a state of shape (…, 300, 200) is acted on
        as vectors of length 60000.
    action
        "krylov"; "chebyshev" for symmetric and skew-symmetric matrices, whose spectrum is bounded by Gershgorin's
        circles (where they reach far beyond it, as of differences of order 4 and more, the others cost less);
        "rational", with one sparse LU factorisation of I - γA for steps of about one size, for very stiff A; or "auto".
        ``choice(step)`` says which one "auto" takes.
    tolerance
        Relative error of the action. By default 1e4 roundings of the state for fixed steps, and one hundredth of the
        tolerance for adaptive ones.
    basis
        The largest dimension of a Krylov space: memory is (basis + a few) states.

    Raises
    ------
    ValueError
        If the matrix is not square or not finite, or its factors would need more than 4 GiB.
    TypeError
        If it is not sparse.

    Examples
    --------
    >>> import numpy as np, scipy.sparse
    >>> from expint.operators import Sparse
    >>> (Sparse(scipy.sparse.eye_array(2, format="csr")) @ np.array([1.0, 3.0])).tolist()
    [1.0, 3.0]
    """

    actions = ("krylov", "chebyshev", "rational")

    def __init__(
        self,
        matrix: Any,
        *,
        action: Literal["auto", "krylov", "chebyshev", "rational"] = "auto",
        tolerance: float | None = None,
        basis: int = 100,
    ) -> None:
        self.matrix = _to_csr(matrix)
        self._skewness, spectrum = _spectrum(self.matrix)
        super().__init__(action, tolerance, basis, spectrum)
        n = self.matrix.shape[0]
        self._norm = float(np.max(abs(self.matrix).sum(axis=0))) if n else 0.0
        if action == "rational" and 24 * self._factor_entries > _MOST_FACTOR_BYTES:
            raise ValueError(
                f"expected a matrix whose LU factors fit into {_MOST_FACTOR_BYTES / 2**30:.0f} GiB for "
                f"action='rational', received one that needs about "
                f"{24 * self._factor_entries / 2**30:.0f} GiB; take action='krylov'"
            )
        self._placed = Placed(_beside, self.matrix)

    @cached_property
    def _factor_entries(self) -> int:
        """The entries of an LU factor as judged by the bandwidth; asked for only where factors are considered."""
        n = self.matrix.shape[0]
        order = csgraph.reverse_cuthill_mckee(self.matrix)
        place = np.empty(n, dtype=np.int64)
        place[order] = np.arange(n)
        entries = self.matrix.tocoo()
        band = int(np.max(np.abs(place[entries.row] - place[entries.col]), initial=0))
        return n * (band + 2) // 2

    def rotations(self, direction: float = 1.0) -> Rotations | None:
        """Return how fast modes may rotate, by a bound of the skew part where the spectrum is neither real nor not."""
        return super().rotations(direction) or (Rotation(0.0, fastest_rotation(self.matrix)),)

    @property
    def length(self) -> float:
        """The number of rows."""
        return float(self.matrix.shape[0])

    def with_matrix(self, matrix: Any) -> Sparse:
        """Return the operator of another matrix, applied in the same way."""
        return Sparse(matrix, action=self.action, tolerance=self.tolerance, basis=self.basis)

    def check(self, y0: Array) -> None:
        """Refuse states whose trailing axes do not make vectors of length n, and real states for complex matrices."""
        check_trailing(self.matrix.shape[0], y0, f"the matrix of shape {self.matrix.shape}")
        check_dtype(is_complex(self.matrix.data), y0)
        self.check_tolerance(y0)
        xp = array_namespace(y0)
        if not (is_numpy(xp) or is_torch(xp)):
            raise TypeError(f"expected a state of NumPy or PyTorch for a sparse operator, received {type(y0).__name__}")
        if self.action == "rational" and not _on_cpu(y0):
            raise TypeError(
                f"expected a state in the memory of the host for action='rational', received one on {device(y0)}: "
                "factors live there; take action='krylov'"
            )

    def choice(self, step: float) -> str:
        """Return how φ-functions are applied in steps of length ``step``.

        For "auto" the work of a Krylov space, which grows with the root of the norm of hL where the spectrum is near
        the real axis, is weighed against that of solving with factors, as judged by the bandwidth of L.
        """
        if self.action == "auto" and self._is_worth_factors(step) and self.known_growth(step) <= 1.0:
            return "rational"
        return super().choice(step)

    def _is_worth_factors(self, step: float) -> bool:
        """Whether factors of I - γL fit into memory, and are likely to save work where hL has no growing modes."""
        size = abs(step) * self._norm
        if size <= _STIFF or self._skewness >= 0.5 or 24 * self._factor_entries > _MOST_FACTOR_BYTES:
            return False
        n = self.matrix.shape[0]
        iterations = 4 * math.sqrt(size) * (self.matrix.nnz + 7 * n)
        solutions = 20 * (3 * 2 * self._factor_entries + 20 * n)
        return solutions < iterations

    def known_growth(self, step: float) -> float:
        """Return a number that the largest eigenvalue of a Hermitian hL, or 0, is known to reach."""
        if self.spectrum is None or self.spectrum.imaginary:
            return 0.0
        return max(step * end for end in (*self._inner, 0.0))

    @cached_property
    def _inner(self) -> tuple[float, float]:
        """Rayleigh quotients of a Hermitian L, between which its smallest and its largest eigenvalue are not."""
        n = self.matrix.shape[0]
        diagonal = self.matrix.diagonal().real
        starts = np.ones(n), np.random.default_rng(20).standard_normal(n)
        met = np.concatenate([diagonal, *(ritz_values(lambda v: self.matrix @ v, start, _RITZ) for start in starts)])
        return float(np.min(met, initial=0.0)), float(np.max(met, initial=0.0))

    def propagators(self, like: Array) -> dict[str, Propagator]:
        """Return the ways in which φ-functions can be applied."""
        ways = super().propagators(like)
        if _on_cpu(like):
            ways["rational"] = Rational(lambda gamma: self._solver(gamma, like))
        return ways

    def matvec(self, like: Array) -> Matvec:
        """Return v ↦ A v for states like ``like``, flattened."""
        matrix, n = self._placed.like(like), self.matrix.shape[0]
        if math.prod(like.shape) == n:
            return lambda v: matrix @ v
        xp = array_namespace(like)
        return lambda v: xp.reshape((matrix @ xp.reshape(v, (-1, n)).T).T, (-1,))

    def adjoint(self) -> Sparse:
        """Return the operator of the conjugate transpose."""
        return Sparse(self.matrix.conj().T.tocsr(), action=self.action, tolerance=self.tolerance, basis=self.basis)

    def _solver(self, gamma: float, like: Array) -> Matvec:
        n = self.matrix.shape[0]
        factors = sparse.linalg.splu((sparse.eye_array(n, format="csc") - gamma * self.matrix).tocsc())
        real = not is_complex(self.matrix.data)

        def solve(v: Array) -> Array:
            columns = to_numpy(v).reshape(-1, n).T
            if real and is_complex(v):
                parts = factors.solve(np.ascontiguousarray(np.concatenate([columns.real, columns.imag], axis=1)))
                half = parts.shape[1] // 2
                solved = parts[:, :half] + 1j * parts[:, half:]
            else:
                solved = factors.solve(columns.astype(self.matrix.dtype))
            return asarray_like(solved.T.reshape(-1), like)

        return solve

    def __repr__(self) -> str:
        return f"Sparse(matrix of shape {self.matrix.shape} with {self.matrix.nnz} entries, action={self.action!r})"


def _beside(matrix: sparse.csr_array, like: Array) -> Any:
    """Return the matrix in the library, precision and device of ``like``."""
    xp = array_namespace(like)
    if is_numpy(xp):
        own = matrix.astype(like.dtype)
        rows, columns = own.nonzero()
        diagonals = len(np.unique(columns - rows))
        return own.todia() if diagonals * own.shape[0] <= _FILL * own.nnz else own
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")  # its products are what we need
        return xp.sparse_csr_tensor(
            xp.asarray(matrix.indptr.astype(np.int64)),
            xp.asarray(matrix.indices.astype(np.int64)),
            xp.asarray(matrix.data.copy()).to(like.dtype),
            size=matrix.shape,
            check_invariants=True,
        ).to(device(like))


def _to_csr(matrix: Any) -> sparse.csr_array:
    """Return a sparse matrix of any library as SciPy's CSR in double precision."""
    if not is_sparse(matrix):
        raise TypeError(
            f"expected a sparse matrix, received {type(matrix).__name__}; use expint.operators.Dense for arrays, or "
            "convert it: scipy.sparse.csr_array(matrix)"
        )
    check_constant(matrix)
    if len(matrix.shape) != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"expected a square matrix of shape (n, n), received shape {tuple(matrix.shape)}")
    if not sparse.issparse(matrix):
        entries = matrix.detach().to_sparse_coo().coalesce().cpu()
        rows, columns = entries.indices().numpy()
        matrix = sparse.coo_array((entries.values().numpy(), (rows, columns)), shape=tuple(matrix.shape))
    own = sparse.csr_array(matrix)
    if own.dtype.kind not in "iufc":
        raise TypeError(f"expected a sparse matrix of numbers, received dtype {own.dtype}; convert it: 1.0 * matrix")
    own = own.astype(np.complex128 if np.iscomplexobj(own.data) else np.float64)
    own.sum_duplicates()
    bad = int(np.sum(~np.isfinite(own.data)))
    if bad:
        raise ValueError(f"expected a finite matrix, received {bad} non-finite entries")
    own.data.flags.writeable = False  # what is known of its spectrum, and copies beside states, would not follow
    return own


def _spectrum(matrix: sparse.csr_array) -> tuple[float, Spectrum | None]:
    """Return how skew the matrix is, from 0 (symmetric) to 1, and the interval of its spectrum where it is either."""
    adjoint = matrix.conj().T.tocsr()
    symmetric, skew = (float(np.max(np.abs(part.data), initial=0.0)) for part in (matrix + adjoint, matrix - adjoint))
    skewness = skew / (symmetric + skew) if symmetric + skew else 0.0
    if symmetric and skew:
        return skewness, None
    diagonal = matrix.diagonal()
    radii = np.asarray(abs(matrix).sum(axis=1)).ravel() - np.abs(diagonal)
    middle = diagonal.imag if skew else diagonal.real
    low, high = float(np.min(middle - radii, initial=0.0)), float(np.max(middle + radii, initial=0.0))
    return skewness, Spectrum(low, high, bool(skew))


def _on_cpu(array: Array) -> bool:
    return "cpu" in str(device(array))
