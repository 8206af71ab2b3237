r"""Order conditions of methods that linearise at every step, L = J_n = ∂f/∂y(t_n, y_n).

What is special: along the solution, N_n = f - J_n y has at t_n no derivative, neither ∂N_n/∂y nor d/dt. So

- of the classical trees those remain in which no vertex N has one child, with F = f(y_n) at every leaf;
- of the stiff trees those in which a vertex with one child has a power of c, and no leaf ψ_2.

Where the row sums a_i(z) are not c_i φ_1(c_i z), stages leave the numbers τ_{q,i}, the factors of h^q u^{(q)}, and,
since J_n u' = u'' and J_n u^{(q)} = u^{(q+1)} - N_n^{(q)} for the solution u, with a^{[m]} the Taylor remainder divided
by z^m,

.. math::

    \tau_{q,i} = \frac{c_i^q}{q!} - \alpha_{i,q-1}, \qquad
    \psi_{q,i}(z) = a_i^{[q-1]}(z) - \sum_j a_{ij}(z) \frac{c_j^{q-1}}{(q-1)!}, \quad q \ge 3.

Hochbruck, Ostermann and Schweitzer (2009); Luan and Ostermann (2014).
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import factorial

from expint.derive.algebra.phisum import PhiSum
from expint.derive.orders.stiff import StiffResiduals
from expint.derive.orders.trees import ColouredTree, StiffTree, coloured_trees, forests

__all__ = ["LinearisedResiduals", "linearised_classical_trees", "linearised_stiff_trees"]


@lru_cache(maxsize=32)
def linearised_classical_trees(order: int) -> tuple[ColouredTree, ...]:
    """Return the coloured trees of a problem linearised at y_n; a leaf N stands for F: 1, 1, 2, 4, 9, … of them."""
    return tuple(tree for tree in coloured_trees(order) if _remains(tree))


def _remains(tree: ColouredTree) -> bool:
    lone = len(tree.children) == 1
    return (lone if tree.linear else not lone) and all(_remains(child) for child in tree.children)


@lru_cache(maxsize=32)
def linearised_stiff_trees(order: int) -> tuple[StiffTree, ...]:
    """Return the trees of the stiff conditions of one order; a leaf of defect -q stands for the number τ_q."""
    vertices = [
        StiffTree(0, power, forest)
        for power in range(order - 2)
        for forest in forests(order - 1 - power, _stage_errors)
        if power or len(forest) > 1
    ]
    return (*_leaves(order), *vertices)


def _leaves(order: int) -> tuple[StiffTree, ...]:
    return (StiffTree(-order), StiffTree(order)) if order > 2 else (StiffTree(-order),)


def _stage_errors(order: int) -> tuple[StiffTree, ...]:
    """Return the trees of the errors of stages, where c_i = a_i(0) leaves no τ_1."""
    return linearised_stiff_trees(order) if order > 1 else ()


class LinearisedResiduals(StiffResiduals):
    """What is left of the stiff conditions where L = J_n; a defect -q is the number τ_q."""

    def stage_defect(self, q: int, i: int) -> PhiSum:
        """Return ψ_{q,i}, or τ_{-q,i}, of slope i, counted from 0; remembered values of N have none."""
        row = self._a[i]
        if row is None:
            return PhiSum()
        return self._leaf(q, row, self._c[i])

    def defect(self, q: int) -> PhiSum:
        """Return ψ_q, or τ_{-q}."""
        return self._leaf(q, self._b, Fraction(1))

    def _leaf(self, q: int, row: tuple[PhiSum, ...], c: Fraction) -> PhiSum:
        total = sum(row, PhiSum())
        if q < 0:
            return PhiSum({(0, 0): c**-q * Fraction(1, factorial(-q)) - total.series(-q)[-1]})
        return total.raised(q - 1) - self._moment(q, row)
