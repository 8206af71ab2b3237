"""φ_0, …, φ_p of square matrices, one or a batch of them, by scaling and doubling for all indices together."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from expint.arrays import numeric
from expint.backend import (
    Array,
    Namespace,
    array_namespace,
    asarray_like,
    device,
    is_array,
    is_complex,
    stack,
    to_numpy,
)
from expint.phi.elementwise import checked_index, working_dtypes

__all__ = ["Doubled", "begin", "double", "least_doublings", "phi_matrices"]

_MOST_BYTES = 2**30
"""The most memory for the entries."""

# Powers B, …, B^4 are formed for the Taylor polynomial, which is then a polynomial of low degree in B^4.
_POWERS = 4

# ‖B^j‖ ≤ α^j for every j ≥ r(r−1), with α the larger of ‖B^r‖^(1/r) and ‖B^(r+1)‖^(1/(r+1)).
_NORM_POWER = 4
_LEAST_DEGREE = _NORM_POWER * (_NORM_POWER - 1)


def phi_matrices(matrix: Any, p: int) -> list[Array]:
    r"""Return [φ_0(A), …, φ_p(A)].

    With B = A/2^s small, φ_p(B) comes from its Taylor polynomial and the lower ones from φ_k = B φ_{k+1} + I/k!. Then
    all are doubled s times by

    .. math:: 2^k φ_k(2B) = e^B φ_k(B) + \sum_{j=1}^{k} \frac{φ_j(B)}{(k-j)!} .

    What is carried is M = e^B − I, begun as φ_1(B) B and doubled as 2M + M², as long as e^B does not decay: the slow
    modes of a stiff A, which after scaling are tiny compared with I, keep their digits.

    Parameters
    ----------
    matrix
        Array of shape (…, n, n), real or complex: A, or a batch of them. Computed in double precision on its own device
        and rounded once to the precision of ``matrix``; integers become float64.
    p
        The highest index, ≥ 0.

    Returns
    -------
    list
        p + 1 arrays of the shape of ``matrix``. Where e^A overflows they are not finite.

    Raises
    ------
    ValueError
        If the matrix is not square or not finite, or ``p`` is negative or not an integer.
    TypeError
        If the matrix is not numeric, or has more than double precision.

    Notes
    -----
    The scaling follows the idea of A. H. Al-Mohy and N. J. Higham, SIAM J. Matrix Anal. Appl. 31 (2009) 970–989, that
    norms of powers, not powers of norms, decide; here of powers of \|A\|, which bound rounding errors as well. Doubling
    of all φ-functions: B. Skaflestad and W. M. Wright, Appl. Numer. Math. 59 (2009) 783–799.

    Examples
    --------
    >>> import numpy as np
    >>> phi_matrices(np.zeros((2, 2)), 1)[1]
    array([[1., 0.],
           [0., 1.]])
    """
    p = checked_index(p)
    matrix = numeric("matrix", matrix if is_array(matrix) else to_numpy(matrix))
    xp = array_namespace(matrix)
    working, result = working_dtypes(xp, matrix)
    _check(xp, matrix)
    if 0 in matrix.shape:
        return [xp.zeros_like(matrix, dtype=result) for _ in range(p + 1)]
    batch = xp.reshape(xp.astype(matrix, working), (-1, *matrix.shape[-2:]))
    with np.errstate(all="ignore"):
        values = _grouped(xp, batch, max(p, 1), _mixed if matrix.ndim == 2 else _mixed_apart)
    return [xp.astype(xp.reshape(value, matrix.shape), result, copy=False) for value in values[: p + 1]]


def _check(xp: Namespace, matrix: Array) -> None:
    """Raise ValueError or TypeError unless the argument is a finite square matrix, or a batch of such."""
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2]:
        raise ValueError(
            f"expected square matrices of shape (…, n, n), received shape {tuple(matrix.shape)}; "
            "for elementwise φ-functions use phi_functions"
        )
    if 8 * math.prod(matrix.shape) > _MOST_BYTES:
        raise ValueError(
            f"expected at most {_MOST_BYTES // 8} entries (1 GiB in double precision), since the φ-functions are "
            f"several as large, received shape {tuple(matrix.shape)}; expint.phi.phi_action applies them to vectors"
        )
    bad = int(xp.sum(xp.astype(~xp.isfinite(matrix), xp.int64)))
    if bad:
        raise ValueError(
            f"expected a finite matrix, received {bad} non-finite entries; check how it was assembled, or its "
            "scaling by h"
        )


def _grouped(xp: Namespace, batch: Array, p: int, mix: Mix) -> list[Array]:
    """Evaluate a batch (b, n, n), matrices that need equally many doublings together."""
    doublings = np.array([least_doublings(size) for size in _sizes(xp, batch).tolist()])
    order = np.argsort(doublings, kind="stable")
    if doublings[order[0]] == doublings[order[-1]]:
        return _evaluate(batch, p, int(doublings[0]), mix)

    def pick(array: Array, indices: np.ndarray) -> Array:
        return xp.take(array, xp.asarray(indices, device=device(array)), axis=0)

    groups = np.split(order, np.flatnonzero(np.diff(doublings[order])) + 1)
    values = [_evaluate(pick(batch, group), p, int(doublings[group[0]]), mix) for group in groups]
    return [pick(xp.concat(parts), np.argsort(order)) for parts in zip(*values, strict=True)]


def _sizes(xp: Namespace, batch: Array) -> np.ndarray:
    """Return α(|A|) for each matrix."""
    size = xp.abs(batch)
    norm = xp.max(xp.sum(size, axis=-2), axis=-1)
    size = size / xp.where(norm > 0, norm, xp.ones_like(norm))[:, None, None]
    sums = xp.ones_like(size[:, :1, :])  # 1ᵀ|A|^j, whose largest entry is the 1-norm of |A|^j
    roots = []
    for j in range(1, _NORM_POWER + 2):
        sums = sums @ size
        if j >= _NORM_POWER:
            roots.append(xp.max(sums[:, 0, :], axis=-1) ** (1 / j))
    return to_numpy(norm * xp.maximum(*roots))


def _evaluate(batch: Array, p: int, doublings: int, mix: Mix) -> list[Array]:
    """Return [φ_0, …, φ_p] of matrices that need ``doublings`` doublings."""
    found = begin(batch * 2.0**-doublings, p, mix)
    for _ in range(doublings):
        found = double(found)
    return found.values


Mix = Callable[[Array, Array], Array]
"""By weights of shape (m, k), the m combinations of k arrays that lie along a first axis."""


def _mixed(weights: Array, arrays: Array) -> Array:
    """Return the combinations by one product."""
    xp = array_namespace(arrays)
    return xp.reshape(weights @ xp.reshape(arrays, (arrays.shape[0], -1)), (weights.shape[0], *arrays.shape[1:]))


def _mixed_apart(weights: Array, arrays: Array) -> Array:
    """Return the combinations term by term: the digits of a product depend on the neighbours of a matrix in a batch."""
    found = []
    for row in to_numpy(weights).tolist():
        total = row[0] * arrays[0, ...]
        for k, weight in enumerate(row[1:], 1):
            total = total + weight * arrays[k, ...] if weight else total
        found.append(total)
    return stack(found)


class Rule(NamedTuple):
    """What doublings of φ_0, …, φ_p of matrices of one kind share.

    Attributes
    ----------
    xp
        The namespace.
    identity
        I, of shape (n, n).
    weights
        The weights in the new e^{2B} − I, φ_1(2B), …, φ_p(2B) of the old ones, of shape (p + 1, p + 1), …
    halves
        … and of their products with e^B − I, of shape (p + 1, 1, 1, 1).
    mix
        Combines matrices by weights.
    """

    xp: Namespace
    identity: Array
    weights: Array
    halves: Array
    mix: Mix


class Doubled(NamedTuple):
    """φ-functions of matrices B of shape (b, n, n), and what is needed to double them.

    Attributes
    ----------
    rule
        See ``Rule``.
    exponential
        e^B.
    higher
        e^B − I, φ_1(B), …, φ_p(B) as one array of shape (p + 1, b, n, n).
    """

    rule: Rule
    exponential: Array
    higher: Array

    @property
    def values(self) -> list[Array]:
        """[φ_0(B), …, φ_p(B)]."""
        return [self.exponential, *(self.higher[k, ...] for k in range(1, self.higher.shape[0]))]


def scaled_size(matrix: np.ndarray) -> float:
    """Return the number α(|A|) by which the scaling is decided; α(|2A|) = 2 α(|A|). In few calls, as for one matrix."""
    size = abs(matrix)
    norm = float(np.add.reduce(size).max())
    if not 0.0 < norm < math.inf:
        return norm
    size /= norm
    sums, roots = np.ones(len(size)), [0.0]
    for j in range(1, _NORM_POWER + 2):
        sums = sums.dot(size)
        if j >= _NORM_POWER:
            roots.append(float(sums.max()) ** (1 / j))
    return norm * max(roots)


def least_doublings(size: float) -> int:
    """Return the least s ≥ 0 with α(|A|)/2^s ≤ 1, for which φ-functions of A/2^s come from their Taylor polynomials."""
    fraction, exponent = math.frexp(size)
    return max(exponent - (fraction == 0.5), 0)


def begin(scaled: Array, p: int, mix: Mix = _mixed) -> Doubled:
    """Return φ_0, …, φ_p, p ≥ 1, of matrices that need no doubling."""
    xp = array_namespace(scaled)
    identity = xp.eye(scaled.shape[-1], dtype=scaled.dtype, device=device(scaled))
    values = _taylor(xp, scaled, identity, p, mix)
    minus_one = values[0] @ scaled
    weights, halves = (asarray_like(numbers, scaled) for numbers in _numbers(p, is_complex(scaled)))
    return Doubled(
        Rule(xp, identity, weights, halves, mix),
        identity + minus_one,
        xp.concat([value[None, ...] for value in (minus_one, *values)]),
    )


def double(given: Doubled) -> Doubled:
    """Return φ_0(2B), …, φ_p(2B): the formula of ``phi_matrices``, and e^{2B} − I = 2M + M² in the same products."""
    rule, exponential, old = given
    higher = rule.mix(rule.weights, old)
    products = old[0, ...] @ old
    products *= rule.halves
    higher += products
    return Doubled(rule, *_decayed(rule, exponential, higher))


@functools.cache
def _numbers(p: int, is_complex: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights and halves of ``Rule``: with M = e^B − I, 2^k φ_k(2B) = M φ_k + φ_k + Σ_j φ_j/(k-j)!."""
    kind = np.complex128 if is_complex else np.float64
    halves = 2.0 ** -np.arange(p + 1.0)
    rows = [[1 / math.factorial(k - j) if 1 <= j <= k else 0 for j in range(p + 1)] for k in range(p + 1)]
    weights = halves[:, None] * (np.array(rows) + np.eye(p + 1))
    weights[0, 0] = 2
    return weights.astype(kind), halves[:, None, None, None]


