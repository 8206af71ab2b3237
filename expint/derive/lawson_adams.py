r"""Lawson methods of Adams type: the history of e^{-tL} N is interpolated by a polynomial, on any grid.

.. math::

    y_{n+1} = e^{z} y_n + h \sum_j \beta_j e^{(1 - \theta_j) z} N_j, \qquad
    \beta_j = \int_0^1 \ell_j(\theta) \, d\theta

with the slopes N_j at the nodes θ_j = (t_j - t_n)/h: the classical Adams–Bashforth method behind the integrating
factor. Equilibria are not kept, so the stiff order is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from expint.derive.adams import Adams, is_exact
from expint.derive.lagrange import lagrange_coefficients
from expint.derive.phisum import Terms, phi
from expint.derive.spread import placed, spread
from expint.derive.stage import Stage, StepContext, WithoutEstimate

__all__ = ["LawsonAdams"]


@dataclass(frozen=True)
class LawsonAdams(WithoutEstimate, Adams):
    """The Lawson form of Adams–Bashforth of order q; the fields are those of ``Adams``, the clock is time.

    Raises
    ------
    ValueError
        If the order is not a positive integer.
    """

    @property
    def name(self) -> str:
        """The name of the method."""
        return f"lawson-adams{self.q}"

    @property
    def stiff_order(self) -> int:
        """The stiff order 0: Σ_j β_j e^{(1-θ_j)z} ≠ φ_1(z)."""
        return 0

    @property
    def weak_stiff_order(self) -> int:
        """The stiff order in the weakened form, 0 as well."""
        return 0

    def recipe(self, step: StepContext) -> Sequence[Stage]:
        """Return the one stage of a step, or the stages of the starter while the history is short."""
        taken = spread(step.history, 1, self.q)
        if len(taken) < self.q and not self.ramp:
            return self.starter.recipe(step)
        nodes = tuple(step.history[k] for k in taken)
        return _recipe(nodes, taken, is_exact(nodes))

    def _uniform(self) -> Sequence[Terms]:
        return _recipe(tuple(Fraction(-j) for j in range(self.q)), tuple(range(self.q)), exact=True)[0].past

    @property
    def reference(self) -> str:
        """The BibTeX key of the source."""
        return "lawson1967"


@lru_cache(maxsize=256)
def _recipe(nodes: tuple[Any, ...], taken: tuple[int, ...], exact: bool) -> tuple[Stage, ...]:
    number: Any = Fraction if exact else float
    points = [number(node) for node in nodes]
    beta = [sum(a / (m + 1) for m, a in enumerate(row)) for row in lagrange_coefficients(points)]
    past = placed([{(0, 1 - node): weight} for node, weight in zip(points, beta)], taken)
    return (Stage(Fraction(1), phi(0).terms, (), past, evaluate=True, accept=True, remember=True),)
