"""Known functions that meet inhomogeneous conditions: polynomials across the domain times profiles along the walls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from expint.arguments import seen
from expint.backend import is_array, to_numpy
from expint.spectral.boundary import Boundary, Walls

__all__ = ["Piece", "pieces_of"]


class Piece(NamedTuple):
    """One φ_j of a lift: its values on the grid and its derivatives along each axis, in closed form.

    Attributes
    ----------
    face
        The condition whose right-hand side multiplies it.
    value, first, second
        φ, ∂φ/∂x_i and ∂²φ/∂x_i² for each axis i.
    """

    face: Boundary
    value: np.ndarray
    first: tuple[np.ndarray, ...]
    second: tuple[np.ndarray, ...]


def pieces_of(grid: Any) -> tuple[Piece, ...]:
    """Return the functions that lift the conditions of a grid; none where all have value zero.

    Raises
    ------
    ValueError
        If conditions contradict each other at a corner, or no polynomial meets them.
    """
    every = [wall for walls in grid.boundary if walls is not None for wall in walls]
    if all(wall.homogeneous for wall in every):
        return ()
    same = every[0]
    alike = all((wall.a, wall.b, wall.value) == (same.a, 0.0, same.value) for wall in every)
    if alike and not any(wall.profile is not None for wall in every):
        ones, zeros = np.full(grid.shape, 1 / same.a), (np.zeros(grid.shape),) * len(grid.shape)
        return (Piece(same, ones, zeros, zeros),)
    found = []
    for axis, walls in enumerate(grid.boundary):
        for end, wall in enumerate(walls or ()):
            if not wall.homogeneous:
                _check_corners(grid.boundary, axis, wall)
                found.append(_piece(grid, axis, end, wall))
    return tuple(found)


def _check_corners(boundary: Sequence[Walls], axis: int, wall: Boundary) -> None:
    """Refuse a value that is constant along a wall which ends at walls where it cannot be."""
    for other, walls in enumerate(boundary):
        if other != axis and walls is not None and wall.profile is None and any(own.a for own in walls):
            raise ValueError(
                f"expected conditions that agree at the corners, received a constant value at a wall of axis {axis} "
                f"beside {walls[0]} and {walls[1]} at the ends of axis {other}, which it does not meet; give the value "
                "a profile= along the wall that meets them"
            )


def _piece(grid: Any, axis: int, end: int, wall: Boundary) -> Piece:
    """Return the function of one wall: 1 in its condition, 0 in all others."""
    polynomial = _polynomial(grid.boundary[axis], grid.length[axis], end)
    x = grid.axes[axis].x - grid.start[axis]
    across = [polynomial.deriv(k)(x) if k else polynomial(x) for k in range(3)]
    d = len(grid.shape)
    others = [i for i in range(d) if i != axis]
    profile, first, second = _profile(grid, others, wall)

    def product(k: int, tangential: np.ndarray) -> np.ndarray:
        shaped = across[k].reshape([-1 if i == axis else 1 for i in range(d)])
        return np.broadcast_to(shaped * np.expand_dims(tangential, axis), grid.shape)

    return Piece(
        wall,
        product(0, profile),
        tuple(product(1, profile) if i == axis else product(0, first[others.index(i)]) for i in range(d)),
        tuple(product(2, profile) if i == axis else product(0, second[others.index(i)]) for i in range(d)),
    )


def _polynomial(walls: Walls, length: float, end: int) -> np.polynomial.Polynomial:
    """Return the polynomial of least degree that meets one condition with 1 and the other with 0."""
    assert walls is not None
    powers = np.arange(4)
    at_high = length ** powers.astype(float)
    slope_high = powers * length ** np.maximum(powers - 1.0, 0.0)
    low = walls[0].a * (powers == 0) - walls[0].b * (powers == 1)
    rows = np.array([low, walls[1].a * at_high + walls[1].b * slope_high])
    scaled = rows / at_high  # in units of the length
    for count in (1, 2, 3, 4):
        solved, *_ = np.linalg.lstsq(scaled[:, :count], np.eye(2)[end], rcond=1e-10)
        if np.allclose(scaled[:, :count] @ solved, np.eye(2)[end], rtol=0, atol=1e-9):
            return np.polynomial.Polynomial(solved / at_high[:count])
    raise ValueError(f"expected conditions that a polynomial of degree 3 meets, received {walls[0]} and {walls[1]}")


def _profile(grid: Any, others: list[int], wall: Boundary) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """Return how a value varies along its wall, and its first and second derivatives along the other axes."""
    shape = tuple(grid.shape[i] for i in others)
    if wall.profile is None:
        zeros = [np.zeros(shape)] * len(others)
        return np.ones(shape), zeros, zeros
    if not others:
        raise ValueError(f"expected no profile along a wall that is a point, received {seen(wall.profile)}")
    along = grid.along(others)
    given = wall.profile(*along.points) if callable(wall.profile) else wall.profile
    values = to_numpy(given) if is_array(given) else np.asarray(given)
    if values.shape != shape or values.dtype.kind not in "iuf" or not np.all(np.isfinite(values)):
        raise ValueError(f"expected a profile of real numbers of shape {shape} along the wall, received {seen(given)}")
    values = values.astype(np.float64)
    along.watch(values)
    first, second = ([along.derivative(i, order) @ values for i in range(len(others))] for order in (1, 2))
    return values, first, second
