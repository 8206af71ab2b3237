"""Coefficients of a linear operator: numbers, functions of the coordinates, arrays on a grid."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from expint.arguments import number, seen
from expint.backend import Array, asarray_like, is_array, to_numpy
from expint.operators.on_device import Placed
from expint.spectral.nodal import Nodal, along
from expint.spectral.series import Periodic
from expint.spectral.weights import difference_matrix, fornberg

__all__ = ["Coefficient", "coefficient"]

_SLOPE_ORDER = 6
"""The order of the differences by which coefficients given as arrays are differentiated."""


class Coefficient:
    """One coefficient on a grid, with its derivative along one axis.

    Parameters
    ----------
    value, slope
        Numbers, or arrays on the grid.
    """

    def __init__(self, value: Any, slope: Any = 0.0) -> None:
        self.value, self.slope = np.asarray(value, dtype=np.float64), np.asarray(slope, dtype=np.float64)
        self._placed = Placed(asarray_like, self.value)
        self._slopes = Placed(asarray_like, self.slope)

    @cached_property
    def constant(self) -> bool:
        """Whether it is a number."""
        return bool(np.ptp(self.value) == 0)

    @property
    def number(self) -> float:
        """The number that it is."""
        return float(self.value.flat[0])

    def only_along(self, axis: int) -> bool:
        """Whether it varies along one axis only."""
        if self.value.ndim == 0:
            return True
        others = tuple(i for i in range(self.value.ndim) if i != axis)
        return not others or bool(np.all(np.ptp(self.value, axis=others) == 0))

    def along(self, axis: int) -> np.ndarray:
        """Return the values along the one axis."""
        return _line(self.value, axis)

    def slope_along(self, axis: int) -> np.ndarray:
        """Return the derivative along the one axis."""
        return _line(self.slope, axis)

    def beside(self, u: Array) -> Array:
        """Return the values in the library and precision of an array."""
        return self._placed.like(u)

    def slope_beside(self, u: Array) -> Array:
        """Return the derivative in the library and precision of an array."""
        return self._slopes.like(u)


def _line(values: np.ndarray, axis: int) -> np.ndarray:
    if values.ndim == 0:
        return values.reshape(1)
    found: np.ndarray = np.moveaxis(values, axis, -1).reshape(-1, values.shape[axis])[0]
    return found


def coefficient(grid: Any, name: str, value: Any, axis: int) -> Coefficient:
    """Return a coefficient with its derivative along an axis.

    Functions are called with the coordinates of all points; next to walls of nodal axes with those on them, too.

    Raises
    ------
    ValueError
        If it does not have the shape of the grid, or is not finite.
    TypeError
        If it is neither a number, a function nor an array of real numbers.
    """
    own, points = grid.axes[axis], [axis.x for axis in grid.axes]
    shape = grid.shape
    if callable(value):
        values = _on(value, points, name)
        if np.ptp(values) == 0:
            return Coefficient(np.broadcast_to(values, shape))
        if isinstance(own, Nodal) and own.walls is not None:
            points[axis] = own.nodes
            full = own.full[0][1:-1]
            slope = along(
                full.toarray() if hasattr(full, "toarray") else full, _on(value, points, name), axis - len(shape)
            )
            return Coefficient(values, slope)
    elif (is_array(value) and value.ndim) or isinstance(value, list):
        values = to_numpy(value)
    else:
        return Coefficient(np.full(shape, number(name, value)))
    if values.dtype.kind not in "iuf" or not np.all(np.isfinite(values)):
        raise TypeError(f"expected {name} as finite real numbers on the grid, received {seen(value)}")
    if values.shape != shape:
        raise ValueError(f"expected {name} of shape {shape}, that of the grid, received shape {values.shape}")
    return Coefficient(values, along(_slopes(own), values.astype(np.float64), axis - len(shape)))


def _on(value: Any, points: list[np.ndarray], name: str) -> np.ndarray:
    found = np.asarray(value(*np.meshgrid(*points, indexing="ij")))
    if found.dtype.kind not in "iuf" or not np.all(np.isfinite(found)):
        raise TypeError(f"expected {name} to return finite real numbers, received {seen(found)}")
    try:
        return np.broadcast_to(found.astype(np.float64), tuple(len(own) for own in points)).copy()
    except ValueError:
        raise ValueError(
            f"expected {name} to return an array of shape {tuple(len(own) for own in points)}, received {found.shape}"
        ) from None


def _slopes(axis: Any) -> np.ndarray:
    """Return a matrix that differentiates values on the points of an axis that meet no conditions."""
    if isinstance(axis, Periodic):
        return axis.matrix(1)
    if isinstance(axis, Nodal) and axis.walls is None:
        return axis.matrix(1)
    if isinstance(axis, Nodal) and not hasattr(axis.full[0], "toarray"):
        return np.array([fornberg(at, axis.x, 1) for at in axis.x])
    accuracy = min(_SLOPE_ORDER, 2 * ((axis.n - 1) // 2))
    found: np.ndarray = difference_matrix(axis.x, 1, accuracy).toarray()
    return found
