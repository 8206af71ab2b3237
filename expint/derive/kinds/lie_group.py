r"""Magnus and commutator-free methods for y' = A(t) y + N(t, y): exponentials of combinations of A at several times.

The pairs F_j = (A(t_n + c_j h), N(t_n + c_j h, Y_j)) act on states by y' = A_j y + N_j, as elements of a Lie algebra:
they can be added, and have commutators [(A, b), (B, d)] = ([A, B], A d - B b). A method follows such fields exactly,
one after the other, for a unit of time,

.. math:: Y ← e^{M} Y + φ_1(M) f, \qquad (M, f) = h \sum_j α_j F_j + h^2 \sum_{i,j} β_{ij} [F_i, F_j].

Where A and N depend on t alone no points Y_j are needed, so that any nodes can be taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from math import factorial, sqrt
from typing import TYPE_CHECKING, NamedTuple

from expint.derive.algebra.phisum import Exact, PhiSum, exact, phi
from expint.derive.algebra.printing import latex_array, latex_number, markdown_table, text_number
from expint.derive.kinds.facts import ProvedInWords
from expint.derive.kinds.presentation import Presented
from expint.derive.kinds.stage import Stage, StepContext, WithoutEstimate
from expint.derive.kinds.tableau import Tableau

if TYPE_CHECKING:
    from expint.derive.orders.report import OrderReport

__all__ = ["Exponent", "LieGroupMethod", "Motion"]


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
    """Where a motion starts (0: at y_n, i: at Y_i), and the fields that it follows, in order."""

    start: int
    exponents: tuple[Exponent, ...]


@dataclass(frozen=True, repr=False)
class LieGroupMethod(ProvedInWords, WithoutEstimate, Presented):
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
        The order, confirmed by ``orders`` in the tests.
    points
        The motions that lead to Y_1, Y_2, …; none in methods that are made for N = b(t) only.
    reference
        BibTeX key of the source in ``expint.methods.citations``.
    aliases, remarks
        Other names, and a sentence about the method.

    Raises
    ------
    ValueError
        If a field has more coefficients than there are nodes, or a motion starts at a point that comes later.

    Examples
    --------
    >>> import expint
    >>> cf4 = expint.method("cf4")
    >>> type(cf4).__name__, cf4.order, cf4.stages, cf4.exponentials
    ('LieGroupMethod', 4, 2, 2)
    """

    kind = "follows fields"

    name: str
    c: tuple[Exact, ...]
    final: Motion
    order: int
    points: tuple[Motion, ...] = ()
    reference: str = ""
    aliases: tuple[str, ...] = ()
    remarks: str = ""

    def __post_init__(self) -> None:
        for known, motion in enumerate((*self.points, self.final)):
            for field in motion.exponents:
                if len(field.linear) > (min(known, len(self.c)) if self.points else len(self.c)):
                    raise ValueError(f"{self.name}: expected coefficients for nodes that are known, received {field}")
            if not 0 <= motion.start <= known:
                raise ValueError(f"{self.name}: expected a motion from a point that is known, received {motion.start}")

    @property
    def stages(self) -> int:
        """Evaluations of N per step; of A there are no more."""
        return len(self.c)

    @property
    def exponentials(self) -> int:
        """Exponentials per step, those that lead to points included."""
        return sum(len(motion.exponents) for motion in (*self.points, self.final))

    @property
    def stiff_order(self) -> int:
        """The stiff order at constant A."""
        return self.orders.stiff_order

    @property
    def weak_stiff_order(self) -> int:
        """The stiff order at constant A in the weakened form."""
        return self.orders.weak_stiff_order

    @cached_property
    def orders(self) -> OrderReport:
        """The order for y' = A(t) y + b(t), proved in words, and the stiff orders at constant A.

        Where N may depend on y the order is at most that of ``tableau``.
        """
        from expint.derive.orders.report import Condition, OrderReport
        from expint.derive.orders.time_words import exact_coefficient, missed_words

        linear, words = missed_words(self, max_order=self.order + 1)
        violated = tuple(
            Condition(
                linear + 1,
                rf"[{' '.join(f'a_{k}' for k in word)}] = {latex_number(exact_coefficient(word))}",
                missed,
            )
            for word, missed in words.items()
        )
        constant = sqrt(sum(float(missed) ** 2 for missed in words.values()))
        if self.points:
            report = self.tableau.orders
            if report.order < linear:
                return replace(report, name=self.name)
            if report.order == linear:
                violated = (*report.violated, *violated)
            return replace(report, name=self.name, order=linear, violated=violated, error_constant=None)
        defects = [_defect(self, q) for q in range(1, linear + 2)]
        strong = next(q for q, defect in enumerate(defects) if defect)
        weak = next(q for q, defect in enumerate(defects) if defect.at_zero() != 0)
        weak = min(weak, strong + 1)
        first = rf"\psi_{{{strong + 1}}} = 0"  # what the strong order lacks, the order after the weak one lacks too
        lacks, weakly = (Condition(p + 1, first, defects[strong]) for p in (strong, weak))
        return OrderReport(
            name=self.name,
            order=linear,
            stiff_order=strong,
            weak_stiff_order=weak,
            row_sums=strong > 0,
            is_fsal=False,
            error_constant=constant,
            violated=violated,
            violated_stiff=(lacks,),
            violated_weak=(weakly,),
            max_order=linear + 1,
        )

    def recipe(self, step: StepContext) -> Sequence[Stage]:
        """Return the stages of one step for constant A.

        Raises
        ------
        ValueError
            If there are no points: then a constant A is not what the method is for.
        """
        if not self.points:
            raise ValueError(
                f"expected linear=TimeDependent(A, forcing=b) and nonlinear=None for {self.name}, which is made for "
                "y' = A(t) y + b(t), received a constant A; take a method such as 'krogstad4'"
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
        rows = self._rows()
        a = tuple(tuple(row[:i]) for i, row in enumerate(rows[:-1]))
        return Tableau(f"{self.name} at constant A", self.c, a, rows[-1], reference=self.reference)

    def _rows(self) -> list[tuple[PhiSum, ...]]:
        """Return, at constant A, the weights of h N_j in every Y_i and in y_{n+1}."""
        reached: list[tuple[PhiSum, ...]] = [(PhiSum(),) * self.stages]
        for motion in (*self.points, self.final):
            row = reached[motion.start]
            for field in motion.exponents:
                part = exact(sum(field.linear))
                added = [a * phi(1, part) for a in field.linear] + [PhiSum()] * (self.stages - len(field.linear))
                for i, j, b in field.commutators:  # z φ_1(σz) = (φ_0(σz) - 1)/σ
                    change = (phi(0, part) - phi(0, 0)) * (b / part)
                    added[i - 1], added[j - 1] = added[i - 1] - change, added[j - 1] + change
                row = tuple(phi(0, part) * before + own for before, own in zip(row, added))
            reached.append(row)
        return reached[1:]

    def latex(self) -> str:
        """Return the motions in LaTeX."""
        rows = []
        names = [f"Y_{{{i}}}" for i in range(1, len(self.points) + 1)] + ["y_{n+1}"]
        for name, motion in zip(names, (*self.points, self.final)):
            flows = [rf"\exp\Bigl({_field_latex(field)}\Bigr)" for field in reversed(motion.exponents)]
            start = f"Y_{{{motion.start}}}" if motion.start else "y_n"
            rows.append([name, "=", " ".join([*flows, start])])
        return latex_array(rows, "rcl")

    def markdown(self) -> str:
        """Return the coefficients of the fields as a Markdown table, a row for each exponential in order."""
        names = [f"Y_{i}" for i in range(1, len(self.points) + 1)] + ["y_(n+1)"]
        rows = []
        for name, motion in zip(names, (*self.points, self.final)):
            start = f"Y_{motion.start}" if motion.start else "y_n"
            for field in motion.exponents:
                linear = [text_number(exact(a)) for a in field.linear] + [""] * (self.stages - len(field.linear))
                brackets = ", ".join(f"{text_number(b)} [F_{i}, F_{j}]" for i, j, b in field.commutators)
                rows.append([name, start, *linear, brackets])
                start = ""
        nodes = [f"h F({text_number(exact(c))})" for c in self.c]
        return markdown_table(["to", "from", *nodes, "h²"], rows)


def _defect(method: LieGroupMethod, q: int) -> PhiSum:
    """Return ψ_q = φ_q - Σ b_i c_i^{q-1}/(q-1)! of the weights at constant A."""
    weights = method._rows()[-1]
    nodes = [exact(c) ** (q - 1) if q > 1 else Fraction(1) for c in method.c]
    return phi(q) - sum((node / factorial(q - 1) * own for node, own in zip(nodes, weights)), PhiSum())


def _field_latex(field: Exponent) -> str:
    """Return Σ α_j h F_j + Σ β_ij h² [F_i, F_j]."""
    terms = [(a, f"h F_{{{j}}}") for j, a in enumerate(field.linear, start=1)]
    terms += [(b, f"h^2 [F_{{{i}}}, F_{{{j}}}]") for i, j, b in field.commutators]
    text = " + ".join(what if a == 1 else f"{latex_number(a)} {what}" for a, what in terms if a != 0)
    return text.replace("+ -", "- ")
