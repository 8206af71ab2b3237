"""Periodic squares: points, wavenumbers, transforms and masks for problems in two dimensions."""

from __future__ import annotations

import numpy as np

__all__ = ["Plane"]


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

    Attributes
    ----------
    x, y
        The points, shape (n, n), the first axis counting x.
    kx, ky
        Wavenumbers that broadcast to the shape of the transforms; zero at the Nyquist mode, for odd derivatives.
    k2
        kx² + ky² with the Nyquist modes.
    """

    def __init__(self, n: int, length: float, *, real: bool = True) -> None:
        self.n, self.length, self.real = n, length, real
        points = length * np.arange(n) / n
        self.x, self.y = np.meshgrid(points, points, indexing="ij")
        full = 2 * np.pi / length * np.fft.fftfreq(n, 1 / n)
        half = 2 * np.pi / length * np.arange(n // 2 + 1) if real else full
        self.k2 = full[:, None] ** 2 + half[None, :] ** 2
        nyquist = np.pi * n / length * (1 - 1e-12)
        self.kx = np.where(np.abs(full) < nyquist, full, 0.0)[:, None]
        self.ky = np.where(np.abs(half) < nyquist, half, 0.0)[None, :]
        cut = 2 / 3 * nyquist
        self._mask = ((np.abs(full) < cut)[:, None] & (np.abs(half) < cut)[None, :]).astype(float)

    def fft(self, u: np.ndarray) -> np.ndarray:
        """Return the Fourier coefficients over the last two axes."""
        return np.fft.rfft2(u) if self.real else np.fft.fft2(u)

    def ifft(self, v: np.ndarray) -> np.ndarray:
        """Return the values of the Fourier coefficients ``v``."""
        return np.fft.irfft2(v, s=(self.n, self.n)) if self.real else np.fft.ifft2(v)

    def dealias(self, v: np.ndarray) -> np.ndarray:
        """Return ``v`` without the modes from two thirds of the Nyquist wavenumber upwards (Orszag 1971)."""
        return v * self._mask

    def smooth_noise(self, seed: int, modes: int) -> np.ndarray:
        """Return random values with the lowest ``modes`` wavenumbers, of mean 0 and largest absolute value 1."""
        rng = np.random.default_rng(seed)
        field = np.zeros((self.n, self.n))
        for p in range(modes + 1):
            for q in range(-modes, modes + 1):
                if (p, q) > (0, 0):
                    a, phase = rng.normal(), rng.uniform(0, 2 * np.pi)
                    field += a * np.cos(2 * np.pi / self.length * (p * self.x + q * self.y) + phase)
        return field / np.max(np.abs(field))
