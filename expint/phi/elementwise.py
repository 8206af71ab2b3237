"""φ_0, …, φ_p of numbers: scalars and arrays of any shape, elementwise, to a few units in the last place."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from expint.backend import Array, Namespace, array_namespace, device, is_array, is_numpy, is_torch

__all__ = ["phi_functions"]

# One block of float64 values and its temporaries stay in a second-level cache.
_BLOCK = 8192

# φ_k goes upwards where |z| ≥ _CROSSING · k and downwards below; the measured worst error, over the left half plane and
# z > 0 together, is least near this value.
_CROSSING = 1.25

# Beyond this real part e^z is near overflow although φ_k(z) ≈ e^z / z^k need not be; 1/k! has long stopped to matter.
_FAR_RIGHT = 700.0
_SURE_OVERFLOW = 1.0e4


def phi_functions(z: Any, p: int) -> list[Any]:
    r"""Return [φ_0(z), …, φ_p(z)], elementwise.

    .. math:: φ_0(z) = e^z, \qquad φ_k(z) = z φ_{k+1}(z) + \frac{1}{k!}

    For each k the recurrence is run in the direction in which it damps errors: upwards from e^z where \|z\| is well
    above k, downwards from the Taylor series of φ_p elsewhere. For z in the closed left half plane the error is a few
    ulp of max(\|φ_k(z)\|, 1/((1+\|z\|)(k−1)!)); for z > 0 a few ulp of φ_k(z).

    Parameters
    ----------
    z
        Python number, list, or array of any shape and array namespace (NumPy, torch, JAX, …), real or complex.
        Computed on its own device in float64 (if the namespace has it) and rounded once to the precision of ``z``;
        integers become float64.
    p
        The highest index, ≥ 0.

    Returns
    -------
    list
        p + 1 values of the type, shape and device of ``z``; real for real ``z``, complex for complex ``z``.
        φ_k(−∞) = 0, φ_k(+∞) = +∞, and nan stays nan; a complex value whose modulus overflows is not finite.

    Raises
    ------
    ValueError
        If ``p`` is negative or not an integer.
    TypeError
        If ``z`` is not numeric, or has more than double precision.

    Notes
    -----
    The integral representation and the recurrence are those of M. Hochbruck and A. Ostermann, Exponential integrators,
    Acta Numerica 19 (2010), section 2.
    """
    p = _checked_index(p)
    if not is_array(z):
        values = phi_functions(np.asarray(float(z) if type(z) is int else z), p)
        return [value.item() for value in values] if np.isscalar(z) else values
    xp = array_namespace(z)
    working, result = _dtypes(xp, z)
    with np.errstate(all="ignore"):
        if is_numpy(xp) or (is_torch(xp) and z.device.type == "cpu"):
            values = _blockwise(xp, z, p, working, result)
        else:
            values = [xp.astype(value, result, copy=False) for value in _select(xp, xp.astype(z, working), p)]
    return [value[()] for value in values] if isinstance(z, np.generic) else values


def _checked_index(p: Any) -> int:
    try:
        index = operator.index(p)
    except TypeError:
        index = -1
    if index < 0 or isinstance(p, bool):
        raise ValueError(f"Expected the highest index p as an integer ≥ 0, received {p!r}; φ_0 alone is p = 0.")
    return index


def _dtypes(xp: Namespace, z: Array) -> tuple[Any, Any]:
    """Return the dtype to compute in and the dtype of the result."""
    available = xp.__array_namespace_info__().dtypes(device=device(z))
    double = available.get("float64", available["float32"])  # JAX has no float64 unless it is enabled
    if xp.isdtype(z.dtype, "integral"):
        return double, double
    if xp.isdtype(z.dtype, ("real floating", "complex floating")) and xp.finfo(z.dtype).bits <= 64:
        if xp.isdtype(z.dtype, "complex floating"):
            double = available.get("complex128", available["complex64"])
        return double, z.dtype
    raise TypeError(
        f"Expected z with a real, complex or integer dtype of at most double precision, received {z.dtype}; "
        "convert it to float64 or complex128 first."
    )


def _blockwise(xp: Namespace, z: Array, p: int, working: Any, result: Any) -> list[Array]:
    """Evaluate block by block on the host, where looking at the values is free, and only what each block needs."""
    flat = xp.reshape(z, (-1,))
    out = [xp.empty_like(flat, dtype=result) for _ in range(p + 1)]
    for start in range(0, flat.shape[0], _BLOCK):
        block = slice(start, start + _BLOCK)
        for target, values in zip(out, _inspect(xp, xp.astype(flat[block], working), p), strict=True):
            target[block] = values
    return [xp.reshape(target, z.shape) for target in out]


def _inspect(xp: Namespace, z: Array, p: int) -> list[Array]:
    """Evaluate one block by the branches that occur in it."""
    size = xp.abs(z)
    low, high = float(xp.min(size)), float(xp.max(size))  # a nan makes both nan, and every comparison below false
    reach = _CROSSING * p
    if low >= reach and high < _FAR_RIGHT:
        return _upward(xp.exp(z), z, p)
    if high < _CROSSING:
        return [xp.exp(z), *_downward(xp, z, p, _taylor_terms(high, p))]
    return _select(xp, z, p, radius=high if high < reach else reach, far_right=not high < _FAR_RIGHT)


def _select(xp: Namespace, z: Array, p: int, radius: float | None = None, far_right: bool = True) -> list[Array]:
    """Evaluate all branches and select elementwise; ``radius`` bounds the arguments of the series."""
    size = xp.abs(z)
    exp = xp.exp(z)
    reach = _CROSSING * p
    up = _upward(exp, xp.where(size < _CROSSING, xp.ones_like(z), z), p)
    near = xp.where(size < reach, z, xp.zeros_like(z))
    down = _downward(xp, near, p, _taylor_terms(reach if radius is None else radius, p))
    values = [exp, *(xp.where(size < _CROSSING * k, down[k - 1], up[k]) for k in range(1, p + 1))]
    if far_right:
        right = (xp.real(z) if xp.isdtype(z.dtype, "complex floating") else z) > _FAR_RIGHT
        far = _far_right(xp, xp.where(right, z, xp.ones_like(z)), p)
        values[1:] = [xp.where(right, f, value) for f, value in zip(far, values[1:], strict=True)]
    return values


def _upward(exp: Array, z: Array, p: int) -> list[Array]:
    """Return [φ_0, …, φ_p] by φ_{k+1} = (φ_k − 1/k!) / z, which multiplies the relative error of φ_k by about k/|z|."""
    values = [exp]
    for k in range(p):
        value = values[k] - 1 / math.factorial(k)
        value /= z
        values.append(value)
    return values


def _downward(xp: Namespace, z: Array, p: int, terms: int) -> list[Array]:
    """Return [φ_1, …, φ_p] by φ_k = z φ_{k+1} + 1/k!, which damps errors where |z| < k.

    Horner's rule for the Taylor series of φ_p is this very recurrence, begun ``terms`` indices above p.
    """
    value = xp.full_like(z, 1 / math.factorial(p + terms))
    values = []
    for k in range(p + terms - 1, 0, -1):
        value = value * z
        value += 1 / math.factorial(k)
        if k <= p:
            values.append(value)
    return values[::-1]


def _far_right(xp: Namespace, z: Array, p: int) -> list[Array]:
    """Return [φ_1, …, φ_p] = e^z / z^k, by halves of the exponent lest e^z overflow before its quotient."""
    real = xp.real(z) if xp.isdtype(z.dtype, "complex floating") else z
    z = xp.where(real < _SURE_OVERFLOW, z, _SURE_OVERFLOW * xp.ones_like(z))  # and lest ∞/∞
    half = xp.exp(z / 2)
    values, quotient = [], half
    for _ in range(p):
        quotient = quotient / z
        values.append(quotient * half)
    return values


def _taylor_terms(radius: float, p: int) -> int:
    """Return how many terms of the Taylor series of φ_p reach double precision for |z| ≤ ``radius``."""
    terms, size = 1, 1.0
    while size > 2.0**-58:  # p! |z|^n / (n+p)!, against p! |φ_p(z)| ≥ about 1/2
        size *= radius / (p + terms)
        terms += 1
    return terms
