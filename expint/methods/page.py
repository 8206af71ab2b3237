"""METHODS.md: the catalogue with computed orders. ``python -m expint.methods.page`` writes it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from expint.derive.algebra.printing import markdown_table
from expint.derive.kinds.lie_group import LieGroupMethod
from expint.derive.kinds.splitting import Splitting
from expint.derive.kinds.tableau import Tableau
from expint.derive.orders.conditions import OrderReport, check_orders
from expint.derive.orders.forcing import sees_forcing
from expint.methods import families, generated_names, method
from expint.methods.citations import label

__all__ = ["methods_page"]

_INTRODUCTION = """# Methods

Written by `python -m expint.methods.page`; do not edit. Every order on this page is computed from the coefficients by
exact order conditions, none is taken from a paper. Where coefficients are published rounded, what is proved is that an
exact method of the order lies within the rounding.

- **order**: the classical order, h → 0 with L fixed, by two-coloured rooted trees.
- **stiff**: the order with bounds that do not see how large L is, every condition for arbitrary operators.
- **weak**: the same with the conditions of the highest order weakened as by Hochbruck and Ostermann (2005).
- **evaluations**: those of N per step, and with + the values of N remembered from earlier steps.
- **embedded**: the order of the second solution that estimates the error. Blind to N(t): it differs by values
  of N at one time, and does not see the errors of a forcing that depends on time alone.
- **lacks**: the first stiff condition that fails. J and K stand for arbitrary linear maps, ψ_q and ψ_{q,i} for the
  defects of the step and of stage i.

Methods that linearise at every step (exponential Rosenbrock, EPIRK, linearised Adams) are held to the conditions for
L = J_n, the Jacobian of the whole right-hand side; τ_q and τ_{q,i} are numbers, what they miss of h^q times the q-th
derivative of the solution.

All others keep their order for any L, so also where L is only near the Jacobian: they are W-methods.

`expint.method(name)` finds a method by its name or an alias, `method.orders` gives the full report."""

_ANY_ORDER = """`adams<p>` is exponential Adams–Bashforth, `lawson-adams<p>` the classical method behind the integrating
factor, `linearised-adams<p>` the same with L = J_n; `pec<p>` and `pece<p>` are predictor–corrector pairs, `pecece<p>`
corrects twice, all on any grid. To a tolerance `adams<p>`, `pec<p>` and `pece<p>` choose their order, up to p.
`bootstrap<p>` is collocation level upon level."""

_SPLITTING = (
    """Run by `expint.run_splitting`. Flows count as evaluations, and the order is proved in words of two letters."""
)

_MAGNUS = """For `linear=TimeDependent(lambda t: A(t))`; `cfree4` runs there as well. The order is proved in words of
the Taylor coefficients of A, the stiff orders are those for N = b(t) and constant A, and evaluations are those of A."""

_REMARKS = {Splitting: _SPLITTING, LieGroupMethod: _MAGNUS}

_HEADER = ("method", "evaluations", "order", "stiff", "weak", "embedded", "lacks", "also known as", "source")


def methods_page() -> str:
    """Return the page as Markdown."""
    sections = [_INTRODUCTION]
    for title, entries in families():
        remarks = [text for kind, text in _REMARKS.items() if isinstance(entries[0], kind)]
        sections += [f"## {title.rstrip('.')}", *remarks, markdown_table(_HEADER, [_row(entry) for entry in entries])]
    generated = [_row(method(name)) for name in generated_names()]
    sections += [
        "## Families of any order",
        _ANY_ORDER,
        markdown_table(_HEADER, generated),
        "## Tableaux",
        "Those of the Lawson methods are α_ij e^((c_i - c_j)z) and β_i e^((1 - c_i)z) for a classical method α, β.",
    ]
    shown = [entry for _, own in families() for entry in own if hasattr(entry, "points") or hasattr(entry, "b")]
    sections += [_tableau(entry) for entry in shown if entry.reference != "lawson1967"]
    return "\n\n".join(sections) + "\n"


def _row(entry: Any) -> tuple[str, ...]:
    report = check_orders(entry, max_order=max(entry.order, 6))
    remembered = f" + {entry.history - 1}" if entry.history > 1 else ""
    return (
        f"`{entry.name}`",
        f"{_evaluations(entry)}{remembered}",
        str(report.order),
        str(report.stiff_order),
        str(report.weak_stiff_order),
        _embedded(entry, report),
        _lacks(report),
        _aliases(entry),
        label(_source(entry)),
    )


def _embedded(entry: Any, report: OrderReport) -> str:
    order = "" if report.embedded is None else str(report.embedded.order)
    return order if not order or sees_forcing(entry) else f"{order}, blind to N(t)"


def _aliases(entry: Any) -> str:
    return ", ".join(f"`{alias}`" for alias in getattr(entry, "aliases", ()))


def _source(entry: Any) -> str:
    return str(entry.cite()).partition("{")[2].partition(",")[0]


def _evaluations(entry: Any) -> int:
    return int(getattr(entry, "evaluations", entry.stages))


def _lacks(report: OrderReport) -> str:
    return f"${report.violated_weak[0].statement}$" if report.violated_weak else ""


def _tableau(entry: Tableau | Splitting | LieGroupMethod) -> str:
    remarks = f"{entry.remarks}\n\n" if entry.remarks else ""
    return f"### {entry.name}\n\n{remarks}$$\n{entry.latex()}\n$$"


if __name__ == "__main__":
    Path(sys.argv[1] if len(sys.argv) > 1 else "METHODS.md").write_text(methods_page(), encoding="utf-8")
