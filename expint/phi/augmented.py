r"""Sums of φ-functions acting on vectors, as one linear initial-value problem.

With the time x running from 0 to 1, the solution of

.. math:: u' = T A u + \sum_{k=1}^{p} \frac{x^{k-1}}{(k-1)!} b_k, \qquad u(0) = b_0

is u(1) = Σ_k φ_k(T A) b_k. The powers of x obey a linear equation themselves, so that u and they together are the
exponential of one matrix applied to one vector.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from expint.backend import Array, array_namespace, asarray_like, is_complex
from expint.phi.failure import ActionFailure

__all__ = ["Accuracy", "Augmented", "Matvec", "check_rounding", "no_gradient", "norm", "on_host"]

Matvec = Callable[[Array], Array]
"""v ↦ A v for vectors of shape (n,)."""


class Accuracy(NamedTuple):
    """The error allowed in Euclidean norm: absolute + relative · size.

    The size is that of the result, or of what it starts from where that is larger, and ``scale`` at least.

    Attributes
    ----------
    relative, absolute
        Tolerances.
    scale
        A size that is known beforehand, such as that of the state to which the result is added.
    products
        The most products with A before giving up.

    Examples
    --------
    >>> import numpy as np
    >>> from expint.phi import Accuracy, phi_action
    >>> found = phi_action(lambda u: -u, {(0, 1.0): np.ones(1)}, accuracy=Accuracy(1e-3))
    >>> bool(abs(found[0] * np.e - 1.0) < 1e-3)
    True
    """

    relative: float
    absolute: float = 0.0
    scale: float = 0.0
    products: int = 100_000

    def bound(self, size: float) -> float:
        """Return the error allowed in a result of norm ``size``."""
        return self.absolute + self.relative * max(self.scale, size)


def check_rounding(rounding: float, size: float, accuracy: Accuracy, like: Array) -> None:
    """Raise ActionFailure if rounding errors are above what is allowed in results that were as large as ``size``."""
    if not rounding <= accuracy.bound(size):
        raise ActionFailure(
            f"expected the action of φ-functions to a relative tolerance of {accuracy.relative:.3g}, received rounding "
            f"errors above it in {like.dtype}; raise the tolerance, or take a smaller step"
        )


def no_gradient(what: str) -> TypeError:
    """Return the error for coefficients or vectors that torch differentiates."""
    return TypeError(
        f"expected constants, received {what} that requires a gradient, which iterations would lose; solve with "
        "expint.operators.Sparse or MatrixFree, whose gradients are pulled back by the adjoint, or take torch.no_grad()"
    )


def norm(x: Array) -> float:
    """Return the Euclidean norm of an array of any shape."""
    xp = array_namespace(x)
    flat = xp.reshape(x, (-1,))
    with np.errstate(all="ignore"):
        square = abs(complex(xp.vecdot(flat, flat)))
        if 1e-280 < square < 1e280:
            return math.sqrt(square)  # several times faster
        return float(xp.linalg.vector_norm(flat))


def on_host(x: Array) -> np.ndarray:
    """Return a short vector on the host."""
    if isinstance(x, np.ndarray):
        return x
    return np.array(x.tolist()) if hasattr(x, "tolist") else np.asarray(x)  # a lazy conjugate of torch is a list only


class Augmented:
    r"""The matrix [[T A, B], [0, J]] on vectors (u, e) with e_k = μ x^{k-1}/(k-1)!, of length n + p.

    Parameters
    ----------
    matvec
        v ↦ A v.
    span
        The factor T. The matrix is kept divided by it, so that it costs no pass over the vectors.
    forcing
        b_1, …, b_p; None for zero.
    like
        A vector of shape (n,).

    Notes
    -----
    μ is of the size of the largest b_k, so that u and e are of one size in floating-point arithmetic. J. Niesen and
    W. M. Wright, ACM Trans. Math. Softw. 38 (2012) 22; S. Gaudreault, G. Rainwater and M. Tokman, J. Comput. Phys. 372
    (2018) 236–255.
    """

    def __init__(self, matvec: Matvec, span: float, forcing: Sequence[Array | None], like: Array) -> None:
        sizes = [0.0 if b is None else norm(b) for b in forcing]
        self.matvec, self.span, self.n = matvec, span, like.shape[0]
        self.p = max((k for k, size in enumerate(sizes, start=1) if size > 0), default=0)
        self.xp, self.like, self.products = array_namespace(like), like, 0
        if self.p:
            zero = self.xp.zeros_like(like)
            self.mu = 2.0 ** math.frexp(max(sizes))[1]
            self.b = self.xp.stack([zero if b is None else b / self.mu for b in forcing[: self.p]])

    def powers(self, x: float) -> np.ndarray:
        """Return e(x) on the host."""
        values = [self.mu * x**k / math.factorial(k) for k in range(self.p)]
        return np.array(values, dtype=np.complex128 if is_complex(self.like) else np.float64)

    def vector(self, u: Array, x: float) -> Array:
        """Return (u, e(x))."""
        return self.xp.concat([u, asarray_like(self.powers(x), self.like)]) if self.p else u

    def apply(self, v: Array) -> Array:
        """Return the matrix, divided by T, times ``v``."""
        return self.apply_into(v, self.xp.empty_like(v))

    def apply_into(self, v: Array, out: Array) -> Array:
        """Write the matrix, divided by T, times ``v`` into ``out`` and return it."""
        self.products += 1
        product = self.matvec(v[: self.n])
        known = getattr(product, "shape", None) == self.like.shape and product.dtype == self.like.dtype
        if not known or getattr(product, "requires_grad", False):
            self._check(product)
        out[: self.n] = product
        if self.p:
            tail = v[self.n :] / self.span
            out[: self.n] += tail @ self.b
            out[self.n] = 0.0
            out[self.n + 1 :] = tail[:-1]
        return out

    def _check(self, product: Any) -> None:
        """Refuse products that would be broadcast, or lose their imaginary part, where they are written."""
        n = self.n
        if not hasattr(product, "shape") or tuple(product.shape) != (n,):
            received = f"shape {tuple(product.shape)}" if hasattr(product, "shape") else type(product).__name__
            raise ValueError(f"expected A v to be a vector of shape ({n},), as v, received {received}")
        if is_complex(product) and not is_complex(self.like):
            raise TypeError(
                f"expected A v to be real, as v, received {product.dtype} for {self.like.dtype}; pass complex vectors"
            )
        if getattr(product, "requires_grad", False):
            raise no_gradient("A v")

    def check_budget(self, accuracy: Accuracy, x: float) -> None:
        """Raise ActionFailure once more products have been spent than allowed."""
        if self.products > accuracy.products:
            raise ActionFailure(
                f"expected the action of φ-functions within {accuracy.products} products with L, received {x:.3g} of "
                "it; take smaller steps, a larger tolerance, or action='rational' for a stiff sparse L"
            )
