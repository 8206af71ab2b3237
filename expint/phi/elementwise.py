"""φ_0, …, φ_p of numbers: scalars and arrays of any shape, elementwise, to a few units in the last place."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from expint.arguments import number
from expint.arrays import numeric
from expint.backend import Array, Namespace, array_namespace, device, is_array, is_jax, is_numpy, is_torch, to_numpy
from expint.phi.recurrences import (
    FAR_RIGHT,
    direct,
    downward,
    far_right,
    real_part,
    rightward,
    turn,
    turn_direct,
    turn_right,
    upward,
)
from expint.phi.short_arrays import MOST, phi_of_few

__all__ = ["checked_index", "evaluate", "phi_functions", "slopes", "working_dtypes"]

# A block of float64 values and the temporaries of its largest regime stay in a cache.
_BLOCK = 65536


# How the numbers of a set are evaluated; "right" are positive numbers of a real dtype.
_REGIMES = range(7)
_SERIES = 0  # |z| < 1
_MIDDLE = 1  # 1 ≤ |z| < turn(p)
_UPWARD = 2  # |z| ≥ turn(p)
_MIDDLE_RIGHT = 3  # 1 ≤ z < turn_right(p)
_UPWARD_RIGHT = 4  # turn_right(p) ≤ z < turn_direct(p)
_DIRECT_RIGHT = 5  # z ≥ turn_direct(p)
_FAR_RIGHT = 6


def phi_functions(z: Any, p: int) -> list[Any]:
    r"""Return [φ_0(z), …, φ_p(z)], elementwise.

    .. math:: φ_0(z) = e^z, \qquad φ_k(z) = z φ_{k+1}(z) + \frac{1}{k!}

    For each k the recurrence is run in the direction in which it damps errors: upwards from e^z where \|z\| is large,
    downwards from the Taylor series of φ_p where it is not. For z in the closed left half plane the error is a few ulp
    of max(\|φ_k(z)\|, 1/((1+\|z\|)(k−1)!)); for z > 0 a few ulp of φ_k(z).

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
    Under torch's and JAX's automatic differentiation the derivatives are φ_k′ = φ_k − k φ_{k+1}, to any order.

    The integral representation and the recurrence are those of M. Hochbruck and A. Ostermann, Exponential integrators,
    Acta Numerica 19 (2010), section 2.

    Examples
    --------
    >>> phi_functions(0.0, 2)
    [1.0, 1.0, 0.5]
    >>> import numpy as np
    >>> [value.shape for value in phi_functions(np.linspace(-1, 1, 5), 1)]
    [(5,), (5,)]
    """
    p = checked_index(p)
    if type(z) in (int, float, complex):
        return _of_number(number("z", z) if type(z) is int else z, p)
    if not is_array(z):
        values = phi_functions(to_numpy(z), p)
        return [value.item() for value in values] if np.isscalar(z) else values
    xp = array_namespace(z)
    if is_torch(xp):
        numeric("z", z)
        from expint.phi.torch_rule import PhiFunctions

        return list(PhiFunctions.apply(z, p))
    if is_jax(xp):
        from expint.phi.jax_rule import phi_functions_jax

        return list(phi_functions_jax(z, p))
    values = evaluate(z, p)
    return [value[()] for value in values] if isinstance(z, np.generic) else values


def evaluate(z: Array, p: int) -> list[Array]:
    """Return [φ_0(z), …, φ_p(z)] of an array, unknown to any automatic differentiation."""
    xp = array_namespace(z)
    working, result = working_dtypes(xp, z)
    with np.errstate(all="ignore"):
        if p and is_numpy(xp) and z.size <= MOST and (few := phi_of_few(z.astype(working, copy=False), p)) is not None:
            return list(few.astype(result, copy=False))
        if is_numpy(xp) or (is_torch(xp) and z.device.type == "cpu"):
            return _blockwise(xp, z, p, working, result)
        return [xp.astype(value, result, copy=False) for value in _select(xp, xp.astype(z, working), p)]


def slopes(z: Array, p: int) -> list[Array]:
    """Return [φ_0′(z), …, φ_p′(z)] by φ_k′ = φ_k − k φ_{k+1}, themselves differentiable.

    For large |z| the difference is about |z| times smaller than its terms, hence taken in double precision.
    """
    xp = array_namespace(z)
    working, result = working_dtypes(xp, z)
    values = phi_functions(xp.astype(z, working, copy=False), p + 1)
    return [xp.astype(values[k] - k * values[k + 1], result, copy=False) for k in range(p + 1)]


HIGHEST = 170
"""The largest k for which φ_k(0) = 1/k! is a normal number in double precision."""


def checked_index(p: Any) -> int:
    """Return p as a natural number, or refuse it."""
    try:
        index = operator.index(p)
    except TypeError:
        index = -1
    if index < 0 or isinstance(p, bool):
        raise ValueError(f"expected the highest index p as an integer ≥ 0, received {p!r}; φ_0 alone is p = 0")
    if index > HIGHEST:
        raise ValueError(f"expected an index p of at most {HIGHEST}, beyond which 1/p! underflows, received {p!r}")
    return index


def working_dtypes(xp: Namespace, z: Array) -> tuple[Any, Any]:
    """Return the dtype to compute in and the dtype of the result."""
    if isinstance(z, np.ndarray) and z.dtype in (np.float64, np.complex128):
        return z.dtype, z.dtype  # at once: short arrays are what runs evaluate
    available = xp.__array_namespace_info__().dtypes(device=device(z))
    double = available.get("float64", available["float32"])  # JAX has no float64 unless it is enabled
    if xp.isdtype(z.dtype, "integral"):
        return double, double
    if xp.isdtype(z.dtype, ("real floating", "complex floating")) and xp.finfo(z.dtype).bits <= 64:
        if xp.isdtype(z.dtype, "complex floating"):
            double = available.get("complex128", available["complex64"])
        return double, z.dtype
    raise TypeError(
        f"expected z with a real, complex or integer dtype of at most double precision, received {z.dtype}; "
        "convert it to float64 or complex128 first"
    )


def _of_number(z: complex, p: int) -> list[Any]:
    """Return [φ_0(z), …, φ_p(z)] of a Python number, many times faster than of an array with one entry."""
    xp, number = array_namespace(), np.complex128(z) if isinstance(z, complex) else np.float64(z)
    with np.errstate(all="ignore"):
        exp = np.exp(number)
        values = [exp, *_evaluate(xp, number, exp, (), p, int(_regimes(xp, number, p)))] if p else [exp]
    return [value.item() for value in values]


def _blockwise(xp: Namespace, z: Array, p: int, working: Any, result: Any) -> list[Array]:
    """Evaluate block by block on the host, where looking at the values is free, and each number in its regime only."""
    flat = xp.reshape(z, (-1,))
    out = [xp.empty_like(flat, dtype=result) for _ in range(p + 1)]
    for start in range(0, flat.shape[0], _BLOCK):
        block = xp.astype(flat[start : start + _BLOCK], working, copy=False)
        exponential, *targets = (target[start : start + _BLOCK] for target in out)
        exp = xp.exp(block)
        exponential[:] = exp
        if p == 0:
            continue
        regimes = _regimes(xp, block, p)
        present = _present(xp, regimes)
        for regime in present:
            index = slice(None) if len(present) == 1 else xp.nonzero(regimes == regime)[0]
            for target, values in zip(targets, _evaluate(xp, block[index], exp, index, p, regime), strict=True):
                target[index] = values if working == result else xp.astype(values, result)
    return [xp.reshape(target, z.shape) for target in out]


def _present(xp: Namespace, regimes: Array) -> list[int]:
    if is_numpy(xp):
        return np.flatnonzero(np.bincount(regimes)).tolist()  # in one look, which is what short arrays cost
    return [regime for regime in _REGIMES if bool(xp.any(regimes == regime))]


def _regimes(xp: Namespace, z: Array, p: int) -> Array:
    """Return the regime of each number as int8; a nan is as good in the series as anywhere."""
    size, real, end = xp.abs(z), real_part(xp, z), turn(p)
    regimes = xp.astype(size >= 1, xp.int8)
    if real is z:
        regimes += xp.astype((z <= -end) | (z >= turn_right(p)), xp.int8)
        regimes += 2 * xp.astype(z >= 1, xp.int8)
        regimes += xp.astype(z >= turn_direct(p), xp.int8)
    else:
        regimes += xp.astype(size >= end, xp.int8)
    far = real > FAR_RIGHT[xp.finfo(z.dtype).bits]
    return xp.where(far, xp.full_like(regimes, _FAR_RIGHT), regimes) if bool(xp.any(far)) else regimes


def _evaluate(xp: Namespace, z: Array, exp: Array, index: Any, p: int, regime: int) -> list[Array]:
    """Return [φ_1, …, φ_p] of numbers of one regime, whose exponentials are those at ``index`` of ``exp``."""
    if regime == _SERIES:
        return downward(z, p, radius=1)
    if regime == _FAR_RIGHT:
        return far_right(xp, z, p)
    if regime == _UPWARD:
        return upward(exp[index], z, p)[1:]
    if regime == _UPWARD_RIGHT:
        return rightward(xp, exp[index], z, p)[1:]
    if regime == _DIRECT_RIGHT:
        return direct(exp[index], z, p)
    if regime == _MIDDLE:
        return _crossed(xp, abs(z), downward(z, p, radius=turn(p)), turn, lambda q: upward(exp[index], z, q))
    below = downward(z, p, radius=turn_right(p))
    return _crossed(xp, z, below, turn_right, lambda q: rightward(xp, exp[index], z, q))


def _crossed(
    xp: Namespace,
    size: Array,
    downward: list[Array],
    turn: Callable[[int], float],
    upward: Callable[[int], list[Array]],
) -> list[Array]:
    """Return [φ_1, …, φ_p] of numbers 1 ≤ ``size`` < turn(p), upwards where size ≥ turn(k), downwards elsewhere."""
    p = len(downward)
    turned = [k for k in range(1, p) if turn(k) < turn(p)]
    if not turned:
        return downward
    rising, values = upward(turned[-1]), downward
    for k in turned:
        values[k - 1] = rising[k] if turn(k) <= 1 else xp.where(size < turn(k), downward[k - 1], rising[k])
    return values


def _select(xp: Namespace, z: Array, p: int) -> list[Array]:
    """Evaluate all regimes for all numbers and select: the way of traced and of device arrays, which cannot be seen."""
    size, real, one = xp.abs(z), real_part(xp, z), xp.ones_like(z)
    exp = xp.exp(z)
    values = upward(exp, xp.where(size < 1, one, z), p)
    if real is z:
        right = rightward(xp, exp, xp.where(z < 1, one, z), p)
        values = [xp.where(z < 1, value, compensated) for value, compensated in zip(values, right, strict=True)]
    far = real > FAR_RIGHT[xp.finfo(z.dtype).bits]
    quotients = far_right(xp, xp.where(far, z, one), p)
    series = downward(xp.where(size < turn(p), z, xp.zeros_like(z)), p, radius=turn(p))
    return [
        exp,
        *(xp.where(size < turn(k), series[k - 1], xp.where(far, quotients[k - 1], values[k])) for k in range(1, p + 1)),
    ]
