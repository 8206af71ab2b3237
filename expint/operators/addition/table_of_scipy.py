"""The table of sums goes on: sparse matrices, matrices along axes and functions, which need SciPy's algebra."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import numpy as np
from scipy import sparse

from expint.backend import is_complex
from expint.operators.addition.rules import Commutators, Rule, combined, no_sum, options, total
from expint.operators.base import Operator
from expint.operators.bases.eigen import Eigen
from expint.operators.bases.in_basis import Eigenbasis
from expint.operators.bases.transformed import Transformed
from expint.operators.iterated import Spectrum
from expint.operators.kronecker import WORST_CONDITION, KroneckerSum
from expint.operators.matrix_free import MatrixFree
from expint.operators.sparse import Sparse

__all__ = ["TABLE_OF_SCIPY", "in_eigenbasis"]


def _sparse_matrices(factors: Sequence[float], parts: Sequence[Sparse], commutators: Commutators) -> Operator | None:
    if commutators or len({part.matrix.shape for part in parts}) > 1:
        return None
    return Sparse(total(factors, [part.matrix for part in parts]), **options(parts))


def _sparse_number(operator: Sparse, number: complex) -> Operator:
    return operator.with_matrix(operator.matrix + number * sparse.eye_array(operator.matrix.shape[0], format="csr"))


def _sparse_symbol(operator: Sparse, symbol: np.ndarray) -> Operator | None:
    fits = symbol.shape == operator.matrix.shape[-1:]
    return operator.with_matrix(operator.matrix + sparse.diags_array(symbol)) if fits else None


def _axes(factors: Sequence[float], parts: Sequence[KroneckerSum], commutators: Commutators) -> Operator | None:
    """Return the sum factor by factor: those of different axes commute."""
    if len({tuple(len(factor) for factor in part.factors) for part in parts}) > 1:
        return None

    def along(values: Sequence[np.ndarray]) -> np.ndarray:
        if all(value.ndim == 1 for value in values):
            return np.asarray(total(factors, values))
        return combined(factors, [np.diag(v) if v.ndim == 1 else v for v in values], commutators, np.matmul)

    return parts[-1].with_factors(*map(along, zip(*(part.factors for part in parts))))


def _axes_number(operator: KroneckerSum, number: complex) -> Operator | None:
    if isinstance(operator.route, Eigenbasis):
        return _axes_symbol(operator, np.asarray(number))
    first, *others = operator.factors
    return operator.with_factors(
        first + number * (np.ones(len(first)) if first.ndim == 1 else np.eye(len(first))), *others
    )


def _axes_symbol(operator: KroneckerSum, symbol: np.ndarray) -> Operator | None:
    route = operator.route
    return in_eigenbasis(route.bases, route.real, symbol) if isinstance(route, Eigenbasis) else None


def in_eigenbasis(bases: Sequence[Eigen], real: bool, symbol: np.ndarray) -> Operator | None:
    """Return sums of eigenvalues plus a symbol, if that is constant along the axes with eigenvectors."""
    lengths = ((1,) * len(bases) + symbol.shape)[-len(bases) :]
    apart = all(length == 1 for own, length in zip(bases, lengths) if own.vectors is not None)
    if not apart or not math.prod(own.condition for own in bases) <= WORST_CONDITION:
        return None
    return Eigenbasis(bases, real and not is_complex(symbol), symbol)


def _function_number(operator: MatrixFree, number: complex) -> MatrixFree:
    """Return v ↦ L v + number · v, its spectrum moved where that stays on its axis."""
    shifted, function, spectrum = copy.copy(operator), operator.function, operator.spectrum
    shifted.function = lambda v: function(v) + number * v
    shifted.is_complex = operator.is_complex or isinstance(number, complex)
    if spectrum is not None:
        along, across = (number.imag, number.real) if spectrum.imaginary else (number.real, number.imag)
        shifted.spectrum = None if across else Spectrum(spectrum.low + along, spectrum.high + along, spectrum.imaginary)
    if shifted.spectrum is None and shifted.action == "chebyshev":
        shifted.action = "krylov"
    return shifted


def _in_one_basis(factors: Sequence[float], parts: Sequence[Transformed], _: Commutators) -> Operator | None:
    basis = parts[0].basis
    if any(part.basis != basis for part in parts):
        return None
    return Transformed(total(factors, [part.symbol for part in parts]), basis)


TABLE_OF_SCIPY: dict[type[Operator], Rule] = {
    Transformed: Rule(_in_one_basis, Transformed.shifted, Transformed.shifted),
    KroneckerSum: Rule(_axes, _axes_number, _axes_symbol),
    Sparse: Rule(_sparse_matrices, _sparse_number, _sparse_symbol),
    MatrixFree: Rule(no_sum, _function_number, no_sum),
}
"""In the order in which operators are added to each other."""
