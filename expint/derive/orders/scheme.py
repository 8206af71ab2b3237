"""A step as the order conditions see it: slopes at nodes, some of them remembered and taken as exact."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple, Protocol

from expint.derive.algebra.phisum import Exact, PhiSum, phi
from expint.derive.algebra.printing import latex_array, latex_number, markdown_table, text_number
from expint.derive.kinds.stage import Stage, StepContext

__all__ = ["UNKNOWN", "Certified", "Scheme", "Schemes", "scheme_of_recipe", "scheme_of_tableau", "schemes_of"]


class Scheme(NamedTuple):
    """The coefficients of one step over all slopes that it combines.

    Attributes
    ----------
    c
        The nodes of the slopes, remembered ones first.
    a
        For each slope the weights of the point where it is evaluated, over the slopes before it; None for a remembered
        slope, which lies on the exact solution.
    b
        The weights of the new value.
    """

    c: tuple[Exact, ...]
    a: tuple[tuple[PhiSum, ...] | None, ...]
    b: tuple[PhiSum, ...]

    def latex(self) -> str:
        """Return nodes | a, weights below the line, in LaTeX; remembered values of N have dots for a row."""
        rows = [[latex_number(c), *self._cells(row, r"\cdot", PhiSum.latex)] for c, row in zip(self.c, self.a)]
        return latex_array([*rows, [], ["", *(weight.latex() for weight in self.b)]], "c|" + "c" * len(self.c))

    def markdown(self) -> str:
        """Return the rows of a as a Markdown table, the weights in the last line."""
        rows = [[text_number(c), *self._cells(row, "·", str)] for c, row in zip(self.c, self.a)]
        header = ["c", *(f"a_i{j + 1}" for j in range(len(self.c)))]
        return markdown_table(header, [*rows, ["b", *map(str, self.b)]])

    def _cells(self, row: tuple[PhiSum, ...] | None, dot: str, write: Callable[[PhiSum], str]) -> list[str]:
        size = len(self.c)
        return [dot] * size if row is None else [*map(write, row), *[""] * (size - len(row))]

    def _repr_latex_(self) -> str:
        return f"$${self.latex()}$$"

    def __str__(self) -> str:
        return self.markdown()


class Certified(NamedTuple):
    """A classical order that is known already, and how large residuals of the next are that may be due to rounding."""

    order: int = 0
    slack: Fraction = Fraction(0)


UNKNOWN = Certified()
"""Nothing is known before the conditions are asked."""


class Schemes(NamedTuple):
    """What a method tells the order conditions about itself.

    Attributes
    ----------
    solution
        The scheme of the new value.
    embedded
        That of the second solution, None where there is none.
    is_fsal
        Whether the last stage is the new value.
    certified
        What is known already of the orders of both.
    """

    solution: Scheme
    embedded: Scheme | None = None
    is_fsal: bool = False
    certified: tuple[Certified, Certified] = (UNKNOWN, UNKNOWN)


def schemes_of(method: Any, history: Sequence[Exact] | None = None) -> Schemes | None:
    """Return the schemes of a method, None where its order is proved in words instead of trees.

    A method answers by its own ``schemes(history)``; one that has none is read from its recipe.

    Parameters
    ----------
    method
        The method.
    history
        The positions of the remembered values of N, newest first; by default those of uniform steps, 0, -1, -2, ….
    """
    if hasattr(method, "schemes"):
        own: Schemes | None = method.schemes(history)
        return own
    nodes: tuple[Any, ...] = tuple(Fraction(-j) for j in range(method.history)) if history is None else tuple(history)
    recipe = method.recipe(StepContext(start=0.0, step=1.0, history=nodes))
    return Schemes(scheme_of_recipe(recipe, nodes))


class Rows(Protocol):
    """The rows of a tableau."""

    @property
    def c(self) -> tuple[Exact, ...]:
        """The nodes."""

    @property
    def a(self) -> tuple[tuple[PhiSum, ...], ...]:
        """The rows of the stages."""

    @property
    def b(self) -> tuple[PhiSum, ...]:
        """The weights."""


def scheme_of_tableau(tableau: Rows, weights: Sequence[PhiSum]) -> Scheme:
    """Return a tableau with the ``weights`` of its solution or of the embedded one, which may use N(y_{n+1}) last."""
    c, a = tableau.c, (None, *tableau.a[1:])
    if len(weights) > len(c):
        return Scheme((*c, Fraction(1)), (*a, tableau.b), tuple(weights))
    return Scheme(c, a, tuple(weights))


def scheme_of_recipe(recipe: Sequence[Stage], history: Sequence[Exact]) -> Scheme:
    """Return the scheme of a recipe after values of N at the exact nodes ``history``, newest first.

    Raises
    ------
    ValueError
        If a point starts from anything but e^{cz} y_n, or none is accepted.
    TypeError
        If a coefficient is a float.
    """
    past = tuple(Fraction(node) if isinstance(node, int) else node for node in history)
    c: list[Exact] = list(past)
    a: list[tuple[PhiSum, ...] | None] = [None] * len(past)
    for stage in recipe:
        if PhiSum(stage.state) != phi(0, stage.c):
            raise ValueError(f"expected every point to start from e^(cz) y_n, received {PhiSum(stage.state)} y_n")
        entries = (*stage.past, *[{}] * (len(past) - len(stage.past)), *reversed(stage.stages))
        weights = tuple(PhiSum(terms) for terms in entries)
        if stage.accept:
            return Scheme(tuple(c), tuple(a), (*weights, *[PhiSum()] * (len(c) - len(weights))))
        if stage.evaluate:
            c.append(stage.c)
            a.append(weights)
    raise ValueError("expected a recipe that accepts a point, received one that accepts none")
