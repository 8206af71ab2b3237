r"""One-step exponential Runge–Kutta methods of any order by bootstrapping collocation.

Level k computes y at k nodes to order k: it integrates the polynomial through N at 0 and at the k - 1 nodes of the
level below exactly against the exponential. Level p is the step itself. Every stage condition holds for arbitrary
operators, so the stiff order is p in the strong sense, with 1 + p(p-1)/2 stages. Not economical; meant to start
multistep methods of any order, and to be a reference that is right by construction.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from expint.derive.lagrange import collocation_weights
from expint.derive.phisum import PhiSum
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
    c: list[Fraction] = [Fraction(0)]
    a: list[tuple[PhiSum, ...]] = [()]
    below: list[int] = [0]  # indices of the stages whose slopes the next level interpolates
    for level in range(1, order):
        reached = [0]
        nodes = [c[i] for i in below]
        for j in range(1, level + 1):
            end = Fraction(j, level)
            weights = dict(zip(below, collocation_weights(nodes, end)))
            a.append(tuple(weights.get(i, PhiSum()) for i in range(len(c))))
            c.append(end)
            reached.append(len(c) - 1)
        below = reached
    weights = dict(zip(below, collocation_weights([c[i] for i in below])))
    return Tableau(
        name=f"bootstrap{order}",
        c=tuple(c),
        a=tuple(a),
        b=tuple(weights.get(i, PhiSum()) for i in range(len(c))),
        declared_order=order,
        declared_stiff_order=order,
        declared_weak_stiff_order=order,
        reference="hochbruck2010",
        remarks="Bootstrapped collocation; derived, of any order.",
    )
