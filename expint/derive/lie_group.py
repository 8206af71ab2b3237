r"""Magnus and commutator-free methods for y' = A(t) y + N(t, y): exponentials of combinations of A at several times.

The pairs F_j = (A(t_n + c_j h), N(t_n + c_j h, Y_j)) act on states by y' = A_j y + N_j, as elements of a Lie algebra:
they can be added, and have commutators [(A, b), (B, d)] = ([A, B], A d - B b). A method follows such fields exactly,
one after the other, for a unit of time,

.. math:: Y ← e^{M} Y + φ_1(M) f, \qquad (M, f) = h \sum_j α_j F_j + h^2 \sum_{i,j} β_{ij} [F_i, F_j].

Where A and N depend on t alone no points Y_j are needed, so that any nodes can be taken.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import prod
from typing import Any, NamedTuple

from expint.derive.phisum import Exact, PhiSum, exact, phi
from expint.derive.printing import latex_number
from expint.derive.stage import Stage, StepContext
from expint.derive.tableau import Tableau

__all__ = ["Exponent", "LieGroupMethod", "Motion", "linear_order"]

Words = dict[tuple[int, ...], Any]
"""{(k_1, k_2, …): coefficient} of products a_{k_1} a_{k_2} … of Taylor coefficients of A."""


class Exponent(NamedTuple):
    """The field h Σ α_j F_j + h² Σ β_ij [F_i, F_j].

    Attributes
    ----------
    linear
        (α_1, α_2, …); those left out are 0.
    commutators
        The triples (i, j, β_ij), counted from 1.
    """

    linear: tuple[Exact, ...]
    commutators: tuple[tuple[int, int, Exact], ...] = ()


class Motion(NamedTuple):
    """Where a motion starts (0: at y_n, i: at Y_i), and the fields that it follows, the first first."""

    start: int
    exponents: tuple[Exponent, ...]


@dataclass(frozen=True)
class LieGroupMethod:
    """A method for y' = A(t) y + N(t, y).

    Parameters
    ----------
    name
        The name of the method.
    c
        The nodes c_j.
    final
        The motion that leads to y_{n+1}.
    order
        The order, confirmed by ``linear_order`` and by ``tableau`` in the tests.
    points
        The motions that lead to Y_1, Y_2, …; none in methods that are made for N = b(t) only.
    reference
        BibTeX key of the source in ``expint.methods.citations``.
    remarks
        A sentence about the method.

    Raises
    ------
    ValueError
        If a field has more coefficients than there are nodes, or a motion starts at a point that comes later.
    """

    name: str
    c: tuple[Exact, ...]
    final: Motion
    order: int
    points: tuple[Motion, ...] = ()
    reference: str = ""
    remarks: str = ""

    def __post_init__(self) -> None:
        for known, motion in enumerate((*self.points, self.final)):
            for field in motion.exponents:
                if len(field.linear) > (min(known, len(self.c)) if self.points else len(self.c)):
                    raise ValueError(f"{self.name}: expected coefficients for nodes that are known, received {field}")
            if not 0 <= motion.start <= known:
                raise ValueError(f"{self.name}: expected a motion from a point that is known, received {motion.start}")

    @property
    def history(self) -> int:
        """How many remembered slopes a step looks at: N(y_n) only."""
        return 1

    @property
    def stages(self) -> int:
        """Evaluations of N per step; of A there are no more."""
        return len(self.c)

    @property
    def exponentials(self) -> int:
        """Exponentials per step, those that lead to points included."""
        return sum(len(motion.exponents) for motion in (*self.points, self.final))

    @property
    def weak_stiff_order(self) -> int:
        """The order on which step doubling relies: the stiff order at constant A, where N depends on y."""
        return self.tableau.weak_stiff_order if self.points else self.order

    @property
    def error_order(self) -> None:
        """There is no error estimate but that of step doubling."""

    def error(self, step: StepContext) -> None:
        """Return None: there is no error estimate but that of step doubling."""
        del step

    def recipe(self, step: StepContext) -> Sequence[Stage]:
        """Return the stages of one step for constant A.

        Raises
        ------
        ValueError
            If there are no points: then a constant A is not what the method is for.
        """
        if not self.points:
            raise ValueError(
                f"{self.name} is made for y' = A(t) y + b(t): expected linear=TimeDependent(A, forcing=b) and "
                "nonlinear=None; for a constant A take a method such as 'krogstad4'"
            )
        return self.tableau.recipe(step)

    @cached_property
    def tableau(self) -> Tableau:
        """The method at constant A, where products of exponentials are exponentials of sums.

        Raises
        ------
        ValueError
            If there are no points.
        """
        if not self.points:
            raise ValueError(f"{self.name}: expected a method with points, received one for N = b(t)")
        reached: list[tuple[Exact, list[PhiSum]]] = [(Fraction(0), [PhiSum()] * self.stages)]
        for motion in (*self.points, self.final):
            time, row = reached[motion.start]
            for field in motion.exponents:
                part = exact(sum(field.linear))
                alpha = (*field.linear, *[0] * (self.stages - len(field.linear)))
                row = [phi(0, part) * before + a * phi(1, part) for before, a in zip(row, alpha)]
                time = exact(time + part)
            reached.append((time, row))
        rows = [row for _, row in reached[1:]]
        a = tuple(tuple(row[:i]) for i, row in enumerate(rows[:-1]))
        return Tableau(f"{self.name} at constant A", self.c, a, tuple(rows[-1]), reference=self.reference)

    def latex(self) -> str:
        """Return the fields in LaTeX, a line for each motion."""
        lines = []
        names = [f"Y_{{{i}}}" for i in range(1, len(self.points) + 1)] + ["y_{n+1}"]
        for name, motion in zip(names, (*self.points, self.final)):
            flows = [rf"\exp\Bigl({_field_latex(field)}\Bigr)" for field in reversed(motion.exponents)]
            start = f"Y_{{{motion.start}}}" if motion.start else "y_n"
            lines.append(f"{name} &= {' '.join([*flows, start])}")
        body = r" \\ ".join(lines)
        return rf"\begin{{aligned}} {body} \end{{aligned}}"

    def _repr_latex_(self) -> str:
        return f"$${self.latex()}$$"

    def cite(self) -> str:
        """Return the source of the method as BibTeX."""
        from expint.methods.citations import bibtex

        return bibtex(self.reference)


def linear_order(method: LieGroupMethod, max_order: int = 6) -> int:
    r"""Return the order for y' = A(t) y + b(t), proved up to ``max_order``.

    With A(t_n + θh) = Σ a_k θ^k the exact solution is the sum over all words a_{k_1} … a_{k_m} of their integrals over
    1 > θ_1 > … > θ_m > 0, which are Π_j 1/(k_j + 1 + … + k_m + 1). A method has order p if its product of exponentials
    agrees in all words of weight Σ (k_j + 1) ≤ p. A force b(t) is a further row and column of A. Coefficients must be
    rational or of one algebraic field.
    """
    one = Fraction(1)
    nodes: list[Words] = [{(k,): exact(c) ** k if k else one for k in range(max_order)} for c in method.c]

    def motion_words(motion: Motion) -> Words:
        words: Words = motion_words(method.points[motion.start - 1]) if motion.start else {(): one}
        for field in motion.exponents:
            generator: Words = {}
            for a, node in zip(field.linear, nodes):
                generator = _added(generator, node, exact(a))
            for i, j, b in field.commutators:
                generator = _added(generator, _times(nodes[i - 1], nodes[j - 1], max_order), exact(b))
                generator = _added(generator, _times(nodes[j - 1], nodes[i - 1], max_order), -exact(b))
            term = words
            for n in range(1, max_order + 1):
                term = {word: x / n for word, x in _times(generator, term, max_order).items()}
                words = _added(words, term, one)
        return words

    words = motion_words(method.final)
    for order in range(1, max_order + 1):
        for word in _words_of_weight(order):
            tails = [sum(k + 1 for k in word[j:]) for j in range(len(word))]
            if words.get(word, 0) != Fraction(1, prod(tails)):
                return order - 1
    return max_order


def _words_of_weight(weight: int) -> Iterator[tuple[int, ...]]:
    if weight == 0:
        yield ()
    for k in range(weight):
        yield from ((k, *rest) for rest in _words_of_weight(weight - k - 1))


def _times(left: Words, right: Words, heaviest: int) -> Words:
    product: Words = {}
    for (u, x), (v, y) in itertools.product(left.items(), right.items()):
        if sum(u) + sum(v) + len(u) + len(v) <= heaviest:
            product[u + v] = product[u + v] + x * y if u + v in product else x * y
    return product


def _added(words: Words, others: Words, factor: Any) -> Words:
    total = dict(words)
    for word, x in others.items():
        total[word] = total[word] + factor * x if word in total else factor * x
    return total


def _field_latex(field: Exponent) -> str:
    """Return Σ α_j h F_j + Σ β_ij h² [F_i, F_j]."""
    terms = [(a, f"h F_{{{j}}}") for j, a in enumerate(field.linear, start=1)]
    terms += [(b, f"h^2 [F_{{{i}}}, F_{{{j}}}]") for i, j, b in field.commutators]
    text = " + ".join(what if a == 1 else f"{latex_number(a)} {what}" for a, what in terms if a != 0)
    return text.replace("+ -", "- ")
