"""L multiplies the coefficients of a transform: cosine, sine, Fourier series, or eigenvectors along an axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from expint.arguments import instance, integer
from expint.arrays import floating, host_numbers
from expint.backend import Array, is_array
from expint.operators.base import Operator, StoredOperator
from expint.operators.bases.in_basis import combiner_through
from expint.operators.diagonal import Diagonal
from expint.phi import phi_functions

__all__ = ["Basis", "Transformed"]


@runtime_checkable
class Basis(Protocol):
    """A pair of transforms over the last axes of a state.

    Attributes
    ----------
    shape
        The lengths of these axes, of values.
    modes
        Their lengths, of coefficients.
    real
        Whether values are real.
    """

    shape: tuple[int, ...]
    modes: tuple[int, ...]
    real: bool

    def forward(self, u: Array) -> Array:
        """Return the coefficients of values."""

    def backward(self, v: Array) -> Array:
        """Return the values of coefficients."""

    def check(self, u: Array) -> None:
        """Refuse arrays that are no values on the grid."""

    def watch(self, u: Array) -> None:
        """Warn of values that contradict the boundary conditions."""


class Transformed(StoredOperator):
    r"""The operator u ↦ F⁻¹(symbol · F u) on values, where F is the transform of a basis.

    It costs one forward and one backward transform for every evaluation of N, as a hand-written run in coefficients
    does: what has been transformed is known. Its φ-functions are those of the numbers in ``symbol``.

    For states that are coefficients, F u, pass ``linear=operator.diagonal``.

    Parameters
    ----------
    symbol
        Eigenvalues of L, an array whose last axes are those of the coefficients, of shape ``basis.modes``; axes before
        them count components of a field.
    basis
        F and F⁻¹, for example an ``expint.spectral.Grid``.

    Raises
    ------
    ValueError
        If the symbol is not finite or does not fit the basis.
    TypeError
        If it is no array of numbers.

    Notes
    -----
    Operators of one basis form an algebra: ``A + B``, ``A - 0.1``, ``2 * A``, ``A @ B`` and ``A**2``, ``A**-1`` where
    it exists, are operators of this kind. ``A @ u`` is L u.

    Examples
    --------
    Swift–Hohenberg's linear part with insulating walls:

    >>> import expint
    >>> grid = expint.spectral.Grid((32, 32), length=20.0, boundary="neumann")
    >>> 0.1 - (1 + grid.laplacian) ** 2
    Transformed(real symbol of shape (32, 32))
    """

    elementwise = True

    def __init__(self, symbol: Array, basis: Basis) -> None:
        instance("basis", basis, Basis, "a pair of transforms, such as an expint.spectral.Grid")
        host = host_numbers(symbol)
        if not np.all(np.isfinite(host)):
            bad = int(np.sum(~np.isfinite(host)))
            raise ValueError(f"expected a finite symbol, received {bad} non-finite entries of {host.size}")
        try:
            full = np.broadcast_shapes(host.shape, basis.modes)
        except ValueError:
            full = ()
        if full[len(full) - len(basis.modes) :] != basis.modes:
            raise ValueError(
                f"expected a symbol for coefficients of shape {basis.modes}, received one of shape {host.shape}"
            )
        self.symbol, self.basis = np.broadcast_to(host, full), basis

    @property
    def values(self) -> np.ndarray:
        """The symbol."""
        return self.symbol

    @property
    def diagonal(self) -> Diagonal:
        """L for states that are coefficients: multiplication by the symbol."""
        return Diagonal(self.symbol)

    @property
    def fields(self) -> tuple[int, ...]:
        """The shape of the components of a field; () for operators that treat all alike."""
        return self.symbol.shape[: self.symbol.ndim - len(self.basis.modes)]

    def check(self, y0: Array) -> None:
        """Refuse states that are no values on the grid, and warn of those that contradict its boundary conditions."""
        self._fit(y0)
        self.basis.watch(y0)

    def _fit(self, u: Array) -> None:
        self.basis.check(u)
        before, own = tuple(u.shape[: u.ndim - len(self.basis.shape)]), self.fields
        if own and before[len(before) - len(own) :] != own:
            raise ValueError(
                f"expected a state of shape (…, {', '.join(map(str, own + self.basis.shape))}), with components first, "
                f"received shape {tuple(u.shape)}"
            )

    def phi(self, p: int, scale: float) -> Sequence[Any]:
        """Return [φ_0(scale · symbol), …, φ_p(scale · symbol)]."""
        if scale == 0:
            return [np.full_like(self.symbol, 1.0 / math.factorial(k)) for k in range(p + 1)]
        return phi_functions(scale * self.symbol, p)

    def combine(self, weights: Sequence[Any], columns: Sequence[Array]) -> Array:
        """Return Σ weights_j columns_j."""
        return self.combiner()(weights, columns)

    def combiner(self) -> Callable[[Sequence[Any], Sequence[Array]], Array]:
        """Return ``combine`` for one run; columns, and points that become columns, are transformed once."""
        basis = self.basis
        return combiner_through(basis.forward, lambda v, _: basis.backward(v))

    def _of(self, symbol: np.ndarray) -> Transformed:
        return Transformed(symbol, self.basis)

    def __matmul__(self, other: Any) -> Any:
        """Return L u for values u, or the product with an operator of the same basis."""
        if isinstance(other, Transformed) and other.basis == self.basis:
            return self._of(self.symbol * other.symbol)
        if not is_array(other):
            return NotImplemented
        other = floating(other)
        self._fit(other)
        return self.product(other)(other)

    def __mul__(self, factor: complex) -> Operator:
        """Return c L for a number c.

        Raises
        ------
        TypeError
            If c is complex, and values are real.
        """
        if isinstance(factor, complex | np.complexfloating):
            self._refuse_complex(factor)
        return super().__mul__(factor)

    __rmul__ = __mul__

    def __pow__(self, power: int) -> Transformed:
        """Return the operator applied ``power`` times; its inverse and powers of that for negative numbers.

        Raises
        ------
        ValueError
            If the operator has no inverse.
        """
        power = integer("power", power, least=None)
        if power < 0 and not np.all(self.symbol):
            zeros = int(np.sum(self.symbol == 0))
            raise ValueError(
                f"expected an operator without eigenvalue zero for a negative power, received one with {zeros}; the "
                "mean of a periodic or insulated field cannot be recovered"
            )
        return self._of(self.symbol ** float(power) if power < 0 else self.symbol**power)

    def shifted(self, number: complex | np.ndarray) -> Transformed | None:
        """Return L + number · 1; for an array, a number for each component, constant along the grid, or None."""
        if np.iscomplexobj(number):
            self._refuse_complex(number)
        own = np.asarray(number)
        d = len(self.basis.modes)
        if own.ndim and (own.ndim < d or any(length != 1 for length in own.shape[own.ndim - d :])):
            return None
        return self._of(self.symbol + own)

    def _refuse_complex(self, factor: Any) -> None:
        if self.basis.real:
            raise TypeError(
                f"expected a real factor for an operator on real values, received {factor}; make the grid with "
                "real=False"
            )

    def __repr__(self) -> str:
        kind = "complex" if np.iscomplexobj(self.symbol) else "real"
        return f"Transformed({kind} symbol of shape {self.symbol.shape})"
