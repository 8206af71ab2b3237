"""Axes with fast transforms: Fourier, cosine and sine series."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from expint.backend import Array, array_namespace, asarray_like
from expint.spectral.boundary import Walls
from expint.spectral.transforms import backward, forward

__all__ = ["Periodic", "Series"]


class Periodic:
    """A periodic axis of n equal cells: Fourier series.

    Parameters
    ----------
    n, length, start
        Points, length of the period, first point.
    halved
        Whether the coefficients of negative wavenumbers are left out, for real values.
    """

    walls: Walls = None

    def __init__(self, n: int, length: float, start: float, halved: bool) -> None:
        self.n, self.length, self.start = n, length, start
        self.kind = "rfft" if halved else "fft"
        self.x = start + length * np.arange(n) / n
        indices = np.arange(n // 2 + 1) if halved else np.fft.fftfreq(n, 1 / n)
        self.size = len(indices)
        self.key = ("periodic", n, length, start)
        self.reach = np.abs(indices) * 2 / n
        self.wavenumbers = 2 * np.pi / length * indices

    def symbol(self, order: int) -> np.ndarray:
        """Return the symbol of the derivative; odd ones drop the Nyquist mode of an even grid."""
        k = self.wavenumbers.copy()
        if order % 2 and self.n % 2 == 0:
            k[self.n // 2] = 0.0
        found = (1j * k) ** order
        return found if order % 2 else found.real

    def matrix(self, order: int) -> np.ndarray:
        """Return the matrix of the derivative on values, real."""
        k = 2 * np.pi / self.length * np.fft.fftfreq(self.n, 1 / self.n)
        if order % 2 and self.n % 2 == 0:
            k[self.n // 2] = 0.0
        symbol = (1j * k) ** order
        found: np.ndarray = np.fft.ifft(symbol[:, None] * np.fft.fft(np.eye(self.n), axis=0), axis=0).real
        return found


class Series:
    """An axis between two walls, of the centres of n equal cells: cosine and sine series.

    The modes are cos kπx/L (Neumann at both ends), sin kπx/L (Dirichlet at both), and those of half-integer k.

    Parameters
    ----------
    n, length, start
        Cells, length and lower end of the interval.
    walls
        The conditions, each Dirichlet's or Neumann's.
    """

    def __init__(self, n: int, length: float, start: float, walls: Walls) -> None:
        assert walls is not None
        self.n = self.size = n
        self.length, self.start, self.walls = length, start, walls
        low, high = (wall.b == 0 for wall in walls)  # Dirichlet's
        self.kind = ("sin" if low else "cos") + ("2" if low == high else "4")
        offset = 0.5 if low != high else float(low)
        self.x = start + length * (np.arange(n) + 0.5) / n
        indices = np.arange(n) + offset
        self.reach = indices / n
        self.wavenumbers = np.pi / length * indices
        self.key = (self.kind, n, length, start)

    def symbol(self, order: int) -> np.ndarray:
        """Return the symbol of an even derivative."""
        found: np.ndarray = (-1.0) ** (order // 2) * self.wavenumbers**order
        return found

    @property
    def partner(self) -> str:
        """The kind of series of the derivative."""
        return {"cos": "sin", "sin": "cos"}[self.kind[:3]] + self.kind[3]

    def slope(self, u: Array, axis: int, back: bool = False) -> Array:
        """Return the first derivative of values along an axis (negative), exact for their series.

        Parameters
        ----------
        u, axis
            Values, of any library.
        back
            Whether the values are a derivative already, a series of the other kind, as a flux is.
        """
        xp = array_namespace(u)
        kind, other = (self.partner, self.kind) if back else (self.kind, self.partner)
        v = xp.moveaxis(forward(kind, u, (axis,)), axis, -1)
        sign = -1.0 if kind[:3] == "cos" else 1.0
        k = self.wavenumbers if kind[3] == "4" else np.pi / self.length * np.arange(self.n + 1)
        if kind == "cos2":  # mode k of the cosines becomes mode k of the sines, which begin at 1
            v = xp.concat([v[..., 1:], 0 * v[..., :1]], axis=-1)
            k = k[1:]
        elif kind == "sin2":
            v = xp.concat([0 * v[..., :1], v[..., :-1]], axis=-1)
            k = k[:-1]
        v = xp.moveaxis(v * asarray_like(sign * k, v), -1, axis)
        return backward(other, v, (axis,), (self.n,))

    @cached_property
    def _first(self) -> np.ndarray:
        found: np.ndarray = self.slope(np.eye(self.n), -2)
        return found

    def matrix(self, order: int) -> np.ndarray:
        """Return the matrix of the derivative on values that meet the conditions."""
        if order % 2:
            even = self.matrix(order - 1) if order > 1 else np.eye(self.n)
            return self._first @ even
        v: Any = forward(self.kind, np.eye(self.n), (0,))
        found: np.ndarray = backward(self.kind, self.symbol(order)[:, None] * v, (0,), (self.n,))
        return found
