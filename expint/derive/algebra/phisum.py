r"""PhiSum: finite sums Σ r φ_k(c z) with exact coefficients, closed under addition and multiplication.

Every coefficient of every method in this library is one. For c ≠ 0 the functions φ_k(c z), k = 0, 1, …, together with
the constant 1 are linearly independent, so two sums are equal exactly when their terms are: equality needs no
simplification and no tolerance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from math import factorial
from numbers import Rational
from typing import Any, TypeAlias

from expint.arguments import instance, integer, text
from expint.derive.algebra.algebraic import Algebraic
from expint.derive.algebra.printing import latex_phisum, text_phisum

__all__ = ["Exact", "PhiSum", "Terms", "exact", "phi"]

Exact: TypeAlias = Any
"""A ``Fraction``, an ``Algebraic`` number where coefficients are roots of polynomials, or a sympy expression where they
depend on parameters such as c₂ or a step ratio."""

Terms: TypeAlias = Mapping[tuple[int, Any], Any]
"""{(k, c): r} stands for Σ r φ_k(c z). Constants are kept under (0, 0)."""


def exact(value: object) -> Exact:
    """Return ``value`` as a Fraction, or unchanged if it is an irrational number or a sympy expression.

    Raises
    ------
    TypeError
        For floats and anything else that is not exact.

    Examples
    --------
    >>> from expint.derive import exact
    >>> exact(3)
    Fraction(3, 1)
    """
    if type(value) is Fraction or isinstance(value, Algebraic):
        return value
    if isinstance(value, Rational):
        return Fraction(int(value.numerator), int(value.denominator))
    if hasattr(value, "free_symbols"):  # sympy, without importing it
        expression: Any = value
        if expression.is_Rational:
            return Fraction(int(expression.p), int(expression.q))
        if not any(part.is_Float for part in expression.atoms()):
            return expression
    raise TypeError(
        f"expected an exact number (int, Fraction or sympy expression), received {value!r} of type "
        f"{type(value).__name__}; write Fraction(1, 3) instead of 0.333…, or ask for it: expint.derive.recover(0.333…)"
    )


def _normal(value: Exact) -> Exact:
    """Bring a number to the form in which zero and equal numbers are recognised; only sympy needs it."""
    return value if isinstance(value, Fraction | Algebraic) else _cancelled(value)


@lru_cache(maxsize=4096)
def _cancelled(value: Any) -> Exact:
    """Return a sympy expression as a quotient without common factor, a number also without nested roots."""
    import sympy

    expression = sympy.cancel(sympy.sympify(value))
    if expression.is_Rational or not expression.is_number:
        return exact(expression)
    if expression.is_algebraic and abs(expression.evalf(30)) < 1e-20:
        x = sympy.Dummy()  # of nested roots only the minimal polynomial tells for sure
        return exact(sympy.Integer(0) if sympy.minimal_polynomial(expression, x) == x else expression)
    return exact(sympy.sqrtdenest(sympy.radsimp(expression)))


class PhiSum:
    r"""The entire function z ↦ Σ r φ_k(c z), exactly.

    Parameters
    ----------
    terms
        ``{(k, c): r}`` with k ≥ 0 an integer, and c, r exact numbers. Terms with c = 0 are folded into the constant
        (0, 0), since φ_k(0) = 1/k!; terms with r = 0 are dropped.

    Sums are added, multiplied (products of φ-functions are again sums of such), divided by exact numbers and compared.

    Examples
    --------
    >>> phi(1) - 2 * phi(2)
    PhiSum(φ₁ - 2φ₂)
    >>> phi(0, 2) * phi(1)  # products are sums again
    PhiSum(-2φ₁(2z) + 3φ₁(3z))
    """

    __slots__ = ("_terms",)

    def __init__(self, terms: Terms | None = None) -> None:
        collected: dict[tuple[int, Exact], Exact] = {}
        given = {} if terms is None else instance("terms", terms, Mapping, "a mapping {(k, c): r}")
        for key, r in given.items():
            k, c = key if isinstance(key, tuple) and len(key) == 2 else (key, None)
            if not isinstance(k, int) or k < 0:
                raise ValueError(f"expected the index k of φ_k to be an integer ≥ 0, received {k!r}")
            c, r = _normal(exact(c)), exact(r)
            if c == 0:
                k, c, r = 0, Fraction(0), r / factorial(k)
            key = (k, c)
            collected[key] = collected[key] + r if key in collected else r
        normal = {key: _normal(r) for key, r in collected.items()}
        self._terms = {key: normal[key] for key in sorted(normal, key=_sort_key) if normal[key] != 0}

    @property
    def terms(self) -> Terms:
        """The terms {(k, c): r}, without zeros, sorted by k and c."""
        return dict(self._terms)

    def __iter__(self) -> Iterator[tuple[tuple[int, Exact], Exact]]:
        return iter(self._terms.items())

    def __bool__(self) -> bool:
        return bool(self._terms)

    def __eq__(self, other: object) -> bool:
        try:
            return self._terms == as_phisum(other)._terms
        except TypeError:
            return NotImplemented

    def __hash__(self) -> int:
        return hash(frozenset(self._terms.items()))

    def __add__(self, other: object) -> PhiSum:
        terms = dict(self._terms)
        for key, r in as_phisum(other):
            terms[key] = terms.get(key, Fraction(0)) + r
        return PhiSum(terms)

    __radd__ = __add__

    def __neg__(self) -> PhiSum:
        return PhiSum({key: -r for key, r in self})

    def __sub__(self, other: object) -> PhiSum:
        return self + (-as_phisum(other))

    def __rsub__(self, other: object) -> PhiSum:
        return as_phisum(other) - self

    def __mul__(self, other: object) -> PhiSum:
        if not isinstance(other, PhiSum):
            factor = exact(other)
            return PhiSum({key: r * factor for key, r in self})
        product: dict[tuple[int, Exact], Exact] = {}
        for (m, c), r in self.exponentials().items():
            for (n, d), s in other.exponentials().items():
                key = (m + n, exact(c + d))
                product[key] = product.get(key, Fraction(0)) + r * s
        return PhiSum.from_exponentials(product)

    __rmul__ = __mul__

    def __truediv__(self, divisor: object) -> PhiSum:
        return self * (1 / exact(divisor))

    def exponentials(self) -> dict[tuple[int, Exact], Exact]:
        """Return {(m, c): r} with self = Σ r z^{-m} e^{cz}, the canonical form behind products."""
        result: dict[tuple[int, Exact], Exact] = {}
        for (k, c), r in self:
            if c == 0:
                result[0, c] = result.get((0, c), Fraction(0)) + r
                continue
            # φ_k(cz) = (cz)^{-k} (e^{cz} - Σ_{j<k} (cz)^j / j!)
            result[k, c] = result.get((k, c), Fraction(0)) + r / c**k
            for j in range(k):
                key = (k - j, Fraction(0))
                result[key] = result.get(key, Fraction(0)) - r / (c ** (k - j) * factorial(j))
        return result

    @classmethod
    def from_exponentials(cls, parts: Mapping[tuple[int, Exact], Exact]) -> PhiSum:
        """Return the PhiSum equal to Σ r z^{-m} e^{cz}, m ≥ 0.

        Raises
        ------
        ValueError
            If the sum has a pole at z = 0, so that it is no sum of φ-functions.
        """
        terms: dict[tuple[int, Exact], Exact] = {}
        powers: dict[int, Exact] = {}
        for (m, c), r in parts.items():
            if c == 0:
                powers[m] = powers.get(m, Fraction(0)) + r
                continue
            terms[m, c] = terms.get((m, c), Fraction(0)) + r * c**m
            for j in range(m):
                powers[m - j] = powers.get(m - j, Fraction(0)) + r * c**j * Fraction(1, factorial(j))
        poles = {m: value for m, value in powers.items() if m > 0 and _normal(value) != 0}
        if poles:
            raise ValueError(f"expected a function without pole at z = 0, received one with principal part {poles}")
        terms[0, Fraction(0)] = powers.get(0, Fraction(0))
        return cls(terms)

    def at_zero(self) -> Exact:
        """Return the value at z = 0, Σ r / k!."""
        return self.series(1)[0]

    def series(self, count: int) -> tuple[Exact, ...]:
        """Return the first ``count`` Taylor coefficients at z = 0; φ_k(cz) = Σ_m (cz)^m / (m + k)!."""
        return tuple(
            _normal(
                sum((r * c**m * Fraction(1, factorial(m + k)) for (k, c), r in self if c != 0 or m == 0), Fraction(0))
            )
            for m in range(integer("count", count, least=0, most=10_000))
        )

    def scaled(self, theta: object) -> PhiSum:
        """Return z ↦ self(θ z)."""
        factor = exact(theta)
        return sum((PhiSum({(k, exact(c * factor)): r}) for (k, c), r in self), PhiSum())  # keys may coincide

    def raised(self, m: int) -> PhiSum:
        """Return z ↦ (a(z) - its Taylor polynomial of degree m - 1) / z^m, which maps φ_k(cz) to c^m φ_{k+m}(cz)."""
        m = integer("m", m, least=0, most=10_000)
        return PhiSum({(k + m, c): r * c**m for (k, c), r in self if m == 0 or c != 0})

    def times_z(self) -> PhiSum:
        """Return z a(z); z φ_k(cz) = (φ_{k-1}(cz) - 1/(k-1)!)/c.

        Raises
        ------
        ValueError
            If the function holds a constant or an exponential, which z would make unbounded.
        """
        terms: dict[tuple[int, Exact], Exact] = {}
        constant: Exact = Fraction(0)
        for (k, c), r in self:
            if k == 0:
                raise ValueError(f"expected a sum of φ_k with k ≥ 1, received {self}; z times this is unbounded")
            terms[k - 1, c] = terms.get((k - 1, c), Fraction(0)) + r / c
            constant -= r / c * Fraction(1, factorial(k - 1))
        return PhiSum(terms) + PhiSum({(0, 0): constant})

    def subs(self, values: Mapping[Any, object]) -> PhiSum:
        """Return the sum with the sympy symbols in its coefficients replaced by exact ``values``."""
        parts = (PhiSum({(k, _substitute(c, values)): _substitute(r, values)}) for (k, c), r in self)
        return sum(parts, PhiSum())  # terms with different symbols may coincide

    def evaluate(self, z: Any) -> Any:
        """Return the value at numbers ``z``: a Python scalar, or an array of any namespace and shape."""
        from expint.arrays import numeric
        from expint.phi import phi_functions

        z = z if isinstance(z, complex) else numeric("z", z)
        total = 0.0 * z
        for c in {c for _, c in self._terms}:
            indices = {k: r for (k, d), r in self if d == c}
            values = phi_functions(float(c) * z, max(indices))
            for k, r in indices.items():
                total = total + float(r) * values[k]
        return total

    def latex(self, argument: str = "z") -> str:
        """Return the sum in LaTeX, φ-functions written as the papers write them."""
        return latex_phisum(self._terms, text("argument", argument, "z"))

    def _repr_latex_(self) -> str:
        return f"${self.latex()}$"

    def __str__(self) -> str:
        return text_phisum(self._terms)

    def __repr__(self) -> str:
        return f"PhiSum({text_phisum(self._terms)})"


def phi(k: int, c: object = 1) -> PhiSum:
    """Return the function z ↦ φ_k(c z); ``phi(0, c)`` is e^{cz}.

    Raises
    ------
    ValueError
        If k is negative or above 1000.
    TypeError
        If k is no integer, or c not exact.

    Examples
    --------
    >>> from expint.derive import phi
    >>> print(phi(1) - 2 * phi(2))
    φ₁ - 2φ₂
    """
    return PhiSum({(integer("k", k, least=None, most=1000), exact(c)): 1})


def as_phisum(value: object) -> PhiSum:
    """Return ``value`` as a PhiSum, an exact number becoming a constant."""
    return value if isinstance(value, PhiSum) else PhiSum({(0, 0): value})


def _substitute(value: Exact, values: Mapping[Any, object]) -> Exact:
    if isinstance(value, Fraction | Algebraic):
        return value
    import sympy

    # Fractions enter sympy as Rationals
    return exact(value.subs({symbol: sympy.sympify(exact(new)) for symbol, new in values.items()}))


def _sort_key(key: tuple[int, Exact]) -> tuple[int, int, Any]:
    k, c = key
    return (k, 0, c) if isinstance(c, Fraction) else (k, 1, str(c))
