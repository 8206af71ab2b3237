"""Derivatives by differences: of real arguments, or by complex steps, which lose no digits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from expint.backend import Array, array_namespace, asarray_like, is_complex, is_numpy, is_sparse, to_numpy
from expint.jacobian.pattern import Pattern
from expint.jacobian.source import Before, Computed, Place

__all__ = ["ComplexStep", "Differences"]

_FLOOR = 1e-2
"""Increments of small entries are at most those of entries of this part of the root mean square."""

_SMALLEST = 1e-14
"""Increments of the smallest entries are at least those of entries of this part of the root mean square."""

_CLEAR = 0.1
"""Increments are so long that rounding is at most this part of √ε of the largest change of N that they cause."""

_TINY = 1e-30
"""The complex step, relative to the argument: its square vanishes against 1 in double precision."""


@dataclass(frozen=True, kw_only=True)
class _ByColumns(Computed):
    """Sources that see the derivative along one direction at a time.

    Parameters
    ----------
    sparsity
        Where ∂N/∂y may be other than zero: a matrix or sparse matrix of shape (n, n) over the entries of the state,
        real or complex, in their order. Columns without common rows are then found by one evaluation, and the matrix is
        sparse.
    form, in_time
        As in ``Source``.
    """

    sparsity: Any = None

    @cached_property
    def pattern(self) -> Pattern | None:
        """The pattern, with its columns in groups."""
        return None if self.sparsity is None else Pattern(self.sparsity)

    @cached_property
    def _of_pairs(self) -> Pattern | None:
        """The pattern over (Re y_1, Im y_1, Re y_2, …): each entry may move both parts."""
        if self.pattern is None:
            return None
        from scipy import sparse

        return Pattern(sparse.kron(self.pattern.structure, np.ones((2, 2))))

    def _fitting(self, place: Place) -> Pattern | None:
        return self._of_pairs if place.coordinates.paired else self.pattern

    @property
    def sparse(self) -> bool:
        """Whether matrices are sparse."""
        return self.sparsity is not None

    def check(self, y0: Array) -> None:
        """Refuse patterns that do not fit."""
        n = math.prod(y0.shape)
        if self.pattern is not None and self.pattern.n != n:
            raise ValueError(
                f"expected a state of {self.pattern.n} entries for a sparsity pattern of shape "
                f"({self.pattern.n}, {self.pattern.n}), received y0 of shape {tuple(y0.shape)} and dtype {y0.dtype}"
            )


@dataclass(frozen=True, kw_only=True)
class Differences(_ByColumns):
    """Finite differences of N: one evaluation for each direction, two if ``central``.

    Forward differences give about half the digits of the state's precision, central ones two thirds.

    Parameters
    ----------
    central
        Whether differences are central.
    sparsity, form, in_time
        As in ``Source`` and for a sparsity pattern ``scipy.integrate.solve_ivp``'s ``jac_sparsity``.

    Examples
    --------
    >>> import numpy as np, expint
    >>> stiff = lambda t, y: -1000.0 * (y - np.cos(t))
    >>> jac = expint.jacobian.Differences()
    >>> run = expint.solve_ivp(stiff, (0, 1), np.array([1.0]), method="exprb43", rtol=1e-6, jac=jac)
    >>> bool(np.isclose(run.y_end[0], np.cos(1.0), atol=2e-3))
    True
    """

    central: bool = False

    @property
    def label(self) -> str:
        """Where the derivatives come from."""
        return "central finite differences" if self.central else "finite differences"

    def matrix(self, place: Place) -> Any:
        """Return ∂N/∂x column by column, or group of columns by group."""
        xp, n = array_namespace(place.x), place.x.shape[0]
        increments, pattern = self._increments(place), self._fitting(place)
        if pattern is None:
            columns = [_unit_vector(n, j, increments[j]) for j in range(n)]
            quotients = [
                self._difference(place, asarray_like(e, place.x)) / float(increments[j]) for j, e in enumerate(columns)
            ]
            return xp.stack(quotients, axis=-1)
        along = [self._difference(place, asarray_like(increments * group, place.x)) for group in pattern.groups]
        return pattern.fill([to_numpy(change) for change in along], increments)

    def product(self, place: Place) -> Callable[[Array], Array]:
        """Return v ↦ ∂N/∂x v by one difference along v."""
        unit, size = self._unit(place), _scale(place)

        def along(v: Array) -> Array:
            length = _size(v)
            if length == 0.0:
                return 0 * v
            factor = unit * size / length
            return self._difference(place, factor * v) / factor

        return along

    def told(self, place: Place, matrix: Any) -> Before:
        """Return the increments below which rounding would show, seen from ∂N/∂x.

        N_i is a sum of terms of the size of ∂_j N_i x_j, which may cancel: so large is its rounding.
        """
        x, known = to_numpy(place.x), matrix if is_sparse(matrix) else to_numpy(matrix)
        with np.errstate(over="ignore"):
            terms = np.abs(to_numpy(place.value)) + abs(known) @ np.abs(x)
        clear, part = _largest(known, terms), math.sqrt(_precision(place)) / _CLEAR
        return Before(x, np.divide(part, clear, out=np.full(len(x), np.inf), where=clear > 0))

    def _increments(self, place: Place) -> np.ndarray:
        """Return by which each entry is changed.

        An entry changes by a part of its size, or of how far the last step led it. Small ones may be drowned by what is
        added to them in N: unless the place before tells how small they may be, they count as a part of the state.
        """
        x, unit, scale = to_numpy(place.x), self._unit(place), _scale(place)
        sizes = unit * np.maximum(np.abs(x), _FLOOR * scale)
        if place.before is not None:
            moved = np.abs(x - place.before.x)  # step · N would be far more where it decays within the step
            own = unit * np.maximum(np.maximum(np.abs(x), moved), _SMALLEST * scale)
            sizes = np.minimum(sizes, np.maximum(own, place.before.shortest))
        return (x + np.where(x < 0, -sizes, sizes)) - x  # what is really added

    def _unit(self, place: Place) -> float:
        precision = _precision(place)
        return precision ** (1 / 3) if self.central else math.sqrt(precision)

    def _difference(self, place: Place, change: Array) -> Array:
        ahead = place.function(place.t, place.x + change)
        if self.central:
            ahead = 1 * ahead  # a function may write all its values into one array
            return (ahead - place.function(place.t, place.x - change)) / 2
        return ahead - place.value


@dataclass(frozen=True, kw_only=True)
class ComplexStep(_ByColumns):
    """∂N/∂x v = Im N(t, x + iεv)/ε, exact to rounding, for real states of NumPy and an N that is analytic.

    N must take complex arrays and treat them as numbers: no abs, no comparison, no conjugate.

    Parameters
    ----------
    sparsity, form, in_time
        As in ``Differences``; with in_time="same" N must take a complex t too.

    Examples
    --------
    >>> import numpy as np, expint
    >>> van_der_pol = lambda t, y: np.stack([y[1], (1.0 - y[0] ** 2) * y[1] - y[0]])
    >>> jac, start = expint.jacobian.ComplexStep(), np.array([2.0, 0.0])
    >>> run = expint.solve_ivp(van_der_pol, (0, 1), start, method="exprb43", rtol=1e-6, jac=jac)
    >>> run.success
    True
    """

    @property
    def label(self) -> str:
        """Where the derivatives come from."""
        return "complex steps"

    def check(self, y0: Array) -> None:
        """Refuse complex states and those of other libraries."""
        super().check(y0)
        if is_complex(y0) or not is_numpy(array_namespace(y0)):
            raise TypeError(
                f"expected a real state of NumPy for complex steps, received {type(y0).__name__} of dtype {y0.dtype}; "
                "take jac=expint.jacobian.Differences(), or Autodiff() for torch and JAX"
            )

    def matrix(self, place: Place) -> Any:
        """Return ∂N/∂x column by column, or group of columns by group."""
        n = place.x.shape[0]
        if self.pattern is None:
            return np.stack([self._along(place, _unit_vector(n, j, 1.0)) for j in range(n)], axis=-1)
        along = [self._along(place, group.astype(float)) for group in self.pattern.groups]
        return self.pattern.fill(along, np.ones(n))

    def product(self, place: Place) -> Callable[[Array], Array]:
        """Return v ↦ ∂N/∂x v."""
        return lambda v: self._along(place, v)

    def _along(self, place: Place, v: np.ndarray) -> np.ndarray:
        length = _size(v)
        if length == 0.0:
            return 0 * v
        factor = _TINY * _scale(place) / length
        return _imaginary(place.function(place.t, place.x + 1j * factor * v)) / factor

    def _own_time_derivative(self, place: Place) -> Array:
        factor = _TINY * abs(place.step)
        return _imaginary(place.function(place.t + 1j * factor, place.x + 0j)) / factor


def _imaginary(value: np.ndarray) -> np.ndarray:
    if not np.iscomplexobj(value):
        raise TypeError(
            f"expected nonlinear to return complex numbers for complex arguments, received dtype {value.dtype}: it "
            "takes real parts somewhere; take jac=expint.jacobian.Differences()"
        )
    return value.imag


def _unit_vector(n: int, j: int, size: float) -> np.ndarray:
    vector = np.zeros(n)
    vector[j] = size
    return vector


def _precision(place: Place) -> float:
    return float(array_namespace(place.x).finfo(place.x.dtype).eps)


def _largest(matrix: Any, terms: np.ndarray) -> np.ndarray:
    """Return the largest entry of each column in units of the ``terms`` of its row, of which none is negative."""
    rows = np.divide(1.0, terms, out=np.zeros(len(terms)), where=terms > np.finfo(float).smallest_normal)
    with np.errstate(over="ignore"):
        if not is_sparse(matrix):
            return np.max(np.abs(matrix) * rows[:, None], axis=0)
        largest: np.ndarray = abs(matrix).multiply(rows[:, None]).max(axis=0).toarray().reshape(-1)
    return largest


def _size(x: Array) -> float:
    """Return the root mean square of the entries."""
    xp = array_namespace(x)
    return math.sqrt(float(xp.mean(xp.abs(x) ** 2)))


def _scale(place: Place) -> float:
    """Return the size of the argument; of zero, how far a step leads from it; and 1 where nothing is known."""
    return _size(place.x) or abs(place.step) * _size(place.value) or 1.0
