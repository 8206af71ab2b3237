"""L and N from elsewhere: matrices of a finite-element code, right-hand sides of other PDE packages."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse import linalg

from expint.arguments import flag, function, seen
from expint.backend import Array, is_array, is_sparse
from expint.operators import Dense, MatrixFree, Operator, Sparse, as_operator

__all__ = ["Assembled", "Remainder", "assembled", "rate_of"]

_FORMED = 1000
"""Up to so many unknowns M⁻¹K is formed."""


class Assembled:
    r"""The equation M u' = K u + F(t, u) of a finite-element code as u' = L u + N(t, u).

    Attributes
    ----------
    linear
        L = M⁻¹ K.
    mass
        M, or the diagonal matrix that stands for it.
    """

    def __init__(self, linear: Operator, mass: Any, solve: Callable[[np.ndarray], np.ndarray]) -> None:
        self.linear, self.mass, self._solve = linear, mass, solve

    def nonlinear(self, load: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
        """Return N(t, u) = M⁻¹ F(t, u) for an assembled load vector F.

        Raises
        ------
        TypeError
            If F is no function.
        """
        given, solve = function("load", load, "(t, u)"), self._solve
        return lambda t, u, *args: solve(given(t, u, *args))

    def __repr__(self) -> str:
        return f"Assembled({self.linear!r})"


def assembled(stiffness: Any, mass: Any, *, lump: bool = False) -> Assembled:
    r"""Return the equation M u' = K u + F(t, u) in the form that ``solve_ivp`` takes.

    Parameters
    ----------
    stiffness, mass
        K and M, sparse or dense, of shape (n, n), on the free unknowns: rows and columns of constrained ones removed,
        what they contribute added to F. With diffusion K is minus what is often called the stiffness matrix.
    lump
        Whether to take the sums of the rows of M in place of M. L is then sparse, at an error of the order of that of
        linear elements; elements of higher order need the full matrix, or nodes at points of quadrature.

    Returns
    -------
    Assembled
        ``linear`` is ``Sparse`` for a diagonal or lumped M, the cheapest; ``Dense`` up to 1000 unknowns; else
        ``MatrixFree``, with one sparse factorisation of M and a solution for each product.

    Raises
    ------
    ValueError
        If the matrices are not square and of one shape, or lumped masses are not positive.
    TypeError
        If they are no matrices.

    Examples
    --------
    The heat equation by linear elements on [0, 1], u = 0 at both ends:

    >>> import numpy as np
    >>> from scipy import sparse
    >>> h, n = 1 / 16, 15
    >>> K = sparse.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(n, n)) / h
    >>> M = sparse.diags_array([1.0, 4.0, 1.0], offsets=[-1, 0, 1], shape=(n, n)) * h / 6
    >>> assembled(K, M, lump=True).linear
    Sparse(matrix of shape (15, 15) with 43 entries, action='auto')
    """
    k, m = (_square(name, value) for name, value in (("stiffness", stiffness), ("mass", mass)))
    if k.shape != m.shape:
        raise ValueError(f"expected matrices of one shape, received {k.shape} and {m.shape}")
    n = k.shape[0]
    diagonal = flag("lump", lump) or not (m - sparse.diags_array(m.diagonal())).count_nonzero()
    if diagonal:
        weights = np.asarray(m.sum(axis=1)).ravel()
        if not np.all(weights > 0):
            bad = int(np.sum(~(weights > 0)))
            raise ValueError(
                f"expected positive sums of the rows of the mass matrix to lump, received {bad} that are not; leave "
                "lump out"
            )
        scaled = sparse.diags_array(1 / weights)
        return Assembled(Sparse(scaled @ k), sparse.diags_array(weights), lambda load: load / weights)
    factors = linalg.splu(m.tocsc())

    def solve(load: np.ndarray) -> np.ndarray:
        flat = np.asarray(load).reshape(-1, n).T
        parts = [
            factors.solve(np.ascontiguousarray(own)) for own in (flat.real, flat.imag)[: 1 + np.iscomplexobj(flat)]
        ]
        found: np.ndarray = (parts[0] if len(parts) == 1 else parts[0] + 1j * parts[1]).T.reshape(np.shape(load))
        return found

    if n <= _FORMED:
        return Assembled(Dense(np.asarray(factors.solve(k.toarray()))), m, solve)
    return Assembled(MatrixFree(lambda v: solve(k @ v), n), m, solve)


def _square(name: str, value: Any) -> Any:
    """Return a matrix of real numbers as SciPy's CSR in double precision."""
    if not is_sparse(value) and not (is_array(value) and value.ndim == 2):
        raise TypeError(f"expected {name} as a matrix, sparse or dense, received {seen(value)}")
    found = Sparse(value if is_sparse(value) else sparse.csr_array(Dense(value).matrix)).matrix
    if found.dtype.kind == "c":
        raise TypeError(f"expected {name} as a matrix of real numbers, received dtype {found.dtype}")
    return found


def rate_of(equation: Any, state: Any) -> Callable[[float, np.ndarray], np.ndarray]:
    """Return f(t, u) of arrays for an equation that is known by ``equation.evolution_rate(state, t)``, as in py-pde.

    Parameters
    ----------
    equation
        An object with the method ``evolution_rate(state, t)``, which returns what has the attribute ``data``.
    state
        A field of the kind that it takes, with the attribute ``data``; it is copied, and not changed.

    Raises
    ------
    TypeError
        If one of them lacks these.

    Notes
    -----
    ``Remainder(rate_of(equation, state), linear)`` is then N; the whole f serves methods that linearise.
    """
    if not callable(getattr(equation, "evolution_rate", None)) or not is_array(getattr(state, "data", None)):
        raise TypeError(
            "expected an equation with the method evolution_rate(state, t) and a state with the array data, received "
            f"{seen(equation)} and {seen(state)}"
        )
    own = state.copy() if hasattr(state, "copy") else copy.deepcopy(state)

    def rate(t: float, u: np.ndarray) -> np.ndarray:
        own.data = u.copy()  # which it may write to
        found: np.ndarray = np.asarray(equation.evolution_rate(own, t).data)
        return found.copy()

    return rate


class Remainder:
    """N(t, u) = f(t, u) - L u: what is left of a whole right-hand side beside its stiff linear part.

    L need not be all that is linear in f, nor discretised as f is: whatever it is, u' = L u + N is the same equation.
    It only has to hold the stiff part well enough for N to be mild. Where f is f = L u + g to rounding, L u is
    subtracted with an error of about ‖L‖ roundings of u.

    Parameters
    ----------
    rate
        f(t, u, *args).
    linear
        L, as ``solve_ivp`` takes it.

    Raises
    ------
    TypeError
        If f is no function.
    """

    def __init__(self, rate: Callable[..., Array], linear: Any) -> None:
        self.rate, self.linear = function("rate", rate, "(t, u)"), linear
        self._product: tuple[tuple[Any, ...], Callable[[Array], Array]] | None = None

    def __call__(self, t: float, u: Array, *args: Any) -> Array:
        """Return f(t, u) - L u."""
        key = (tuple(u.shape), u.dtype)
        if self._product is None or self._product[0] != key:
            self._product = key, as_operator(self.linear, u).product(u)
        return self.rate(t, u, *args) - self._product[1](u)

    def __repr__(self) -> str:
        return f"Remainder({seen(self.rate)} less {self.linear!r})"
