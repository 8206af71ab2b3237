"""L is a sum of parts that commute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from expint.backend import Array
from expint.derive.algebra.phisum import Terms
from expint.operators.addition.commuting import Commuting, sum_of_products
from expint.operators.addition.merge import merge
from expint.operators.base import Operator, PhiTable
from expint.operators.coerce import as_part

__all__ = ["Sum"]


class Sum(Operator):
    """The operator A + B + … of operators that act on the same states.

    Where the sum is itself an operator of one kind it becomes that one: symbols add up, matrices of one size add up, a
    number moves any spectrum, a symbol that is constant along the axes of a ``Dense`` or ``KroneckerSum`` moves its
    eigenvalues. Other parts must commute. Then an exponential is a product of those of the parts, and other φ-functions
    are applied in Krylov spaces of the sum; nothing is filled in. ``route`` is the operator that the sum simplifies to.

    Parameters
    ----------
    parts
        Operators, numbers, sparse matrices or ``LinearOperator`` s of SciPy.

    Raises
    ------
    TypeError
        If a part is an array, which could be a symbol or a matrix.
    ValueError
        If there is no part, or parts have shapes that do not go together; and where the sum meets a state, if parts do
        not commute (as tried on a random vector).

    Examples
    --------
    Dispersion of the modes of two fields, which are damped at different rates:

    >>> import numpy as np
    >>> from expint.operators import Diagonal, Sum
    >>> Sum(Diagonal(1j * np.arange(4.0) ** 3), Diagonal([[-0.1], [-2.0]])).route
    Diagonal(complex symbol of shape (2, 4))
    """

    def __init__(self, *parts: Any) -> None:
        if not parts:
            raise ValueError("expected parts to add, received none; Sum(A, B)")
        self.parts: tuple[Operator, ...] = tuple(own for part in parts for own in _operators(part))
        merged = merge(self.parts)
        self.route: Operator = merged[0] if len(merged) == 1 else Commuting(merged)

    def check(self, y0: Array) -> None:
        """Refuse states on which a part cannot act, and parts that do not commute."""
        for part in self.parts:
            part.check(y0)
        self.route.check(y0)

    def phi(self, p: int, scale: float) -> Sequence[Any]:
        """Return the φ-functions of what the sum has become, if that stores them."""
        return self.route.phi(p, scale)  # type: ignore[attr-defined]

    def row(
        self, columns: Sequence[Terms], factors: Sequence[float], table: PhiTable, like: Array | None
    ) -> tuple[Any, ...]:
        """Return the weights of one row."""
        return self.route.row(columns, factors, table, like)

    def combine(self, weights: Sequence[Any], columns: Sequence[Array]) -> Array:
        """Return Σ weights_j columns_j."""
        return self.route.combine(weights, columns)

    def product(self, like: Array) -> Callable[[Array], Array]:
        """Return v ↦ A v + B v + …."""
        return sum_of_products(self.parts, like)

    def combiner(self) -> Callable[[Sequence[Any], Sequence[Array]], Array]:
        """Return ``combine`` for one run."""
        return self.route.combiner()

    def reduced(self) -> Operator:
        """Return what the sum has become."""
        return self.route

    def within(self, rtol: float, atol: float) -> Operator:
        """Return the operator for a run to a tolerance."""
        return self.route.within(rtol, atol)

    def __repr__(self) -> str:
        return f"Sum({', '.join(map(repr, self.parts))})"


def _operators(part: Any) -> tuple[Operator, ...]:
    """Return a part as operators: a sum as its own parts."""
    if isinstance(part, Sum):
        return part.parts
    return (as_part(part),)
