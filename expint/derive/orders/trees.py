r"""Rooted trees of two kinds, generated at run time, that index the order conditions of exponential integrators.

*Coloured trees* belong to the Taylor expansion of y' = Ly + N(y) in h. A vertex N with children τ_1 … τ_k stands for
the derivative N^{(k)}(τ_1, …, τ_k), a vertex L with one child for L τ, and a vertex L without child for L y_n. Time
needs no trees of its own: it is one more component of y, with L = 0 and N = 1.

*Stiff trees* belong to the expansion along the exact solution, in which L stays whole and may be unbounded. A leaf of
defect q stands for the defect h^q ψ_q f^{(q-1)}, and a vertex with power l and k children for (c h)^l times the l-th
time derivative of the k-th derivative of N along the solution, applied to the errors that its children stand for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import combinations_with_replacement, groupby, product
from math import factorial
from typing import NamedTuple, TypeVar

__all__ = ["ColouredTree", "StiffTree", "coloured_trees", "forests", "rooted_trees", "stiff_trees"]

T = TypeVar("T")


class ColouredTree(NamedTuple):
    """A rooted tree with vertices N (any number of children) and L (at most one child).

    Attributes
    ----------
    linear
        Whether the root is a vertex L.
    children
        The subtrees of the root in the order of generation: equal ones are neighbours, and equal trees equal tuples.
    """

    linear: bool
    children: tuple[ColouredTree, ...] = ()

    @property
    def order(self) -> int:
        """The number of vertices."""
        return 1 + sum(child.order for child in self.children)

    @property
    def density(self) -> int:
        """γ: the product of the orders of all subtrees. The exact solution has the coefficient 1/γ."""
        density = self.order
        for child in self.children:
            density *= child.density
        return density

    @property
    def symmetry(self) -> int:
        """σ: the number of automorphisms."""
        symmetry = 1
        for child, equal in groupby(self.children):
            count = len(list(equal))
            symmetry *= factorial(count) * child.symmetry**count
        return symmetry

    def stem(self) -> tuple[int, ColouredTree | None]:
        """Return the number m of vertices L down to the first vertex N, and the subtree of that (None: L^m y_n)."""
        if not self.linear:
            return 0, self
        if not self.children:
            return 1, None
        length, rest = self.children[0].stem()
        return length + 1, rest


@lru_cache(maxsize=32)
def coloured_trees(order: int) -> tuple[ColouredTree, ...]:
    """Return all coloured trees with ``order`` vertices: 2, 4, 11, 34, 117, 421, … of them."""
    if order == 1:
        return (ColouredTree(False), ColouredTree(True))
    nonlinear = [ColouredTree(False, forest) for forest in forests(order - 1, coloured_trees)]
    return (*nonlinear, *(ColouredTree(True, (child,)) for child in coloured_trees(order - 1)))


@lru_cache(maxsize=32)
def rooted_trees(order: int) -> tuple[ColouredTree, ...]:
    """Return the trees without vertices L, those of classical Runge–Kutta methods: 1, 1, 2, 4, 9, 20, … of them."""
    if order == 1:
        return (ColouredTree(False),)
    return tuple(ColouredTree(False, forest) for forest in forests(order - 1, rooted_trees))


class StiffTree(NamedTuple):
    """A leaf (``defect`` other than 0, without children) or a vertex (``defect`` 0) of the stiff error expansion.

    Attributes
    ----------
    defect
        The index q of ψ_q at a leaf; where the Jacobian is taken at every step, -q stands for the number τ_q.
    power
        The power l of the node c at a vertex.
    children
        The subtrees of a vertex, at least one.
    """

    defect: int
    power: int = 0
    children: tuple[StiffTree, ...] = ()

    @property
    def order(self) -> int:
        """The power of h with which the tree enters the local error, which is the order that it conditions."""
        return abs(self.defect) or 1 + self.power + sum(child.order for child in self.children)


@lru_cache(maxsize=32)
def stiff_trees(order: int) -> tuple[StiffTree, ...]:
    """Return the trees of the stiff conditions of one order: 1, 1, 2, 4, 9, 20, … of them.

    The defects ψ_{1,i} of the stages are absent, since they are required to vanish one by one.
    """
    vertices = [
        StiffTree(0, power, forest)
        for power in range(order - 2)
        for forest in forests(order - 1 - power, lambda size: stiff_trees(size) if size > 1 else ())
    ]
    return (StiffTree(order), *vertices)


def forests(total: int, trees: Callable[[int], tuple[T, ...]]) -> Iterator[tuple[T, ...]]:
    """Yield every multiset of trees whose orders sum to ``total``, each in sorted order."""
    for partition in _partitions(total, total):
        choices = [
            list(combinations_with_replacement(trees(size), len(list(equal)))) for size, equal in groupby(partition)
        ]
        for parts in product(*choices):
            yield tuple(tree for part in parts for tree in part)


def _partitions(total: int, largest: int) -> Iterator[tuple[int, ...]]:
    """Yield the partitions of ``total`` into parts of at most ``largest``, in falling order."""
    if total == 0:
        yield ()
    for part in range(min(total, largest), 0, -1):
        for rest in _partitions(total - part, part):
            yield (part, *rest)
