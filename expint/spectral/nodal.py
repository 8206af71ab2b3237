"""Axes whose derivatives are matrices: Chebyshev points, and finite differences on any points.

Unknowns are the values at inner nodes. Those at the two walls follow from the boundary conditions and are eliminated.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from expint.arguments import function, seen
from expint.backend import Array, array_namespace, asarray_like, is_array, is_complex, to_numpy
from expint.operators.bases.eigen import Eigen, eigen
from expint.operators.kronecker import WORST_CONDITION
from expint.operators.on_device import Placed
from expint.spectral.boundary import Walls
from expint.spectral.weights import chebyshev_matrix, chebyshev_points, difference_matrix, wrapped_matrix

__all__ = ["Nodal", "along", "chebyshev_axis", "difference_axis"]


class Nodal:
    """An axis of inner nodes, with differentiation matrices on all nodes, walls included.

    Parameters
    ----------
    name
        What the axis is.
    nodes
        All nodes, ascending; for a periodic axis those of one period.
    derivatives
        The matrices of the first and the second derivative on all nodes, dense or sparse.
    walls
        The conditions; None for a periodic axis.
    span
        Start and length of the interval.

    Raises
    ------
    ValueError
        If the conditions determine no values at the walls, or the second derivative has no eigenvectors to work with.
    """

    def __init__(self, name: str, nodes: np.ndarray, derivatives: Any, walls: Walls, span: tuple[float, float]) -> None:
        self.name, self.nodes, self.walls = name, nodes, walls
        self.start, self.length = span
        self.full = derivatives
        self.x = nodes if walls is None else nodes[1:-1]
        self.n = self.size = len(self.x)
        self.kind = f"nodal {id(self)}"  # shares its transform with no other axis
        conditions = None if walls is None else tuple((wall.a, wall.b) for wall in walls)
        self.key = (name, nodes.tobytes(), conditions)
        self.from_inside = None if walls is None else self._eliminate()

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"kind": "nodal"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.kind = f"nodal {id(self)}"

    def _eliminate(self) -> np.ndarray:
        """Return the matrix (2, n) from inner values to those at the walls, for conditions with value zero."""
        assert self.walls is not None
        first = self.full[0]
        rows = np.zeros((2, len(self.nodes)))
        for row, wall, at, outwards in zip(rows, self.walls, (0, -1), (-1.0, 1.0)):
            slope = first[[at if at == 0 else len(self.nodes) - 1], :]
            row += wall.b * outwards * (slope.toarray() if sparse.issparse(slope) else slope)[0]
            row[at] += wall.a
        own = rows[:, [0, -1]]
        if not np.linalg.cond(own / np.max(np.abs(own), axis=1, keepdims=True)) < 1e8:
            raise ValueError(
                f"expected boundary conditions that determine the values at the walls, received {self.walls[0]} and "
                f"{self.walls[1]}"
            )
        found: np.ndarray = -np.linalg.solve(own, rows[:, 1:-1])
        return found

    @cached_property
    def _inside(self) -> tuple[Any, Any]:
        """The matrices of the first and the second derivative on inner values."""
        if self.from_inside is None:
            return self.full
        walls = sparse.csr_array(self.from_inside) if sparse.issparse(self.full[0]) else self.from_inside
        return tuple(own[1:-1, 1:-1] + own[1:-1, :][:, [0, len(self.nodes) - 1]] @ walls for own in self.full)

    def sparse_matrix(self, order: int) -> Any:
        """Return the matrix of the derivative on inner values, sparse where differences are."""
        first, second = self._inside
        found = second if order > 1 else first
        for _ in range(max(order - 2, 0) // 2):
            found = second @ found
        return first @ found if order > 1 and order % 2 else found

    def matrix(self, order: int) -> np.ndarray:
        """Return the matrix of the derivative on values that meet the conditions."""
        found = self.sparse_matrix(order)
        return found.toarray() if sparse.issparse(found) else found

    @cached_property
    def eigen(self) -> Eigen:
        """Eigenvalues and eigenvectors of the second derivative."""
        found = eigen(_tidied(self.matrix(2)))
        if not found.condition <= WORST_CONDITION:
            raise ValueError(
                f"expected a second derivative with a basis of eigenvectors, received one of condition number "
                f"{found.condition:.3g} on {self.name} of {self.n} points with {self.walls}; take fewer "
                "points or other conditions"
            )
        return found

    @cached_property
    def _there(self) -> Placed:
        return Placed(asarray_like, self.eigen.inverse)

    @cached_property
    def _back(self) -> Placed:
        return Placed(asarray_like, self.eigen.vectors)

    def enter(self, u: Array, axis: int) -> Array:
        """Return the coefficients in the basis of eigenvectors, along an axis (negative)."""
        return along(self._there.like(u), u, axis)

    def leave(self, v: Array, axis: int) -> Array:
        """Return the values of coefficients."""
        return along(self._back.like(v), v, axis)

    def symbol(self, order: int) -> np.ndarray:
        """Return the eigenvalues of an even derivative."""
        found: np.ndarray = self.eigen.values ** (order // 2)
        return found


def along(matrix: Array, u: Array, axis: int) -> Array:
    """Return a matrix times an array along a (negative) axis."""
    xp = array_namespace(u)
    if is_complex(u) and not is_complex(matrix):
        return along(matrix, xp.real(u), axis) + 1j * along(matrix, xp.imag(u), axis)
    if is_complex(matrix) and not is_complex(u):
        u = xp.astype(u, matrix.dtype)
    if axis == -1:
        return u @ matrix.T
    return matrix @ u if axis == -2 else xp.moveaxis(xp.moveaxis(u, axis, -1) @ matrix.T, -1, axis)


def chebyshev_axis(n: int, length: float, start: float, walls: Walls) -> Nodal:
    """Return the axis of the n inner Chebyshev points of an interval.

    Raises
    ------
    ValueError
        If the axis is periodic.
    """
    if walls is None:
        raise ValueError(
            "expected walls at both ends of an axis of Chebyshev points, received 'periodic'; take Fourier"
        )
    reference = chebyshev_points(n + 1)
    first = 2 / length * chebyshev_matrix(reference)
    nodes = start + length * (reference + 1) / 2
    return Nodal("Chebyshev points", nodes, (first, first @ first), walls, (start, length))


def difference_axis(n: int, length: float, start: float, walls: Walls, order: int, stretch: Any) -> Nodal:
    """Return an axis of finite differences on n points between the walls, or of a period.

    Parameters
    ----------
    n, length, start, walls
        Points, interval and conditions.
    order
        2, 4 or 6.
    stretch
        None for equal distances; a function from [0, 1] onto [0, 1], increasing, that takes equal distances to those
        of the points; or all points, walls included, as an array.

    Raises
    ------
    ValueError
        If there are too few points for the order, or they do not increase from end to end.
    TypeError
        If they are neither a function nor numbers.
    """
    count = n if walls is None else n + 2
    if count < order + 3:
        raise ValueError(f"expected at least {order + 3 - (count - n)} points for order {order}, received n = {n}")
    unit = np.linspace(0.0, 1.0, count, endpoint=walls is not None)
    nodes = start + length * unit
    if stretch is not None:
        nodes = _stretched(stretch, unit, length, start)
    if len(nodes) != count or not np.all(np.diff(nodes) > 0) or not _reaches(nodes, length, start, walls):
        raise ValueError(
            f"expected {count} increasing points from {start:g} to {start + length:g}"
            f"{', walls included' if walls is not None else ''}, received {seen(nodes)} from {nodes[0]:g} to "
            f"{nodes[-1]:g}"
        )
    if walls is None:
        derivatives = tuple(wrapped_matrix(nodes, length, d, order) for d in (1, 2))
    else:
        derivatives = tuple(difference_matrix(nodes, d, order) for d in (1, 2))
    return Nodal(f"differences of order {order}", nodes, derivatives, walls, (start, length))


def _stretched(stretch: Any, unit: np.ndarray, length: float, start: float) -> np.ndarray:
    if is_array(stretch) or isinstance(stretch, list | tuple):
        points = to_numpy(stretch)
        if points.ndim != 1 or points.dtype.kind not in "iuf" or not len(points):
            raise TypeError(f"expected points as an array of numbers of shape (n,), received {seen(stretch)}")
        return points.astype(np.float64)
    mapped: Callable[..., Any] = function("stretch", stretch, "from [0, 1] to [0, 1], or an array of points")
    fractions = np.asarray(mapped(unit), dtype=np.float64)
    if fractions.shape != unit.shape:
        raise ValueError(f"expected stretch to return as many points as it takes, received shape {fractions.shape}")
    return start + length * fractions


def _reaches(nodes: np.ndarray, length: float, start: float, walls: Walls) -> bool:
    tiny = 1e-9 * length
    if abs(nodes[0] - start) > tiny:
        return False
    return abs(nodes[-1] - start - length) <= tiny if walls is not None else nodes[-1] < start + length - tiny


def _tidied(matrix: np.ndarray) -> np.ndarray:
    """Return the matrix, made symmetric where it is up to rounding: its eigenvectors are then orthonormal."""
    symmetric = (matrix + matrix.T) / 2
    size = np.max(np.abs(matrix))
    return symmetric if np.max(np.abs(matrix - symmetric)) <= 1e-14 * size else matrix
