"""What the order conditions say about a method: the report, and the conditions that it names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from expint.derive.algebra.printing import latex_array, markdown_table
from expint.derive.orders.trees import ColouredTree, StiffTree

__all__ = ["PROVED_UP_TO", "Condition", "OrderReport"]

PROVED_UP_TO = 6
"""Orders above are not looked for."""


@dataclass(frozen=True)
class Condition:
    """An order condition that a method violates.

    Attributes
    ----------
    order
        The order it belongs to.
    statement
        The condition in LaTeX. Of splittings [AAB] is the coefficient of that word in L and N, of methods for A(t)
        [a_0 a_1] that of a product of Taylor coefficients of A.
    residual
        What should be zero: a number for classical conditions, a ``PhiSum`` or a ``Tensor`` for stiff ones.
    tree
        The tree it comes from; None for the row sums.
    """

    order: int
    statement: str
    residual: Any = field(repr=False)
    tree: ColouredTree | StiffTree | None = field(default=None, repr=False)

    def latex(self) -> str:
        """Return the condition in LaTeX."""
        return self.statement

    def _repr_latex_(self) -> str:
        return f"${self.statement}$"


@dataclass(frozen=True)
class OrderReport:
    """What the order conditions say about a method.

    Attributes
    ----------
    name
        The method.
    order
        The classical order.
    stiff_order
        The largest order up to which all stiff conditions hold for arbitrary operators (strong form).
    weak_stiff_order
        The same with the conditions of the highest order weakened: ψ_p(0) = 0, and b_i(0) in place of b_i.
    row_sums
        Whether Σ_j a_ij = c_i φ_1(c_i z) and Σ_i b_i = φ_1(z), so that equilibria of y' = Ly + N(y) are kept.
    is_fsal
        Whether the last stage is the new value.
    error_constant
        The Euclidean norm of the coefficients (Φ(τ) - 1/γ(τ))/σ(τ) of the leading error over all coloured trees, by
        which methods of one order are compared; of splittings and Magnus methods over all words; None if unknown.
    violated, violated_stiff, violated_weak
        The first violated conditions of each kind, all of one order; empty if ``max_order`` was reached. Where the weak
        order exceeds the strong one, the conditions that it owes to the weak form are listed as violated by the strong.
    max_order
        Up to which order was looked; an order equal to it may be higher in truth.
    embedded
        The same for the embedded solution.
    """

    name: str
    order: int
    stiff_order: int
    weak_stiff_order: int
    row_sums: bool
    is_fsal: bool
    error_constant: float | None
    violated: tuple[Condition, ...]
    violated_stiff: tuple[Condition, ...]
    violated_weak: tuple[Condition, ...]
    max_order: int
    embedded: OrderReport | None = None

    def __repr__(self) -> str:
        said = f"OrderReport({self.name!r}: order {self.order}, stiff {self.stiff_order}, weak {self.weak_stiff_order}"
        return f"{said})" if self.embedded is None else f"{said}; embedded {self.embedded.order})"

    def markdown(self) -> str:
        """Return the report as Markdown."""
        rows = [(kind, str(order), _listing(violated)) for kind, order, violated in self._kinds()]
        facts = [f"row sums {'hold' if self.row_sums else 'do not hold'}"]
        if self.is_fsal:
            facts.append("first same as last")
        if self.error_constant is not None:
            facts.append(f"error constant {self.error_constant:.3g}")
        if self.embedded is not None:
            inner = self.embedded
            facts.append(f"embedded orders {inner.order}, {inner.stiff_order}, {inner.weak_stiff_order}")
        table = markdown_table(["order", "value", "first violated"], rows)
        return f"**{self.name}**: {'; '.join(facts)}\n\n{table}"

    def latex(self) -> str:
        """Return the orders and the first violated conditions of each kind in LaTeX."""
        rows = [
            [rf"\text{{{kind}}}", str(order), r",\; ".join(condition.statement for condition in violated[:4]) or "-"]
            for kind, order, violated in self._kinds()
        ]
        return latex_array([[r"\text{order}", "p", r"\text{first violated}"], [], *rows], "lcl")

    def _kinds(self) -> tuple[tuple[str, int, tuple[Condition, ...]], ...]:
        return (
            ("classical", self.order, self.violated),
            ("stiff (strong)", self.stiff_order, self.violated_stiff),
            ("stiff (weak)", self.weak_stiff_order, self.violated_weak),
        )

    def _repr_latex_(self) -> str:
        return f"$${self.latex()}$$"

    def _repr_markdown_(self) -> str:
        return self.markdown()

    def __str__(self) -> str:
        return self.markdown()


def _listing(conditions: tuple[Condition, ...], shown: int = 4) -> str:
    more = f"; and {len(conditions) - shown} more" if len(conditions) > shown else ""
    return "; ".join(f"${condition.statement}$" for condition in conditions[:shown]) + more or "–"
