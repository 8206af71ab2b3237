"""L is a sum of parts that commute."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from expint.backend import Array
from expint.operators.addition.combination import merge
from expint.operators.addition.commuting import Commuting, Products, listed
from expint.operators.base import Operator
from expint.operators.coerce import as_part
from expint.operators.routed import Routed

__all__ = ["Sum"]


class Sum(Routed):
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
        _ = self.route  # refusals belong here

    @cached_property
    def route(self) -> Operator:
        """The operator that the sum simplifies to."""
        merged = merge(self.parts)
        return merged[0] if len(merged) == 1 else Commuting(merged)

    def check(self, y0: Array) -> None:
        """Refuse states on which a part cannot act, and parts that do not commute."""
        for part in self.parts:
            part.check(y0)
        self.route.check(y0)

    def product(self, like: Array) -> Callable[[Array], Array]:
        """Return v ↦ A v + B v + …."""
        return Products([1.0] * len(self.parts), self.parts).product(like)

    def __repr__(self) -> str:
        return listed("Sum", self.parts)


def _operators(part: Any) -> tuple[Operator, ...]:
    """Return a part as operators: a sum as its own parts."""
    if isinstance(part, Sum):
        return part.parts
    return (as_part(part),)
