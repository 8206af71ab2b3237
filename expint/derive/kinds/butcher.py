"""Butcher: a classical explicit Runge–Kutta method as exact data that checks itself at birth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import accumulate
from typing import Any

from expint.arguments import plain_fields
from expint.derive.algebra.exact_lists import exact_list
from expint.derive.algebra.phisum import Exact, exact
from expint.derive.algebra.printing import latex_array, latex_number
from expint.derive.kinds.tableau_checks import check_rows
from expint.derive.orders.scheme import UNKNOWN, Certified

__all__ = ["Butcher"]


@dataclass(frozen=True)
class Butcher:
    r"""An explicit Runge–Kutta method for y' = N(t, y).

    .. math::

        Y_i = y_n + h \sum_{j<i} \alpha_{ij} N(t_n + c_j h, Y_j), \qquad
        y_{n+1} = y_n + h \sum_i \beta_i N(t_n + c_i h, Y_i)

    Parameters
    ----------
    name
        The name; the Lawson form of the method is found under ``lawson-<name>``.
    order
        The classical order.
    a
        The rows of coefficients; row i has i entries, the first none. The nodes c are the row sums.
    b
        The weights, as many as rows.
    embedded
        Weights of a second solution for error estimates.
    embedded_order
        Its order.
    rounding
        None where the coefficients are exact. Otherwise they are rounded, and an exact method of the orders is proved
        to lie nearby, no coefficient further away than this.
    reference
        BibTeX key of the source.
    lawson_aliases
        Other names of the Lawson form.

    Raises
    ------
    ValueError
        If the shapes do not fit, or weights do not sum to 1.
    TypeError
        If a coefficient is a float, or a row no sequence.

    Examples
    --------
    >>> from fractions import Fraction
    >>> from expint.derive import Butcher
    >>> midpoint = Butcher("midpoint", 2, ((), (Fraction(1, 2),)), (0, 1))
    >>> midpoint.c
    (Fraction(0, 1), Fraction(1, 2))
    """

    name: str
    order: int
    a: tuple[tuple[Any, ...], ...]
    b: tuple[Any, ...]
    embedded: tuple[Any, ...] | None = None
    embedded_order: int | None = None
    rounding: Fraction | None = None
    reference: str = ""
    lawson_aliases: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        plain_fields(self)
        check_rows(self.name, self.a, b=self.b, embedded=() if self.embedded is None else self.embedded)
        for i, row in enumerate(self.a):
            if len(row) != i:
                raise ValueError(f"{self.name}: expected row {i + 1} of a to have {i} entries, received {len(row)}")
        object.__setattr__(self, "a", tuple(tuple(exact(entry) for entry in row) for row in self.a))
        object.__setattr__(self, "b", self._checked_weights("b", self.b))
        if self.embedded is not None:
            object.__setattr__(self, "embedded", self._checked_weights("embedded", self.embedded))

    def _checked_weights(self, label: str, weights: Sequence[object]) -> tuple[Exact, ...]:
        if len(weights) != len(self.a):
            raise ValueError(f"{self.name}: expected {len(self.a)} entries in {label}, received {len(weights)}")
        exact_weights = tuple(exact(weight) for weight in weights)
        if sum(exact_weights) != 1:
            raise ValueError(
                f"{self.name}: expected {label} to sum to 1 exactly, received weights that miss it by "
                f"{float(sum(exact_weights) - 1):.3g}; fractions or decimals that were rounded must be made exact"
            )
        return exact_weights

    @classmethod
    def low_storage(cls, name: str, order: int, a: Sequence[Any], b: Sequence[Any], **facts: Any) -> Butcher:
        r"""Return the method of a Williamson 2N scheme, which keeps two vectors whatever the number of stages.

        .. math:: \Delta_i = a_i \Delta_{i-1} + h N(Y_{i-1}), \qquad Y_i = Y_{i-1} + b_i \Delta_i, \qquad Y_0 = y_n

        If b has one entry less than a, the last one is what makes the weights sum to 1, as it has to be where others
        are rounded.
        """
        a, factors = exact_list("a", a), list(exact_list("b", b))
        if len(factors) == len(a) - 1:
            sums = accumulate(a, lambda before, carry: carry * before + 1, initial=exact(0))
            *others, last = list(sums)[1:]
            factors.append((1 - sum(factor * total for factor, total in zip(factors, others))) / last)
        change: list[Exact] = [exact(0)] * len(a)  # Δ_i and Y_i - y_n as sums over the slopes
        point = list(change)
        rows: list[tuple[Exact, ...]] = []
        for i, (carry, factor) in enumerate(zip(a, factors)):
            rows.append(tuple(point[:i]))
            change = [carry * weight for weight in change]
            change[i] += 1
            point = [weight + factor * delta for weight, delta in zip(point, change)]
        return cls(name=name, order=order, a=tuple(rows), b=tuple(point), **facts)

    @cached_property
    def is_near_exact(self) -> bool:
        """Whether the coefficients are rounded, and an exact method is proved to lie as near as ``rounding`` says."""
        from expint.derive.orders.rounded import is_near_a_method

        return self.rounding is not None and is_near_a_method(self, self.rounding)

    @property
    def certified(self) -> tuple[Certified, Certified]:
        """What is known of the orders of both solutions where the coefficients are rounded; nothing where exact."""
        if self.rounding is None or not self.is_near_exact:
            return UNKNOWN, UNKNOWN
        slack = 10**6 * self.rounding
        return Certified(self.order, slack), Certified(self.embedded_order or 0, slack)

    def latex(self) -> str:
        """Return the tableau in LaTeX: nodes | a, weights below the line, those of the embedded solution below them."""
        s = len(self.b)
        rows = [
            [latex_number(c), *map(latex_number, row), *[""] * (s - i)]
            for i, (c, row) in enumerate(zip(self.c, self.a))
        ]
        solutions = [["", *map(latex_number, weights)] for weights in (self.b, self.embedded) if weights is not None]
        return latex_array([*rows, [], *solutions], "c|" + "c" * s)

    def _repr_latex_(self) -> str:
        return f"$${self.latex()}$$"

    @property
    def c(self) -> tuple[Exact, ...]:
        """The nodes, c_i = Σ_j α_ij."""
        return tuple(exact(sum(row)) for row in self.a)
