"""L multiplies elementwise: a symbol in Fourier space, or decay rates."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from expint.arrays import check_dtype, host_numbers
from expint.backend import Array, asarray_like, is_complex
from expint.operators.base import StoredOperator
from expint.operators.sums import linear_combination
from expint.phi import phi_functions

__all__ = ["Diagonal"]


class Diagonal(StoredOperator):
    """The operator y ↦ symbol · y, elementwise.

    Parameters
    ----------
    symbol
        Real or complex array of any shape that broadcasts to that of the state without enlarging it: a symbol of shape
        (65,) serves states of shape (65,) and (batch, 65).

    Raises
    ------
    ValueError
        If the symbol is not finite.

    Examples
    --------
    The heat equation in Fourier space:

    >>> import expint
    >>> grid = expint.spectral.Fourier(16)
    >>> Diagonal(-(grid.k**2))
    Diagonal(real symbol of shape (9,))
    """

    elementwise = True

    def __init__(self, symbol: Array) -> None:
        host = host_numbers(symbol)
        if not np.all(np.isfinite(host)):
            raise ValueError(
                f"expected a finite symbol, received {int(np.sum(~np.isfinite(host)))} non-finite entries of "
                f"{host.size}"
            )
        self.symbol = host

    def check(self, y0: Array) -> None:
        """Refuse states to whose shape the symbol does not broadcast, and real states for complex symbols."""
        try:
            fits = np.broadcast_shapes(self.symbol.shape, tuple(y0.shape)) == tuple(y0.shape)
        except ValueError:
            fits = False
        if not fits:
            raise ValueError(
                f"expected a symbol that broadcasts to the state, received a symbol of shape {self.symbol.shape} "
                "for y0 of "
                f"shape {tuple(y0.shape)}; states of a real Fourier grid have n//2 + 1 entries (grid.fft(u0))"
            )
        check_dtype(is_complex(self.symbol), y0)

    @property
    def values(self) -> np.ndarray:
        """The symbol."""
        return self.symbol

    def phi(self, p: int, scale: float) -> Sequence[Any]:
        """Return [φ_0(scale · symbol), …, φ_p(scale · symbol)]."""
        if scale == 0:
            return [np.full_like(self.symbol, 1.0 / math.factorial(k)) for k in range(p + 1)]
        return phi_functions(scale * self.symbol, p)

    def cast(self, weight: Any, like: Array | None) -> Any:
        """Return the weight as an array on the device of the state."""
        if like is None:
            return weight
        if is_complex(like) and (isinstance(like, np.ndarray) or hasattr(like, "addcmul_")):
            weight = weight.astype(np.complex128, copy=False)  # else NumPy and torch convert it at every product
        return asarray_like(weight, like)

    def cast_all(self, weights: np.ndarray, like: Array | None) -> Iterable[Any]:
        """Return all weights at once."""
        cast = self.cast(weights, like)
        return [cast[j, ...] for j in range(len(weights))]

    def combine(self, weights: Sequence[Any], columns: Sequence[Array]) -> Array:
        """Return Σ weights_j · columns_j."""
        return linear_combination(weights, columns)

    def combiner(self) -> Callable[[Sequence[Any], Sequence[Array]], Array]:
        """Return ``combine`` for one run."""
        return linear_combination

    def __repr__(self) -> str:
        kind = "complex" if is_complex(self.symbol) else "real"
        return f"Diagonal({kind} symbol of shape {self.symbol.shape})"
