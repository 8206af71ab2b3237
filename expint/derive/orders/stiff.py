r"""Stiff order conditions of exponential one-step and multistep methods: error bounds that do not see how large L is.

The stages and the step leave the defects

.. math::

    \psi_{q,i}(z) = c_i^q \varphi_q(c_i z) - \sum_k a_{ik}(z) \frac{c_k^{q-1}}{(q-1)!}, \qquad
    \psi_q(z) = \varphi_q(z) - \sum_k b_k(z) \frac{c_k^{q-1}}{(q-1)!},

and the conditions say that products of them with the coefficients vanish whatever linear maps stand between, as in
Σ_i b_i(z) J Σ_j a_ij(z) J ψ_{2,j}(z) = 0 for all J. Maps do not commute with z, so every factor has a variable of its
own; in these variables the condition is a sum of products of functions φ_k(cz), which are linearly independent: it
holds exactly when the coefficient of every product vanishes. After Hochbruck and Ostermann (2005), Luan and Ostermann
(2013).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import factorial
from typing import Any, TypeAlias

from expint.derive.algebra.phisum import Exact, PhiSum, phi
from expint.derive.orders.scheme import Scheme
from expint.derive.orders.trees import StiffTree

__all__ = ["StiffResiduals", "Tensor", "stiff_statement"]

Tensor: TypeAlias = dict[tuple[tuple[int, Any], ...], Exact]
"""{((k_1, c_1), …, (k_n, c_n)): r} stands for Σ r φ_{k_1}(c_1 z_1) ⋯ φ_{k_n}(c_n z_n), variables as they are
printed."""

_INDICES = "ijklmnpqrs"
_MAPS = {(1, 0): "J", (1, 1): "K", (1, 2): "L", (2, 0): "B"}  # (children, power): the letters of the literature


class StiffResiduals:
    """What is left of the stiff conditions for one method, exact; subtrees are computed once."""

    def __init__(self, scheme: Scheme) -> None:
        self._c = scheme.c
        self._a = scheme.a
        self._b = scheme.b
        self._known: dict[StiffTree, list[Tensor]] = {}

    def stage_defect(self, q: int, i: int) -> PhiSum:
        """Return ψ_{q,i} of slope i, counted from 0; remembered values of N have none."""
        row = self._a[i]
        return PhiSum() if row is None else self._c[i] ** q * phi(q, self._c[i]) - self._moment(q, row)

    def defect(self, q: int) -> PhiSum:
        """Return ψ_q."""
        return phi(q) - self._moment(q, self._b)

    def _moment(self, q: int, weights: Sequence[PhiSum]) -> PhiSum:
        return sum((weight * (c ** (q - 1) / factorial(q - 1)) for weight, c in zip(weights, self._c)), PhiSum())

    def residual(self, tree: StiffTree, weak: bool = False) -> Tensor:
        """Return the left side of a condition, empty where it holds.

        In the weak form the outermost function is taken at z = 0 only: ψ_q(0), or b_i(0).
        """
        if tree.defect:
            defect = self.defect(tree.defect)
            return _tensor(_constant(defect) if weak else defect)
        weights = [_constant(weight) if weak else weight for weight in self._b]
        return _clean(_contract(weights, self._slopes(tree)))

    def _slopes(self, tree: StiffTree) -> list[Tensor]:
        """Return c_j^l Π τ_j over the children τ of a vertex, for all slopes j."""
        slopes: list[Tensor] = [{(): c**tree.power} for c in self._c]
        for child in tree.children:
            slopes = [_product(slope, value) for slope, value in zip(slopes, self._stages(child))]
        return slopes

    def _stages(self, tree: StiffTree) -> list[Tensor]:
        """Return the error that a tree stands for at all nodes."""
        if tree not in self._known:
            if tree.defect:
                values = [_tensor(self.stage_defect(tree.defect, i)) for i in range(len(self._c))]
            else:
                slopes = self._slopes(tree)
                values = [_clean(_contract(row or (), slopes)) for row in self._a]
            self._known[tree] = values
        return self._known[tree]


def _constant(function: PhiSum) -> PhiSum:
    return PhiSum({(0, 0): function.at_zero()})


def _tensor(function: PhiSum) -> Tensor:
    return {(key,): r for key, r in function}


def _product(left: Tensor, right: Tensor) -> Tensor:
    return {p + q: r * s for p, r in left.items() for q, s in right.items()}


def _contract(weights: Iterable[PhiSum], slopes: Iterable[Tensor]) -> Tensor:
    """Return Σ_j weights_j ⊗ slopes_j."""
    total: Tensor = {}
    for weight, slope in zip(weights, slopes):
        for key, value in _product(_tensor(weight), slope).items():
            total[key] = total.get(key, Fraction(0)) + value
    return total


def _clean(tensor: Tensor) -> Tensor:
    """Drop the terms with coefficient zero; a PhiSum recognises zero also where symbols are involved."""
    return {key: r for key, r in tensor.items() if (r != 0 if isinstance(r, Fraction) else PhiSum({(0, 0): r}))}


def stiff_statement(tree: StiffTree, weak: bool = False) -> str:
    r"""Return a condition in LaTeX, such as ``\sum_i b_i J \psi_{3,i} = 0``.

    J, K and L stand for arbitrary linear maps, B for an arbitrary bilinear one.
    """
    if tree.defect:
        letter = _defect(tree)
        return rf"{letter}_{{{abs(tree.defect)}}}{'(0)' if weak and tree.defect > 0 else ''} = 0"
    return rf"\sum_i b_i{'(0)' if weak else ''} {_vertex(tree, 'i')} = 0"


def _vertex(tree: StiffTree, index: str) -> str:
    count = len(tree.children)
    power = {0: "", 1: f"c_{index} "}.get(tree.power, f"c_{index}^{tree.power} ")
    children = [_child(child, index) for child in tree.children]
    letter = _MAPS.get((count, tree.power), f"G_{{{count},{tree.power}}}")
    return power + letter + (rf"({', '.join(children)})" if count > 1 else f" {children[0]}")


def _child(tree: StiffTree, index: str) -> str:
    if tree.defect:
        return rf"{_defect(tree)}_{{{abs(tree.defect)},{index}}}"
    inner = _INDICES[_INDICES.index(index) + 1]
    return rf"\sum_{inner} a_{{{index}{inner}}} {_vertex(tree, inner)}"


def _defect(tree: StiffTree) -> str:
    return r"\psi" if tree.defect > 0 else r"\tau"
