"""L acts along each axis of a tensor-product grid."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any, Literal

import numpy as np

from expint.arguments import choice
from expint.arrays import check_constant, check_dtype, host_numbers
from expint.backend import Array, array_namespace, is_complex, is_sparse
from expint.operators.base import USE, Operator, Use
from expint.operators.bases.eigen import eigen
from expint.operators.bases.in_basis import Axiswise, Eigenbasis
from expint.operators.routed import Routed

__all__ = ["WORST_CONDITION", "KroneckerSum"]

_MOST_BYTES = 2**30
"""The most memory for the eigenvectors of one factor."""

WORST_CONDITION = 1e6
"""Eigenvectors of a larger condition number may lose more than six of sixteen digits and are not used."""


class KroneckerSum(Routed):
    r"""The operator A ⊗ I ⊗ … + I ⊗ B ⊗ … + …: A acts along the first axis of a grid, B along the second, ….

    With the eigenvalues α, β, … of the factors the φ-functions of L are those of the numbers α_i + β_j + … in the basis
    of eigenvectors; only matrices of the size of a factor are formed and multiplied, along each axis.

    Parameters
    ----------
    factors
        One for each axis: a matrix of shape (n, n), dense or sparse, or a vector of shape (n,) for a diagonal one
        (a Fourier symbol). They act on the last axes of the state, of shape (…, n_1, n_2, …).
    action
        "eigen"; "krylov", products along each axis in a Krylov space; or "auto": "eigen" as long as the condition
        numbers of the eigenvectors multiply to less than 1e6. ``action`` says what was taken.
    tolerance, basis
        For "krylov", as in ``Sparse``.

    Raises
    ------
    ValueError
        If a factor is not square or not finite, or its eigenvectors would need more than 1 GiB; if "eigen" is asked
        for and there is no basis of eigenvectors.

    Notes
    -----
    For real factors with real eigenvalues all arithmetic is real. Factors are filled in for their eigenvectors; L
    itself, with the product of all n rows, never is.

    Examples
    --------
    The Laplacian on a grid of 4 × 3 points with values zero beyond:

    >>> import numpy as np
    >>> def second(n):
    ...     return np.diag(np.full(n, -2.0)) + np.diag(np.ones(n - 1), 1) + np.diag(np.ones(n - 1), -1)
    >>> KroneckerSum(second(4), second(3))
    KroneckerSum(factors of length (4, 3), action='eigen')
    """

    def __init__(
        self,
        *factors: Any,
        action: Literal["auto", "eigen", "krylov"] = "auto",
        tolerance: float | None = None,
        basis: int = 100,
    ) -> None:
        choice("action", action, ("auto", "eigen", "krylov"))
        if not factors:
            raise ValueError("expected a matrix for each axis, received none; KroneckerSum(A, B) for two axes")
        self.factors = tuple(_factor(factor, axis) for axis, factor in enumerate(factors))
        self._same = [next(i for i, other in enumerate(factors) if other is factor) for factor in factors]
        self._asked = action
        self._options: dict[str, Any] = {"tolerance": tolerance, "basis": basis}
        Axiswise(self.factors, **self._options)  # which looks at the options
        if action != "auto":
            _ = self.route  # refusals belong here

    @cached_property
    def route(self) -> Eigenbasis | Axiswise:
        """What the sum is applied by. Eigenvectors are computed when they are first asked for."""
        if self._asked != "krylov":
            own = {i: eigen(self.factors[i]) for i in dict.fromkeys(self._same)}
            bases = [own[i] for i in self._same]
            condition = math.prod(basis.condition for basis in bases)
            if self._asked == "eigen" and not condition <= 1e12:
                raise ValueError(
                    f"expected factors with a basis of eigenvectors, received condition number {condition:.3g}; take "
                    "action='krylov'"
                )
            if self._asked == "eigen" or condition <= WORST_CONDITION:
                real = all(not is_complex(factor) for factor in self.factors)
                return Eigenbasis(bases, real, factors=self.factors)
        return Axiswise(self.factors, **self._options)

    @property
    def action(self) -> str:
        """How φ-functions are applied: "eigen" or "krylov"."""
        return "eigen" if isinstance(self.route, Eigenbasis) else "krylov"

    def with_factors(self, *factors: np.ndarray) -> KroneckerSum:
        """Return the sum of other factors, applied in the same way."""
        return KroneckerSum(*factors, action=self._asked, **self._options)

    def check(self, y0: Array) -> None:
        """Refuse states whose last axes do not have the lengths of the factors, and real states for complex factors."""
        expected = tuple(factor.shape[0] for factor in self.factors)
        if tuple(y0.shape[-len(expected) :]) != expected:
            raise ValueError(
                f"expected a state of shape (…, {', '.join(map(str, expected))}), one axis for each factor, received "
                f"y0 of shape {tuple(y0.shape)}"
            )
        check_dtype(any(is_complex(factor) for factor in self.factors), y0)
        if self._asked == "krylov" or self._options["tolerance"] is not None or _is_half(y0):
            self.route.check(y0)

    def product(self, like: Array) -> Callable[[Array], Array]:
        """Return v ↦ L v, by products along each axis."""
        return Axiswise(self.factors).product(like)

    def prepare(self, use: Use = USE) -> Operator:
        """Return what the sum is applied by; the sum where it is to stay whole and is not applied by iterations."""
        stays = use.whole and (use.tolerance is None or isinstance(self.route, Eigenbasis))
        return self if stays else super().prepare(use)

    def __repr__(self) -> str:
        return f"KroneckerSum(factors of length {tuple(f.shape[0] for f in self.factors)}, action={self.action!r})"


def _is_half(y0: Array) -> bool:
    return float(array_namespace(y0).finfo(y0.dtype).eps) > 1e-6


def _factor(factor: Any, axis: int) -> np.ndarray:
    """Return one factor as an array of the host, a matrix or a diagonal."""
    check_constant(factor)
    n = factor.shape[0] if getattr(factor, "shape", ()) else 0
    if len(getattr(factor, "shape", ())) == 2 and 8 * n * n > _MOST_BYTES:
        raise ValueError(
            f"expected factors whose eigenvectors fit into {_MOST_BYTES / 2**30:.0f} GiB, received one of length "
            f"{n} for axis {axis}; build the sum as a sparse matrix and take expint.operators.Sparse"
        )
    if is_sparse(factor):
        factor = factor.toarray() if hasattr(factor, "toarray") else factor.to_dense()
    host = host_numbers(factor)
    if host.ndim not in (1, 2) or host.shape[0] != host.shape[-1]:
        raise ValueError(
            f"expected a square matrix, or a vector for a diagonal one, for axis {axis}, received shape {host.shape}"
        )
    if not np.all(np.isfinite(host)):
        bad = int(np.sum(~np.isfinite(host)))
        raise ValueError(f"expected finite factors, received {bad} non-finite entries for axis {axis}")
    return host
