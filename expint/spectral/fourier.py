"""A periodic grid in one dimension, with states that are Fourier coefficients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from expint.arguments import checked, function, integer, is_traced, number, seen
from expint.arrays import template
from expint.backend import Array, array_namespace, asarray_like, device, is_complex, is_jax, is_numpy
from expint.spectral.terms import kept

__all__ = ["Fourier"]


_MOST_POINTS = 2**27
"""Numbers of 8 bytes that are 1 GiB."""


class Fourier:
    r"""A periodic grid of n points on [start, start + length), and its discrete Fourier transform.

    Real functions are transformed by the real FFT: u ↦ n//2 + 1 coefficients, so that Hermitian symmetry holds by
    construction and cannot be lost to rounding. The transforms act on the last axis and accept arrays of the namespace
    for which the grid was made; they are unnormalised forwards, 1/n backwards, as in ``numpy.fft``.

    Parameters
    ----------
    n
        Number of points, at least 4. A list or tuple of numbers, one for each axis, makes a ``Grid`` instead, whose
        states are values: ``Fourier((256, 256), length=50.0)``, with the arguments of ``Grid``.
    length
        Length of the period.
    start
        First point.
    real
        True for real functions (rfft), False for complex ones (fft).
    like
        An array whose namespace, precision and device the arrays below take; NumPy in double precision by default.

    Attributes
    ----------
    x
        The points, shape (n,).
    k
        The wavenumbers 2π m / length in the order of the transform; shape (n//2 + 1,) if real, else (n,).
    derivative, third_derivative
        The symbols ik and (ik)³ of ∂/∂x and ∂³/∂x³, complex. The Nyquist mode of an even grid is set to zero, where the
        derivative of a real function would not be real.

    Raises
    ------
    ValueError
        If n is smaller than 4 or larger than 2²⁷, the length is not positive, or the first point not finite.
    TypeError
        If they are no numbers, or ``like`` is no array of floating-point numbers.

    Examples
    --------
    >>> import numpy as np
    >>> grid = Fourier(8)
    >>> bool(np.allclose(grid.ifft(grid.derivative * grid.fft(np.sin(grid.x))), np.cos(grid.x)))
    True
    """

    def __new__(
        cls,
        n: Any = None,
        length: float = 2 * np.pi,
        start: float = 0.0,
        *,
        real: bool = True,
        like: Array | None = None,
        **options: Any,
    ) -> Any:
        """Return a grid on a period, or one of several axes."""
        if not isinstance(n, list | tuple):
            return super().__new__(cls)
        from expint.spectral.grid import Grid  # which needs SciPy's sparse algebra

        return Grid(n, length, start=start, real=real, like=like, **options)

    @checked(n=partial(integer, least=None, most=1 << 28), length=partial(number, finite=False), like=template)
    def __init__(
        self, n: int, length: float = 2 * np.pi, start: float = 0.0, *, real: bool = True, like: Array | None = None
    ) -> None:
        if n < 4:
            raise ValueError(f"expected at least 4 grid points, received n = {n}")
        if n > _MOST_POINTS:
            raise ValueError(f"expected at most {_MOST_POINTS} grid points, of which there is 1 GiB, received n = {n}")
        if not (np.isfinite(length) and length > 0):
            raise ValueError(f"expected a positive length, received {length}")
        if not np.isfinite(start):
            raise ValueError(f"expected a finite first point, received start = {start}")
        self.n, self.length, self.start, self.real = n, float(length), float(start), real
        modes = np.arange(n // 2 + 1) if real else np.fft.fftfreq(n, 1 / n)
        wavenumbers = 2 * np.pi / self.length * modes
        odd = wavenumbers.copy()
        if n % 2 == 0:
            odd[n // 2] = 0.0
        self._reach = np.abs(wavenumbers) * self.length / (np.pi * n)  # 1 at the Nyquist mode
        self._masks: dict[Any, Array] = {}
        self.x = _like(self.start + self.length * np.arange(n) / n, like)
        self.k = _like(wavenumbers, like)
        self.derivative = _like(1j * odd, like)
        self.third_derivative = _like(-1j * odd**3, like)
        xp = array_namespace(self.x)
        self._of_numpy = is_numpy(xp)
        fft = np.fft if self._of_numpy else xp.fft  # looked up once: a transform costs microseconds
        self._forward, self._backward = (fft.rfft, fft.irfft) if real else (fft.fft, fft.ifft)

    @property
    def laplacian(self) -> Any:
        """∂²/∂x² as an operator on values, as on a ``Grid``; ``laplacian.diagonal`` acts on coefficients."""
        from expint.spectral.grid import Grid

        return Grid((self.n,), self.length, start=self.start, real=self.real).laplacian

    def fft(self, u: Array) -> Array:
        """Return the Fourier coefficients of the values ``u`` on the grid.

        Raises
        ------
        TypeError
            If ``u`` is no array of the library for which the grid was made, or complex on a real grid.
        ValueError
            If its last axis has not the n points of the grid.
        """
        self._check(u, self.n, "values on the grid")
        if self.real and is_complex(u):
            raise TypeError(
                f"expected real values on a real grid, received {seen(u)}; make the grid with Fourier(…, real=False), "
                "or transform the real and the imaginary part apart"
            )
        return self._forward(u)

    def ifft(self, v: Array) -> Array:
        """Return the values on the grid of the Fourier coefficients ``v``.

        Raises
        ------
        TypeError
            If ``v`` is no array of the library for which the grid was made.
        ValueError
            If its last axis has not one coefficient for each wavenumber.
        """
        self._check(v, self.k.shape[0], "coefficients")
        return self._backward(v, n=self.n)

    def _check(self, array: Array, size: int, what: str) -> None:
        plain = self._of_numpy and type(array) is np.ndarray and array.dtype.char in "fdFD" and array.dtype.isnative
        if plain and array.ndim and array.shape[-1] == size:
            return  # at once: this is asked at every evaluation
        own = isinstance(array, type(self.x)) or (is_traced(array) and is_jax(array_namespace(self.x)))
        if not own or np.ma.isMaskedArray(array) or str(array.dtype)[0] in "<>|OVSUdmM":
            raise TypeError(
                f"expected an array of {type(self.x).__module__}, as the grid was made for, received {seen(array)}; "
                "make the grid with like=array"
            )
        if array.ndim == 0 or array.shape[-1] != size:
            raise ValueError(f"expected {size} {what} in the last axis, received shape {tuple(array.shape)}")

    def dealias(self, v: Array, keep: float = 2 / 3) -> Array:
        """Return ``v`` with the modes from ``keep`` times the Nyquist wavenumber upwards set to zero.

        Two thirds is the rule for quadratic nonlinearities (Orszag 1971), one half for cubic ones. The mode at the cut
        goes too: where it exists, a product of such modes falls back on it.
        """
        keep = kept(keep)
        self._check(v, self.k.shape[0], "coefficients")
        return v * self._mask(v, keep)

    def dealiased(self, nonlinear: Callable[..., Array], keep: float = 2 / 3) -> Callable[..., Array]:
        """Return N with its argument and its result dealiased: at every stage, not once a step."""
        keep = kept(keep)
        function("nonlinear", nonlinear, "(t, v)")
        return _Dealiased(self, nonlinear, keep)

    def _mask(self, like: Array, keep: float) -> Array:
        key = (keep, like.dtype, device(like))
        if key not in self._masks:
            made = asarray_like((self._reach < keep * (1 - 1e-12)).astype(np.float64), like)
            if is_traced(made):
                return made  # of this compilation alone
            self._masks[key] = made
        return self._masks[key]

    def __repr__(self) -> str:
        kind = "real" if self.real else "complex"
        return f"Fourier({self.n} points on [{self.start:.6g}, {self.start + self.length:.6g}), {kind})"


@dataclass(frozen=True)
class _Dealiased:
    """N with its argument and its result dealiased."""

    grid: Fourier
    nonlinear: Callable[..., Array]
    keep: float

    def __call__(self, t: float, v: Array, *args: Any) -> Array:
        return self.grid.dealias(self.nonlinear(t, self.grid.dealias(v, self.keep), *args), self.keep)


def _like(values: np.ndarray, like: Array | None) -> Array:
    return values if like is None else asarray_like(values, like)
