"""The recurrences by which φ_0, …, φ_p are evaluated, each for the numbers where it damps errors."""

from __future__ import annotations

import functools
import math

from expint.backend import Array, Namespace

__all__ = [
    "FAR_RIGHT",
    "direct",
    "downward",
    "far_right",
    "inverse_factorial",
    "real_part",
    "rightward",
    "taylor_terms",
    "turn",
    "turn_direct",
    "turn_right",
    "upward",
]

# Beyond this real part, by bits, e^z nears overflow although φ_k(z) ≈ e^z / z^k need not; 1/k! no longer matters there.
FAR_RIGHT = {64: 600.0, 32: 60.0}
_SURE_OVERFLOW = 1.0e4

_MOST_POWERS = 40  # z^p stays far from overflow

# Veltkamp's factors 2^⌈t/2⌉ + 1 for the t digits of a format.
_SPLITTERS = {64: 2.0**27 + 1, 32: 2.0**12 + 1}


def real_part(xp: Namespace, z: Array) -> Array:
    """Return Re z, of an array of a real dtype itself."""
    return xp.real(z) if xp.isdtype(z.dtype, "complex floating") else z


def turn(k: int) -> float:
    """Return the |z| from which φ_k is computed upwards, below which downwards; not above turn(k + 1).

    To the left of the imaginary axis both directions have errors below 4 ulp over some range of |z|, for k = 4 from 2.5
    to 6; where they lie within it is chosen so that neighbouring k turn together and no number needs both.
    """
    return 1.0 if k <= 1 else max(3.0, 0.75 * k)


def turn_right(k: int) -> float:
    """Return ``turn`` for z > 0: downwards all terms are positive, and z roundings add up; upwards costs more."""
    return max(5.0, turn(k))


def upward(exp: Array, z: Array, p: int) -> list[Array]:
    """Return [φ_0, …, φ_p] by φ_{k+1} = (φ_k − 1/k!) / z, which multiplies the relative error of φ_k by about k/|z|."""
    values = [exp]
    for k in range(p):
        value = values[k] - inverse_factorial(k)
        value /= z
        values.append(value)
    return values


def downward(z: Array, p: int, radius: float) -> list[Array]:
    """Return [φ_1, …, φ_p] for |z| ≤ ``radius`` by φ_k = z φ_{k+1} + 1/k!, which damps errors where |z| < k.

    Horner's rule for the Taylor series of φ_p is this very recurrence, begun at a higher index.
    """
    top = p + taylor_terms(radius, p)
    value = inverse_factorial(top) * z
    value += inverse_factorial(top - 1)
    for k in range(top - 2, p - 1, -1):
        value *= z
        value += inverse_factorial(k)
    values = [value]
    for k in range(p - 1, 0, -1):
        value = value * z
        value += inverse_factorial(k)
        values.append(value)
    return values[::-1]


def rightward(xp: Namespace, exp: Array, z: Array, p: int) -> list[Array]:
    """Return [φ_0, …, φ_p] of real z > 0 upwards, carrying the rounding error of each subtraction and division along.

    Here φ_k(z) is all leading term and the errors of 2k operations would add up. Both are known exactly: a difference
    of positive numbers by Dekker's fast two-sum, a remainder by products of half-length factors.
    """
    splitter = _SPLITTERS[xp.finfo(z.dtype).bits]
    z_high, z_low = _halves(z, splitter)
    values, value, error = [exp], exp, 0 * exp
    for k in range(p):
        subtrahend = inverse_factorial(k)
        remainder = value - subtrahend
        lost = value - remainder
        lost -= subtrahend
        error += lost
        value = remainder / z
        high, low = _halves(value, splitter)
        remainder -= high * z_high
        remainder -= high * z_low
        remainder -= low * z  # rounded at 2^-27 of itself
        error += remainder
        error /= z
        values.append(value + error)
    return values


def direct(exp: Array, z: Array, p: int) -> list[Array]:
    """Return [φ_1, …, φ_p] of real z ≥ ``turn_direct(p)`` by (e^z − Σ_{j<k} z^j/j!) / z^k: e^z outweighs the sum.

    A third of the work of ``rightward``, with k - 1 roundings of the power more: 3 ulp for k = 4, 5 for k = 8.
    """
    values, power, total = [], z, 1.0
    for k in range(1, p + 1):
        value = exp - total
        value /= power
        values.append(value)
        if k < p:
            total = total + inverse_factorial(k) * power
            power = power * z
    return values


def turn_direct(p: int) -> float:
    """Return the z from which φ_1, …, φ_p are computed by ``direct``: the sum is at most a quarter of e^z there."""
    return max(10.0, 1.25 * p) if p <= _MOST_POWERS else math.inf


def _halves(x: Array, splitter: float) -> tuple[Array, Array]:
    """Return Veltkamp's splitting of x into two numbers of half the digits."""
    high = splitter * x
    high -= high - x
    return high, x - high


def far_right(xp: Namespace, z: Array, p: int) -> list[Array]:
    """Return [φ_1, …, φ_p] = e^z / z^k, by halves of the exponent lest e^z overflow before its quotient."""
    z = xp.where(real_part(xp, z) < _SURE_OVERFLOW, z, _SURE_OVERFLOW * xp.ones_like(z))  # and lest ∞/∞
    half = xp.exp(z / 2)
    values, quotient = [], half
    for _ in range(p):
        quotient = quotient / z
        values.append(quotient * half)
    return values


@functools.cache
def inverse_factorial(k: int) -> float:
    """Return 1/k!."""
    return 1 / math.factorial(k)


@functools.cache
def taylor_terms(radius: float, p: int) -> int:
    """Return how many terms of the Taylor series of φ_p reach double precision for |z| ≤ ``radius``."""
    terms, size = 1, 1.0
    while size > 2.0**-58:  # p! |z|^n / (n+p)!, against p! |φ_p(z)| ≥ about 1/2
        size *= radius / (p + terms)
        terms += 1
    return terms