def _decayed(rule: Rule, exponential: Array, higher: Array) -> tuple[Array, Array]:
    """Return e^{2B}, and e^{2B} − I, φ_1(2B), …; ``higher`` has the difference as 2M + M², ``exponential`` is e^B.

    Once e^B decays, I + M would only cancel: from there e^{2B} is the square of e^B.
    """
    xp, minus_one = rule.xp, higher[0, ...]
    decays = xp.max(xp.sum(xp.abs(exponential), axis=-2), axis=-1) < 0.5
    whole = rule.identity + minus_one
    if not bool(xp.any(decays)):
        return whole, higher
    whole = xp.where(decays[:, None, None], exponential @ exponential, whole)
    minus_one = xp.where(decays[:, None, None], whole - rule.identity, minus_one)
    return whole, xp.concat([minus_one[None, ...], higher[1:, ...]])


def _taylor(xp: Namespace, scaled: Array, identity: Array, p: int, mix: Mix) -> list[Array]:
    """Return [φ_1, …, φ_p] of matrices B with α(|B|) ≤ 1: Taylor for φ_p, then downwards."""
    square = scaled @ scaled
    first = xp.concat([scaled[None, ...], square[None, ...]])
    last = first @ square
    ones, numbers = _chunks(p, is_complex(scaled))
    fourth, chunks = last[1, ...], mix(asarray_like(numbers, scaled), xp.concat([first, last[:1, ...]]))
    value = None
    for i, one in enumerate(ones):
        chunk = chunks[i, ...] + one * identity
        value = chunk if value is None else value @ fourth + chunk
    values = [value]
    for k in range(p - 1, 0, -1):
        values.append(scaled @ values[-1] + identity / math.factorial(k))
    return values[::-1]


@functools.cache
def _chunks(p: int, is_complex: bool) -> tuple[list[float], np.ndarray]:
    """Return the coefficients of the Taylor polynomial of φ_p, the last four first: those of I, and of B, B², B³."""
    degree = max(_LEAST_DEGREE, 19 - p)  # the first term left out is below p!/20!, 2^-53 of φ_p(0) or less
    rows = [
        [1 / math.factorial(p + i) if i <= degree else 0.0 for i in range(first, first + _POWERS)]
        for first in range(degree - degree % _POWERS, -1, -_POWERS)
    ]
    kind = np.complex128 if is_complex else np.float64
    return [row[0] for row in rows], np.array([row[1:] for row in rows], dtype=kind)
