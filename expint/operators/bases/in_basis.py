"""L along the axes of a grid: in the basis of eigenvectors of each axis, or by products along each."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from expint.backend import Array, array_namespace, asarray_like, is_complex
from expint.operators.base import StoredOperator
from expint.operators.bases.eigen import Eigen
from expint.operators.iterated import IteratedOperator
from expint.operators.on_device import Placed
from expint.operators.sums import linear_combination
from expint.phi import phi_functions
from expint.phi.augmented import Matvec

__all__ = ["Axiswise", "Eigenbasis", "combiner_through"]

_BESIDE = 4
"""The number of transforms kept in addition to those of the longest row's columns."""


class Eigenbasis(StoredOperator):
    """Sums of eigenvalues in the basis of eigenvectors.

    Parameters
    ----------
    bases
        The eigenvalues and eigenvectors along each of the last axes.
    real
        Whether L maps real states to real ones.
    offset
        What is added to the sums of eigenvalues: an array that is constant along the axes with eigenvectors.
    factors
        The matrices along each axis, by which products are made where they are given.
    """

    elementwise = True

    def __init__(
        self,
        bases: Sequence[Eigen],
        real: bool,
        offset: np.ndarray | float = 0.0,
        factors: Sequence[np.ndarray] | None = None,
    ) -> None:
        total = np.zeros(())
        for own in bases:
            total = total[..., None] + own.values
        self.symbol, self.bases, self.real, self.factors = total + offset, tuple(bases), real, factors
        self._there = Placed(_all_beside, [own.inverse for own in bases])
        self._back = Placed(_all_beside, [own.vectors for own in bases])

    def check(self, y0: Array) -> None:
        """Accept any state: the sum has checked it."""

    @property
    def values(self) -> np.ndarray:
        """The sums of eigenvalues."""
        return self.symbol

    def phi(self, p: int, scale: float) -> Sequence[Any]:
        """Return [φ_0, …, φ_p] of the sums of eigenvalues."""
        return phi_functions(scale * self.symbol, p)

    def product(self, like: Array) -> Callable[[Array], Array]:
        """Return v ↦ L v, by products along each axis where the matrices are known."""
        return super().product(like) if self.factors is None else Axiswise(self.factors).product(like)

    def cast(self, weight: Any, like: Array | None) -> Any:
        """Return the weight as an array on the device of the state."""
        return weight if like is None else asarray_like(weight, like)

    def combine(self, weights: Sequence[Any], columns: Sequence[Array]) -> Array:
        """Return Σ weights_j columns_j."""
        return self.combiner()(weights, columns)

    def combiner(self) -> Callable[[Sequence[Any], Sequence[Array]], Array]:
        """Return ``combine`` for one run; columns, and points that become columns, are transformed once."""
        bases: list[Any] = []  # all columns of a run are of one kind

        def forward(column: Array) -> Array:
            if not bases:
                bases.extend((self._there.like(column), self._back.like(column)))
            return _along_axes(bases[0], column)

        def backward(transformed: Array, column: Array) -> Array:
            point = _along_axes(bases[1], transformed)
            if self.real and point.dtype != column.dtype and not is_complex(column) and is_complex(point):
                xp = array_namespace(point)  # what is left of the imaginary part is rounding
                point = xp.astype(xp.real(point), column.dtype, copy=False)  # half precision has no complex numbers
            return point

        return combiner_through(forward, backward)

    def __repr__(self) -> str:
        return f"Eigenbasis(eigenvalues of shape {self.symbol.shape})"


