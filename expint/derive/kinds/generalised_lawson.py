r"""Generalised Lawson methods: the history is integrated exactly, a Lawson method acts on the remainder.

With the polynomial p through the remembered values of N, y' = Ly + p + (N - p). The flow of the first two terms is
known, and the Runge–Kutta method with coefficients α, β behind the integrating factor integrates the rest:

.. math::

    Y_i = e^{c_i z} y_n + h \int_0^{c_i} e^{(c_i-\theta) z} p(\theta) \, d\theta
        + h \sum_k \alpha_{ik} e^{(c_i - c_k) z} (N(Y_k) - p(c_k)).

In the modified methods the last stage joins the nodes of the polynomial that is integrated for y_{n+1}, which gains one
order of quadrature. Krogstad (2005); on any grid, since the nodes of p are the positions of the remembered values of N.
Of those that nearly coincide p takes one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

from expint.arguments import instance, integer, plain_fields
from expint.derive.algebra.lagrange import collocation_weights, lagrange_coefficients
from expint.derive.algebra.phisum import Exact, PhiSum, phi
from expint.derive.algebra.spread import placed
from expint.derive.kinds.butcher import Butcher
from expint.derive.kinds.collocation import Bootstrapped
from expint.derive.kinds.facts import DeclaredOrders
from expint.derive.kinds.presentation import Presented
from expint.derive.kinds.stage import MOST_SLOPES, Stage, WithoutEstimate

__all__ = ["GeneralisedLawson"]


@dataclass(frozen=True, repr=False)
class GeneralisedLawson(Bootstrapped, DeclaredOrders, WithoutEstimate, Presented):
    """The generalised Lawson form of a classical method, with q remembered values of N.

    Parameters
    ----------
    butcher
        The classical method.
    q
        The number of remembered values of N, that at y_n included; at least 1.
    modified
        Whether the last stage, which must lie at c = 1, joins the nodes of the final quadrature.
    name
        The name under which the method is found.
    declared_order, declared_stiff_order, declared_weak_stiff_order
        The orders, confirmed by the tests; computed for uniform steps where they are left out.
    reference
        BibTeX key of the source in ``expint.methods.citations``.
    aliases
        Other names.

    Raises
    ------
    ValueError
        If q is not a positive integer, or ``modified`` is asked of a method whose last node is not 1.

    Examples
    --------
    >>> from fractions import Fraction
    >>> from expint.derive import Butcher, GeneralisedLawson
    >>> heun = Butcher("heun", 2, ((), (1,)), (Fraction(1, 2), Fraction(1, 2)))
    >>> GeneralisedLawson(heun, 2).order
    2
    """

    butcher: Butcher
    q: int
    modified: bool = False
    name: str = "generalised-lawson"
    declared_order: int | None = None
    declared_stiff_order: int | None = None
    declared_weak_stiff_order: int | None = None
    reference: str = "krogstad2005"
    aliases: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        plain_fields(self)
        instance("butcher", self.butcher, Butcher, "a classical method, a Butcher(…)")
        integer("q", self.q, most=MOST_SLOPES)
        if self.modified and self.butcher.c[-1] != 1:
            raise ValueError(
                f"{self.name}: expected a method whose last node is 1, received {self.butcher.name} with c = "
                f"({', '.join(map(str, self.butcher.c))}); leave modified=False"
            )

    @property
    def stages(self) -> int:
        """Evaluations of N per step."""
        return len(self.butcher.c)

    def stages_from(self, positions: tuple[Any, ...], taken: tuple[int, ...]) -> tuple[Stage, ...]:
        """Return the stages of a step with a full history."""
        return _recipe(self.butcher, self.modified, positions, taken)


@lru_cache(maxsize=256)
def _recipe(butcher: Butcher, modified: bool, positions: tuple[Any, ...], taken: tuple[int, ...]) -> tuple[Stage, ...]:
    """Return the step for given positions of the slopes; floats are binary fractions, so nothing is lost."""
    past = [Fraction(position) for position in positions]
    c = butcher.c
    last = len(c) - 1
    stages = []
    for i in range(1, len(c)):
        known, inner = _weights(c[i], past, c[1:i], butcher.a[i][1:])
        stages.append(_stage(c[i], known, inner, accept=False))
    if modified:
        known, inner = _weights(Fraction(1), [*past, c[last]], c[1:last], butcher.b[1:last])
        stages.append(_stage(Fraction(1), known[:-1], [*inner, known[-1]], accept=True))
    else:
        known, inner = _weights(Fraction(1), past, c[1:], butcher.b[1:])
        stages.append(_stage(Fraction(1), known, inner, accept=True))
    return tuple(replace(stage, past=placed(stage.past, taken)) for stage in stages)


def _weights(
    end: Exact, nodes: Sequence[Exact], inner: Sequence[Exact], values: Sequence[Exact]
) -> tuple[list[PhiSum], list[PhiSum]]:
    """Return the weights at the nodes of p and at the inner nodes, where N - p enters with ``values``."""
    factors = [value * phi(0, end - c) for value, c in zip(values, inner)]
    known = []
    for weight, coefficients in zip(collocation_weights(nodes, end), lagrange_coefficients(nodes)):
        at_inner = [sum(a * c**m for m, a in enumerate(coefficients)) for c in inner]
        known.append(weight - sum((factor * value for factor, value in zip(factors, at_inner)), PhiSum()))
    return known, factors


def _stage(c: Exact, known: Sequence[PhiSum], inner: Sequence[PhiSum], accept: bool) -> Stage:
    return Stage(
        c=c,
        state=phi(0, c).terms,
        stages=tuple(weight.terms for weight in reversed(inner)),
        past=tuple(weight.terms for weight in known),
        evaluate=True,
        accept=accept,
        remember=accept,
    )
