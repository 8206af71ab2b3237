r"""Exponential Adams–Bashforth of any order, on any grid, in any polynomial clock.

The values N_j at the remembered times are interpolated by a polynomial p, and

.. math:: y_{n+1} = e^{z} y_n + h \int_0^1 e^{(1-\theta) z} p(\theta) \, d\theta, \qquad z = hL.

Nørsett (1969) for uniform steps; with nodes in units of the step the same formula serves any grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, lru_cache
from math import factorial
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from expint.arguments import integer, plain_fields
from expint.derive.algebra.lagrange import collocation_weights, lagrange_coefficients
from expint.derive.algebra.phisum import Terms, phi
from expint.derive.algebra.printing import latex_array, latex_phisum, markdown_table, text_phisum
from expint.derive.algebra.spread import placed, spread
from expint.derive.kinds.collocation import bootstrap
from expint.derive.kinds.facts import FullStiffOrder
from expint.derive.kinds.presentation import Presented
from expint.derive.kinds.stage import MOST_SLOPES, ErrorEstimate, Method, Multistep, Stage, StepContext

__all__ = [
    "INDEX",
    "TIME",
    "Adams",
    "PolynomialClock",
    "Quadrature",
    "adams_terms",
    "difference",
    "is_exact",
    "quadrature_terms",
]


class Quadrature(NamedTuple):
    """A quadrature rule on one step, seen in the clock of the interpolation polynomial.

    Attributes
    ----------
    theta
        Its nodes in units of the step, in [0, 1].
    weights
        Its weights; their sum is 1.
    values
        The values of the polynomial's clock at the nodes.

    Examples
    --------
    >>> from expint.derive import Quadrature
    >>> simpson = Quadrature(theta=(0.0, 0.5, 1.0), weights=(1 / 6, 4 / 6, 1 / 6), values=(0.0, 0.5, 1.0))
    >>> round(sum(w * s**3 for w, s in zip(simpson.weights, simpson.values)), 12)  # ∫ s³ ds
    0.25
    """

    theta: Sequence[float]
    weights: Sequence[float]
    values: Sequence[float]


class PolynomialClock(Protocol):
    """The variable in which the history is interpolated."""

    def nodes(self, step: StepContext) -> tuple[Any, ...]:
        """Return the values of the clock at the remembered values of N, newest first."""

    def end(self, step: StepContext) -> Any:
        """Return the value of the clock at the end of the step."""

    def quadrature(self, step: StepContext) -> Quadrature | None:
        """Return a rule for the step, or None where the clock is affine in time with the step as its unit.

        Where it is None the integrals are φ-functions and need no quadrature.
        """


@dataclass(frozen=True)
class _Time:
    """The clock of the integration itself."""

    def __repr__(self) -> str:
        return "TIME"

    def __reduce__(self) -> str:
        return "TIME"  # there is one, in any process

    def nodes(self, step: StepContext) -> tuple[Any, ...]:
        return step.history

    def end(self, step: StepContext) -> int:
        del step
        return 1

    def quadrature(self, step: StepContext) -> None:
        del step


@dataclass(frozen=True)
class _Index:
    """The number of the step: every step counts as one, whatever its length."""

    def __repr__(self) -> str:
        return "INDEX"

    def __reduce__(self) -> str:
        return "INDEX"

    def nodes(self, step: StepContext) -> tuple[Any, ...]:
        return tuple(-j for j in range(len(step.history)))

    def end(self, step: StepContext) -> int:
        del step
        return 1

    def quadrature(self, step: StepContext) -> None:
        del step


TIME: PolynomialClock = _Time()
"""The textbook clock: the history is interpolated in the variable of integration."""

INDEX: PolynomialClock = _Index()
"""The step counter: constant Adams weights on any grid, as iPNDM uses them (order 2 on smoothly graded grids)."""


@dataclass(frozen=True)
class Adams(Multistep, FullStiffOrder, Presented):
    r"""Exponential Adams–Bashforth of a given order; one evaluation of N per step.

    .. math:: y_{n+1} = e^{z} y_n + h \int_0^1 e^{(1-\theta)z} p(\theta) \, d\theta, \quad z = hL,

    where the polynomial p interpolates the q newest values of N. Both stiff orders equal the order q. Runs with given
    steps keep the order. Runs to a tolerance begin at order 1 with short steps and choose the order, at most q. The
    error estimate is Milne's: the corrector of the next order, whose value of N the next step needs anyway.

    Parameters
    ----------
    q
        The order, at least 1; order 1 is the exponential Euler method.
    clock
        The variable in which the history is interpolated.
    ramp
        How the first q - 1 steps are made. False: by a one-step method of order q - 1, so that the order is kept. True:
        by the Adams methods of order 1, 2, …, which costs no further evaluations and caps the order at 2.

    Raises
    ------
    TypeError, ValueError
        If the order is not a positive integer.

    References
    ----------
    S. P. Nørsett (1969); M. Hochbruck and A. Ostermann, Acta Numerica 19 (2010), section 2.5.

    Examples
    --------
    >>> Adams(2).recipe(StepContext(0.0, 1.0, (0, -1)))[0]
    Stage(c = 1, values of N: 0 of this step, 2 past, N evaluated, accepted)
    """

    q: int
    clock: PolynomialClock = field(default=TIME)
    ramp: bool = False
    predicted: ClassVar[bool] = False
    """Whether values of N were taken at predicted points; see ``expint.derive.algebra.spread``."""

    def __post_init__(self) -> None:
        plain_fields(self)
        integer("q", self.q, most=MOST_SLOPES)

    @property
    def name(self) -> str:
        """The name of the method."""
        return f"adams{self.q}"

    @property
    def order(self) -> int:
        """The classical order q (on smooth grids; with ``ramp`` the first step limits the global order to 2)."""
        return self.q

    @cached_property
    def starter(self) -> Method:
        """The one-step method of order q - 1 that makes the first steps (local errors of order q are enough)."""
        return bootstrap(max(self.q - 1, 1))

    def recipe(self, step: StepContext) -> Sequence[Stage]:
        """Return the one stage of a step, or the stages of the starter while the history is short."""
        if len(step.history) < self.q and not self.ramp:
            return self.starter.recipe(step)
        nodes, rule = self.clock.nodes(step), self.clock.quadrature(step)
        end = 1 if rule is None else max(rule.values, key=lambda value: abs(value - nodes[0]))
        taken = spread(nodes, end, self.q, predicted=self.predicted, ramp=self.ramp)
        if len(taken) < self.q and not self.ramp:
            return self.starter.recipe(step)
        seen = tuple(nodes[k] for k in taken)
        if rule is None:
            return _recipe(seen, taken, is_exact(seen))
        return (_stage(placed(quadrature_terms(seen, rule), taken)),)

    @property
    def mode(self) -> str:
        """What a step does, as of predictor–corrector pairs: predict and evaluate N."""
        return "PE"

    @property
    def error_order(self) -> int | None:
        """The order q of the error estimate; none is known in other clocks than that of the integration."""
        return self.q if self.clock is TIME else None

    def error(self, step: StepContext) -> ErrorEstimate | None:
        """Return the corrector on the same history minus the step itself: its local error."""
        taken = spread(step.history, 1, self.q)
        if self.clock is not TIME or (len(taken) < self.q and not self.ramp):
            return None
        past = tuple(step.history[k] for k in taken)
        return _milne(past, taken, is_exact(past))

    @property
    def reference(self) -> str:
        """The BibTeX key of the source."""
        return "norsett1969"

    def latex(self) -> str:
        """Return the weights for uniform steps in LaTeX."""
        rows = [[f"N_{{n-{j}}}" if j else "N_n", latex_phisum(terms)] for j, terms in enumerate(self._uniform())]
        return latex_array(rows, "c|l")

    def markdown(self) -> str:
        """Return the weights for uniform steps as a Markdown table."""
        rows = [[f"N_(n-{j})" if j else "N_n", text_phisum(terms)] for j, terms in enumerate(self._uniform())]
        return markdown_table(["value of N", "weight"], rows)

    def _uniform(self) -> Sequence[Terms]:
        """Return the weights for uniform steps."""
        return [weight.terms for weight in collocation_weights([Fraction(-j) for j in range(self.q)])]


def is_exact(nodes: Sequence[Any]) -> bool:
    """Whether all nodes are rational, so that weights can be exact."""
    return all(isinstance(node, int | Fraction) for node in nodes)


def adams_terms(nodes: Sequence[Any], exact: bool) -> list[Terms]:
    """Return ∫ e^{(1-θ)z} ℓ_j dθ as φ-sums, with exact coefficients or with floating ones.

    Examples
    --------
    >>> from expint.derive import adams_terms
    >>> len(adams_terms([0, -1, -2], exact=True))
    3
    """
    number: Any = Fraction if exact else float
    return [
        {(m + 1, 1): a * factorial(m) for m, a in enumerate(coefficients)}
        for coefficients in lagrange_coefficients([number(node) for node in nodes])
    ]


@lru_cache(maxsize=256)
def _recipe(nodes: tuple[Any, ...], taken: tuple[int, ...], exact: bool) -> tuple[Stage, ...]:
    """Return the Adams step for given nodes; the same nodes give the same object, so that lowering can reuse it.

    Exact nodes give exact weights, so that the order conditions can be proved.
    """
    return (_stage(placed(adams_terms(nodes, exact), taken)),)


def difference(a: Terms, b: Terms) -> Terms:
    """Return the terms of a - b, some of which may be zero."""
    return {key: a.get(key, 0) - b.get(key, 0) for key in {**a, **b}}


@lru_cache(maxsize=256)
def _milne(past: tuple[Any, ...], taken: tuple[int, ...], exact: bool) -> ErrorEstimate:
    """Return the weights with N at the end of the step among the nodes, minus those without it."""
    new, *corrected = adams_terms((1, *past), exact)
    weights = placed(list(map(difference, corrected, adams_terms(past, exact))), taken)
    stage = Stage(Fraction(1), {}, (new,), weights, evaluate=False, accept=False, remember=False)
    return ErrorEstimate(stage, len(past))


def quadrature_terms(nodes: Sequence[float], rule: Quadrature) -> list[Terms]:
    """Return ∫ e^{(1-θ)z} ℓ_j dθ by the rule: sums of exponentials φ_0((1-θ_q) z)."""
    keys = [(0, 1 - theta) for theta in rule.theta]
    values = np.asarray(rule.values)
    weights: list[Terms] = []
    for j, own in enumerate(nodes):
        basis = np.array(rule.weights)
        for i, other in enumerate(nodes):
            if i != j:
                basis *= (values - other) / (own - other)
        weights.append(dict(zip(keys, basis.tolist())))
    return weights


def _stage(weights: Sequence[Terms]) -> Stage:
    return Stage(
        c=Fraction(1), state=phi(0).terms, stages=(), past=tuple(weights), evaluate=True, accept=True, remember=True
    )
