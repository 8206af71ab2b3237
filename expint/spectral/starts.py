"""Starts: whether one meets the conditions at the walls, and smooth random ones that do."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from expint.arguments import is_traced
from expint.backend import Array, to_numpy
from expint.spectral.boundary import BoundaryWarning
from expint.spectral.weights import fornberg

__all__ = ["watch"]

_OFF = 1e-3
"""Less than this part of the largest value is not worth a warning."""


def watch(grid: Any, u: Array) -> None:
    """Warn of values that contradict the conditions, with value zero, at a wall.

    Values at the wall are extrapolated from those next to it. Where extrapolations of two orders differ, as of noise,
    nothing can be said and nothing is.
    """
    if is_traced(u) or not any(walls is not None for walls in grid.boundary):
        return
    d = len(grid.shape)
    largest = None
    for axis, walls in enumerate(grid.boundary):
        x = grid.axes[axis].x
        for end, wall in enumerate(walls or ()):
            near = slice(0, 4) if end == 0 else slice(-4, None)
            at = grid.start[axis] + end * grid.length[axis]
            values = np.moveaxis(to_numpy(u[(..., near, *[slice(None)] * (d - 1 - axis))]), u.ndim - d + axis, 0)
            by_four, by_three = (_condition(wall, end, at, x[near], values, count) for count in (4, 3))
            off, unsure = _size(by_four), _size(by_four - by_three)
            if off > 10 * unsure:
                largest = largest or float(np.max(np.abs(to_numpy(u)), initial=0.0))
                unit = (abs(wall.a) + abs(wall.b) / grid.length[axis]) * largest
                if off > _OFF * unit:
                    which = f"the {('lower', 'upper')[end]} end of axis {axis}"
                    warnings.warn(
                        f"expected a start that meets the boundary conditions, received one off by {off:.3g} in "
                        f"{wall.a:g} u + {wall.b:g} ∂u/∂n at {which}: the solution jumps there at once; change the "
                        "start, or the conditions",
                        BoundaryWarning,
                        stacklevel=2,
                    )


def _condition(wall: Any, end: int, at: float, x: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """Return a u + b ∂u/∂n at a wall, by the polynomial through the ``count`` points next to it."""
    near = slice(0, count) if end == 0 else slice(-count, None)
    outwards = -1.0 if end == 0 else 1.0
    weights = wall.a * fornberg(at, x[near], 0) + outwards * wall.b * fornberg(at, x[near], 1)
    found: np.ndarray = np.tensordot(weights, values[near], axes=(0, 0))
    return found


def _size(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.abs(values) ** 2)))
