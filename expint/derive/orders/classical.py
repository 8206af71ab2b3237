r"""Classical order conditions of exponential Runge–Kutta and multistep methods, for h → 0 with L fixed.

With a_ij(z) = Σ_m α_ij^{(m)} z^m the stages have B-series over coloured trees with the coefficients

.. math::

    \Phi_i(L^m y_n) = \frac{c_i^m}{m!}, \qquad
    \Phi_i(L^m N[\tau_1, \dots, \tau_k]) = \sum_j \alpha_{ij}^{(m)} \Phi_j(\tau_1) \cdots \Phi_j(\tau_k),

and y_{n+1} likewise with β_j^{(m)}. A remembered slope lies on the exact solution: Φ_i(τ) = c_i^{|τ|}/γ(τ). The step
has order p when Φ(τ) = 1/γ(τ) for all trees up to p vertices. The conditions of the method at L = 0 are those of the
trees without L; the others can fail although these hold. After Berland, Owren and Skaflestad (2005).
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import factorial, prod

from expint.derive.algebra.phisum import Exact
from expint.derive.algebra.printing import latex_number
from expint.derive.orders.scheme import Scheme
from expint.derive.orders.trees import ColouredTree

__all__ = ["ElementaryWeights", "classical_statement"]

_INDICES = "ijklmnpqrs"


class ElementaryWeights:
    """The coefficients Φ(τ) of one method, exact; subtrees are computed once.

    Parameters
    ----------
    scheme
        The step of the method.
    max_order
        The largest order of a tree that will be asked for.
    """

    def __init__(self, scheme: Scheme, max_order: int) -> None:
        self._c = scheme.c
        self._alpha = [None if row is None else [entry.series(max_order) for entry in row] for row in scheme.a]
        self._beta = [entry.series(max_order) for entry in scheme.b]
        self._known: dict[ColouredTree, list[Exact]] = {}

    def weight(self, tree: ColouredTree) -> Exact:
        """Return Φ(τ) of the numerical solution."""
        length, vertex = tree.stem()
        if vertex is None:
            return Fraction(1, factorial(length))
        slopes = self._slopes(vertex)
        return sum((beta[length] * slope for beta, slope in zip(self._beta, slopes)), Fraction(0))

    def residual(self, tree: ColouredTree) -> Exact:
        """Return Φ(τ) - 1/γ(τ), zero where the condition holds."""
        return self.weight(tree) - Fraction(1, tree.density)

    def _slopes(self, vertex: ColouredTree) -> list[Exact]:
        """Return the coefficients of a tree with root N in the slopes N(Y_j)."""
        if not vertex.children:
            return [Fraction(1)] * len(self._c)
        first, *others = (self._stages(child) for child in vertex.children)
        for values in others:
            first = [slope * value for slope, value in zip(first, values)]
        return first

    def _stages(self, tree: ColouredTree) -> list[Exact]:
        """Return Φ_i(τ) of the stages."""
        if tree not in self._known:
            length, vertex = tree.stem()
            if vertex is None:
                values = [c**length * Fraction(1, factorial(length)) for c in self._c]
            else:
                slopes = self._slopes(vertex)
                order, exact = tree.order, Fraction(1, tree.density)
                values = [
                    c**order * exact
                    if row is None
                    else sum((alpha[length] * slope for alpha, slope in zip(row, slopes)), Fraction(0))
                    for c, row in zip(self._c, self._alpha)
                ]
            self._known[tree] = values
        return self._known[tree]


def classical_statement(tree: ColouredTree, row_sums: bool = False, remembered: bool = False) -> str:
    r"""Return the condition of a tree in LaTeX, such as ``\sum_{i,j} b_i a_{ij}^{(1)} c_j = \tfrac{1}{24}``.

    A superscript (m) takes the coefficient of z^m. Trees that state the same have the same text.

    Parameters
    ----------
    tree
        The tree.
    row_sums
        Whether Σ_j a_ij(z) = c_i φ_1(c_i z) may be used to write sums as powers of c; at z = 0 it always is.
    remembered
        Whether all slopes are remembered, so that powers of c are all there is. Where only some are, Σ_j a_ij Φ_j
        stands for the exact value c_i^{|τ|}/γ(τ) of those.
    """
    length, vertex = tree.stem()
    if vertex is None:
        return rf"\tfrac{{1}}{{{length}!}} = {latex_number(Fraction(1, tree.density))}"
    indices = iter(_INDICES)
    root = next(indices)
    if remembered:
        exponent, divisor = vertex.order - 1, prod(child.density for child in vertex.children)
        used: list[str] = []
        factors = [_node(root, exponent)] if exponent else []
    else:
        used, divisor, factors = _factors(vertex, root, indices, row_sums)
    value = latex_number(Fraction(divisor, tree.density))
    return rf"\sum_{{{','.join([root, *used])}}} {' '.join([f'b_{root}{_power(length)}', *factors])} = {value}"


def _factors(
    vertex: ColouredTree, index: str, indices: Iterator[str], row_sums: bool
) -> tuple[list[str], int, list[str]]:
    """Return the new indices, the divisor and the factors that the children of a vertex N at stage ``index`` bring."""
    used: list[str] = []
    factors: list[str] = []
    exponent, divisor = 0, 1
    for length, below in (child.stem() for child in vertex.children):
        bare = below is not None and not below.children
        if below is None or (bare and (row_sums or length == 0)):  # L^m y_n brings c^m/m!, and so does L^{m-1} N
            power = length if below is None else length + 1
            exponent, divisor = exponent + power, divisor * factorial(power)
        else:
            inner = next(indices)
            more, inner_divisor, inner_factors = _factors(below, inner, indices, row_sums)
            used += [inner, *more]
            divisor *= inner_divisor
            factors += [f"a_{{{index}{inner}}}{_power(length)}", *inner_factors]
    if exponent:
        factors.insert(0, _node(index, exponent))
    return used, divisor, factors


def _node(index: str, exponent: int) -> str:
    return f"c_{index}" + (f"^{exponent}" if exponent > 1 else "")


def _power(length: int) -> str:
    return f"^{{({length})}}" if length else ""
