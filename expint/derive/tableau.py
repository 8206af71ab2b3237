r"""Tableau: an explicit exponential Runge–Kutta method as exact data that checks itself at birth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any, Self, TypeAlias

from expint.derive.phisum import Exact, PhiSum, as_phisum, exact, phi
from expint.derive.printing import latex_array, latex_number, markdown_table, text_number
from expint.derive.stage import ErrorEstimate, Stage, StepContext

__all__ = ["REST", "Tableau"]


class _Rest:
    """The entry that completes a row of a tableau; see ``REST``."""

    def __repr__(self) -> str:
        return "REST"


REST: Any = _Rest()
"""Stands for the first entry of a row where the row sums give it: Σ_j a_ij = c_i φ_1(c_i z), Σ_i b_i = φ_1(z)."""


Coefficient: TypeAlias = Any
"""A PhiSum once the tableau is made; as an argument also an exact constant or ``REST``."""


@dataclass(frozen=True, eq=False)
class Tableau:
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
        If a coefficient is a float.
    """

    name: str
    c: tuple[Exact, ...]
    a: tuple[tuple[Coefficient, ...], ...]
    b: tuple[Coefficient, ...]
    embedded: tuple[Coefficient, ...] | None = None
    declared_order: int | None = None
    declared_stiff_order: int | None = None
    declared_weak_stiff_order: int | None = None
    declared_embedded_order: int | None = None
    reference: str = ""
    aliases: tuple[str, ...] = ()
    remarks: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        c = tuple(exact(node) for node in self.c)
        self._check_shape(c)
        a = tuple(_complete(row, c[i] * phi(1, c[i]), f"row {i + 1} of a") for i, row in enumerate(self.a))
        b = _complete(self.b, phi(1), "b")
        object.__setattr__(self, "c", c)
        object.__setattr__(self, "a", a)
        object.__setattr__(self, "b", b)
        if self.embedded is not None:
            object.__setattr__(self, "embedded", _complete(self.embedded, phi(1), "embedded"))
        self._check_consistency()

    def _check_shape(self, c: Sequence[Exact]) -> None:
        s = len(c)
        if s == 0 or c[0] != 0:
            raise ValueError(
                f"{self.name}: expected the first node c_1 to be 0 (explicit method), received c = {self.c}"
            )
        if len(self.a) != s or len(self.b) != s:
            raise ValueError(
                f"{self.name}: expected {s} rows in a and {s} weights in b, received {len(self.a)} and {len(self.b)}"
            )
        for i, row in enumerate(self.a):
            if len(row) != i:
                kind = "implicit or too long" if len(row) > i else "too short"
                raise ValueError(
                    f"{self.name}: expected row {i + 1} of a to have {i} entries, received {len(row)}: {kind}"
                )
        if self.embedded is not None and len(self.embedded) not in (s, s + 1):
            raise ValueError(f"{self.name}: expected {s} or {s + 1} embedded weights, received {len(self.embedded)}")

    def _check_consistency(self) -> None:
        """Refuse what is no consistent method even for L = 0."""
        rows = [(f"row {i + 1} of a", row, c) for i, (row, c) in enumerate(zip(self.a, self.c))] + [
            ("b", self.b, Fraction(1))
        ]
        if self.embedded is not None:
            rows.append(("embedded", self.embedded, Fraction(1)))
        for label, row, expected in rows:
            total = sum(row, PhiSum()).at_zero()
            if PhiSum({(0, 0): total}) != PhiSum({(0, 0): expected}):
                entries = ", ".join(str(entry) for entry in row)
                raise ValueError(
                    f"{self.name}: expected {label} to sum to {expected} at L = 0, received {total} from ({entries})"
                )

    @property
    def stages(self) -> int:
        """The number s of stages."""
        return len(self.c)

    @cached_property
    def is_fsal(self) -> bool:
        """Whether the last stage is y_{n+1}, so that its slope serves the next step (first same as last)."""
        return self.c[-1] == 1 and self.a[-1] == self.b[:-1] and not self.b[-1]

    @property
    def evaluations(self) -> int:
        """Evaluations of N per step."""
        return self.stages - 1 if self.is_fsal else self.stages

    @property
    def history(self) -> int:
        """How many remembered slopes a step looks at: N(y_n) only."""
        return 1

    @cached_property
    def orders(self) -> Any:
        """The orders computed from the tableau by the exact order conditions, with the violated ones written out."""
        from expint.derive.conditions import check_orders

        return check_orders(self)

    @property
    def order(self) -> int:
        """The classical order."""
        return self.declared_order if self.declared_order is not None else self.orders.order

    @property
    def stiff_order(self) -> int:
        """The stiff order with every condition satisfied for arbitrary operators (strong form)."""
        return self.declared_stiff_order if self.declared_stiff_order is not None else self.orders.stiff_order

    @property
    def weak_stiff_order(self) -> int:
        """The stiff order in the weakened form of Hochbruck and Ostermann (2005), top-order weights at z = 0 only."""
        if self.declared_weak_stiff_order is not None:
            return self.declared_weak_stiff_order
        return int(self.orders.weak_stiff_order)

    def recipe(self, step: StepContext) -> tuple[Stage, ...]:
        """Return the stages of one step; they do not depend on where the step stands."""
        del step
        return self._recipe

    @property
    def error_order(self) -> int | None:
        """The order of the error estimate: the lower of the orders of the two solutions."""
        if self.embedded is None:
            return None
        if self.declared_embedded_order is None:
            return min(self.order, self.orders.embedded.order)
        return min(self.order, self.declared_embedded_order)

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
        return ErrorEstimate(stage, int(self.error_order or 0))

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
        from expint.derive.recovery import recover

        def row(entries: Sequence[Any], label: str) -> tuple[Any, ...]:
            try:
                return tuple(recover(entry) for entry in entries)
            except ValueError as error:
                raise ValueError(f"{name}: {label}: {error}") from error

        rows = tuple(row(entries, f"row {i + 1} of a") for i, entries in enumerate(a))
        if facts.get("embedded") is not None:
            facts["embedded"] = row(facts["embedded"], "embedded")
        return cls(name=name, c=row(c, "c"), a=rows, b=row(b, "b"), **facts)

    def subs(self, values: dict[Any, object], name: str | None = None) -> Tableau:
        """Return the member of a family in which the sympy symbols take the exact ``values``."""
        import sympy

        def number(node: Exact) -> Exact:
            return exact(sympy.sympify(node).subs({key: sympy.sympify(exact(new)) for key, new in values.items()}))

        return type(self)(
            name=name or self.name,
            c=tuple(number(node) for node in self.c),
            a=tuple(tuple(entry.subs(values) for entry in row) for row in self.a),
            b=tuple(entry.subs(values) for entry in self.b),
            embedded=None if self.embedded is None else tuple(entry.subs(values) for entry in self.embedded),
            reference=self.reference,
            remarks=self.remarks,
        )

    def latex(self) -> str:
        """Return the tableau in LaTeX: nodes | a, weights below the line."""
        s = self.stages
        rows = [
            [latex_number(self.c[i]), *(entry.latex() for entry in row), *[""] * (s - i)]
            for i, row in enumerate(self.a)
        ]
        rows += [[], ["", *(entry.latex() for entry in self.b)]]
        if self.embedded is not None:
            rows.append(["", *(entry.latex() for entry in self.embedded[:s])])
        return latex_array(rows, "c|" + "c" * s)

    def markdown(self) -> str:
        """Return the tableau as a Markdown table."""
        s = self.stages
        header = ["c", *(f"a_i{j + 1}" for j in range(s))]
        rows = [
            [text_number(self.c[i]), *(str(entry) for entry in row), *[""] * (s - i)] for i, row in enumerate(self.a)
        ]
        rows.append(["b", *(str(entry) for entry in self.b)])
        if self.embedded is not None:
            rows.append(["embedded", *(str(entry) for entry in self.embedded[:s])])
        return markdown_table(header, rows)

    def cite(self) -> str:
        """Return the source of the method as BibTeX."""
        from expint.methods.citations import bibtex

        return bibtex(self.reference)

    def _repr_latex_(self) -> str:
        return f"$${self.latex()}$$"

    def __str__(self) -> str:
        return f"{self.name}\n{self.markdown()}"


def _complete(row: Sequence[Any], total: PhiSum, label: str) -> tuple[PhiSum, ...]:
    """Turn a row into PhiSums, a leading ``REST`` into what the others leave of ``total``."""
    try:
        if any(entry is REST for entry in row[1:]):
            raise ValueError(f"expected REST only as the first entry of {label}")
        if row and row[0] is REST:
            others = tuple(as_phisum(entry) for entry in row[1:])
            return (total - sum(others, PhiSum()), *others)
        return tuple(as_phisum(entry) for entry in row)
    except TypeError as error:
        raise TypeError(f"{label}: {error}") from error
