"""Which operators add up to one, and to which: a table by kind."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from scipy import sparse

from expint.backend import is_complex
from expint.operators.base import Operator
from expint.operators.block_diagonal import BlockDiagonal
from expint.operators.dense import Dense
from expint.operators.diagonal import Diagonal
from expint.operators.eigen import Eigen, eigen
from expint.operators.in_basis import Eigenbasis
from expint.operators.iterated import IteratedOperator, Spectrum
from expint.operators.kronecker import WORST_CONDITION, KroneckerSum
from expint.operators.matrix_free import MatrixFree
from expint.operators.scalar import Scalar
from expint.operators.sparse import Sparse

__all__ = ["TABLE", "Commutators", "Rule", "options", "rule"]

Commutators: TypeAlias = Sequence[tuple[int, int, float]]
"""The triples (i, j, β) of β [A_i, A_j]."""


class Rule(NamedTuple):
    """How operators of one kind add up; each function returns None where the sum is no operator of one kind.

    Attributes
    ----------
    combine
        (f, A, commutators) ↦ Σ f_i A_i + Σ β [A_i, A_j] for operators A_i of the kind.
    with_number
        (A, number) ↦ A + number · 1.
    with_symbol
        (A, symbol) ↦ A + elementwise multiplication by the symbol.
    """

    combine: Callable[[Sequence[float], Sequence[Any], Commutators], Operator | None]
    with_number: Callable[[Any, complex], Operator | None]
    with_symbol: Callable[[Any, np.ndarray], Operator | None]


def rule(operator: Operator) -> tuple[int, Rule]:
    """Return the place of an operator's kind in the table, and its rule; others come last and add up to nothing."""
    found = ((i, own) for i, (kind, own) in enumerate(TABLE.items()) if isinstance(operator, kind))
    return next(found, (len(TABLE), Rule(_none, _none, _none)))


def options(operators: Sequence[Operator]) -> dict[str, Any]:
    """Return the options of a sum of operators applied by iterations: the strictest of what was asked for."""
    iterated = [operator for operator in operators if isinstance(operator, IteratedOperator)]
    actions = {operator.action for operator in iterated}
    return {
        "action": actions.pop() if len(actions) == 1 else "auto",
        "tolerance": min((own.tolerance for own in iterated if own.tolerance is not None), default=None),
        "basis": max((own.basis for own in iterated), default=100),
    }


def _none(*_: Any) -> None:
    """Return None: no operator of one kind."""


# ---------------------------------------------------------------- numbers and symbols


def _symbols(factors: Sequence[float], parts: Sequence[Scalar | Diagonal], _: Commutators) -> Operator:
    symbol = np.asarray(_total(factors, [np.asarray(part.values) for part in parts]))
    return Diagonal(symbol) if symbol.ndim else Scalar(symbol.item())


# ---------------------------------------------------------------- blocks and matrices


def _blocks(factors: Sequence[float], parts: Sequence[BlockDiagonal], commutators: Commutators) -> Operator | None:
    fit = len({len(part.blocks) for part in parts}) == 1
    return BlockDiagonal(_combined(factors, [part.blocks for part in parts], commutators, _by_mode)) if fit else None


def _block_symbol(operator: BlockDiagonal, symbol: np.ndarray) -> Operator | None:
    fields = operator.blocks.shape[1:]
    if not _fits(symbol, fields):
        return None
    blocks = operator.blocks.astype(np.result_type(operator.blocks, symbol))
    for i, own in enumerate(np.broadcast_to(symbol, fields)):
        blocks[i, i] += own
    return BlockDiagonal(blocks)


def _matrices(factors: Sequence[float], parts: Sequence[Dense], commutators: Commutators) -> Operator | None:
    fit = len({part.matrix.shape for part in parts}) == 1
    return Dense(_combined(factors, [part.matrix for part in parts], commutators, np.matmul)) if fit else None


def _matrix_symbol(operator: Dense, symbol: np.ndarray) -> Operator | None:
    if symbol.shape == operator.matrix.shape[-1:]:
        return Dense(operator.matrix + np.diag(symbol))
    if operator.matrix.ndim > 2:
        return None
    return _in_eigenbasis((eigen(operator.matrix),), not is_complex(operator.matrix), symbol)


