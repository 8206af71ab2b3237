r"""Methods of any order that linearise at every step, by Hermite collocation.

Along the solution N_n = f - J_n y has no first derivative at t_n, so R = N_n - N_n(t_n) is interpolated by

.. math:: R(\theta) = \sum_j R_j \, \theta^2 \ell_j(\theta) / c_j^2

with the Lagrange polynomials ℓ_j of the nodes c_j, and integrated exactly against the exponential: m nodes give the
order m + 2. ``linearised_ladder`` takes the nodes from stages, level upon level, ``LinearisedAdams`` from the past.
Hochbruck, Ostermann and Schweitzer (2009); Hochbruck and Ostermann (2011).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, lru_cache
from math import factorial
from typing import Any

from expint.arguments import integer, plain_fields
from expint.derive.algebra.lagrange import lagrange_coefficients
from expint.derive.algebra.phisum import Exact, PhiSum, phi
from expint.derive.algebra.spread import placed, spread
from expint.derive.kinds.facts import FullStiffOrder
from expint.derive.kinds.presentation import Presented
from expint.derive.kinds.rosenbrock import Linearised, Rosenbrock
from expint.derive.kinds.stage import MOST_SLOPES, Multistep, Stage, StepContext, WithoutEstimate
from expint.derive.kinds.tableau import REST

__all__ = ["EpiMultistep", "LinearisedAdams", "linearised_ladder", "linearised_weights"]


def linearised_weights(nodes: Sequence[Exact], end: Exact = Fraction(1)) -> list[PhiSum]:
    """Return the exact weights ∫_0^c e^{(c-θ)z} θ² ℓ_j(θ)/c_j² dθ of R at exact ``nodes`` other than 0, c = ``end``."""
    exact = [Fraction(node) if isinstance(node, int) else node for node in nodes]
    return [
        PhiSum({(m + 3, end): a * factorial(m + 2) * end ** (m + 3) / node**2 for m, a in enumerate(row)})
        for node, row in zip(exact, lagrange_coefficients(exact))
    ]


def linearised_ladder(
    name: str, levels: Sequence[Sequence[Exact]], estimate: Sequence[Exact] = (), **facts: Any
) -> Rosenbrock:
    """Return the method whose stages are the nodes of ``levels``, bottom up; the step collocates at the top level.

    Parameters
    ----------
    name
        The name of the method.
    levels
        The nodes of each level, exact numbers other than 0, different within a level. Stages of the first level are
        made by the exponential Rosenbrock–Euler method; no level makes that method itself.
    estimate
        Nodes of the top level at which the embedded solution collocates, fewer than all; by default there is none. At
        the end it takes N(y_{n+1}), where there is one.
    facts
        Further fields of ``Rosenbrock``.

    Raises
    ------
    ValueError
        If a level holds the node 0 or the same node twice, or a node of ``estimate`` is not on the top level.
    """
    if not set(estimate) <= set(levels[-1] if levels else ()):
        raise ValueError(
            f"{name}: expected nodes of the top level, received {', '.join(map(str, estimate))} with the levels "
            f"{[[str(node) for node in level] for level in levels]}"
        )
    c: list[Exact] = [Fraction(0)]
    rows: list[tuple[PhiSum, ...]] = [()]
    below: list[int] = []
    for level in levels:
        if 0 in level or len(set(level)) < len(level):
            raise ValueError(f"{name}: expected different nodes other than 0 on a level, received {tuple(level)}")
        first = len(c)
        rows += [_row(c[:first], below, node) for node in level]
        c += level
        below = list(range(first, len(c)))
    a = [(REST, *row[1:], *[PhiSum()] * (i - len(row))) if i else () for i, row in enumerate(rows)]
    if estimate:
        facts["embedded"] = _embedded(c, below, estimate)
    return Rosenbrock(name=name, c=tuple(c), a=tuple(a), b=(REST, *_row(c, below, Fraction(1))[1:]), **facts)


def _embedded(c: Sequence[Exact], top: Sequence[int], estimate: Sequence[Exact]) -> tuple[Any, ...]:
    """Return the weights of the embedded solution, R(t_{n+1}, y_{n+1}) last if a node of ``estimate`` is the end.

    Fewer nodes tell the error of the quadrature. How far the levels are from agreeing they do not tell, which each make
    the values at their nodes from those of the level below: where that does not contract, as in long steps over an
    explosion that J does not foresee, all levels are wrong alike and smooth in θ. So the value at the end is one level
    further up, made from y_{n+1} itself.
    """
    weights = _row(c, [i for i in top if c[i] in estimate], Fraction(1))
    last = [i for i in top if c[i] == 1 and c[i] in estimate]
    if not last:
        return (REST, *weights[1:])
    (end,) = last
    return (REST, *weights[1:end], PhiSum(), *weights[end + 1 :], weights[end])


def _row(c: Sequence[Exact], below: Sequence[int], end: Exact) -> tuple[PhiSum, ...]:
    weights = dict(zip(below, linearised_weights([c[i] for i in below], end)))
    return tuple(weights.get(i, PhiSum()) for i in range(len(c)))


@dataclass(frozen=True)
class LinearisedAdams(Multistep, FullStiffOrder, Linearised, WithoutEstimate, Presented):
    """The linearised exponential Adams method with q remembered values of N_n, of order q + 1, as are EPI methods.

    It remembers N_n at past points, f_j - J_n y_j - (t_j - t_n) ∂f/∂t. So a run keeps the past states too.

    Parameters
    ----------
    q
        The number of remembered values, N_n(y_n) included, at least 1; q = 1 is exponential Rosenbrock–Euler.

    Raises
    ------
    ValueError
        If q is not a positive integer.

    Examples
    --------
    >>> from expint.derive import LinearisedAdams
    >>> LinearisedAdams(3).name, LinearisedAdams(3).order
    ('linearised-adams4', 4)
    """

    q: int

    def __post_init__(self) -> None:
        plain_fields(self)
        integer("q", self.q, most=MOST_SLOPES)

    @property
    def name(self) -> str:
        """The name of the method: its order at the end."""
        return f"linearised-adams{self.order}"

    @property
    def order(self) -> int:
        """The classical order q + 1."""
        return self.q + 1

    def recipe(self, step: StepContext) -> Sequence[Stage]:
        """Return the one stage of a step for an exact or floating history of q values of N.

        Raises
        ------
        ValueError
            If fewer than q values of N are remembered, but for those that nearly coincide.
        """
        taken = self.looks_at(step.history)
        if len(taken) < self.q:
            raise ValueError(
                f"expected {self.q} past points for {self.name}, received {len(taken)}; start by a one-step method"
            )
        return _adams(tuple(Fraction(step.history[k]) for k in taken), taken)

    def looks_at(self, history: Sequence[Any]) -> tuple[int, ...]:
        """Return the places of the values of N that a step looks at, q at most, of the positions ``history``."""
        return spread(history, 1, self.q, double=True)

    @property
    def reference(self) -> str:
        """The BibTeX key of the source."""
        return "hochbruck_ostermann2011"

    @property
    def time_weights(self) -> tuple[PhiSum, ...]:
        """The weight of h² ∂f/∂t(t_n, y_n) in the new value."""
        return (phi(2),)


@lru_cache(maxsize=256)
def _adams(history: tuple[Exact, ...], taken: tuple[int, ...]) -> tuple[Stage, ...]:
    weights = linearised_weights(history[1:])
    own = phi(1) - sum(weights, PhiSum())
    past = placed([weight.terms for weight in (own, *weights)], taken)
    return (Stage(Fraction(1), phi(0).terms, (), past, evaluate=True, accept=True, remember=True),)


@dataclass(frozen=True, repr=False)
class EpiMultistep(LinearisedAdams):
    r"""A published EPI multistep method: weights for R at remembered points, given for uniform steps, with L = J_n.

    .. math:: y_{n+1} = y_n + h \varphi_1(z) F + h^2 \varphi_2(z) \partial_t f + h \sum_j w_j(z) R_{n-j}

    ``LinearisedAdams`` derives such weights for any order and any grid, and of higher stiff order.

    Parameters
    ----------
    weights
        The functions that multiply h R_{n-1}, h R_{n-2}, …: q - 1 of them.
    label
        The name under which the method is found.
    declared_stiff_order, declared_weak_stiff_order
        The stiff orders, confirmed by the tests; the classical order is q + 1.
    reference, aliases
        BibTeX key of the source, and other names.

    Raises
    ------
    ValueError
        If there are not q - 1 weights.
    """

    weights: tuple[PhiSum, ...] = ()
    label: str = ""
    declared_stiff_order: int = 0
    declared_weak_stiff_order: int = 0
    reference: str = "tokman2006"
    aliases: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.weights) != self.q - 1:
            raise ValueError(f"{self.label}: expected {self.q - 1} weights, received {len(self.weights)}")

    @property
    def name(self) -> str:
        """The name of the method."""
        return self.label

    @property
    def stiff_order(self) -> int:
        """The stiff order in the strong form."""
        return self.declared_stiff_order

    @property
    def weak_stiff_order(self) -> int:
        """The stiff order in the weak form."""
        return self.declared_weak_stiff_order

    def recipe(self, step: StepContext) -> Sequence[Stage]:
        """Return the one stage of a step.

        Raises
        ------
        ValueError
            If the remembered values of N are too few or not uniform.
        """
        history = step.history[: self.q]
        if len(history) < self.q or any(abs(node + j) > 1e-9 for j, node in enumerate(history)):
            raise ValueError(
                f"{self.name}: expected {self.q} values of N at uniform steps, received positions "
                f"{tuple(map(str, history))}; linearised-adams{self.order} takes any grid"
            )
        return self._stages

    @cached_property
    def _stages(self) -> tuple[Stage, ...]:
        own = phi(1) - sum(self.weights, PhiSum())
        past = tuple(weight.terms for weight in (own, *self.weights))
        return (Stage(Fraction(1), phi(0).terms, (), past, evaluate=True, accept=True, remember=True),)
