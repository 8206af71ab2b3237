r"""Splitting: the flows of Ly and of N in turn, e^{a_{m+1} z} ∘ Φ_{b_m h} ∘ e^{a_m z} ∘ … ∘ Φ_{b_1 h} ∘ e^{a_1 z} y_n.

Φ_{τ} is the flow of y' = N(t, y), which the user knows, as for N = i|y|²y. With S_j = (Φ_{b_j h}(Y_j) - Y_j)/h the
points are

.. math:: Y_i = e^{c_i z} y_n + h \sum_{j<i} e^{(c_i - c_j) z} S_j, \qquad c_i = a_1 + \dots + a_i,

so that a splitting is a recipe like any other, with the S_j in place of slopes. Its order is decided in
``expint.derive.orders.words``.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import accumulate
from math import factorial, sqrt
from typing import TYPE_CHECKING, Any, NoReturn

from expint.arguments import plain_fields
from expint.derive.algebra.algebraic import root
from expint.derive.algebra.exact_lists import exact_list
from expint.derive.algebra.phisum import Exact, PhiSum, exact, phi
from expint.derive.algebra.printing import latex_array, latex_number, markdown_table, text_number
from expint.derive.kinds.facts import ProvedInWords
from expint.derive.kinds.presentation import Presented
from expint.derive.kinds.stage import Stage, StepContext, WithoutEstimate

if TYPE_CHECKING:
    from expint.derive.orders.report import OrderReport

__all__ = ["FlowPoints", "Splitting", "repeated"]


@dataclass(frozen=True, repr=False)
class Splitting(ProvedInWords, WithoutEstimate, Presented):
    """A splitting method.

    Parameters
    ----------
    name
        The name of the method.
    a
        The parts of the step given to L, m + 1 exact numbers (the last may be 0).
    b
        The parts given to N, m exact numbers.
    order
        The order, confirmed by ``splitting_order`` in the tests.
    rounding
        None where the parts are exact. Otherwise they are rounded, and there is an exact splitting of the order none of
        whose parts is further away, confirmed by ``is_near_a_splitting``.
    reference
        BibTeX key of the source in ``expint.methods.citations``.
    aliases, remarks
        Other names, and a sentence about the method.

    Raises
    ------
    ValueError
        If the numbers of parts do not fit, or the parts do not sum to 1.

    Examples
    --------
    >>> from fractions import Fraction
    >>> from expint.derive import Splitting
    >>> strang = Splitting("strang again", (Fraction(1, 2), Fraction(1, 2)), (1,), 2)
    >>> strang.order
    2
    """

    kind = "splitting"

    name: str
    a: tuple[Exact, ...]
    b: tuple[Exact, ...]
    order: int
    rounding: Fraction | None = None
    reference: str = ""
    aliases: tuple[str, ...] = ()
    remarks: str = ""

    def __post_init__(self) -> None:
        plain_fields(self)
        a, b = (tuple(exact_list(name, parts)) for name, parts in (("a", self.a), ("b", self.b)))
        object.__setattr__(self, "a", a)
        object.__setattr__(self, "b", b)
        if len(a) != len(b) + 1:
            raise ValueError(f"{self.name}: expected one part more in a than in b, received {len(a)} and {len(b)}")
        for label, parts in (("a", a), ("b", b)):
            if not _is_zero(sum(parts) - 1):
                raise ValueError(f"{self.name}: expected the parts {label} to sum to 1, received {sum(parts)}")

    @property
    def stages(self) -> int:
        """Flows of N per step."""
        return len(self.b)

    @property
    def stiff_order(self) -> int:
        """The stiff order 0: for a constant N the step is a sum of exponentials, not φ_1(z)."""
        return 0

    @property
    def weak_stiff_order(self) -> int:
        """The stiff order in the weakened form, 0 as well."""
        return 0

    @cached_property
    def orders(self) -> OrderReport:
        """The order proved in words, with the words in which the next order fails; the stiff orders are 0."""
        from expint.derive.orders.report import Condition, OrderReport
        from expint.derive.orders.words import is_near_a_splitting, missed_words

        certified = self.rounding is not None and is_near_a_splitting(self.a, self.b, self.order, self.rounding)
        order, words = missed_words(self.a, self.b, self.order + 1, known=self.order if certified else 0)
        violated = tuple(
            Condition(len(word), rf"[{word}] = {latex_number(Fraction(1, factorial(len(word))))}", missed)
            for word, missed in words.items()
        )
        constant = sqrt(sum(float(missed) ** 2 for missed in words.values()))
        lawson = sum((own * phi(0, exact(1 - c)) for own, c in zip(self.b, accumulate(self.a))), PhiSum())
        equilibria = (Condition(1, r"\psi_{1} = 0", phi(1) - lawson),)
        return OrderReport(
            self.name, order, 0, 0, False, False, constant, violated, equilibria, equilibria, max_order=self.order + 1
        )

    def recipe(self, step: StepContext) -> NoReturn:
        """Refuse to run on values of N.

        Raises
        ------
        ValueError
            Always: a splitting is made of flows, and ``points`` is its recipe for them.
        """
        del step
        raise self.needs_flow

    @property
    def needs_flow(self) -> ValueError:
        """What to say where there is N and no flow."""
        return ValueError(
            f"{self.name} is a splitting method: expected the flow of N, received N; run it by "
            "expint.run_splitting(method, linear, flow, y0, grid), or take a method such as 'krogstad4'"
        )

    @cached_property
    def points(self) -> FlowPoints:
        """The points of a step as a method whose values of N are the S_j, see the module."""
        c = [exact(sum(self.a[: i + 1])) for i in range(len(self.a))]
        c[-1] = exact(1)
        last = len(c) - 1
        stages = tuple(
            Stage(
                c=node,
                state=phi(0, node).terms,
                stages=tuple(phi(0, exact(node - c[j])).terms for j in reversed(range(i))),
                past=(),
                evaluate=i < last,
                accept=i == last,
                remember=False,
            )
            for i, node in enumerate(c)
        )
        return FlowPoints(self.name, self.order, stages)

    def latex(self) -> str:
        """Return the parts in LaTeX, those of L above those of N."""
        rows = [["L", *map(latex_number, self.a)], ["N", *map(latex_number, self.b), ""]]
        return latex_array(rows, "c|" + "c" * len(self.a))

    def markdown(self) -> str:
        """Return the parts as a Markdown table."""
        rows = [["L", *map(text_number, self.a)], ["N", *map(text_number, self.b), ""]]
        return markdown_table(["flow of", *(f"part {i + 1}" for i in range(len(self.a)))], rows)


@dataclass(frozen=True)
class FlowPoints(WithoutEstimate):
    """The points of a splitting as a method whose slopes are made of flows."""

    name: str
    order: int
    stages: tuple[Stage, ...]
    history: int = 1

    def recipe(self, step: StepContext) -> tuple[Stage, ...]:
        """Return the points of one step; they do not depend on where the step stands."""
        del step
        return self.stages


def repeated(method: Splitting, name: str, count: int, **facts: Any) -> Splitting:
    """Return k steps γh, one of (1 - 2kγ)h and k of γh of a symmetric method of even order p; the order is p + 2.

    γ = 1/(m - m^{1/(p+1)}) with m = 2k cancels the leading error; the middle step goes backwards. For ``count`` k = 1
    the triple jump of Yoshida (1990), for k = 2 the fractal of Suzuki (1990), whose parts are smaller. The parts of the
    method are rational.
    """
    p, m = method.order, 2 * count
    gamma = 1 / (m - root((-m, *[0] * p, 1), 1, m))
    a: list[Exact] = [exact(0)]
    b: list[Exact] = []
    for factor in (*[gamma] * count, 1 - m * gamma, *[gamma] * count):
        first, *others = (factor * part for part in method.a)
        a = [*a[:-1], a[-1] + first, *others]
        b += [factor * part for part in method.b]
    return Splitting(name, tuple(a), tuple(b), order=p + 2, **facts)


def _is_zero(value: Exact) -> bool:
    """Whether a sum of rational multiples of roots is zero."""
    return bool((value.expand() if hasattr(value, "free_symbols") else value) == 0)
