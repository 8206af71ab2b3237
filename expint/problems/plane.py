"""Periodic squares: points, wavenumbers, transforms and masks for problems in two dimensions."""

from __future__ import annotations

import numpy as np

from expint.backend import Array, array_namespace, asarray_like, is_numpy, to_numpy

__all__ = ["Plane"]

_AXES = (-2, -1)


class Plane:
    """A periodic n × n grid on [0, length)², with the transforms of real or complex functions.

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
        points = length * np.arange(n) / n
        self.x, self.y = (asarray_like(axis, like) for axis in np.meshgrid(points, points, indexing="ij"))
        full = 2 * np.pi / length * np.fft.fftfreq(n, 1 / n)
        half = 2 * np.pi / length * np.arange(n // 2 + 1) if real else full
        self.k2 = asarray_like(full[:, None] ** 2 + half[None, :] ** 2, like)
        nyquist = np.pi * n / length * (1 - 1e-12)
        self.kx = asarray_like(np.where(np.abs(full) < nyquist, full, 0.0)[:, None], like)
        self.ky = asarray_like(np.where(np.abs(half) < nyquist, half, 0.0)[None, :], like)
        cut = 2 / 3 * nyquist
        kept = (np.abs(full) < cut)[:, None] & (np.abs(half) < cut)[None, :]
        self._mask = asarray_like(kept.astype(float), like)
        xp = array_namespace(self.x)
        fft = np.fft if is_numpy(xp) else xp.fft  # looked up once
        self._forward, self._backward = (fft.rfftn, fft.irfftn) if real else (fft.fftn, fft.ifftn)

    def fft(self, u: Array) -> Array:
        """Return the Fourier coefficients over the last two axes."""
        return self._forward(u, axes=_AXES)

    def ifft(self, v: Array) -> Array:
        """Return the values of the Fourier coefficients ``v``."""
        return self._backward(v, s=(self.n, self.n), axes=_AXES)

    def dealias(self, v: Array) -> Array:
        """Return ``v`` without the modes from two thirds of the Nyquist wavenumber upwards (Orszag 1971)."""
        return v * self._mask

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
