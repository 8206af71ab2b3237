"""φ_0, …, φ_p of square matrices, one or a batch of them, by scaling and doubling for all indices together."""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from expint.backend import Array, Namespace, array_namespace, asarray_like, device, is_array, is_complex, to_numpy
from expint.phi.elementwise import checked_index, working_dtypes

__all__ = ["Doubled", "begin", "double", "least_doublings", "phi_matrices"]

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
    modes of a stiff A, which after scaling are tiny beside I, keep their digits.

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
    """
    p = checked_index(p)
    matrix = matrix if is_array(matrix) else np.asarray(matrix)
    xp = array_namespace(matrix)
    working, result = working_dtypes(xp, matrix)
    _check(xp, matrix)
    if 0 in matrix.shape:
        return [xp.zeros_like(matrix, dtype=result) for _ in range(p + 1)]
    batch = xp.reshape(xp.astype(matrix, working), (-1, *matrix.shape[-2:]))
    with np.errstate(all="ignore"):
        values = _grouped(xp, batch, max(p, 1))
    return [xp.astype(xp.reshape(value, matrix.shape), result, copy=False) for value in values[: p + 1]]


def _check(xp: Namespace, matrix: Array) -> None:
    """Refuse what is not a finite square matrix or a batch of them."""
    if matrix.ndim < 2 or matrix.shape[-1] != matrix.shape[-2]:
        raise ValueError(
            f"Expected square matrices of shape (…, n, n), received shape {tuple(matrix.shape)}; "
            "for elementwise φ-functions use phi_functions."
        )
    bad = int(xp.sum(xp.astype(~xp.isfinite(matrix), xp.int64)))
    if bad:
        raise ValueError(
            f"Expected a finite matrix, received {bad} non-finite entries; check how it was assembled, or its "
            "scaling by h."
        )


def _grouped(xp: Namespace, batch: Array, p: int) -> list[Array]:
    """Evaluate a batch (b, n, n), matrices that need equally many doublings together."""
    doublings = _doublings(xp, batch)
    order = np.argsort(doublings, kind="stable")
    if doublings[order[0]] == doublings[order[-1]]:
        return _evaluate(batch, p, int(doublings[0]))

    def pick(array: Array, indices: np.ndarray) -> Array:
        return xp.take(array, xp.asarray(indices, device=device(array)), axis=0)

    groups = np.split(order, np.flatnonzero(np.diff(doublings[order])) + 1)
    values = [_evaluate(pick(batch, group), p, int(doublings[group[0]])) for group in groups]
    return [pick(xp.concat(parts), np.argsort(order)) for parts in zip(*values, strict=True)]


def _doublings(xp: Namespace, batch: Array) -> np.ndarray:
    """Return for each matrix the least s ≥ 0 with α(|A|/2^s) ≤ 1."""
    size = xp.abs(batch)
    norm = xp.max(xp.sum(size, axis=-2), axis=-1)
    size = size / xp.where(norm > 0, norm, xp.ones_like(norm))[:, None, None]
    sums = xp.ones_like(size[:, :1, :])  # 1ᵀ|A|^j, whose largest entry is the 1-norm of |A|^j
    roots = []
    for j in range(1, _NORM_POWER + 2):
        sums = sums @ size
        roots.append(xp.max(sums[:, 0, :], axis=-1) ** (1 / j))
    alpha = to_numpy(norm * xp.maximum(roots[-1], roots[-2]))
    return np.maximum(np.ceil(np.log2(np.maximum(alpha, 1.0))), 0).astype(np.int64)


def _evaluate(batch: Array, p: int, doublings: int) -> list[Array]:
    """Return [φ_0, …, φ_p] of matrices that need ``doublings`` doublings."""
    found = begin(batch * 2.0**-doublings, p)
    for _ in range(doublings):
        found = double(found)
    return found.values


class Doubled(NamedTuple):
    """φ-functions of matrices B of shape (b, n, n), and what is needed to double them.

    Attributes
    ----------
    minus_one, exponential
        e^B − I and e^B.
    higher
        φ_1(B), …, φ_p(B) as one array of shape (p, b, n, n).
    """

    minus_one: Array
    exponential: Array
    higher: Array

    @property
    def values(self) -> list[Array]:
        """[φ_0(B), …, φ_p(B)]."""
        return [self.exponential, *(self.higher[k, ...] for k in range(self.higher.shape[0]))]


def least_doublings(matrix: np.ndarray) -> int:
    """Return the least s for which φ-functions of A/2^s come from their Taylor polynomials."""
    return int(_doublings(array_namespace(matrix), matrix[None])[0])


def begin(scaled: Array, p: int) -> Doubled:
    """Return φ_0, …, φ_p, p ≥ 1, of matrices that need no doubling."""
    xp = array_namespace(scaled)
    identity = xp.broadcast_to(xp.eye(scaled.shape[-1], dtype=scaled.dtype, device=device(scaled)), scaled.shape)
    values = _taylor(scaled, identity, p)
    minus_one = values[0] @ scaled
    return Doubled(minus_one, identity + minus_one, xp.stack(values))


def double(given: Doubled) -> Doubled:
    """Return φ_0(2B), …, φ_p(2B)."""
    xp, p = array_namespace(given.higher), given.higher.shape[0]
    weights = asarray_like(_weights(p, is_complex(given.higher)), given.higher)
    sums = xp.reshape(weights @ xp.reshape(given.higher, (p, -1)), given.higher.shape)
    halves = asarray_like(2.0 ** -np.arange(1.0, p + 1), given.higher)
    higher = sums + (given.minus_one @ given.higher) * xp.reshape(halves, (p, 1, 1, 1))
    minus_one, exponential = _squared(xp, given.minus_one, given.minus_one @ given.minus_one, given.exponential)
    return Doubled(minus_one, exponential, higher)


@functools.cache
def _weights(p: int, is_complex: bool) -> np.ndarray:
    """Return the weights of φ_j(B) in φ_k(2B) but for M φ_k(B): 2^-k / (k-j)!, and φ_k once more."""
    kind = np.complex128 if is_complex else np.float64
    rows = [[1 / math.factorial(k - j) if j <= k else 0 for j in range(1, p + 1)] for k in range(1, p + 1)]
    return (np.array(rows) + np.eye(p)).astype(kind) / 2.0 ** np.arange(1, p + 1)[:, None]


def _squared(xp: Namespace, minus_one: Array, square: Array, exponential: Array) -> tuple[Array, Array]:
    """Return e^{2B} − I and e^{2B} from M = e^B − I, M² and e^B, each from the one of the two that is accurate.

    Once e^B decays, I + M would only cancel: from there e^{2B} is the square of e^B.
    """
    identity = xp.eye(exponential.shape[-1], dtype=exponential.dtype, device=device(exponential))
    norm = xp.max(xp.sum(xp.abs(exponential), axis=-2), axis=-1)
    doubled = 2 * minus_one + square
    decays = norm < 0.5
    if not bool(xp.any(decays)):
        return doubled, identity + doubled
    exponential = xp.where(decays[:, None, None], exponential @ exponential, identity + doubled)
    return xp.where(decays[:, None, None], exponential - identity, doubled), exponential


def _taylor(scaled: Array, identity: Array, p: int) -> list[Array]:
    """Return [φ_1, …, φ_p] of matrices B with α(|B|) ≤ 1: Taylor for φ_p, then downwards."""
    powers = [identity, scaled]
    while len(powers) <= _POWERS:
        powers.append(powers[-1] @ scaled)
    degree = max(_LEAST_DEGREE, 19 - p)  # the first term left out is below p!/20!, 2^-53 of φ_p(0) or less
    value = None
    for first in range(degree - degree % _POWERS, -1, -_POWERS):
        chunk = sum(powers[i] / math.factorial(p + first + i) for i in range(min(_POWERS, degree + 1 - first)))
        value = chunk if value is None else value @ powers[_POWERS] + chunk
    values = [value]
    for k in range(p - 1, 0, -1):
        values.append(scaled @ values[-1] + identity / math.factorial(k))
    return values[::-1]
