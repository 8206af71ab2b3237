r"""Order conditions of splittings: words in two letters A and B that do not commute.

A splitting has order p exactly when the product of its exponentials, e^{a_1 A} e^{b_1 B} e^{a_2 A} ⋯, agrees with
e^{A+B} in all words of at most p letters. Where the logarithms agree below degree n, their difference in degree n is a
Lie element, and a Lie element is zero when it is zero in the words of Lyndon. So for palindromic parts, whose logarithm
is odd, the Lyndon words of odd lengths are enough.

Some splittings solve these conditions by numbers that only decimals can give. ``is_near_a_splitting`` then proves that
an exact one lies nearby.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from itertools import product
from math import factorial
from typing import Any

from expint.derive.algebra.algebraic import Algebraic
from expint.derive.algebra.contraction import has_zero_near
from expint.derive.algebra.phisum import Exact, exact

__all__ = ["is_near_a_splitting", "lyndon_words", "missed_words", "splitting_order", "values_and_slopes"]

Words = dict[str, Any]
"""{word in A and B: coefficient}."""


def splitting_order(a: Sequence[Exact], b: Sequence[Exact], max_order: int = 6) -> int:
    """Return the order of a splitting, proved up to ``max_order``: the words in which it agrees with e^{A+B}."""
    return missed_words(a, b, max_order)[0]


def missed_words(a: Sequence[Exact], b: Sequence[Exact], max_order: int = 6, known: int = 0) -> tuple[int, Words]:
    """Return the order of a splitting, and the words of the next order in which it differs from e^{A+B}, by how much.

    The arithmetic is that of the number field of the parts. Up to the order ``known`` nothing is looked at.
    """
    parts = [exact(part) for part in (*a, *b)]
    number: Any = Fraction
    own: Any = exact  # back from the arithmetic that is used to that of the parts
    if not all(isinstance(part, Fraction | Algebraic) for part in parts):
        import sympy
        from sympy.polys.constructor import construct_domain

        number, parts = construct_domain([sympy.sympify(part) for part in parts], extension=True, field=True)
        own = number.to_sympy
    words: Words = {"": number(1)}
    for letter, factor in _factors(parts[: len(a)], parts[len(a) :]):
        words = _times_exponential(words, letter, factor, max_order, number)
    for order in range(known + 1, max_order + 1):
        wanted = number(1) / number(factorial(order))
        differences = {word: words.get(word, number(0)) - wanted for word in map("".join, product("AB", repeat=order))}
        missed = {word: own(difference) for word, difference in differences.items() if difference != number(0)}
        if missed:
            return order - 1, missed
    return max_order, {}


def lyndon_words(length: int) -> list[str]:
    """Return the words that come before all their rotations: AAB, ABB, AAAB and so on."""
    words = map("".join, product("AB", repeat=length))
    return [word for word in words if all(word < word[i:] + word[:i] for i in range(1, length))]


def is_near_a_splitting(a: Sequence[Fraction], b: Sequence[Fraction], order: int, distance: Fraction) -> bool:
    """Whether a palindromic splitting of an even order is proved to exist, no part further than ``distance`` away.

    Parameters
    ----------
    a, b
        Rational parts, equal read backwards, m + 1 and m of them with m even.
    order
        The order, even.
    distance
        A bound on the change of all parts.

    Notes
    -----
    Unknown are the parts of the first half but the last ones, which make the sums 1; of these as many as there are
    conditions, from the end. Every word of n letters is majorised by e^{S(A + B)} with S the sum of the sizes of all
    parts, and each unknown moves parts by 4 in all: two derivatives of it are at most 16 S^{n-2}/(n-2)!, and the number
    K of ``has_zero_near`` is the square of the number of unknowns times that.
    """
    conditions = [word for length in range(3, order, 2) for word in lyndon_words(length)]
    values, slopes = values_and_slopes(a, b, conditions)
    count = len(conditions)
    if len(slopes[0]) < count or list(a) != list(a[::-1]) or list(b) != list(b[::-1]):
        return False
    matrix = [row[-count:] for row in slopes]
    radius = distance / (2 * count)  # the part in the middle moves by twice the sum of what the unknowns move
    size = sum(map(abs, (*a, *b)), Fraction(0)) + 4 * count * radius
    bend = count**2 * max(16 * size ** (len(word) - 2) / factorial(len(word) - 2) for word in conditions)
    return has_zero_near(values, matrix, bend, radius)


def values_and_slopes(
    a: Sequence[Fraction], b: Sequence[Fraction], conditions: Sequence[str]
) -> tuple[list[Fraction], list[list[Fraction]]]:
    """Return the coefficients of words less those of e^{A+B}, and their derivatives for the unknown parts."""
    longest = max(map(len, conditions))
    factors = list(_factors(a, b))
    heads: list[Words] = [{"": Fraction(1)}]
    for letter, part in factors:
        heads.append(_times_exponential(heads[-1], letter, part, longest))
    tails: list[Words] = [{"": Fraction(1)}]  # read backwards
    for letter, part in reversed(factors):
        tails.append(_times_exponential(tails[-1], letter, part, longest))
    tails.reverse()

    def slope(word: str, place: int) -> Fraction:
        letter, head, tail = factors[place][0], heads[place], tails[place]
        cuts = [i for i, own in enumerate(word) if own == letter]
        return sum((head.get(word[:i], 0) * tail.get(word[:i:-1], 0) for i in cuts), Fraction(0))

    values = [heads[-1].get(word, 0) - Fraction(1, factorial(len(word))) for word in conditions]
    last = len(factors) - 1
    middle_a, middle_b = (
        len(b),
        len(b) - 1,
    )  # places among the factors, which take turns
    slopes = []
    for word in conditions:
        of = partial(slope, word)
        row = [of(place) + of(last - place) - 2 * of(middle_a) for place in range(0, middle_a, 2)]
        row += [of(p) + of(last - p) - of(middle_b) - of(last - middle_b) for p in range(1, middle_b, 2)]
        slopes.append(row)
    return values, slopes


def _factors(a: Sequence[Any], b: Sequence[Any]) -> list[tuple[str, Any]]:
    """Return the exponentials in the order in which they act."""
    pairs = [(("A", own), ("B", other)) for own, other in zip(a, b)]
    return [*(factor for pair in pairs for factor in pair), ("A", a[-1])]


def _times_exponential(words: Words, letter: str, part: Any, longest: int, number: Any = Fraction) -> Words:
    """Return the product with e^{part · letter}, up to words of ``longest`` letters."""
    result: Words = {}
    for word, value in words.items():
        term = value
        for count in range(longest - len(word) + 1):
            key = word + letter * count
            result[key] = result.get(key, number(0)) + term
            term = term * part / number(count + 1)
    return result