def _sparse_matrices(factors: Sequence[float], parts: Sequence[Sparse], commutators: Commutators) -> Operator | None:
    if commutators or len({part.matrix.shape for part in parts}) > 1:
        return None
    return Sparse(_total(factors, [part.matrix for part in parts]), **options(parts))


def _sparse_number(operator: Sparse, number: complex) -> Operator:
    return operator.with_matrix(operator.matrix + number * sparse.eye_array(operator.matrix.shape[0], format="csr"))


def _sparse_symbol(operator: Sparse, symbol: np.ndarray) -> Operator | None:
    fits = symbol.shape == operator.matrix.shape[-1:]
    return operator.with_matrix(operator.matrix + sparse.diags_array(symbol)) if fits else None


# ---------------------------------------------------------------- along axes


def _axes(factors: Sequence[float], parts: Sequence[KroneckerSum], commutators: Commutators) -> Operator | None:
    """Return the sum factor by factor: those of different axes commute."""
    if len({tuple(len(factor) for factor in part.factors) for part in parts}) > 1:
        return None

    def along(values: Sequence[np.ndarray]) -> np.ndarray:
        if all(value.ndim == 1 for value in values):
            return np.asarray(_total(factors, values))
        return _combined(factors, [np.diag(v) if v.ndim == 1 else v for v in values], commutators, np.matmul)

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
    return _in_eigenbasis(route.bases, route.real, symbol) if isinstance(route, Eigenbasis) else None


def _in_eigenbasis(bases: Sequence[Eigen], real: bool, symbol: np.ndarray) -> Operator | None:
    """Return sums of eigenvalues plus a symbol, if that is constant along the axes with eigenvectors."""
    lengths = ((1,) * len(bases) + symbol.shape)[-len(bases) :]
    apart = all(length == 1 for own, length in zip(bases, lengths) if own.vectors is not None)
    if not apart or not math.prod(own.condition for own in bases) <= WORST_CONDITION:
        return None
    return Eigenbasis(bases, real and not is_complex(symbol), symbol)


# ---------------------------------------------------------------- functions


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


TABLE: dict[type[Operator], Rule] = {
    Scalar: Rule(_symbols, lambda own, number: Scalar(own.value + number), _none),
    Diagonal: Rule(
        _symbols,
        lambda own, number: Diagonal(own.symbol + number),
        lambda own, symbol: Diagonal(_broadcast_sum(symbol, own.symbol)),
    ),
    BlockDiagonal: Rule(_blocks, lambda own, number: _block_symbol(own, np.asarray(number)), _block_symbol),
    Dense: Rule(
        _matrices, lambda own, number: Dense(own.matrix + number * np.eye(own.matrix.shape[-1])), _matrix_symbol
    ),
    KroneckerSum: Rule(_axes, _axes_number, _axes_symbol),
    Sparse: Rule(_sparse_matrices, _sparse_number, _sparse_symbol),
    MatrixFree: Rule(_none, _function_number, _none),
}
"""In the order in which operators are added to each other."""


def _total(factors: Sequence[float], values: Sequence[Any]) -> Any:
    """Return Σ f_i v_i without those of factor 0."""
    used = [(factor, value) for factor, value in zip(factors, values) if factor] or [(0.0, values[0])]
    return reduce(_broadcast_sum, [factor * value for factor, value in used])


def _combined(
    factors: Sequence[float],
    values: Sequence[np.ndarray],
    commutators: Commutators,
    multiply: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """Return Σ f_i v_i + Σ β [v_i, v_j]."""
    total: np.ndarray = _total(factors, values)
    for i, j, beta in commutators:
        total = total + beta * (multiply(values[i], values[j]) - multiply(values[j], values[i]))
    return total


def _by_mode(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    product: np.ndarray = np.einsum("ij...,jk...->ik...", a, b)
    return product


def _fits(symbol: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether a symbol broadcasts to a shape without enlarging it."""
    try:
        return np.broadcast_shapes(symbol.shape, shape) == shape
    except ValueError:
        return False


def _broadcast_sum(a: Any, b: Any) -> Any:
    try:
        return a + b
    except ValueError as error:
        raise ValueError(
            f"expected symbols that broadcast against each other, received shapes {a.shape} and {b.shape}"
        ) from error
