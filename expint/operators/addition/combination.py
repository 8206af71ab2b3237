"""Linear combinations and commutators of operators of one kind, such as one operator at several times."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from expint.backend import Array, array_namespace
from expint.operators.base import Operator, is_sparse
from expint.operators.block_diagonal import BlockDiagonal
from expint.operators.dense import Dense
from expint.operators.diagonal import Diagonal
from expint.operators.iterated import IteratedOperator, Spectrum
from expint.operators.scalar import Scalar
from expint.phi.augmented import Matvec

__all__ = ["combination", "for_single_use"]

Commutators = Sequence[tuple[int, int, float]]
"""The triples (i, j, β) of β [A_i, A_j]."""

_FORMED = 100
"""The most rows of a matrix whose exponential is formed for one vector."""


def for_single_use(operator: Operator, like: Array) -> Operator:
    """Return the operator, but a large matrix by its products: it is not worth forming exponentials for one vector."""
    if isinstance(operator, Dense):
        n = operator.matrix.shape[-1]
        if n > _FORMED and math.prod(like.shape) == n:
            return Products([1.0], [operator], ())
    return operator


def combination(factors: Sequence[float], operators: Sequence[Operator], commutators: Commutators = ()) -> Operator:
    """Return Σ factors_i A_i + Σ β [A_i, A_j].

    Numbers, symbols, small matrices, those along the axes of a grid, and sparse ones without commutators are combined;
    of others a product with the combination is made of products with the operators, so that nothing is filled in.

    Parameters
    ----------
    factors, operators
        Numbers and operators; those with factor 0 may be needed for commutators.
    commutators
        See ``Commutators``.
    """
    parts: Sequence[Any] = operators
    if all(isinstance(part, (Scalar, Diagonal)) for part in parts):
        symbol = _sum(factors, [np.asarray(part.values) for part in parts])
        return Diagonal(symbol) if symbol.ndim else Scalar(symbol.item())
    if all(isinstance(part, Dense) for part in parts):
        return Dense(_with_commutators(factors, [part.matrix for part in parts], commutators, np.matmul))
    if all(isinstance(part, BlockDiagonal) for part in parts):
        return BlockDiagonal(_with_commutators(factors, [part.blocks for part in parts], commutators, _by_mode))
    if not commutators and all(is_sparse(getattr(part, "matrix", None)) for part in parts):
        return parts[0].with_matrix(_sum(factors, [part.matrix for part in parts]))
    if all(hasattr(part, "with_factors") and _lengths(part) == _lengths(parts[0]) for part in parts):
        axes = zip(*(part.factors for part in parts))
        return parts[0].with_factors(*(_along_axis(factors, values, commutators) for values in axes))
    return Products(factors, parts, commutators)


class Products(IteratedOperator):
    """Σ factors_i A_i + Σ β [A_i, A_j] by products with the operators; see ``combination``."""

    def __init__(self, factors: Sequence[float], operators: Sequence[Operator], commutators: Commutators) -> None:
        iterated = [operator for operator in operators if isinstance(operator, IteratedOperator)]
        tolerances = [operator.tolerance for operator in iterated if operator.tolerance is not None]
        spectrum = None if commutators else _spectrum(factors, operators)
        basis = max((operator.basis for operator in iterated), default=100)
        super().__init__("auto", min(tolerances, default=None), basis, spectrum)
        self.factors, self.operators, self.commutators = tuple(factors), tuple(operators), tuple(commutators)

    def check(self, y0: Array) -> None:
        """Refuse what iterations cannot work with; the operators have been checked."""
        self.check_tolerance(y0)

    def matvec(self, like: Array) -> Matvec:
        """Return v ↦ Σ factors_i A_i v + Σ β (A_i A_j v - A_j A_i v) for flattened states."""
        xp, shape = array_namespace(like), like.shape
        used = {i for i, factor in enumerate(self.factors) if factor} | {i for c in self.commutators for i in c[:2]}
        products = {i: self.operators[i].product(like) for i in sorted(used)}

        def product(v: Array) -> Array:
            y = xp.reshape(v, shape)
            once = {i: multiply(y) for i, multiply in products.items()}
            terms = [self.factors[i] * once[i] for i in once if self.factors[i]] or [0 * y]
            for i, j, beta in self.commutators:
                terms += [beta * products[i](once[j]), -beta * products[j](once[i])]
            return xp.reshape(sum(terms[1:], start=terms[0]), (-1,))

        return product

    def __repr__(self) -> str:
        return f"Products({len(self.operators)} operators, {len(self.commutators)} commutators)"


def _sum(factors: Sequence[float], values: Sequence[Any]) -> Any:
    used = [(factor, value) for factor, value in zip(factors, values) if factor] or [(0.0, values[0])]
    terms = [factor * value for factor, value in used]
    return sum(terms[1:], start=terms[0])


def _with_commutators(
    factors: Sequence[float],
    values: Sequence[np.ndarray],
    commutators: Commutators,
    multiply: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    total: np.ndarray = _sum(factors, values)
    for i, j, beta in commutators:
        total = total + beta * (multiply(values[i], values[j]) - multiply(values[j], values[i]))
    return total


def _lengths(operator: Any) -> list[int]:
    return [len(factor) for factor in operator.factors]


def _along_axis(factors: Sequence[float], values: Sequence[np.ndarray], commutators: Commutators) -> np.ndarray:
    """Return the combination of the factors of one axis: those of different axes commute."""
    if all(value.ndim == 1 for value in values):
        return np.asarray(_sum(factors, values))
    matrices = [np.diag(value) if value.ndim == 1 else value for value in values]
    return _with_commutators(factors, matrices, commutators, np.matmul)


def _by_mode(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    product: np.ndarray = np.einsum("ij...,jk...->ik...", a, b)
    return product


def _spectrum(factors: Sequence[float], operators: Sequence[Operator]) -> Spectrum | None:
    """Return an interval for the combination of Hermitian operators, or of skew ones, from those of the operators."""
    used = [(factor, getattr(operator, "spectrum", None)) for factor, operator in zip(factors, operators) if factor]
    known = [(factor, own) for factor, own in used if own is not None]
    if len(known) < len(used) or len({own.imaginary for _, own in known}) != 1:
        return None  # or all factors are zero
    ends = [sorted((factor * own.low, factor * own.high)) for factor, own in known]
    return Spectrum(sum(low for low, _ in ends), sum(high for _, high in ends), known[0][1].imaginary)
