r"""Tableau: an explicit exponential Runge–Kutta method as exact data that checks itself at birth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from expint.arguments import instance, listed, plain_fields, text
from expint.derive.algebra.phisum import Exact, PhiSum, exact, phi
from expint.derive.kinds.facts import DeclaredOrders
from expint.derive.kinds.presentation import Presented, tableau_latex, tableau_markdown
from expint.derive.kinds.stage import ErrorEstimate, Stage, StepContext
from expint.derive.kinds.tableau_checks import REST, check_consistency, check_rows, check_shape, completed
from expint.derive.orders.forcing import seen_where_damped
from expint.derive.orders.scheme import Schemes, scheme_of_tableau

if TYPE_CHECKING:
    from expint.derive.kinds.butcher import Butcher

__all__ = ["REST", "Tableau"]


Coefficient: TypeAlias = Any
"""A PhiSum once the tableau is made; as an argument also an exact constant or ``REST``."""


@dataclass(frozen=True, eq=False, repr=False)
class Tableau(DeclaredOrders, Presented):
    r"""An explicit exponential Runge–Kutta method for y' = L y + N(t, y), z = hL.

    .. math::

        Y_i = e^{c_i z} y_n + h \sum_{j<i} a_{ij}(z) N(t_n + c_j h, Y_j), \qquad
        y_{n+1} = e^{z} y_n + h \sum_i b_i(z) N(t_n + c_i h, Y_i)

    Parameters
    ----------
    name
        The name under which the method is found.
    c
        Nodes, s exact numbers, the first of them 0.
    a
        Rows of PhiSums (or exact constants); row i has i entries, the first row none. ``REST`` as a first entry is
        replaced by what the row sum c_i φ_1(c_i z) leaves.
    b
        Weights, s PhiSums; ``REST`` likewise, from the sum φ_1(z).
    embedded
        Weights of a second solution of lower order for error estimates, s (or s + 1, with N(y_{n+1}) last).
    declared_order, declared_stiff_order, declared_weak_stiff_order, declared_embedded_order
        The orders that the literature claims. The tests confirm them by the order conditions; where they are left out,
        ``order`` and its companions are computed at first use.
    classical
        The classical method that this one is the Lawson form of. Where its coefficients are rounded, it proves the
        classical order.
    reference
        BibTeX key of the source in ``expint.methods.citations``.
    aliases, remarks
        Other names, and a sentence about the method.

    Raises
    ------
    ValueError
        If shapes do not fit, the method is not explicit, or it is inconsistent at L = 0 (Σ_j a_ij(0) ≠ c_i,
        Σ_i b_i(0) ≠ 1).
    TypeError
        If a coefficient is a float, or a row no sequence.

    Examples
    --------
    >>> etd2 = Tableau("my-etd2", c=(0, 1), a=((), (REST,)), b=(REST, phi(2)))
    >>> etd2.b[0], etd2.order, etd2.stiff_order
    (PhiSum(φ₁ - φ₂), 2, 2)
    """

    steps_alike = True
    """Steps of one length are the same, wherever they lie and whatever came before."""

    name: str
    c: tuple[Exact, ...]
    a: tuple[tuple[Coefficient, ...], ...]
    b: tuple[Coefficient, ...]
    embedded: tuple[Coefficient, ...] | None = None
    declared_order: int | None = None
    declared_stiff_order: int | None = None
    declared_weak_stiff_order: int | None = None
    declared_embedded_order: int | None = None
    classical: Butcher | None = field(default=None, repr=False)
    reference: str = ""
    aliases: tuple[str, ...] = ()
    remarks: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        plain_fields(self)
        check_rows(self.name, self.a, c=self.c, b=self.b, embedded=() if self.embedded is None else self.embedded)
        c = tuple(exact(node) for node in self.c)
        check_shape(self.name, c, self.a, self.b, self.embedded)
        a = tuple(completed(row, c[i] * phi(1, c[i]), f"row {i + 1} of a") for i, row in enumerate(self.a))
        solutions = {
            label: completed(weights, phi(1), label)
            for label, weights in (("b", self.b), ("embedded", self.embedded))
            if weights is not None
        }
        rows = [(f"row {i + 1} of a", row, c[i]) for i, row in enumerate(a)]
        check_consistency(self.name, [*rows, *((label, row, Fraction(1)) for label, row in solutions.items())])
        for label, value in {"c": c, "a": a, **solutions}.items():
            object.__setattr__(self, label, value)

    @property
    def stages(self) -> int:
        """The number s of stages."""
        return len(self.c)

    @cached_property
    def is_fsal(self) -> bool:
        """Whether the last stage is y_{n+1}, so that N there serves the next step (first same as last)."""
        return self.c[-1] == 1 and self.a[-1] == self.b[:-1] and not self.b[-1]

    @property
    def evaluations(self) -> int:
        """Evaluations of N per step."""
        return self.stages - 1 if self.is_fsal else self.stages

    @property
    def history(self) -> int:
        """How many remembered values of N a step looks at: N(y_n) only."""
        return 1

    def recipe(self, step: StepContext) -> tuple[Stage, ...]:
        """Return the stages of one step; they do not depend on where the step stands."""
        del step
        return self._recipe

    def schemes(self, history: Sequence[Exact] | None = None) -> Schemes:
        """Return what the order conditions look at; it does not depend on the ``history``, of which there is none."""
        del history
        embedded = None if self.embedded is None else scheme_of_tableau(self, self.embedded)
        solution = scheme_of_tableau(self, self.b)
        if self.classical is None:
            return Schemes(solution, embedded, self.is_fsal)
        return Schemes(solution, embedded, self.is_fsal, self.classical.certified)

    @property
    def error_order(self) -> int | None:
        """The order of the error estimate: the lower of the orders of the two solutions."""
        if self.embedded is None:
            return None
        if self.declared_embedded_order is not None:
            return min(self.order, self.declared_embedded_order)
        return min(self.order, self.orders.embedded.order) if self.orders.embedded else None

    def error(self, step: StepContext) -> ErrorEstimate | None:
        """Return the difference between the two solutions of an embedded pair, or None."""
        del step
        return self._error

    @cached_property
    def _error(self) -> ErrorEstimate | None:
        if self.embedded is None:
            return None
        further = [PhiSum()] * (len(self.embedded) - len(self.b))
        weights = [b - e for b, e in zip([*self.b, *further], self.embedded, strict=True)]
        stage = Stage(
            c=Fraction(1),
            state={},
            stages=tuple(entry.terms for entry in reversed(weights[1:])),
            past=(weights[0].terms,),
            evaluate=False,
            accept=False,
            remember=False,
        )
        damped = seen_where_damped([*self.c, Fraction(1)], self.b, stage)
        return ErrorEstimate(stage, int(self.error_order or 0), damped)

    @cached_property
    def _recipe(self) -> tuple[Stage, ...]:
        inner = len(self.c) - 1 if self.is_fsal else len(self.c)
        rows = [(self.c[i], self.a[i], False) for i in range(1, inner)] + [(Fraction(1), self.b[:inner], True)]
        return tuple(
            Stage(
                c=c,
                state=phi(0, c).terms,
                stages=tuple(entry.terms for entry in reversed(row[1:])),
                past=(row[0].terms,),
                evaluate=True,
                accept=accept,
                remember=accept,
            )
            for c, row, accept in rows
        )

    @classmethod
    def from_floats(cls, name: str, c: Sequence[Any], a: Sequence[Any], b: Sequence[Any], **facts: Any) -> Self:
        """Return the tableau whose floats are recovered as simple fractions; see ``expint.derive.recover``.

        Parameters
        ----------
        name, c, a, b, facts
            As the fields; an entry may also be a mapping {(k, c): r} with floats, which stands for Σ r φ_k(cz).

        Raises
        ------
        ValueError
            If a float is explained by no simple fraction, with the row in which it stands; and as ``Tableau``.
        """
        from expint.derive.algebra.recovery import recover

        def row(entries: Sequence[Any], label: str) -> tuple[Any, ...]:
            given = listed(label, entries, "coefficients", least=0)
            try:
                return tuple(recover(entry) for entry in given)
            except ValueError as error:
                raise ValueError(f"{name}: {label}: {error}") from error

        rows = tuple(row(entries, f"row {i + 1} of a") for i, entries in enumerate(listed("a", a, "rows")))
        if facts.get("embedded") is not None:
            facts["embedded"] = row(facts["embedded"], "embedded")
        return cls(name=name, c=row(c, "c"), a=rows, b=row(b, "b"), **facts)

    def subs(self, values: dict[Any, object], name: str | None = None) -> Tableau:
        """Return the member of a family in which the sympy symbols take the exact ``values``."""
        import sympy

        instance("values", values, Mapping, "a mapping {symbol: exact value}")

        def number(node: Exact) -> Exact:
            return exact(sympy.sympify(node).subs({key: sympy.sympify(exact(new)) for key, new in values.items()}))

        return type(self)(
            name=self.name if name is None else text("name", name),
            c=tuple(number(node) for node in self.c),
            a=tuple(tuple(entry.subs(values) for entry in row) for row in self.a),
            b=tuple(entry.subs(values) for entry in self.b),
            embedded=None if self.embedded is None else tuple(entry.subs(values) for entry in self.embedded),
            reference=self.reference,
            remarks=self.remarks,
        )

    def latex(self) -> str:
        """Return the tableau in LaTeX: nodes | a, weights below the line."""
        return tableau_latex(self)

    def markdown(self) -> str:
        """Return the tableau as a Markdown table."""
        return tableau_markdown(self)
