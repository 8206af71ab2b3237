r"""Numbers of a real algebraic field Q(θ): exact arithmetic with coefficients that are roots of polynomials.

θ is a root of an irreducible polynomial P over the rationals, and a number is Σ_{m < deg P} a_m θ^m with rational a_m.
Reduced modulo P it is zero exactly when all a_m are, so equality needs no tolerance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cache, total_ordering
from itertools import count, zip_longest
from numbers import Rational
from typing import Any, NamedTuple

from expint.arguments import listed, seen

__all__ = ["Algebraic", "root"]

Polynomial = tuple[Fraction, ...]
"""Coefficients, lowest power first, the last of them not 0."""

ZERO = Fraction(0)


class _Field(NamedTuple):
    """Q(θ): the polynomial of θ, and an interval in which θ is its only root."""

    modulus: Polynomial
    low: Fraction
    high: Fraction

    def number(self, terms: Sequence[Fraction]) -> Any:
        """Return Σ a_m θ^m, a Fraction where it is rational."""
        rest = _divided(terms, self.modulus)[1]
        return Algebraic(self, rest) if len(rest) > 1 else (rest or (ZERO,))[0]


@total_ordering
class Algebraic:
    """An irrational element of Q(θ); sums and products that are rational become Fractions by themselves.

    Supports ``+``, ``-``, ``*``, ``/``, integer powers, ``abs``, comparison and ``float``; the other operand may be
    rational or an element of the same field.

    Examples
    --------
    >>> from expint.derive import root
    >>> two = root([-2, 0, 1], 1, 2)  # √2
    >>> isinstance(two, Algebraic), two**2, float(two)
    (True, Fraction(2, 1), 1.4142135623730951)
    >>> 1 / (two - 1) == two + 1  # exact
    True
    """

    __slots__ = ("_field", "_terms")

    def __init__(self, field: _Field, terms: Polynomial) -> None:
        self._field = field
        self._terms = terms

    def _read(self, other: object) -> Polynomial | None:
        """Return the terms of another number, or None if it lies in no common field."""
        if isinstance(other, Algebraic):
            return other._terms if other._field == self._field else None
        return (Fraction(int(other.numerator), int(other.denominator)),) if isinstance(other, Rational) else None

    def __add__(self, other: object) -> Any:
        terms = self._read(other)
        return NotImplemented if terms is None else self._field.number(_sum(self._terms, terms))

    __radd__ = __add__

    def __neg__(self) -> Any:
        return Algebraic(self._field, tuple(-a for a in self._terms))

    def __abs__(self) -> Any:
        return -self if self < 0 else self

    def __sub__(self, other: Any) -> Any:
        return self + -other

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    def __mul__(self, other: object) -> Any:
        terms = self._read(other)
        return NotImplemented if terms is None else self._field.number(_product(self._terms, terms))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        return self * (Fraction(1) / other)

    def __rtruediv__(self, other: Any) -> Any:
        return self._inverse() * other

    def __pow__(self, exponent: int) -> Any:
        base = self if exponent >= 0 else self._inverse()
        result: Any = Fraction(1)
        for _ in range(abs(exponent)):
            result = base * result
        return result

    def _inverse(self) -> Any:
        """Return 1/self by Euclid's algorithm: s self + t P is a constant, since P is irreducible."""
        old, new = self._field.modulus, self._terms
        before: Polynomial = (ZERO,)
        factor: Polynomial = (Fraction(1),)
        while len(new) > 1:
            quotient, rest = _divided(old, new)
            before, factor = factor, _sum(before, _product((Fraction(-1),), _product(quotient, factor)))
            old, new = new, rest
        return self._field.number([a / new[0] for a in factor])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Algebraic) and (self._field, self._terms) == (other._field, other._terms)

    def __hash__(self) -> int:
        return hash((self._field, self._terms))

    def __lt__(self, other: Any) -> bool:
        difference = self - other
        if not isinstance(difference, Algebraic):
            return bool(difference < 0)
        return next(value < 0 for value, error in difference._enclosures() if abs(value) > error)

    def __float__(self) -> float:
        return next(float(value) for value, error in self._enclosures() if abs(value) > error * 2**60)

    def rounded(self, digits: int) -> Fraction:
        """Return a rational number that is right to ``digits`` digits after the point."""
        return next(value for value, error in self._enclosures() if error * 10**digits < 1)

    def _enclosures(self) -> Iterator[tuple[Fraction, Fraction]]:
        """Yield values with bounds on their errors that tend to 0: the polynomial has a bounded slope around θ."""
        for doublings in count(7):
            low, high = _bisected(self._field, 2**doublings)
            largest = max(abs(low), abs(high))
            slope = sum((m * abs(a) * largest ** (m - 1) for m, a in enumerate(self._terms) if m), ZERO)
            yield _value(self._terms, low), slope * (high - low)

    def _sympy_(self) -> Any:
        """Refuse to become a float among symbols, which is what sympy would make of it."""
        import sympy

        raise sympy.SympifyError(f"{self}, a number of a field, which does not mix with symbols")

    def __str__(self) -> str:
        return f"{float(self):.12g}…"

    def __repr__(self) -> str:
        return f"Algebraic({self})"


