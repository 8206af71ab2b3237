"""Points of a grid, and the coefficients of values there: what a grid is without its operators."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from expint.backend import Array, asarray_like, device
from expint.spectral.layout import Transform, refused_values
from expint.spectral.nodal import Nodal
from expint.spectral.terms import kept

__all__ = ["Points"]

_NAMES = ("x", "y", "z")


class Points:
    """The points of a grid along its axes, and the transforms along them.

    Attributes
    ----------
    shape, modes
        The number of points, and of coefficients, along each axis.
    axes
        What is known along each.
    real
        Whether fields are real.
    """

    shape: tuple[int, ...]
    modes: tuple[int, ...]
    axes: tuple[Any, ...]
    real: bool
    _like: Array | None
    _masks: dict[Any, Array]

    # ------------------------------------------------------------ points

    @cached_property
    def points(self) -> tuple[Array, ...]:
        """The coordinates of all points, an array of shape ``shape`` for each axis."""
        meshed = np.meshgrid(*(axis.x for axis in self.axes), indexing="ij")
        like = np.empty(0) if self._like is None else self._like
        return tuple(asarray_like(np.ascontiguousarray(own), like) for own in meshed)

    @property
    def x(self) -> Array:
        """The first coordinate of all points."""
        return self.points[0]

    @property
    def y(self) -> Array:
        """The second coordinate of all points."""
        return self._coordinate(1)

    @property
    def z(self) -> Array:
        """The third coordinate of all points."""
        return self._coordinate(2)

    def _coordinate(self, axis: int) -> Array:
        if axis >= len(self.shape):
            raise AttributeError(f"expected a grid of {axis + 1} dimensions, received one of {len(self.shape)}")
        return self.points[axis]

    @property
    def coords(self) -> dict[str, np.ndarray]:
        """{"x": …, "y": …}: the coordinates along each axis, as ``Solution.to_xarray`` takes them."""
        names = _NAMES if len(self.shape) <= 3 else tuple(f"x{i}" for i in range(len(self.shape)))
        return {name: axis.x for name, axis in zip(names, self.axes)}

    # ------------------------------------------------------------ transforms

    @cached_property
    def _transform(self) -> Transform:
        return Transform(self.axes, self.real)

    def check(self, u: Array) -> None:
        """Refuse what is no array of values on the grid.

        Raises
        ------
        ValueError
            If its last axes are not those of the grid.
        TypeError
            If it is no array, or real on a grid of complex fields, or complex on one of real fields.
        """
        refused_values(u, self.shape, self.real, self.modes)

    def forward(self, u: Array) -> Array:
        """Return the coefficients of values, over the last axes.

        Raises
        ------
        ValueError, TypeError
            As ``check``.
        """
        self.check(u)
        return self._transform.forward(u)

    def backward(self, v: Array) -> Array:
        """Return the values of coefficients, over the last axes.

        Raises
        ------
        ValueError
            If the last axes of ``v`` are not those of the coefficients.
        """
        self._check_coefficients(v)
        return self._transform.backward(v)

    def _check_coefficients(self, v: Array) -> None:
        if tuple(getattr(v, "shape", ()))[-len(self.modes) :] != self.modes:
            own = ", ".join(map(str, self.modes))
            raise ValueError(
                f"expected coefficients of shape (…, {own}), received shape {tuple(getattr(v, 'shape', ()))}; "
                "grid.forward(u) makes them of values"
            )

    def dealias(self, v: Array, keep: float = 2 / 3) -> Array:
        """Return coefficients with the modes from ``keep`` times the highest wavenumber upwards set to zero.

        Two thirds is the rule for quadratic terms (Orszag 1971), one half for cubic ones; axes of Chebyshev points and
        differences are left alone.

        Raises
        ------
        ValueError
            If ``keep`` is not in (0, 1], the grid is so coarse that no mode but the mean is kept, or no axis has modes.
        """
        self._check_coefficients(v)
        key = (keep, v.dtype, device(v))
        if key not in self._masks:
            self._masks[key] = asarray_like(self._mask(kept(keep)), v)
        return v * self._masks[key]

    def _mask(self, keep: float) -> np.ndarray:
        mask = np.ones((1,) * len(self.axes))
        if all(isinstance(axis, Nodal) for axis in self.axes):
            raise ValueError(f"expected an axis of Fourier, cosine or sine series to dealias, received {self!r}")
        for place, axis in enumerate(self.axes):
            if not isinstance(axis, Nodal):
                own = axis.reach < keep * (1 - 1e-12)
                if not np.any(own & (axis.reach > 0)):
                    raise ValueError(
                        f"expected a grid fine enough to keep modes below keep = {keep:g} of its highest, received one "
                        f"of {axis.n} points along axis {place}, on which only the mean is left; take more points"
                    )
                mask = mask * own.reshape([-1 if i == place else 1 for i in range(len(self.axes))])
        return mask
