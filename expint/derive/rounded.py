r"""Classical methods whose coefficients are printed rounded: an exact method of the order is proved to lie nearby.

Order conditions Φ(τ) = 1/γ(τ) are polynomials in the coefficients without minus signs. Their first derivatives at the
rounded coefficients are exact, their second ones are largest at the sizes of the coefficients, so that a contraction
decides. It needs conditions that are independent of each other. Those of methods with

.. math:: \sum_i b_i a_{ij} = b_j (1 - c_j)

are not; for them these equations replace the conditions of all trees whose root has one child, Σ_i b_i a_ij X_j = Σ_j
b_j X_j - Σ_j b_j c_j X_j. Other simplifying assumptions are not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import numpy as np

from expint.derive.contraction import has_zero_near
from expint.derive.trees import ColouredTree, rooted_trees

__all__ = ["Coefficients", "is_near_a_method"]


class Coefficients(Protocol):
    """The coefficients of an explicit Runge–Kutta method and the orders that are claimed for them; see ``Butcher``."""

    @property
    def a(self) -> Sequence[Sequence[Any]]:
        """The rows of coefficients."""

    @property
    def b(self) -> Sequence[Any]:
        """The weights."""

    @property
    def embedded(self) -> Sequence[Any] | None:
        """The weights of a second solution."""

    @property
    def order(self) -> int:
        """The order of the solution."""

    @property
    def embedded_order(self) -> int | None:
        """The order of the second solution."""


@dataclass(frozen=True)
class _Jet:
    """value + slope ε + bend ε², with ε³ = 0."""

    value: Any
    slope: Any = 0
    bend: Any = 0

    def __add__(self, other: _Jet) -> _Jet:
        return _Jet(self.value + other.value, self.slope + other.slope, self.bend + other.bend)

    def __mul__(self, other: _Jet) -> _Jet:
        bend = self.value * other.bend + self.slope * other.slope + self.bend * other.value
        return _Jet(self.value * other.value, self.value * other.slope + self.slope * other.value, bend)


def is_near_a_method(butcher: Coefficients, distance: Fraction) -> bool:
    """Whether a method of the orders that ``butcher`` names is proved to exist, no coefficient further than that away.

    Unknown are the coefficients that are not 0, as many of them as there are conditions; the others stay.
    """
    return any(_is_near(butcher, distance, columns) for columns in (False, True))


def _is_near(butcher: Coefficients, distance: Fraction, columns: bool) -> bool:
    """Whether the contraction proves it; ``columns`` replaces the conditions of roots with one child."""
    known = [*(entry for row in butcher.a for entry in row), *butcher.b, *(butcher.embedded or ())]
    places = [place for place, value in enumerate(known) if value]

    def residuals(sizes: Sequence[Any], moving: Sequence[int]) -> list[_Jet]:
        return _residuals(butcher, [_Jet(size, int(i in moving)) for i, size in enumerate(sizes)], columns)

    largest = residuals([abs(value) + distance if value else value for value in known], places)
    rows = [row for row, jet in enumerate(largest) if jet.slope or jet.bend]  # the others hold no unknown
    floating = list(map(float, known))  # enough to choose the unknowns
    slopes = np.array([[jet.slope for jet in residuals(floating, [place])] for place in places], dtype=np.float64).T
    chosen = [places[column] for column in _independent(slopes[rows])]
    if len(chosen) < len(rows):
        return False
    along = [residuals(known, [place]) for place in chosen]
    if any(jet.value for row, jet in enumerate(along[0]) if row not in rows):
        return False
    values = [along[0][row].value for row in rows]
    matrix = [[jets[row].slope for jets in along] for row in rows]
    return has_zero_near(values, matrix, 2 * max(jet.bend for jet in largest), distance)


def _orders(butcher: Coefficients) -> list[int]:
    return [butcher.order] if butcher.embedded_order is None else [butcher.order, butcher.embedded_order]


def _trees(order: int) -> list[ColouredTree]:
    return [tree for size in range(1, order + 1) for tree in rooted_trees(size)]


def _residuals(butcher: Coefficients, coefficients: Sequence[_Jet], columns: bool) -> list[_Jet]:
    """Return Φ(τ) - 1/γ(τ) of both solutions; ``coefficients`` are those of a row by row, of b and of the embedded."""
    s = len(butcher.b)
    ends = [i * (i + 1) // 2 for i in range(s)]
    a = [coefficients[end - i : end] for i, end in enumerate(ends)]
    b, *embedded = (coefficients[start : start + s] for start in range(ends[-1], len(coefficients), s))
    stages: dict[ColouredTree, list[_Jet]] = {}

    def slopes(tree: ColouredTree) -> list[_Jet]:
        product = [_Jet(1)] * s
        for child in tree.children:
            if child not in stages:
                inner = slopes(child)
                stages[child] = [_dot(row, inner) for row in a]
            product = [left * right for left, right in zip(product, stages[child])]
        return product

    order, *lower = _orders(butcher)
    trees = [(b, tree) for tree in _trees(order) if not columns or len(tree.children) != 1]
    trees += [(weights, tree) for weights, order in zip(embedded, lower) for tree in _trees(order)]
    conditions = [_dot(weights, slopes(tree)) + _Jet(Fraction(-1, tree.density)) for weights, tree in trees]
    if columns:
        nodes = [sum(row, _Jet(0)) for row in a]
        below = [_dot(b[j + 1 :], [row[j] for row in a[j + 1 :]]) for j in range(s)]
        conditions += [down + own * (node + _Jet(-1)) for down, own, node in zip(below, b, nodes)]
    return conditions


def _dot(left: Sequence[_Jet], right: Sequence[_Jet]) -> _Jet:
    return sum((x * y for x, y in zip(left, right)), _Jet(0))


def _independent(matrix: np.ndarray) -> list[int]:
    """Return as many columns as there are rows, far from dependent; fewer if the rows are dependent."""
    from scipy.linalg import qr

    _, triangle, order = qr(matrix, pivoting=True)
    sizes = np.abs(np.diag(triangle))
    return [int(column) for column, size in zip(order, sizes) if size > 1e-10 * sizes[0]]
