"""Combinations of operators that stay apart: by products with all; where they commute, exponentials of each."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from expint.arrays import random_like
from expint.backend import Array, array_namespace
from expint.operators.addition.rules import Commutators, options
from expint.operators.base import Operator, StoredOperator
from expint.operators.diagonal import Diagonal
from expint.operators.iterated import Applier, IteratedOperator, Spectrum
from expint.operators.scalar import Scalar
from expint.phi.augmented import Accuracy, Matvec, norm

__all__ = ["Commuting", "Products", "check_commuting", "listed"]

_ROUNDINGS = 1e5
"""Parts commute if AB and BA agree to this many units of rounding on random vectors."""


class Products(IteratedOperator):
    r"""Σ f_i A_i + Σ β [A_i, A_j] by products with the operators A_i.

    Parameters
    ----------
    factors, parts, commutators
        f_i, A_i, and the triples (i, j, β).
    """

    def __init__(self, factors: Sequence[float], parts: Sequence[Operator], commutators: Commutators = ()) -> None:
        spectrum = None if commutators else _spectrum(factors, parts)
        super().__init__(**(options(parts) | {"action": "auto"}), spectrum=spectrum)
        self.factors, self.parts, self.commutators = tuple(factors), tuple(parts), tuple(commutators)

    def check(self, y0: Array) -> None:
        """Refuse what iterations cannot work with; the operators have been checked."""
        self.check_tolerance(y0)

    def matvec(self, like: Array) -> Matvec:
        """Return v ↦ Σ f_i A_i v + Σ β (A_i A_j v - A_j A_i v) for flattened states."""
        xp, shape = array_namespace(like), like.shape
        used = {i for i, factor in enumerate(self.factors) if factor} | {i for c in self.commutators for i in c[:2]}
        products = {i: self.parts[i].product(like) for i in sorted(used)}

        def product(v: Array) -> Array:
            y = xp.reshape(v, shape)
            once = {i: multiply(y) for i, multiply in products.items()}
            weighed = [(self.factors[i], own) for i, own in once.items() if self.factors[i]]
            terms = [own if factor == 1.0 else factor * own for factor, own in weighed] or [0 * y]
            for i, j, beta in self.commutators:
                terms += [beta * products[i](once[j]), -beta * products[j](once[i])]
            return xp.reshape(sum(terms[1:], start=terms[0]), (-1,))

        return product

    def __repr__(self) -> str:
        return f"Products({len(self.parts)} operators, {len(self.commutators)} commutators)"


class Commuting(Products):
    r"""The operator A_1 + A_2 + … of parts that commute.

    An exponential is the product of those of the parts, of which stored ones cost a multiplication:
    e^{h(A + B)} v = e^{hB} (e^{hA} v). Other φ-functions do not factorise; they are applied by products with the sum.

    Parameters
    ----------
    parts
        The operators.
    """

    def __init__(self, parts: Sequence[Operator]) -> None:
        super().__init__([1.0] * len(parts), parts)

    def check(self, y0: Array) -> None:
        """Refuse what iterations cannot work with, and parts that do not commute on random vectors."""
        self.check_tolerance(y0)
        check_commuting(
            self.parts,
            y0,
            "add them to one matrix (Sparse(A + B), Dense(A + B)) or to one function "
            "(MatrixFree(lambda v: A(v) + B(v), shape)), or leave one of them to nonlinear",
        )

    def applier(self, like: Array) -> Applier:
        """Return the function that applies φ-functions; where all are φ_0, the stored parts come first."""
        jointly = super().applier(like)
        routes = [getattr(part, "route", part) for part in self.parts]
        stored = [route for route in routes if isinstance(route, StoredOperator)]
        others = [route for route in routes if isinstance(route, IteratedOperator)]
        if not stored:
            return jointly
        rest = (others[0] if len(others) == 1 else Commuting(others)).applier(like) if others else None
        xp, shape = array_namespace(like), like.shape

        @lru_cache(maxsize=32)  # it ends with the run
        def exponentials(scale: float) -> list[Any]:
            return [route.cast(route.phi(0, scale)[0], like) for route in stored]

        def apply(vectors: dict[tuple[int, float], Array], step: float, accuracy: Accuracy) -> Array:
            if any(k for k, _ in vectors):
                return jointly(vectors, step, accuracy)
            moved = {}
            for (k, c), v in vectors.items():
                y = xp.reshape(v, shape)
                for route, weight in zip(stored, exponentials(c * step)):
                    y = route.combine((weight,), (y,))
                moved[k, c] = xp.reshape(y, (-1,))
            return sum(moved.values()) if rest is None else rest(moved, step, accuracy)

        return apply

    def __repr__(self) -> str:
        return listed("Commuting", self.parts)


def check_commuting(parts: Sequence[Operator], y0: Array, remedy: str) -> None:
    """Refuse operators that do not commute on a random vector.

    Raises
    ------
    ValueError
        With the remedy.
    """
    probe, precision = random_like(y0), float(array_namespace(y0).finfo(y0.dtype).eps)
    for a, b in itertools.combinations(parts, 2):
        times_a, times_b = a.product(y0), b.product(y0)
        one, other = times_a(times_b(probe)), times_b(times_a(probe))
        size, difference = norm(one) + norm(other), norm(one - other)
        if not difference <= _ROUNDINGS * precision * size:
            raise ValueError(
                f"expected parts that commute, received {a!r} and {b!r} with |ABv - BAv| = {difference / size:.3g} "
                f"(|ABv| + |BAv|) for a random v; {remedy}"
            )


def listed(name: str, parts: Sequence[Operator]) -> str:
    """Return an operator of parts in one line: the parts, or how many there are."""
    whole = f"{name}({', '.join(map(repr, parts))})"
    kinds = ", ".join(sorted({type(part).__name__ for part in parts}))
    return whole if len(whole) <= 120 else f"{name}({len(parts)} parts: {kinds})"


def _spectrum(factors: Sequence[float], parts: Sequence[Operator]) -> Spectrum | None:
    """Return an interval for a combination of Hermitian operators, or of skew ones, from those of the parts (Weyl)."""
    own = [(factor, _interval(part)) for factor, part in zip(factors, parts) if factor]
    known = [(factor, spectrum) for factor, spectrum in own if spectrum is not None]
    if len(known) < len(own) or len({spectrum.imaginary for _, spectrum in known}) != 1:
        return None  # or all factors are zero
    ends = [sorted((factor * spectrum.low, factor * spectrum.high)) for factor, spectrum in known]
    return Spectrum(sum(low for low, _ in ends), sum(high for _, high in ends), known[0][1].imaginary)


def _interval(part: Operator) -> Spectrum | None:
    """Return an interval that holds the spectrum of a part that is symmetric or skew, where it is known at once."""
    if isinstance(part, IteratedOperator):
        return part.spectrum
    if not isinstance(part, (Scalar, Diagonal)):
        return None
    values = np.asarray(part.values)
    if not np.any(values.imag):
        return Spectrum(float(np.min(values.real)), float(np.max(values.real)), False)
    if not np.any(values.real):
        return Spectrum(float(np.min(values.imag)), float(np.max(values.imag)), True)
    return None