def root(polynomial: Sequence[int | Fraction], low: int | Fraction, high: int | Fraction) -> Algebraic:
    """Return the only root in [low, high] of an irreducible polynomial, coefficients from the lowest power on.

    That the polynomial is irreducible is not checked here; sums are recognised as zero by it.

    Raises
    ------
    ValueError
        If the degree is below 2, or the polynomial does not change its sign between ``low`` and ``high``.

    Examples
    --------
    >>> from expint.derive import root
    >>> golden = root([-1, -1, 1], 1, 2)
    >>> float(golden), golden * golden == golden + 1
    (1.618033988749895, True)
    """
    polynomial = tuple(
        rational("every coefficient", entry) for entry in listed("polynomial", polynomial, "coefficients")
    )
    low, high = rational("low", low), rational("high", high)
    if len(polynomial) < 3 or polynomial[-1] == 0:
        raise ValueError(f"expected an irreducible polynomial of degree 2 or more, received coefficients {polynomial}")
    field = _Field(tuple(map(Fraction, polynomial)), Fraction(low), Fraction(high))
    if _value(field.modulus, field.low) * _value(field.modulus, field.high) >= 0:
        raise ValueError(f"expected a root between {low} and {high}, received a polynomial that keeps its sign there")
    return Algebraic(field, (ZERO, Fraction(1)))


def rational(name: str, value: Any) -> Fraction:
    """Return an exact rational number.

    Raises
    ------
    TypeError
        If it is none.
    """
    if isinstance(value, bool) or not isinstance(value, Rational):
        raise TypeError(f"expected {name} as an integer or a Fraction, received {seen(value)}")
    return Fraction(int(value.numerator), int(value.denominator))


@cache
def _bisected(field: _Field, bits: int) -> tuple[Fraction, Fraction]:
    """Return the ends of an interval around θ, at most 2^-bits long."""
    low, high = field.low, field.high
    rising = _value(field.modulus, high) > 0
    while high - low > Fraction(1, 2**bits):
        middle = (low + high) / 2
        if (_value(field.modulus, middle) > 0) == rising:
            high = middle
        else:
            low = middle
    return low, high


def _value(terms: Sequence[Fraction], x: Fraction) -> Fraction:
    total = ZERO
    for a in reversed(terms):
        total = total * x + a
    return total


def _sum(left: Sequence[Fraction], right: Sequence[Fraction]) -> Polynomial:
    return tuple(a + b for a, b in zip_longest(left, right, fillvalue=ZERO))


def _product(left: Sequence[Fraction], right: Sequence[Fraction]) -> Polynomial:
    terms = [ZERO] * (len(left) + len(right) - 1)
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            terms[i + j] += a * b
    return tuple(terms)


def _divided(dividend: Sequence[Fraction], divisor: Polynomial) -> tuple[Polynomial, Polynomial]:
    """Return quotient and rest, the rest without leading zeros."""
    rest, quotient = list(dividend), [ZERO] * max(len(dividend) - len(divisor) + 1, 1)
    while len(rest) >= len(divisor):
        factor = rest[-1] / divisor[-1]
        offset = len(rest) - len(divisor)
        quotient[offset] = factor
        for m, a in enumerate(divisor[:-1]):
            rest[offset + m] -= factor * a
        rest.pop()
    while rest and rest[-1] == 0:
        rest.pop()
    return tuple(quotient), tuple(rest)
