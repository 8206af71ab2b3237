"""Derivatives and second-order operators on a grid, each in the cheapest form."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from numbers import Number
from typing import Any

import numpy as np
from scipy import sparse

from expint.arguments import seen
from expint.operators.base import Operator
from expint.operators.bases.transformed import Transformed
from expint.operators.dense import Dense
from expint.operators.kronecker import KroneckerSum
from expint.operators.over_time.lifted import Lifted
from expint.operators.sparse import Sparse
from expint.spectral.applied import Applied, Slope, Varying
from expint.spectral.coefficients import Coefficient, coefficient
from expint.spectral.lifting import Piece
from expint.spectral.nodal import Nodal
from expint.spectral.series import Periodic

__all__ = ["derivative", "fields", "laplacian", "operator"]

_FORMED = 1200
"""Axes of differences with more points are not given eigenvectors."""


def laplacian(grid: Any) -> Any:
    """Return ∇²."""
    if _is_long(grid):
        whole: Operator = Sparse(reduce(lambda a, b: a + b, (_spread(grid, i, 2) for i in range(len(grid.axes)))))
    else:
        total = reduce(lambda a, b: a + b, (_symbol(grid, i, 2) for i in range(len(grid.axes))))
        whole = Transformed(total, grid)
    return grid._lifted(whole, lambda piece: sum(piece.second))


def derivative(grid: Any, axis: int, order: int) -> Any:
    """Return a derivative along one axis."""
    own = grid.axes[axis]

    def image(piece: Piece) -> np.ndarray:
        if order > 2:
            raise ValueError(
                f"expected a derivative of order 1 or 2 with conditions whose values are not zero, received {order}"
            )
        return (piece.first, piece.second)[order - 1][axis]

    if isinstance(own, Periodic) or order % 2 == 0:
        whole: Operator = Sparse(_spread(grid, axis, order)) if _is_long(grid) else _diagonal(grid, axis, order)
    else:
        whole = Applied(Slope(grid, axis, order), grid)
    return grid._lifted(whole, image)


def operator(grid: Any, diffusion: Any, advection: Any, reaction: Any) -> Any:
    """Return ∇·(D ∇u) + a·∇u + c u; see ``Grid.operator``."""
    count = len(grid.axes)
    d = [coefficient(grid, "diffusion", own, i) for i, own in enumerate(_each("diffusion", diffusion, count))]
    a = [coefficient(grid, "advection", own, i) for i, own in enumerate(_each("advection", advection, count))]
    c = coefficient(grid, "reaction", reaction, 0)

    def image(piece: Piece) -> np.ndarray:
        parts = zip(d, a, piece.first, piece.second)
        return sum(
            (own.value * second + (own.slope + drift.value) * first for own, drift, first, second in parts),
            start=c.value * piece.value,
        )

    return grid._lifted(_cheapest(grid, d, a, c), image)


def _cheapest(grid: Any, d: Sequence[Coefficient], a: Sequence[Coefficient], c: Coefficient) -> Operator:
    constant = all(own.constant for own in (*d, *a, c))
    drifts = [i for i, own in enumerate(a) if np.any(own.value)]
    if constant and all(isinstance(grid.axes[i], Periodic) for i in drifts) and not _is_long(grid):
        symbols = [own.number * _symbol(grid, i, 2) for i, own in enumerate(d)]
        symbols += [a[i].number * _symbol(grid, i, 1) for i in drifts]
        return Transformed(reduce(lambda x, y: x + y, symbols) + c.number, grid)
    alone = c.constant and all(d[i].only_along(i) and a[i].only_along(i) for i in range(len(d)))
    differences = all(isinstance(axis, Nodal) and sparse.issparse(axis.full[0]) for axis in grid.axes)
    if alone and not _is_long(grid):
        along = [_matrix(grid.axes[i], d[i].along(i), d[i].slope_along(i), a[i].along(i)) for i in range(len(d))]
        whole: Operator = Dense(along[0]) if len(along) == 1 else KroneckerSum(*along)
        return whole + c.number if c.number else whole
    if differences:
        return Sparse(_sparse(grid, d, a, c))
    return Applied(Varying(grid, d, a, c), grid)


def _sparse(grid: Any, d: Sequence[Coefficient], a: Sequence[Coefficient], c: Coefficient) -> Any:
    def times(values: Any, matrix: Any) -> Any:
        return sparse.diags_array(np.broadcast_to(values, grid.shape).ravel()) @ matrix

    whole = sparse.diags_array(np.broadcast_to(c.value, grid.shape).ravel())
    for i, (own, drift) in enumerate(zip(d, a)):
        whole = whole + times(own.value, _spread(grid, i, 2)) + times(own.slope + drift.value, _spread(grid, i, 1))
    return sparse.csr_array(whole)


def _matrix(axis: Any, d: np.ndarray, slope: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Return the matrix of (D u')' + a u' along one axis."""
    first = axis.matrix(1)
    if isinstance(axis, Nodal):
        return d[:, None] * axis.matrix(2) + (slope + a)[:, None] * first
    if np.ptp(d) == 0:
        return d[:, None] * axis.matrix(2) + a[:, None] * first
    back: np.ndarray = first if isinstance(axis, Periodic) else axis.slope(d[:, None] * first, -2, back=True)
    flux = back @ (d[:, None] * first) if isinstance(axis, Periodic) else back
    found: np.ndarray = flux + a[:, None] * first
    return found


