"""Operators on a grid that are diagonal in no transform, by their products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from expint.arrays import floating
from expint.backend import Array, asarray_like, is_array
from expint.operators.matrix_free import MatrixFree
from expint.operators.on_device import Placed
from expint.spectral.coefficients import Coefficient
from expint.spectral.nodal import Nodal, along
from expint.spectral.series import Periodic

__all__ = ["Applied", "Slope", "Varying"]


class Applied(MatrixFree):
    """An operator on values of a grid, known by a linear function of them that we made ourselves.

    Parameters
    ----------
    function
        u ↦ L u.
    grid
        The grid.
    """

    def __init__(self, function: Callable[[Array], Array], grid: Any) -> None:
        super().__init__(function, grid.shape, complex=False)
        self.grid = grid

    def check(self, y0: Array) -> None:
        """Refuse states that are no values on the grid, and warn of those that contradict its conditions."""
        self.grid.check(y0)
        self.check_tolerance(y0)
        self.grid.watch(y0)

    def __matmul__(self, u: Array) -> Array:
        """Return L u for values u."""
        if not is_array(u):
            return NotImplemented
        u = floating(u)
        self.grid.check(u)
        return self.function(u)

    def __repr__(self) -> str:
        return f"Applied({self.function!r})"


@dataclass(frozen=True, eq=False)
class Slope:
    """An odd derivative along one axis of a grid."""

    grid: Any
    axis: int
    order: int

    def __post_init__(self) -> None:
        own = self.grid.axes[self.axis]
        if isinstance(own, Nodal):
            object.__setattr__(self, "_matrix", Placed(asarray_like, own.matrix(self.order)))

    def __call__(self, u: Array) -> Array:
        """Return the derivative of values."""
        own, place = self.grid.axes[self.axis], self.axis - len(self.grid.axes)
        if isinstance(own, Nodal):
            return along(self._matrix.like(u), u, place)  # type: ignore[attr-defined]  # of stored operators
        even = u if self.order == 1 else self.grid.derivative(self.axis, self.order - 1) @ u
        return own.slope(even, place)

    def __repr__(self) -> str:
        return f"∂{'' if self.order == 1 else f'^{self.order}'} along axis {self.axis} of {self.grid!r}"


@dataclass(frozen=True, eq=False)
class Varying:
    """∇·(D ∇u) + a·∇u + c u on a grid, by products."""

    grid: Any
    diffusion: Sequence[Coefficient]
    advection: Sequence[Coefficient]
    reaction: Coefficient

    def __call__(self, u: Array) -> Array:
        """Return L u for values u."""
        total = self.reaction.beside(u) * u
        for i, (d, a) in enumerate(zip(self.diffusion, self.advection)):
            axis, place, home = self.grid.axes[i], i - len(self.grid.axes), self.grid.along(range(len(self.grid.axes)))
            first = home.derivative(i) @ u
            if isinstance(axis, Nodal):
                second = home.derivative(i, 2) @ u
                total = total + d.beside(u) * second + d.slope_beside(u) * first
            elif isinstance(axis, Periodic):
                total = total + home.derivative(i) @ (d.beside(u) * first)
            else:
                total = total + axis.slope(d.beside(u) * first, place, back=True)
            total = total + a.beside(u) * first
        return total

    def __repr__(self) -> str:
        return f"∇·(D ∇u) + a·∇u + c u on {self.grid!r}"