def combiner_through(
    forward: Callable[[Array], Array], backward: Callable[[Array, Array], Array]
) -> Callable[[Sequence[Any], Sequence[Array]], Array]:
    """Return ``combine`` for one run by a transform; columns, and points that become columns, are transformed once.

    Parameters
    ----------
    forward
        From a column to its coefficients.
    backward
        From the coefficients of a point, and a column of its kind, to the point.
    """
    known: OrderedDict[int, tuple[Array, Array]] = OrderedDict()  # holding the column keeps its id unique
    most = 0

    def enter(column: Array) -> Array:
        if id(column) in known:
            known.move_to_end(id(column))
        else:
            known[id(column)] = (column, forward(column))
        return known[id(column)][1]

    def combine(weights: Sequence[Any], columns: Sequence[Array]) -> Array:
        nonlocal most
        most = max(most, len(columns))
        entered = [None if weight is None else enter(column) for weight, column in zip(weights, columns)]
        transformed = linear_combination(weights, entered)
        point = backward(transformed, columns[0])
        known[id(point)] = (point, transformed)
        while len(known) > most + _BESIDE:
            known.popitem(last=False)
        return point

    return combine


class Axiswise(IteratedOperator):
    """Products along each axis; the factors are matrices, or vectors for diagonal ones."""

    actions = ("krylov",)

    def __init__(self, factors: Sequence[np.ndarray], tolerance: float | None = None, basis: int = 100) -> None:
        super().__init__("krylov", tolerance, basis)
        self.factors, self.shape = tuple(factors), tuple(factor.shape[0] for factor in factors)
        self._factors = Placed(_all_beside, factors)

    def check(self, y0: Array) -> None:
        """Refuse what iterations cannot work with."""
        self.check_tolerance(y0)

    def matvec(self, like: Array) -> Matvec:
        """Return v ↦ Σ (factor along its axis) v for flattened states."""
        factors, shape = self._factors.like(like), tuple(like.shape)

        def product(v: Array) -> Array:
            terms = (_along(factor, v, shape, axis - len(factors)) for axis, factor in enumerate(factors))
            total = next(terms)
            for term in terms:
                total += term
            return total

        return product

    def adjoint(self) -> Axiswise:
        """Return the sum of the adjoint factors."""
        return Axiswise([factor.conj().T for factor in self.factors], self.tolerance, self.basis)

    def __repr__(self) -> str:
        return f"KroneckerSum(factors of length {self.shape}, action='krylov')"


def _along_axes(factors: Sequence[Array], array: Array) -> Array:
    """Return the array with each factor applied along its axis, the last factor along the last axis."""
    if len(factors) == 1 and factors[0] is not None and array.dtype == factors[0].dtype:
        return array @ factors[0].T
    xp = array_namespace(array)
    shape = tuple(array.shape)
    for axis, factor in enumerate(factors):
        if factor is not None:
            array = xp.reshape(_along(factor, array, shape, axis - len(factors)), shape)
    return array


def _along(factor: Array, array: Array, shape: tuple[int, ...], axis: int) -> Array:
    """Return a matrix, or a diagonal, times ``array`` of shape ``shape`` along a (negative) axis, flattened."""
    xp = array_namespace(array)
    n, after = shape[axis], math.prod(shape[axis + 1 :]) if axis < -1 else 1
    if is_complex(factor) and not is_complex(array):
        array = xp.astype(array, factor.dtype)  # not every library multiplies matrices of two kinds
    elif is_complex(array) and not is_complex(factor):
        factor = xp.astype(factor, array.dtype)
    if factor.ndim == 1:
        return xp.reshape(factor[:, None] * xp.reshape(array, (-1, n, after)), (-1,))
    if axis == -1:
        return xp.reshape(xp.reshape(array, (-1, n)) @ xp.matrix_transpose(factor), (-1,))
    return xp.reshape(factor @ xp.reshape(array, (-1, n, after)), (-1,))


def _all_beside(arrays: Sequence[np.ndarray | None], like: Array) -> list[Array | None]:
    return [_beside(values, like) for values in arrays]


def _beside(values: np.ndarray | None, like: Array) -> Array | None:
    if values is None:
        return None
    return asarray_like(values.astype(np.complex128) if is_complex(like) else values, like)
