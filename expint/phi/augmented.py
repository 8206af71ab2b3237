r"""Sums of φ-functions acting on vectors, as one linear initial-value problem.

With the time x scaled to [0, 1], the solution of

.. math:: u' = A u + \sum_{k=1}^{p} \frac{x^{k-1}}{(k-1)!} b_k, \qquad u(0) = b_0

is u(1) = Σ_k φ_k(A) b_k. The powers of x obey a linear equation themselves, so that u and they together are the
exponential of one matrix applied to one vector.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from expint.backend import Array, Namespace, array_namespace, asarray_like, is_complex

__all__ = ["Augmented", "norm"]

Matvec = Callable[[Array], Array]


def norm(x: Array) -> float:
    """Return the Euclidean norm of a vector."""
    return float(array_namespace(x).linalg.vector_norm(x))


class Augmented:
    r"""The matrix [[A, B], [0, J]] on vectors (u, e) with e_k = μ x^{k-1}/(k-1)!, of length n + p.

    Parameters
    ----------
    matvec
        v ↦ A v for vectors of shape (n,).
    span
        The real factor T: what is exponentiated is T A. The matrix is kept as A with B/T and J/T, so that multiplying
        by T costs nothing.
    forcing
        b_1, …, b_p, vectors of shape (n,) or None for zero. Multiplied by T already, as the time x is.

    Notes
    -----
    μ is of the size of the largest b_k, so that u and e are of a size in floating-point arithmetic. J. Niesen and
    W. M. Wright, ACM Trans. Math. Softw. 38 (2012) 22; S. Gaudreault, G. Rainwater and M. Tokman, J. Comput. Phys. 372
    (2018) 236–255.
    """

    def __init__(self, matvec: Matvec, span: float, forcing: Sequence[Array | None], like: Array) -> None:
        self.matvec, self.span, self.n, self.p = matvec, span, like.shape[0], len(forcing)
        self.xp: Namespace = array_namespace(like)
        self._like, self._b, self.mu = like, None, 0.0
        if forcing:
            zero = self.xp.zeros_like(like)
            stacked = self.xp.stack([zero if b is None else b for b in forcing])
            largest = max(norm(stacked[k, :]) for k in range(self.p))
            self.mu = 2.0 ** math.frexp(largest)[1] if math.isfinite(largest) and largest > 0 else 1.0
            self._b = stacked / self.mu

    @property
    def size(self) -> int:
        """n + p."""
        return self.n + self.p

    def powers(self, x: float) -> np.ndarray:
        """Return e(x) on the host."""
        return self.mu * np.array([x**k / math.factorial(k) for k in range(self.p)])

    def state(self, u: Array, x: float) -> Array:
        """Return the vector (u, e(x))."""
        if not self.p:
            return u
        tail = self.powers(x).astype(np.complex128 if is_complex(u) else np.float64)
        return self.xp.concat([u, asarray_like(tail, u)])

    def apply(self, v: Array) -> Array:
        """Return the matrix, divided by T, times ``v``."""
        if not self.p:
            return self.matvec(v)
        head, tail = self.matvec(v[: self.n]), v[self.n :] / self.span
        return self.xp.concat([head + tail @ self._b, self.xp.zeros_like(tail[:1]), tail[:-1]])
