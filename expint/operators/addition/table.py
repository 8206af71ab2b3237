"""Which operators add up to one, and to which: a table by kind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from expint.backend import is_complex
from expint.operators.addition.rules import Commutators, Rule, combined, no_sum, total
from expint.operators.base import Operator
from expint.operators.block_diagonal import BlockDiagonal
from expint.operators.dense import Dense
from expint.operators.diagonal import Diagonal
from expint.operators.scalar import Scalar

__all__ = ["TABLE", "rule"]


def rule(operator: Operator) -> tuple[int, Rule]:
    """Return the place of an operator's kind in the table, and its rule; others come last and add up to nothing."""
    for place, (kind, own) in enumerate(TABLE.items()):
        if isinstance(operator, kind):
            return place, own
    from expint.operators.addition.table_of_scipy import TABLE_OF_SCIPY  # only they need SciPy's sparse algebra

    for place, (kind, own) in enumerate(TABLE_OF_SCIPY.items(), len(TABLE)):
        if isinstance(operator, kind):
            return place, own
    return len(TABLE) + len(TABLE_OF_SCIPY), Rule(no_sum, no_sum, no_sum)


# ---------------------------------------------------------------- numbers and symbols


def _symbols(factors: Sequence[float], parts: Sequence[Scalar | Diagonal], _: Commutators) -> Operator:
    symbol = np.asarray(total(factors, [np.asarray(part.values) for part in parts]))
    return Diagonal(symbol) if symbol.ndim else Scalar(symbol.item())


# ---------------------------------------------------------------- blocks and matrices


def _blocks(factors: Sequence[float], parts: Sequence[BlockDiagonal], commutators: Commutators) -> Operator | None:
    fit = len({len(part.blocks) for part in parts}) == 1
    return BlockDiagonal(combined(factors, [part.blocks for part in parts], commutators, _by_mode)) if fit else None


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
    return Dense(combined(factors, [part.matrix for part in parts], commutators, np.matmul)) if fit else None


def _matrix_symbol(operator: Dense, symbol: np.ndarray) -> Operator | None:
    if symbol.shape == operator.matrix.shape[-1:]:
        return Dense(operator.matrix + np.diag(symbol))
    if operator.matrix.ndim > 2:
        return None
    from expint.operators.addition.table_of_scipy import in_eigenbasis
    from expint.operators.bases.eigen import eigen

    return in_eigenbasis((eigen(operator.matrix),), not is_complex(operator.matrix), symbol)


TABLE: dict[type[Operator], Rule] = {
    Scalar: Rule(_symbols, lambda own, number: Scalar(own.value + number), no_sum),
    Diagonal: Rule(
        _symbols,
        lambda own, number: Diagonal(own.symbol + number),
        lambda own, symbol: Diagonal(total((1.0, 1.0), (symbol, own.symbol))),
    ),
    BlockDiagonal: Rule(_blocks, lambda own, number: _block_symbol(own, np.asarray(number)), _block_symbol),
    Dense: Rule(
        _matrices, lambda own, number: Dense(own.matrix + number * np.eye(own.matrix.shape[-1])), _matrix_symbol
    ),
}
"""In the order in which operators are added to each other; ``table_of_scipy`` goes on."""


def _by_mode(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    product: np.ndarray = np.einsum("ij...,jk...->ik...", a, b)
    return product


def _fits(symbol: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether a symbol broadcasts to a shape without enlarging it."""
    try:
        return np.broadcast_shapes(symbol.shape, shape) == shape
    except ValueError:
        return False