def fields(grid: Any, operators: Sequence[Any]) -> Any:
    """Return the operator of a field with a component for each of some operators."""
    if not operators:
        raise ValueError("expected an operator for each component, received none")
    lifted = [own for own in operators if isinstance(own, Lifted)]
    plain = [own.operator if isinstance(own, Lifted) else own for own in operators]
    symbols = []
    for own in plain:
        if isinstance(own, Transformed) and own.basis == grid and not own.fields:
            symbols.append(own.symbol)
        elif isinstance(own, Number) and not isinstance(own, bool):
            symbols.append(np.full(grid.modes, own))
        else:
            raise TypeError(
                f"expected operators of this grid that are diagonal in its transform, or numbers, received {seen(own)}"
            )
    whole = Transformed(np.stack(symbols), grid)
    if not grid._pieces:
        return whole
    if len(lifted) < len(operators):
        numbers = [own for own in operators if not isinstance(own, Lifted)]
        raise TypeError(
            f"expected operators of this grid for all components, received {numbers}; 0 * grid.laplacian + c"
        )
    images = [np.stack([own.images[j] for own in lifted]) for j in range(len(grid._pieces))]
    return Lifted(whole, grid._lift, images)


def _each(name: str, value: Any, count: int) -> list[Any]:
    if isinstance(value, list | tuple):
        if len(value) != count:
            raise ValueError(f"expected {name} for each of {count} axes, received {len(value)}")
        return list(value)
    return [value] * count


def _is_long(grid: Any) -> bool:
    """Whether all axes are of finite differences, and one too long for eigenvectors."""
    known = all(isinstance(axis, Nodal) and sparse.issparse(axis.full[0]) for axis in grid.axes)
    return known and max(grid.shape) > _FORMED


def _symbol(grid: Any, axis: int, order: int) -> np.ndarray:
    found: np.ndarray = grid.axes[axis].symbol(order).reshape([-1 if i == axis else 1 for i in range(len(grid.axes))])
    return found


def _diagonal(grid: Any, axis: int, order: int) -> Transformed:
    return Transformed(np.broadcast_to(_symbol(grid, axis, order), grid.modes), grid)


def _spread(grid: Any, axis: int, order: int) -> Any:
    """Return the sparse matrix of a derivative along one axis of a grid of finite differences."""
    parts = [own.sparse_matrix(order) if i == axis else sparse.eye_array(own.n) for i, own in enumerate(grid.axes)]
    return sparse.csr_array(reduce(lambda a, b: sparse.kron(a, b, format="csr"), parts))
