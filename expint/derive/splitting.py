r"""Splitting: the flows of Ly and of N in turn, e^{a_{m+1} z} ∘ Φ_{b_m h} ∘ e^{a_m z} ∘ … ∘ Φ_{b_1 h} ∘ e^{a_1 z} y_n.

Φ_{τ} is the flow of y' = N(t, y), which the user knows, as for N = i|y|²y. With S_j = (Φ_{b_j h}(Y_j) - Y_j)/h the
points are

.. math:: Y_i = e^{c_i z} y_n + h \sum_{j<i} e^{(c_i - c_j) z} S_j, \qquad c_i = a_1 + \dots + a_i,

so that a splitting is a recipe like any other. It has order p exactly when the product of exponentials of two letters
that do not commute agrees with e^{A+B} in all words of at most p letters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import factorial
from typing import Any

from expint.derive.phisum import Exact, exact, phi
from expint.derive.presentation import Presented
from expint.derive.printing import latex_array, latex_number
from expint.derive.stage import Stage, StepContext, WithoutEstimate

__all__ = ["Splitting", "repeated", "splitting_order"]

Words = dict[str, Any]
"""{word in A and B: coefficient, an element of a field of sympy}."""


@dataclass(frozen=True)
class Splitting(WithoutEstimate, Presented):
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
    reference
        BibTeX key of the source in ``expint.methods.citations``.
    remarks
        A sentence about the method.

    Raises
    ------
    ValueError
        If the numbers of parts do not fit, or the parts do not sum to 1.
    """

    name: str
    a: tuple[Exact, ...]
    b: tuple[Exact, ...]
    order: int
    reference: str = ""
    remarks: str = ""

    def __post_init__(self) -> None:
        a, b = (tuple(exact(part) for part in parts) for parts in (self.a, self.b))
        object.__setattr__(self, "a", a)
        object.__setattr__(self, "b", b)
        if len(a) != len(b) + 1:
            raise ValueError(f"{self.name}: expected one part more in a than in b, received {len(a)} and {len(b)}")
        for label, parts in (("a", a), ("b", b)):
            if not _is_zero(sum(parts) - 1):
                raise ValueError(f"{self.name}: expected the parts {label} to sum to 1, received {sum(parts)}")

    @property
    def history(self) -> int:
        """How many remembered slopes a step knows of, as all methods that of y_n; a splitting has no use for it."""
        return 1

    @property
    def stages(self) -> int:
        """Flows of N per step."""
        return len(self.b)

    def recipe(self, step: StepContext) -> tuple[Stage, ...]:
        """Return the points of one step; the slopes S_j are made of flows, see the module."""
        del step
        return self._recipe

    @cached_property
    def _recipe(self) -> tuple[Stage, ...]:
        c = [exact(sum(self.a[: i + 1])) for i in range(len(self.a))]
        c[-1] = exact(1)
        last = len(c) - 1
        return tuple(
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

    def latex(self) -> str:
        """Return the parts in LaTeX, those of L above those of N."""
        rows = [["L", *map(latex_number, self.a)], ["N", *map(latex_number, self.b), ""]]
        return latex_array(rows, "c|" + "c" * len(self.a))


def splitting_order(a: Sequence[Exact], b: Sequence[Exact], max_order: int = 6) -> int:
    """Return the order of a splitting, proved up to ``max_order``: the words in which it agrees with e^{A+B}.

    The arithmetic is that of the number field of the parts.
    """
    import sympy
    from sympy.polys.constructor import construct_domain

    parts = [sympy.sympify(exact(part)) for part in (*a, *b, 0)]
    field, numbers = construct_domain(parts, extension=True, field=True)
    product: Words = {"": field.one}
    for part, other in zip(numbers[: len(a)], numbers[len(a) :], strict=True):
        for letter, factor in (("A", part), ("B", other)):
            product = _times_exponential(product, letter, factor, max_order, field)
    for order in range(1, max_order + 1):
        words = [format(number, f"0{order}b").replace("0", "A").replace("1", "B") for number in range(2**order)]
        wanted = field.one / field(factorial(order))
        if any(product.get(word, field.zero) != wanted for word in words):
            return order - 1
    return max_order


def repeated(method: Splitting, name: str, count: int, **facts: Any) -> Splitting:
    """Return k steps γh, one of (1 - 2kγ)h and k of γh of a symmetric method of even order p; the order is p + 2.

    γ = 1/(m - m^{1/(p+1)}) with m = 2k cancels the leading error; the middle step goes backwards. For ``count`` k = 1
    the triple jump of Yoshida (1990), for k = 2 the fractal of Suzuki (1990), whose parts are smaller.
    """
    import sympy

    x, p, m = sympy.Symbol("x"), method.order, 2 * count
    root = sympy.Integer(m) ** sympy.Rational(1, p + 1)
    gamma = sympy.expand(sympy.invert(m - x, x ** (p + 1) - m, x).subs(x, root))
    a: list[Exact] = [exact(0)]
    b: list[Exact] = []
    for factor in (*[gamma] * count, 1 - m * gamma, *[gamma] * count):
        first, *others = (sympy.expand(factor * sympy.sympify(part)) for part in method.a)
        a = [*a[:-1], exact(sympy.expand(a[-1] + first)), *map(exact, others)]
        b += [exact(sympy.expand(factor * sympy.sympify(part))) for part in method.b]
    return Splitting(name, tuple(a), tuple(b), order=p + 2, **facts)


def _times_exponential(words: Words, letter: str, part: Any, longest: int, field: Any) -> Words:
    """Return the product with e^{part · letter}, up to words of ``longest`` letters."""
    result: Words = {}
    for word, value in words.items():
        term = value
        for count in range(longest - len(word) + 1):
            key = word + letter * count
            result[key] = result.get(key, field.zero) + term
            term = term * part / field(count + 1)
    return result


def _is_zero(value: Exact) -> bool:
    """Whether a sum of rational multiples of roots is zero."""
    return bool((value.expand() if hasattr(value, "free_symbols") else value) == 0)
