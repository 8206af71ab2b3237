r"""One-step exponential Runge–Kutta methods of any order by bootstrapping collocation.

Level k computes y at k nodes to order k: it integrates the polynomial through N at 0 and at the k - 1 nodes of the
level below exactly against the exponential. Level p is the step itself. Every stage condition holds for arbitrary
operators, so the stiff order is p in the strong sense, with 1 + p(p-1)/2 stages. Not economical; meant to start
multistep methods of any order, and to be a reference that is right by construction.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from expint.derive.ladder import ladder
from expint.derive.tableau import Tableau

__all__ = ["bootstrap"]


@lru_cache(maxsize=32)
def bootstrap(order: int) -> Tableau:
    """Return the bootstrapped collocation method of the given order (stiff order the same), 1 + p(p-1)/2 stages.

    Raises
    ------
    ValueError
        If the order is not a positive integer.
    """
    if not isinstance(order, int) or order < 1:
        raise ValueError(f"expected the order of bootstrap to be an integer ≥ 1, received {order!r}")
    return ladder(
        f"bootstrap{order}",
        [[Fraction(j, level) for j in range(1, level + 1)] for level in range(1, order)],
        declared_order=order,
        declared_stiff_order=order,
        declared_weak_stiff_order=order,
        reference="hochbruck2010",
        remarks="Bootstrapped collocation; derived, of any order.",
    )
