"""Cosine and sine transforms at the centres of cells, and Fourier transforms, along axes of arrays of any library.

For NumPy they are those of ``scipy.fft``, elsewhere Fourier transforms of twice the length (Makhoul 1980). Forward they
are unnormalised, and the inverses undo them, as in ``scipy.fft``.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from expint.backend import Array, array_namespace, asarray_like, is_complex, is_numpy

__all__ = ["backward", "forward"]

# The kinds: "cos2" Neumann at both ends, "sin2" Dirichlet at both, "cos4" Neumann–Dirichlet, "sin4" Dirichlet–Neumann.


def forward(kind: str, u: Array, axes: tuple[int, ...]) -> Array:
    """Return the coefficients of values along axes; for "rfft" the last of them is halved."""
    if is_numpy(array_namespace(u)):
        fft = import_module("scipy.fft")  # which few runs need
        if kind in ("fft", "rfft"):
            return (fft.rfftn if kind == "rfft" else fft.fftn)(u, axes=axes)
        return (fft.dctn if kind[:3] == "cos" else fft.dstn)(u, type=int(kind[3]), axes=axes)
    if kind in ("fft", "rfft"):
        fft = array_namespace(u).fft
        return (fft.rfftn if kind == "rfft" else fft.fftn)(u, axes=axes)
    for axis in axes:
        u = _along(_FORWARD[kind], u, axis)
    return u


def backward(kind: str, v: Array, axes: tuple[int, ...], lengths: tuple[int, ...]) -> Array:
    """Return the values of coefficients along axes, of these lengths."""
    numpy = is_numpy(array_namespace(v))
    fft = import_module("scipy.fft") if numpy else array_namespace(v).fft
    if kind in ("fft", "rfft"):
        return (fft.irfftn if kind == "rfft" else fft.ifftn)(v, s=lengths, axes=axes)
    if numpy:
        return (fft.idctn if kind[:3] == "cos" else fft.idstn)(v, type=int(kind[3]), axes=axes)
    for axis in axes:
        v = _along(_BACKWARD[kind], v, axis)
    return v


def _along(transform: Callable[[Any, Array, int], Array], u: Array, axis: int) -> Array:
    """Return a real transform of real or complex arrays along an axis."""
    xp = array_namespace(u)
    u = xp.moveaxis(u, axis, -1)
    n = int(u.shape[-1])
    if is_complex(u):
        found = transform(xp, xp.real(u), n) + 1j * transform(xp, xp.imag(u), n)
    else:
        found = transform(xp, u, n)
    return xp.moveaxis(found, -1, axis)


def _twiddle(angles: np.ndarray, like: Array) -> Array:
    return asarray_like(np.exp(1j * angles), like)


def _cos2(xp: Any, u: Array, n: int) -> Array:
    spectrum = xp.fft.rfft(xp.concat([u, xp.flip(u, axis=-1)], axis=-1), axis=-1)[..., :n]
    return xp.real(spectrum * _twiddle(-np.pi * np.arange(n) / (2 * n), u))


def _sin2(xp: Any, u: Array, n: int) -> Array:
    spectrum = xp.fft.rfft(xp.concat([u, -xp.flip(u, axis=-1)], axis=-1), axis=-1)[..., 1:]
    return -xp.imag(spectrum * _twiddle(-np.pi * np.arange(1, n + 1) / (2 * n), u))


def _inverse_cos2(xp: Any, v: Array, n: int) -> Array:
    spectrum = v * _twiddle(np.pi * np.arange(n) / (2 * n), v)
    return xp.fft.irfft(xp.concat([spectrum, 0 * spectrum[..., :1]], axis=-1), n=2 * n, axis=-1)[..., :n]


def _inverse_sin2(xp: Any, v: Array, n: int) -> Array:
    spectrum = v * _twiddle(np.pi * np.arange(1, n + 1) / (2 * n) - np.pi / 2, v)
    return xp.fft.irfft(xp.concat([0 * spectrum[..., :1], spectrum], axis=-1), n=2 * n, axis=-1)[..., :n]


def _quarter(xp: Any, u: Array, n: int) -> Array:
    """Return Σ_j u_j exp(-iπ (2j+1)(2k+1) / (4n))."""
    turned = u * _twiddle(-np.pi * np.arange(n) / (2 * n), u)
    spectrum = xp.fft.fft(xp.concat([turned, 0 * turned], axis=-1), axis=-1)[..., :n]
    return spectrum * _twiddle(-np.pi * (2 * np.arange(n) + 1) / (4 * n), u)


def _cos4(xp: Any, u: Array, n: int) -> Array:
    return 2 * xp.real(_quarter(xp, u, n))


def _sin4(xp: Any, u: Array, n: int) -> Array:
    return -2 * xp.imag(_quarter(xp, u, n))


def _inverse_cos4(xp: Any, v: Array, n: int) -> Array:
    return xp.real(_quarter(xp, v, n)) / n


def _inverse_sin4(xp: Any, v: Array, n: int) -> Array:
    return -xp.imag(_quarter(xp, v, n)) / n


_FORWARD = {"cos2": _cos2, "sin2": _sin2, "cos4": _cos4, "sin4": _sin4}
_BACKWARD = {"cos2": _inverse_cos2, "sin2": _inverse_sin2, "cos4": _inverse_cos4, "sin4": _inverse_sin4}
