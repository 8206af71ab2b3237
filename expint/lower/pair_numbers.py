r"""The numbers of an exponential Adams pair of any order on any history, in Newton form.

Let s_0 = 0 > s_1 > … be the positions of the remembered slopes N_j in units of the step, ω_k(θ) = Π_{j<k} (θ - s_j)
and

.. math:: C_k(z) = \frac{1}{ω_k(1)} \int_0^1 e^{(1-θ)z} ω_k(θ) \, dθ = \sum_m C_{km} φ_{m+1}(z).

With q past slopes the predictor integrates their interpolation polynomial P_q; with the difference
d_q = N(t_{n+1}, ỹ) - P_q(1) of the evaluated from the extrapolated value of N, the corrector is

.. math:: y_{n+1} = \tilde y + h C_q(z) d_q,

and h (C_q(z) - C_{q-1}(z)) d_q is what it differs from the corrector with one past slope less: the local error of the
latter, of order q. So the pairs of all orders have two vectors, and cost one evaluation of N, in common.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from math import factorial, prod
from typing import NamedTuple

import numpy as np

__all__ = ["PairNumbers", "pair_numbers"]


class PairNumbers(NamedTuple):
    """The numbers of the pairs with up to K past slopes.

    Attributes
    ----------
    past
        Of shape (q, q): the coefficients over φ_1, …, φ_q of the predictor's weight of each of q past slopes.
    corrections
        Of shape (K + 1, K + 1): row k holds the coefficients C_km over φ_1, …, φ_{K+1}.
    foreseen
        Of shape (K + 1, K): row k holds the weights of the past slopes in P_k(1).
    """

    past: np.ndarray
    corrections: np.ndarray
    foreseen: np.ndarray


@lru_cache(maxsize=1024)
def pair_numbers(positions: tuple[float, ...], q: int) -> PairNumbers:
    """Return the numbers for slopes remembered at ``positions``, newest first, the predictor interpolating q of them.

    Parameters
    ----------
    positions
        s_0, …, s_{K-1}, different from each other and from 1.
    q
        The number of past slopes of the predictor, 1 ≤ q ≤ K.
    """
    count = len(positions)
    newton, at_end = [[1.0] + [0.0] * count], [1.0]  # coefficients of ω_k over the powers of θ; ω_k(1)
    divided: list[list[float]] = []  # N[s_0, …, s_k] = Σ_j divided_kj N_j
    last: list[float] = []
    for k, s in enumerate(positions):
        below = newton[-1]
        newton.append([-s * below[0], *(a - s * b for a, b in pairwise(below))])
        gaps = [own - s for own in positions[:k]]
        last = [value / gap for value, gap in zip(last, gaps)] + [1.0 / prod(-gap for gap in gaps)]
        divided.append(last + [0.0] * (count - k - 1))
        at_end.append(at_end[-1] * (1.0 - s))
    moments = np.array(newton) * _factorials(count + 1)  # ∫ e^{(1-θ)z} θ^m dθ = m! φ_{m+1}(z)
    differences, ends = np.array(divided), np.array(at_end)
    foreseen = np.zeros((count + 1, count))
    np.cumsum(ends[:-1, None] * differences, axis=0, out=foreseen[1:])
    return PairNumbers(differences[:q, :q].T @ moments[:q, :q], moments / ends[:, None], foreseen)


@lru_cache(maxsize=32)
def _factorials(count: int) -> np.ndarray:
    return np.array([float(factorial(m)) for m in range(count)])
