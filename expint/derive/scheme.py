"""A step as the order conditions see it: slopes at nodes, some of them remembered and taken as exact."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from expint.derive.phisum import Exact, PhiSum, phi
from expint.derive.stage import Stage
from expint.derive.tableau import Tableau

__all__ = ["Scheme", "scheme_of_recipe", "scheme_of_tableau"]


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


def scheme_of_tableau(tableau: Tableau, weights: Sequence[PhiSum]) -> Scheme:
    """Return a tableau with the ``weights`` of its solution or of the embedded one, which may use N(y_{n+1}) last."""
    c, a = tableau.c, (None, *tableau.a[1:])
    if len(weights) > len(c):
        return Scheme((*c, Fraction(1)), (*a, tableau.b), tuple(weights))
    return Scheme(c, a, tuple(weights))


def scheme_of_recipe(recipe: Sequence[Stage], history: Sequence[Exact]) -> Scheme:
    """Return what a recipe does after remembered slopes at the exact nodes ``history``, newest first.

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
