"""Which operators add up to one, and to which."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

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

__all__ = ["merge"]

_KINDS = (Scalar, Diagonal, BlockDiagonal, Dense, KroneckerSum, Sparse, MatrixFree)
"""In the order in which they are added to each other."""


def merge(parts: Sequence[Operator]) -> list[Operator]:
    """Return operators of the same sum, as few as can be had without filling in what is sparse."""
    plain = [
        Scalar(part.symbol.item()) if isinstance(part, Diagonal) and part.symbol.size == 1 else part for part in parts
    ]
    by_kind = [_fold([part for part in plain if isinstance(part, kind)]) for kind in _KINDS]
    others = [part for part in plain if not isinstance(part, _KINDS)]
    return _fold([part for kind in by_kind for part in kind] + others)


def _fold(parts: Sequence[Operator]) -> list[Operator]:
    """Return the parts with each added to the first that takes it."""
    merged: list[Operator] = []
    for part in parts:
        for i, other in enumerate(merged):
            whole = _add(other, part)
            if whole is not None:
                merged[i] = whole
                break
        else:
            merged.append(part)
    return merged


def _add(a: Operator, b: Operator) -> Operator | None:
    """Return a + b as one operator, None if it is none; the kind of ``a`` does not come after that of ``b``."""
    if isinstance(a, Scalar):
        return _with_number(b, a.value)
    if isinstance(a, Diagonal):
        return _with_symbol(b, a.symbol)
    if isinstance(a, BlockDiagonal) and isinstance(b, BlockDiagonal) and len(a.blocks) == len(b.blocks):
        return BlockDiagonal(_broadcast_sum(a.blocks, b.blocks))
    if isinstance(a, Dense) and isinstance(b, Dense) and a.matrix.shape == b.matrix.shape:
        return Dense(a.matrix + b.matrix)
    if isinstance(a, Dense) and isinstance(b, KroneckerSum) and a.matrix.shape == (len(b.factors[-1]),) * 2:
        return _along_axes(b, (*(0.0 * factor for factor in b.factors[:-1]), a.matrix))
    if isinstance(a, KroneckerSum) and isinstance(b, KroneckerSum):
        same = [len(factor) for factor in a.factors] == [len(factor) for factor in b.factors]
        return _along_axes(b, a.factors) if same else None
    if isinstance(a, Sparse) and isinstance(b, Sparse) and a.matrix.shape == b.matrix.shape:
        return Sparse(a.matrix + b.matrix, **_options(a, b))
    return None


def _with_number(operator: Operator, number: complex) -> Operator | None:
    """Return the operator plus a multiple of the identity."""
    if isinstance(operator, Scalar):
        return Scalar(operator.value + number)
    if isinstance(operator, Diagonal):
        return Diagonal(operator.symbol + number)
    if isinstance(operator, BlockDiagonal):
        return _with_symbol(operator, np.asarray(number))
    if isinstance(operator, Dense):
        return Dense(operator.matrix + number * np.eye(operator.matrix.shape[-1]))
    if isinstance(operator, KroneckerSum):
        if isinstance(operator.route, Eigenbasis):
            return _with_symbol(operator, np.asarray(number))
        first = operator.factors[0]
        unit = np.ones(len(first)) if first.ndim == 1 else np.eye(len(first))
        return _along_axes(operator, (number * unit, *(0.0 * factor for factor in operator.factors[1:])))
    if isinstance(operator, Sparse):
        unit = sparse.eye_array(operator.matrix.shape[0], format="csr")
        return Sparse(operator.matrix + number * unit, **_options(operator))
    if isinstance(operator, MatrixFree):
        return _shifted_function(operator, number)
    return None


def _with_symbol(operator: Operator, symbol: np.ndarray) -> Operator | None:
    """Return the operator plus elementwise multiplication by a symbol."""
    if isinstance(operator, Diagonal):
        return Diagonal(_broadcast_sum(symbol, operator.symbol))
    if isinstance(operator, BlockDiagonal):
        fields = operator.blocks.shape[1:]
        if not _fits(symbol, fields):
            return None
        blocks = operator.blocks.astype(np.result_type(operator.blocks, symbol))
        for i, own in enumerate(np.broadcast_to(symbol, fields)):
            blocks[i, i] += own
        return BlockDiagonal(blocks)
    if isinstance(operator, (Dense, Sparse)) and symbol.shape == operator.matrix.shape[-1:]:
        if isinstance(operator, Dense):
            return Dense(operator.matrix + np.diag(symbol))
        return Sparse(operator.matrix + sparse.diags_array(symbol), **_options(operator))
    if isinstance(operator, Dense) and operator.matrix.ndim == 2:
        return _in_eigenbasis((eigen(operator.matrix),), not is_complex(operator.matrix), symbol)
    if isinstance(operator, KroneckerSum) and isinstance(operator.route, Eigenbasis):
        return _in_eigenbasis(operator.route.bases, operator.route.real, symbol)
    return None


def _in_eigenbasis(bases: Sequence[Eigen], real: bool, symbol: np.ndarray) -> Operator | None:
    """Return sums of eigenvalues plus a symbol, if that is constant along the axes with eigenvectors."""
    lengths = ((1,) * len(bases) + symbol.shape)[-len(bases) :]
    apart = all(length == 1 for own, length in zip(bases, lengths) if own.vectors is not None)
    if not apart or not math.prod(own.condition for own in bases) <= WORST_CONDITION:
        return None
    return Eigenbasis(bases, real and not is_complex(symbol), symbol)


def _along_axes(operator: KroneckerSum, factors: Sequence[np.ndarray]) -> KroneckerSum:
    """Return the sum plus another one, factor by factor."""
    both = [
        np.add(*(np.diag(m) if m.ndim < max(own.ndim, other.ndim) else m for m in (own, other)))
        for own, other in zip(operator.factors, factors)
    ]
    return operator.with_factors(*both)


def _shifted_function(operator: MatrixFree, number: complex) -> MatrixFree:
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


def _options(*operators: IteratedOperator) -> dict[str, Any]:
    """Return the options for a sum of sparse matrices: the strictest of what was asked for."""
    actions = {operator.action for operator in operators}
    tolerances = [operator.tolerance for operator in operators if operator.tolerance is not None]
    return {
        "action": actions.pop() if len(actions) == 1 else "auto",
        "tolerance": min(tolerances, default=None),
        "basis": max(operator.basis for operator in operators),
    }


def _fits(symbol: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether a symbol broadcasts to a shape without enlarging it."""
    try:
        return np.broadcast_shapes(symbol.shape, shape) == shape
    except ValueError:
        return False


def _broadcast_sum(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    try:
        return np.add(a, b)
    except ValueError as error:
        raise ValueError(
            f"expected symbols that broadcast against each other, received shapes {a.shape} and {b.shape}"
        ) from error
