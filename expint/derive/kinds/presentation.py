"""How methods print themselves, in LaTeX, Markdown and notebooks, and name their sources."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from expint.derive.algebra.printing import (
    latex_array,
    latex_number,
    latex_phisum,
    markdown_table,
    text_number,
    text_phisum,
)
from expint.derive.kinds.stage import Stage, StepContext

if TYPE_CHECKING:
    pass

__all__ = ["Presented", "recipe_latex", "recipe_markdown", "tableau_latex", "tableau_markdown", "uniform_step"]


class Presented(ABC):
    """A method that prints itself and names its source; what it prints is its recipe for uniform steps."""

    @property
    @abstractmethod
    def reference(self) -> str:
        """The BibTeX key of the source in ``expint.methods.citations``."""

    def latex(self) -> str:
        """Return the weights of all points for uniform steps in LaTeX: past values of N, then stages."""
        return recipe_latex(_uniform_recipe(self))

    def markdown(self) -> str:
        """Return the weights of all points for uniform steps as a Markdown table."""
        return recipe_markdown(_uniform_recipe(self))

    def cite(self) -> str:
        """Return the source of the method as BibTeX.

        Raises
        ------
        ValueError
            If it names none, as methods of one's own do.
        """
        from expint.methods.citations import bibtex

        if not self.reference:
            raise ValueError(f"expected a method of the catalogue, received {_named(self)}, which names no source")
        return bibtex(self.reference)

    def _repr_latex_(self) -> str:
        return f"$${self.latex()}$$"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({_named(self)!r})"  # print(method) writes the coefficients

    def __str__(self) -> str:
        return f"{_named(self)}\n{self.markdown()}"


def uniform_step(count: int) -> StepContext:
    """Return the step of length 1 from 0 with ``count`` remembered values of N at 0, -1, -2, …, exact."""
    history: tuple[Any, ...] = tuple(Fraction(-j) for j in range(count))
    return StepContext(0.0, 1.0, history)


def recipe_latex(recipe: Sequence[Stage]) -> str:
    """Return the weights of all points in LaTeX: node | past values of N, newest first, then stages in their order."""
    rows = [[latex_number(stage.c), *(latex_phisum(terms) for terms in _entries(stage))] for stage in recipe]
    return latex_array(_filled([*rows[:-1], [], rows[-1]]), "c|" + "c" * (max(map(len, rows)) - 1))


def recipe_markdown(recipe: Sequence[Stage]) -> str:
    """Return the weights of all points as a Markdown table."""
    rows = _filled([[text_number(stage.c), *(text_phisum(terms) for terms in _entries(stage))] for stage in recipe])
    past = len(recipe[-1].past)
    slopes = [f"N_(n-{j})" if j else "N_n" for j in range(past)]
    return markdown_table(["c", *slopes, *(f"N_{i + 2}" for i in range(len(rows[0]) - 1 - past))], rows)


def _named(method: Any) -> str:
    return str(method.name)


def _uniform_recipe(method: Any) -> Sequence[Stage]:
    recipe: Sequence[Stage] = method.recipe(uniform_step(method.history))
    return recipe


def _entries(stage: Stage) -> tuple[Any, ...]:
    return (*stage.past, *reversed(stage.stages))


def _filled(rows: list[list[str]]) -> list[list[str]]:
    width = max(map(len, rows))
    return [row + [""] * (width - len(row)) if row else row for row in rows]


def tableau_latex(tableau: Any) -> str:
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


def tableau_markdown(tableau: Any) -> str:
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


def _columns(tableau: Any) -> int:
    """Return the number of values of N; the embedded solution may use the one at the new state."""
    return max(tableau.stages, len(tableau.embedded or ()))
