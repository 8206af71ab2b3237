"""Periodic squares: points, wavenumbers, transforms and masks for problems in two dimensions."""

from __future__ import annotations

import numpy as np

from expint.backend import Array, asarray_like, to_numpy
from expint.spectral import Grid

__all__ = ["Plane"]


class Plane:
    """A periodic n × n ``Grid`` on [0, length)², with the names that problems in coefficients use.

    Parameters
    ----------
    n
        Points in each direction.
    length
        The period.
    real
        True for real functions (``rfft2``, states of shape (n, n//2 + 1)), False for complex ones (n, n).
    like
        An array whose namespace, precision and device the arrays below take; NumPy in double precision by default.

    Attributes
    ----------
    grid
        The grid.
    x, y
        The points, shape (n, n), the first axis counting x.
    kx, ky
        Wavenumbers that broadcast to the shape of the transforms; zero at the Nyquist mode, for odd derivatives.
    k2
        kx² + ky² with the Nyquist modes.
    """

    def __init__(self, n: int, length: float, *, real: bool = True, like: Array | None = None) -> None:
        self.n, self.length, self.real = n, length, real
        like = np.empty(0) if like is None else like
        self.grid = Grid((n, n), length, real=real, like=like)
        self.x, self.y = self.grid.x, self.grid.y
        slopes = [to_numpy(self.grid.derivative(axis).diagonal.symbol).imag for axis in (0, 1)]
        self.kx, self.ky = (asarray_like(own, like) for own in slopes)
        self.k2 = asarray_like(-to_numpy(self.grid.laplacian.diagonal.symbol).real, like)

    def fft(self, u: Array) -> Array:
        """Return the Fourier coefficients over the last two axes."""
        return self.grid.forward(u)

    def ifft(self, v: Array) -> Array:
        """Return the values of the Fourier coefficients ``v``."""
        return self.grid.backward(v)

    def dealias(self, v: Array) -> Array:
        """Return ``v`` without the modes from two thirds of the Nyquist wavenumber upwards (Orszag 1971)."""
        return self.grid.dealias(v)

    def smooth_noise(self, seed: int, modes: int) -> Array:
        """Return random values with the lowest ``modes`` wavenumbers, of mean 0 and largest absolute value 1.

        They are drawn on the host in double precision, and are the same in all array libraries.
        """
        rng = np.random.default_rng(seed)
        x, y = to_numpy(self.x), to_numpy(self.y)
        field = np.zeros((self.n, self.n))
        for p in range(modes + 1):
            for q in range(-modes, modes + 1):
                if (p, q) > (0, 0):
                    a, phase = rng.normal(), rng.uniform(0, 2 * np.pi)
                    field += a * np.cos(2 * np.pi / self.length * (p * x + q * y) + phase)
        return asarray_like(field / np.max(np.abs(field)), self.x)
