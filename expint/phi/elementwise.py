"""φ_0, …, φ_p of numbers: scalars and arrays of any shape, elementwise, to a few units in the last place."""

from __future__ import annotations

import enum
import functools
import math
import operator
from typing import Any

import numpy as np

from expint.backend import Array, Namespace, array_namespace, device, is_array, is_numpy, is_torch

__all__ = ["phi_functions"]

# A block of float64 values and the temporaries of its largest regime stay in a second-level cache.
_BLOCK = 16384

# Beyond this real part e^z nears overflow although φ_k(z) ≈ e^z / z^k need not; 1/k! has long stopped to matter.
_FAR_RIGHT = 600.0
_SURE_OVERFLOW = 1.0e4


class _Regime(enum.IntEnum):
    """How the numbers of a set are evaluated; "right" are positive numbers of a real dtype."""

    SERIES = 0  # |z| < 1
    MIDDLE = 1  # 1 ≤ |z| < p
    UPWARD = 2  # |z| ≥ p
    MIDDLE_RIGHT = 3
    UPWARD_RIGHT = 4
    FAR_RIGHT = 5


def phi_functions(z: Any, p: int) -> list[Any]:
    r"""Return [φ_0(z), …, φ_p(z)], elementwise.

    .. math:: φ_0(z) = e^z, \qquad φ_k(z) = z φ_{k+1}(z) + \frac{1}{k!}

    For each k the recurrence is run in the direction in which it damps errors: upwards from e^z where \|z\| ≥ k,
    downwards from the Taylor series of φ_p where \|z\| < k. For z in the closed left half plane the error is a few
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
    p = checked_index(p)
    if not is_array(z):
        values = phi_functions(np.asarray(float(z) if type(z) is int else z), p)
        return [value.item() for value in values] if np.isscalar(z) else values
    xp = array_namespace(z)
    working, result = working_dtypes(xp, z)
    with np.errstate(all="ignore"):
        if is_numpy(xp) or (is_torch(xp) and z.device.type == "cpu"):
            values = _blockwise(xp, z, p, working, result)
        else:
            values = [xp.astype(value, result, copy=False) for value in _select(xp, xp.astype(z, working), p)]
    return [value[()] for value in values] if isinstance(z, np.generic) else values


def checked_index(p: Any) -> int:
    try:
        index = operator.index(p)
    except TypeError:
        index = -1
    if index < 0 or isinstance(p, bool):
        raise ValueError(f"Expected the highest index p as an integer ≥ 0, received {p!r}; φ_0 alone is p = 0.")
    return index


def working_dtypes(xp: Namespace, z: Array) -> tuple[Any, Any]:
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
    """Evaluate block by block on the host, where looking at the values is free, and each number in its regime only."""
    flat = xp.reshape(z, (-1,))
    out = [xp.empty_like(flat, dtype=result) for _ in range(p + 1)]
    for start in range(0, flat.shape[0], _BLOCK):
        block = xp.astype(flat[start : start + _BLOCK], working)
        targets = [target[start : start + _BLOCK] for target in out]
        regimes = _regimes(xp, block, p)
        present = [regime for regime in _Regime if bool(xp.any(regimes == regime))]
        for regime in present:
            index = slice(None) if len(present) == 1 else xp.nonzero(regimes == regime)[0]
            for target, values in zip(targets, _evaluate(xp, block[index], p, regime), strict=True):
                target[index] = xp.astype(values, result, copy=False)
    return [xp.reshape(target, z.shape) for target in out]


def _regimes(xp: Namespace, z: Array, p: int) -> Array:
    """Return the regime of each number as int8; a nan is as good in the series as anywhere."""
    size, real = xp.abs(z), _real(xp, z)
    regimes = xp.astype(size >= 1, xp.int8) + xp.astype(size >= p, xp.int8)
    if real is z:
        regimes = regimes + 2 * xp.astype(z >= 1, xp.int8)
    return xp.where(real > _FAR_RIGHT, xp.full_like(regimes, int(_Regime.FAR_RIGHT)), regimes)


def _evaluate(xp: Namespace, z: Array, p: int, regime: _Regime) -> list[Array]:
    """Return [φ_0, …, φ_p] of numbers of one regime."""
    exp = xp.exp(z)
    if regime is _Regime.SERIES:
        return [exp, *_downward(xp, z, p, radius=1)]
    if regime is _Regime.FAR_RIGHT:
        return [exp, *_far_right(xp, z, p)]
    values = (_rightward if regime in (_Regime.MIDDLE_RIGHT, _Regime.UPWARD_RIGHT) else _upward)(exp, z, p)
    if regime in (_Regime.UPWARD, _Regime.UPWARD_RIGHT):
        return values
    return _crossed(xp, xp.abs(z), values, _downward(xp, z, p, radius=p))


def _select(xp: Namespace, z: Array, p: int) -> list[Array]:
    """Evaluate all regimes for all numbers and select: the way of traced and of device arrays, which cannot be seen."""
    size, real, one = xp.abs(z), _real(xp, z), xp.ones_like(z)
    exp = xp.exp(z)
    values = _upward(exp, xp.where(size < 1, one, z), p)
    if real is z:
        right = _rightward(exp, xp.where(z < 1, one, z), p)
        values = [xp.where(z < 1, value, compensated) for value, compensated in zip(values, right, strict=True)]
    far = _far_right(xp, xp.where(real > _FAR_RIGHT, z, one), p)
    values = [exp, *(xp.where(real > _FAR_RIGHT, last, value) for last, value in zip(far, values[1:], strict=True))]
    return _crossed(xp, size, values, _downward(xp, xp.where(size < p, z, xp.zeros_like(z)), p, radius=p))


def _crossed(xp: Namespace, size: Array, upward: list[Array], downward: list[Array]) -> list[Array]:
    """Return φ_0 and, for each k ≥ 1, the one of the two recurrences that damps errors at ``size`` = |z|."""
    return [upward[0], *(xp.where(size < k, downward[k - 1], upward[k]) for k in range(1, len(upward)))]


def _real(xp: Namespace, z: Array) -> Array:
    return xp.real(z) if xp.isdtype(z.dtype, "complex floating") else z


def _upward(exp: Array, z: Array, p: int) -> list[Array]:
    """Return [φ_0, …, φ_p] by φ_{k+1} = (φ_k − 1/k!) / z, which multiplies the relative error of φ_k by about k/|z|."""
    values = [exp]
    for k in range(p):
        value = values[k] - 1 / math.factorial(k)
        value /= z
        values.append(value)
    return values


def _downward(xp: Namespace, z: Array, p: int, radius: int) -> list[Array]:
    """Return [φ_1, …, φ_p] for |z| ≤ ``radius`` by φ_k = z φ_{k+1} + 1/k!, which damps errors where |z| < k.

    Horner's rule for the Taylor series of φ_p is this very recurrence, begun at a higher index.
    """
    top = p + _taylor_terms(radius, p)
    value = xp.full_like(z, 1 / math.factorial(top))
    for k in range(top - 1, p - 1, -1):
        value *= z
        value += 1 / math.factorial(k)
    values = [value]
    for k in range(p - 1, 0, -1):
        value = value * z
        value += 1 / math.factorial(k)
        values.append(value)
    return values[::-1]


def _rightward(exp: Array, z: Array, p: int) -> list[Array]:
    """Return [φ_0, …, φ_p] of real z > 0 upwards, carrying the rounding error of each subtraction and division along.

    Here φ_k(z) is all leading term and the errors of 2k operations would add up. Both are known exactly: a difference
    of positive numbers by Dekker's fast two-sum, a remainder by products of half-length factors.
    """
    values, value, error = [exp], exp, 0 * exp
    z_high, z_low = _halves(z)
    for k in range(p):
        subtrahend = 1 / math.factorial(k)
        difference = value - subtrahend
        error = error + ((value - difference) - subtrahend)
        value = difference / z
        high, low = _halves(value)
        remainder = ((difference - high * z_high) - high * z_low) - low * z  # rounded at 2^-27 of itself
        error = (error + remainder) / z
        values.append(value + error)
    return values


def _halves(x: Array) -> tuple[Array, Array]:
    """Return Veltkamp's splitting of float64 x into two numbers of at most 26 bits."""
    scaled = 134217729.0 * x
    high = scaled - (scaled - x)
    return high, x - high


def _far_right(xp: Namespace, z: Array, p: int) -> list[Array]:
    """Return [φ_1, …, φ_p] = e^z / z^k, by halves of the exponent lest e^z overflow before its quotient."""
    z = xp.where(_real(xp, z) < _SURE_OVERFLOW, z, _SURE_OVERFLOW * xp.ones_like(z))  # and lest ∞/∞
    half = xp.exp(z / 2)
    values, quotient = [], half
    for _ in range(p):
        quotient = quotient / z
        values.append(quotient * half)
    return values


@functools.cache
def _taylor_terms(radius: int, p: int) -> int:
    """Return how many terms of the Taylor series of φ_p reach double precision for |z| ≤ ``radius``."""
    terms, size = 1, 1.0
    while size > 2.0**-58:  # p! |z|^n / (n+p)!, against p! |φ_p(z)| ≥ about 1/2
        size *= radius / (p + terms)
        terms += 1
    return terms
