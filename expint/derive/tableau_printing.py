"""A Butcher tableau as LaTeX and Markdown, with φ-functions as the papers write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expint.derive.printing import latex_array, latex_number, markdown_table, text_number

if TYPE_CHECKING:
    from expint.derive.tableau import Tableau

__all__ = ["tableau_latex", "tableau_markdown"]


def tableau_latex(tableau: Tableau) -> str:
    """Return nodes | a, weights below the line, those of the embedded solution below them."""
    s, columns = tableau.stages, _columns(tableau)
    rows = [
        [latex_number(c), *(entry.latex() for entry in row), *[""] * (columns - i)]
        for i, (c, row) in enumerate(zip(tableau.c, tableau.a))
    ]
    rows += [[], ["", *(weight.latex() for weight in tableau.b), *[""] * (columns - s)]]
    if tableau.embedded is not None:
        rows.append(["", *(weight.latex() for weight in tableau.embedded), *[""] * (columns - len(tableau.embedded))])
    return latex_array(rows, "c|" + "c" * columns)


def tableau_markdown(tableau: Tableau) -> str:
    """Return the rows of a as a Markdown table, the weights in the last lines."""
    s, columns = tableau.stages, _columns(tableau)
    header = ["c", *(f"a_i{j + 1}" for j in range(s)), *["N(y_n+1)"] * (columns - s)]
    rows = [
        [text_number(c), *(str(entry) for entry in row), *[""] * (columns - i)]
        for i, (c, row) in enumerate(zip(tableau.c, tableau.a))
    ]
    rows.append(["b", *(str(weight) for weight in tableau.b), *[""] * (columns - s)])
    if tableau.embedded is not None:
        weights = [str(weight) for weight in tableau.embedded]
        rows.append(["embedded", *weights, *[""] * (columns - len(weights))])
    return markdown_table(header, rows)


def _columns(tableau: Tableau) -> int:
    """Return the number of slopes; the embedded solution may use that of the new value."""
    return max(tableau.stages, len(tableau.embedded or ()))
