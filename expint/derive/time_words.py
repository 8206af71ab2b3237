"""The order of a method for y' = A(t) y + b(t), proved in words of the Taylor coefficients of A."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import prod
from typing import Any, Protocol

from expint.derive.phisum import exact

__all__ = ["exact_coefficient", "linear_order", "missed_words"]


class Flow(Protocol):
    """Where a motion starts, and the fields that it follows, in order; see ``expint.derive.lie_group.Motion``."""

    @property
    def start(self) -> int:
        """0: at y_n, i: at Y_i."""

    @property
    def exponents(self) -> Sequence[Any]:
        """The fields."""


class Flows(Protocol):
    """The nodes and motions of a method for y' = A(t) y + b(t)."""

    @property
    def c(self) -> Sequence[Any]:
        """The nodes."""

    @property
    def points(self) -> Sequence[Flow]:
        """The motions that lead to Y_1, Y_2, …."""

    @property
    def final(self) -> Flow:
        """The motion that leads to y_{n+1}."""


Words = dict[tuple[int, ...], Any]
"""{(k_1, k_2, …): coefficient} of products a_{k_1} a_{k_2} … of Taylor coefficients of A."""


def linear_order(method: Flows, max_order: int = 6) -> int:
    """Return the order for y' = A(t) y + b(t), proved up to ``max_order``."""
    return missed_words(method, max_order)[0]


def missed_words(method: Flows, max_order: int = 6) -> tuple[int, Words]:
    r"""Return the order for y' = A(t) y + b(t), and the words of the next order that are missed, by how much.

    With A(t_n + θh) = Σ a_k θ^k the exact solution is the sum over all words a_{k_1} … a_{k_m} of their integrals over
    1 > θ_1 > … > θ_m > 0, which are Π_j 1/(k_j + 1 + … + k_m + 1). A method has order p if its product of exponentials
    agrees in all words of weight Σ (k_j + 1) ≤ p. A force b(t) is a further row and column of A. Coefficients must be
    rational or of one algebraic field.
    """
    one = Fraction(1)
    nodes: list[Words] = [{(k,): exact(c) ** k if k else one for k in range(max_order)} for c in method.c]

    def motion_words(motion: Flow) -> Words:
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
        differences = {word: words.get(word, 0) - exact_coefficient(word) for word in _words_of_weight(order)}
        missed = {word: difference for word, difference in differences.items() if difference != 0}
        if missed:
            return order - 1, missed
    return max_order, {}


def exact_coefficient(word: tuple[int, ...]) -> Fraction:
    """Return the coefficient of a word in the exact solution."""
    return Fraction(1, prod(sum(k + 1 for k in word[j:]) for j in range(len(word))))


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
