r"""Exponential Runge–Kutta methods by collocation, level upon level; bootstrapped, of any order.

All stages of a level integrate the polynomial through N at 0 and at the nodes of the level below exactly against the
exponential, the first level the constant N(y_n). A level over m nodes is then of stage order m + 1 for arbitrary
operators, its stages share the arguments of their φ-functions, and they do not depend on each other.

``bootstrap`` takes one node more at every level. Level p is the step itself. Every stage condition holds for arbitrary
operators, so the stiff order is p in the strong sense, with 1 + p(p-1)/2 stages. It is not economical: it starts
multistep methods of any order, and is a reference that is right by construction.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any

from expint.arguments import integer
from expint.derive.algebra.lagrange import collocation_weights
from expint.derive.algebra.phisum import Exact, PhiSum
from expint.derive.algebra.spread import spread
from expint.derive.kinds.stage import MOST_SLOPES, Method, Multistep, Stage, StepContext
from expint.derive.kinds.tableau import Tableau

__all__ = ["bootstrap", "ladder", "levelled_collocation"]


def levelled_collocation(name: str, levels: Sequence[Sequence[Exact]], **facts: Any) -> Tableau:
    """Return the method whose stages are the nodes of ``levels``, bottom up; the step collocates at the top level.

    Parameters
    ----------
    name
        The name of the method.
    levels
        The nodes of each level, exact numbers other than 0, different within a level. With k nodes on level k, counted
        from 1, the stiff order is one more than the number of levels; a good choice of the top gains one in the weak
        form.
    facts
        Further fields of the tableau.

    Raises
    ------
    ValueError
        If a level holds the node 0 or the same node twice.
    """
    c: list[Exact] = [Fraction(0)]
    a: list[tuple[PhiSum, ...]] = [()]
    below: list[int] = [0]  # indices of the stages whose slopes the next level interpolates
    for level in levels:
        if 0 in level or len(set(level)) < len(level):
            raise ValueError(f"{name}: expected different nodes other than 0 on a level, received {tuple(level)}")
        nodes = [c[i] for i in below]
        reached = [0]
        for node in level:
            weights = dict(zip(below, collocation_weights(nodes, node)))
            a.append(tuple(weights.get(i, PhiSum()) for i in range(len(c))))
            c.append(node)
            reached.append(len(c) - 1)
        below = reached
    weights = dict(zip(below, collocation_weights([c[i] for i in below])))
    return Tableau(name=name, c=tuple(c), a=tuple(a), b=tuple(weights.get(i, PhiSum()) for i in range(len(c))), **facts)


@lru_cache(maxsize=32, typed=True)  # 2.0, which is refused, is not 2
def bootstrap(order: int) -> Tableau:
    """Return the bootstrapped collocation method of the given order (stiff order the same), 1 + p(p-1)/2 stages.

    Raises
    ------
    TypeError, ValueError
        If the order is not a positive integer.

    Examples
    --------
    >>> import expint
    >>> expint.bootstrap(3).order, expint.bootstrap(3).stiff_order
    (3, 3)
    """
    order = integer("order", order, most=MOST_SLOPES)
    return levelled_collocation(
        f"bootstrap{order}",
        [[Fraction(j, level) for j in range(1, level + 1)] for level in range(1, order)],
        declared_order=order,
        declared_stiff_order=order,
        declared_weak_stiff_order=order,
        reference="hochbruck2010",
        remarks="Bootstrapped collocation; derived, of any order.",
    )


ladder = levelled_collocation
"""The earlier name."""


class Bootstrapped(Multistep, ABC):
    """A method whose first steps are made by a one-step method: local errors of its own order are enough."""

    order: int

    @cached_property
    def starter(self) -> Method:
        """The one-step method that makes the first steps."""
        return bootstrap(max(self.order - 1, 1))

    def recipe(self, step: StepContext) -> Sequence[Stage]:
        """Return the stages of one step, those of the starter while the history is short."""
        taken = spread(step.history, 1, self.q)
        if len(taken) < self.q:
            return self.starter.recipe(step)
        return self.stages_from(tuple(step.history[k] for k in taken), taken)

    @abstractmethod
    def stages_from(self, positions: tuple[Any, ...], taken: tuple[int, ...]) -> tuple[Stage, ...]:
        """Return the stages of a step from past values at some ``positions``, which are the ``taken`` ones in memory.

        Positions are floats, which are binary fractions, so nothing is lost.
        """
