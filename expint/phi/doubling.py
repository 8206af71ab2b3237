r"""φ_0, …, φ_p of twice the numbers for which they are known.

.. math:: φ_k(2z) = 2^{-k} \Big( e^z φ_k(z) + \sum_{j=1}^k \frac{φ_j(z)}{(k-j)!} \Big)

Nothing cancels for real z, and for any z in the closed left half plane no error grows beyond the largest of the errors
of φ_1(z), …, φ_k(z), but for rounding.
"""

from __future__ import annotations

from functools import lru_cache
from math import factorial

import numpy as np

__all__ = ["doubled"]


def doubled(values: np.ndarray, exponential: np.ndarray) -> np.ndarray:
    """Return φ_0(2z), …, φ_p(2z) from ``values``, φ_0(z), …, φ_p(z) along the first axis.

    Parameters
    ----------
    values
        Of shape (p + 1, …), real or complex in double precision. The formula is linear in all but φ_0: if the others
        are multiples by one number, so are the results.
    exponential
        e^{2z} itself: squaring e^z would double its error each time.
    """
    p = len(values) - 1
    flat = values.reshape(p + 1, -1)
    result = _sums(p) @ flat
    result += _halves(p) * flat[0] * flat
    result[0] = exponential.reshape(-1)
    return result.reshape(values.shape)


@lru_cache(maxsize=16)
def _sums(p: int) -> np.ndarray:
    """Return 2^{-k} / (k-j)! for 1 ≤ j ≤ k, otherwise 0."""
    return np.array([[2.0**-k / factorial(k - j) if 1 <= j <= k else 0.0 for j in range(p + 1)] for k in range(p + 1)])


@lru_cache(maxsize=16)
def _halves(p: int) -> np.ndarray:
    return 2.0 ** -np.arange(p + 1.0)[:, None]
