"""Lawson methods: a classical method, of Runge–Kutta or Adams type, applied behind the integrating factor e^{-tL}."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from expint.arguments import instance
from expint.derive.algebra.lagrange import lagrange_coefficients
from expint.derive.algebra.phisum import Exact, PhiSum, Terms, phi
from expint.derive.algebra.spread import placed, spread
from expint.derive.kinds.adams import Adams, is_exact
from expint.derive.kinds.butcher import Butcher
from expint.derive.kinds.stage import Stage, StepContext, WithoutEstimate
from expint.derive.kinds.tableau import Tableau

__all__ = ["LawsonAdams", "lawson"]


def lawson(butcher: Butcher) -> Tableau:
    r"""Return the Lawson form of a classical Runge–Kutta method.

    The method is applied to v = e^{-tL} y, v' = e^{-tL} N(t, e^{tL} v), and transformed back:

    .. math::

        a_{ij}(z) = \alpha_{ij} e^{(c_i - c_j) z}, \qquad b_i(z) = \beta_i e^{(1 - c_i) z}.

    The classical order is that of the method, and for L = 0 it *is* the method. The stiff order is 0, since
    Σ b_i(z) ≠ φ_1(z): equilibria of y' = Ly + N(y) are not kept.

    Parameters
    ----------
    butcher
        The classical method, with or without embedded weights.

    Examples
    --------
    >>> euler = Butcher("euler", order=1, a=((),), b=(1,), reference="kutta1901")
    >>> lawson(euler).b
    (PhiSum(e^z),)
    """
    instance("butcher", butcher, Butcher, "a classical method, a Butcher(…)")
    c = butcher.c

    def weights(values: Sequence[Exact]) -> tuple[PhiSum, ...]:
        return tuple(value * phi(0, 1 - node) for value, node in zip(values, c))

    near = "" if butcher.rounding is None else f" Rounded, with an exact method within {float(butcher.rounding):.0e}."
    return Tableau(
        name=f"lawson-{butcher.name}",
        c=c,
        a=tuple(tuple(entry * phi(0, c[i] - c[j]) for j, entry in enumerate(row)) for i, row in enumerate(butcher.a)),
        b=weights(butcher.b),
        embedded=None if butcher.embedded is None else weights(butcher.embedded),
        declared_order=butcher.order,
        declared_stiff_order=0,
        declared_weak_stiff_order=0,
        declared_embedded_order=butcher.embedded_order,
        classical=butcher,
        reference="lawson1967",
        aliases=butcher.lawson_aliases,
        remarks=f"The classical method {butcher.name} behind the integrating factor; itself for L = 0.{near}",
    )


@dataclass(frozen=True)
class LawsonAdams(WithoutEstimate, Adams):
    r"""The Lawson form of Adams–Bashforth of order q; the fields are those of ``Adams``, the clock is time.

    .. math::

        y_{n+1} = e^{z} y_n + h \sum_j \beta_j e^{(1 - \theta_j) z} N_j, \qquad
        \beta_j = \int_0^1 \ell_j(\theta) \, d\theta

    The history of e^{-tL} N is interpolated by a polynomial, on any grid, with the values N_j at the nodes
    θ_j = (t_j - t_n)/h. Equilibria are not kept, so the stiff order is 0.

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
        return _adams_recipe(nodes, taken, is_exact(nodes))

    def _uniform(self) -> Sequence[Terms]:
        return _adams_recipe(tuple(Fraction(-j) for j in range(self.q)), tuple(range(self.q)), exact=True)[0].past

    @property
    def reference(self) -> str:
        """The BibTeX key of the source."""
        return "lawson1967"


@lru_cache(maxsize=256)
def _adams_recipe(nodes: tuple[Any, ...], taken: tuple[int, ...], exact: bool) -> tuple[Stage, ...]:
    number: Any = Fraction if exact else float
    points = [number(node) for node in nodes]
    beta = [sum(a / (m + 1) for m, a in enumerate(row)) for row in lagrange_coefficients(points)]
    past = placed([{(0, 1 - node): weight} for node, weight in zip(points, beta)], taken)
    return (Stage(Fraction(1), phi(0).terms, (), past, evaluate=True, accept=True, remember=True),)
