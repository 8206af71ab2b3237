"""L is known only by its products with vectors."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from scipy.sparse.linalg import LinearOperator

from expint.arguments import choice, function, number
from expint.arrays import check_constant, check_dtype, random_like
from expint.backend import Array, array_namespace, device, is_array, is_complex, is_numpy, is_torch
from expint.exchange import guarded
from expint.operators.iterated import IteratedOperator, Spectrum, check_trailing
from expint.phi.augmented import Matvec, norm

__all__ = ["MatrixFree"]

_LINEAR = 1e-4
"""How well linearity has to hold, relatively: a product may rest on iterations of its own."""

_LARGEST_PROBE = 1e9
"""Probes are not larger than this, which single precision can still multiply."""


class MatrixFree(IteratedOperator):
    """The operator y ↦ L y, given by a function.

    Parameters
    ----------
    matvec
        v ↦ L v, linear, returning a new array of the shape, precision and device of v; or a ``LinearOperator`` of
        SciPy.
    shape
        The shape of the v that ``matvec`` takes, or its length n. It covers the trailing axes of the state; over
        further axes in front the function is applied one by one. Not needed for a ``LinearOperator``.
    symmetry
        "symmetric" (L = L*) or "skew" (L = -L*), if it is so, which is tried on a pair of random vectors.
    interval
        (a, b) that holds the eigenvalues of L if it is symmetric, of -iL if it is skew.
    complex
        Whether L maps real vectors to complex ones.
    action
        "krylov"; "chebyshev" if symmetry and interval are given; or "auto".
    tolerance, basis
        As in ``Sparse``.

    Raises
    ------
    TypeError, ValueError
        If ``matvec`` is no function, or the declarations make no sense.

    Examples
    --------
    >>> import numpy as np
    >>> from expint.operators import MatrixFree
    >>> second = MatrixFree(lambda u: np.roll(u, 1) - 2.0 * u + np.roll(u, -1), 4)
    >>> (second @ np.array([1.0, 0.0, 0.0, 0.0])).tolist()
    [-2.0, 1.0, 0.0, 1.0]
    """

    def __init__(
        self,
        matvec: Callable[[Array], Array] | LinearOperator,
        shape: int | tuple[int, ...] | None = None,
        *,
        symmetry: Literal["symmetric", "skew"] | None = None,
        interval: tuple[float, float] | None = None,
        complex: bool = False,  # noqa: A002  # the word of the field
        action: Literal["auto", "krylov", "chebyshev"] = "auto",
        tolerance: float | None = None,
        basis: int = 100,
    ) -> None:
        super().__init__(action, tolerance, basis, _declared(symmetry, interval))
        self.is_complex, self.symmetry = complex, symmetry
        if isinstance(matvec, LinearOperator):
            if matvec.shape[0] != matvec.shape[1]:
                raise ValueError(f"expected a square operator of shape (n, n), received shape {matvec.shape}")
            shape = matvec.shape[0] if shape is None else shape
            self.is_complex = complex or np.issubdtype(matvec.dtype, np.complexfloating)
            if math.prod(_as_shape(shape)) != matvec.shape[0]:
                raise ValueError(f"expected a shape of {matvec.shape[0]} entries, received {shape}")
            self.function, self.home = matvec.matvec, "numpy"
            shape = matvec.shape[0]
        elif shape is None:
            raise TypeError("expected the length n, or the shape, of the vectors that matvec takes, received none")
        else:
            remedy = "matrices are for expint.operators.Dense and expint.operators.Sparse"
            self.function, self.home = function("matvec", matvec, "v ↦ L v or a LinearOperator", remedy), "any"
        self.shape = _as_shape(shape)

    @property
    def length(self) -> float:
        """The number of entries of the vectors that the function takes."""
        return float(math.prod(self.shape))

    def check(self, y0: Array) -> None:
        """Refuse states that do not fit, and a function that is not what it should be, by calling it four times."""
        check_trailing(math.prod(self.shape), y0, repr(self))
        check_dtype(self.is_complex, y0)
        self.check_tolerance(y0)
        xp = array_namespace(y0)
        if self.home == "numpy" and not is_numpy(xp):
            raise TypeError(
                f"expected a NumPy state for a LinearOperator of SciPy, received {type(y0).__name__}; pass a function "
                "of such arrays and its length: MatrixFree(function, n)"
            )
        u, v = self._probes(y0)
        given = xp.asarray(u, copy=True)
        moved = self.function(given)
        if not is_array(moved) or tuple(moved.shape) != self.shape:
            received = f"shape {tuple(moved.shape)}" if is_array(moved) else type(moved).__name__
            raise ValueError(f"expected matvec to return an array of shape {self.shape}, received {received}")
        if moved.dtype != u.dtype or array_namespace(moved) is not xp or device(moved) != device(u):
            raise TypeError(
                f"expected matvec to return {type(u).__module__} {u.dtype} on {device(u)}, as it received, "
                f"received {type(moved).__module__} {moved.dtype} on {device(moved)}; let it keep precision and "
                "device, or pass y0 in those it works in"
            )
        check_constant(moved)
        if not bool(xp.all(xp.isfinite(moved))):
            raise ValueError(
                "expected matvec to return finite values, received inf or nan for a random v; look at its coefficients"
            )
        if not bool(xp.all(given == u)):
            raise ValueError("expected matvec to leave v as it is and return a new array, received a changed v")
        kept = xp.asarray(moved, copy=True)
        other = self.function(v)
        if not bool(xp.all(moved == kept)):
            raise ValueError(
                "expected matvec to return a new array each time, received one that it writes to again; return a copy"
            )
        self._check_linearity(u, v, kept, xp.asarray(other, copy=True))
        if self.symmetry is not None:
            self._check_symmetry(u, v, kept, other)

    def _probes(self, y0: Array) -> tuple[Array, Array]:
        """Return two random arrays that ``matvec`` takes, not smaller than the entries of the state."""
        xp = array_namespace(y0)
        one = xp.reshape(xp.reshape(y0, (-1, *self.shape))[0, ...], self.shape)
        one = one.detach() if is_torch(xp) else one
        size = norm(one) / math.sqrt(math.prod(self.shape))
        size = size if 1.0 < size < _LARGEST_PROBE else 1.0
        u, v = random_like(one), random_like(one, seed=21)
        return size * u, size * v / (0.25 + xp.abs(u))  # what looks at large entries alone sees others in v

    def _check_linearity(self, u: Array, v: Array, of_u: Array, of_v: Array) -> None:
        """Refuse a function with L(α(u + βv)) ≠ α (L(u) + β L(v)).

        Random u and v of one size, a large and a small α, and a β that turns complex states: what is not linear shows
        in one of these.
        """
        large, beta = 1024.0, -0.7 + 1.3j if is_complex(u) else -1.3
        tiny = 1.0 / (large * float(array_namespace(u).max(array_namespace(u).abs(u))))
        both, expected = self.function(large * (u + beta * v)), large * (of_u + beta * of_v)
        change, size = norm(both - expected), norm(large * of_u) + norm(large * of_v)
        below, small = norm(self.function(tiny * u) - tiny * of_u), norm(tiny * of_u)
        if not (change <= _LINEAR * size and below <= _LINEAR * small):
            share = max(change / size if size else math.inf, below / small if small else math.inf)
            raise ValueError(
                f"expected a linear function, L(2v) = 2 L(v), L(u + v) = L(u) + L(v)"
                f"{', L(iv) = i L(v)' if is_complex(u) else ''}, received one that is not (by {share:.2g} of "
                "its size on random vectors); terms that are not linear belong to nonlinear"
            )

    def _check_symmetry(self, u: Array, v: Array, of_u: Array, of_v: Array) -> None:
        """Refuse a declared symmetry that L does not have, as seen by ⟨u, L v⟩ = ±⟨L u, v⟩ for random u and v.

        The scalar products of n random numbers are 1/√n of what they may be, and so is what is not symmetric in them.
        """
        xp = array_namespace(u)
        there, back = (
            complex(xp.vecdot(xp.reshape(a, (-1,)), xp.reshape(b, (-1,)))) for a, b in ((u, of_v), (of_u, v))
        )
        share = max(_LINEAR / math.sqrt(math.prod(self.shape)), 64 * float(xp.finfo(u.dtype).eps))
        allowed = share * max(norm(u) * norm(of_v), norm(of_u) * norm(v))
        if not abs(there - back if self.symmetry == "symmetric" else there + back) <= allowed:
            raise ValueError(
                f"expected a function that is {self.symmetry}, as declared, received one with ⟨u, L v⟩ = {there:.6g} "
                f"and ⟨L u, v⟩ = {back:.6g} for random u and v; leave symmetry and interval out"
            )

    def adjoint(self) -> MatrixFree:
        """Return the operator of the adjoint function: by its symmetry, or by differentiating the function."""
        from expint.phi.torch_rule import adjoint

        made, function = copy.copy(self), self.function
        if self.symmetry is None:
            made.function = adjoint(function)
        elif self.symmetry == "skew":
            made.function = lambda v: -function(v)
        return made

    def matvec(self, like: Array) -> Matvec:
        """Return v ↦ L v for states like ``like``, flattened."""
        xp, function, shape = array_namespace(like), guarded(self.function), self.shape
        if math.prod(like.shape) == math.prod(shape):
            return lambda v: xp.reshape(function(xp.reshape(v, shape)), (-1,))

        def one_by_one(v: Array) -> Array:
            members = xp.reshape(v, (-1, *shape))
            return xp.reshape(xp.stack([function(members[i, ...]) for i in range(members.shape[0])]), (-1,))

        return one_by_one

    def __repr__(self) -> str:
        return f"MatrixFree(vectors of shape {self.shape}, action={self.action!r})"


def _as_shape(shape: Any) -> tuple[int, ...]:
    entries = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if not entries or any(isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1 for n in entries):
        raise ValueError(f"expected a length or a shape of positive integers, received {shape!r}")
    return tuple(int(n) for n in entries)


def _declared(symmetry: str | None, interval: tuple[float, float] | None) -> Spectrum | None:
    """Return the declared interval of the spectrum."""
    if symmetry is not None:
        choice("symmetry", symmetry, ("symmetric", "skew"))
    if interval is None:
        return None
    try:
        one, other = interval
    except (TypeError, ValueError):  # not two of them
        one = other = math.nan
    low, high = (number("interval", end, finite=False) for end in (one, other))
    if symmetry is None or not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(
            f"expected interval = (a, b) with a ≤ b together with symmetry='symmetric' or 'skew', received {interval} "
            f"with symmetry={symmetry!r}"
        )
    return Spectrum(low, high, symmetry == "skew")
