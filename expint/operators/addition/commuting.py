"""A sum of parts that commute but are no one operator: products with all of them, exponentials of each."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from expint.backend import Array, array_namespace
from expint.operators.base import Operator, StoredOperator, random_like
from expint.operators.diagonal import Diagonal
from expint.operators.iterated import Applier, IteratedOperator, Spectrum
from expint.operators.scalar import Scalar
from expint.phi.augmented import Accuracy, Matvec, norm

__all__ = ["Commuting", "check_commuting", "sum_of_products"]

_ROUNDINGS = 1e5
"""Parts commute if AB and BA agree to this many units of rounding on random vectors."""


class Commuting(IteratedOperator):
    r"""The operator A_1 + A_2 + … of parts that commute.

    An exponential is the product of those of the parts, of which stored ones cost a multiplication:
    e^{h(A + B)} v = e^{hB} (e^{hA} v). Other φ-functions do not factorise; they are applied by products with the sum.

    Parameters
    ----------
    parts
        The operators.
    """

    def __init__(self, parts: Sequence[Operator]) -> None:
        iterated = [part for part in parts if isinstance(part, IteratedOperator)]
        tolerances = [part.tolerance for part in iterated if part.tolerance is not None]
        spectra = [_spectrum(part) for part in parts]
        super().__init__(
            "auto",
            min(tolerances, default=None),
            max((part.basis for part in iterated), default=100),
            _sum_of_spectra(spectra),
        )
        self.parts = tuple(parts)

    def check(self, y0: Array) -> None:
        """Refuse what iterations cannot work with, and parts that do not commute on random vectors."""
        self.check_tolerance(y0)
        check_commuting(
            self.parts,
            y0,
            "add them to one matrix (Sparse(A + B), Dense(A + B)) or to one function "
            "(MatrixFree(lambda v: A(v) + B(v), shape)), or leave one of them to nonlinear",
        )

    def matvec(self, like: Array) -> Matvec:
        """Return v ↦ A_1 v + A_2 v + … for flattened states."""
        xp, shape = array_namespace(like), like.shape
        product = sum_of_products(self.parts, like)
        return lambda v: xp.reshape(product(xp.reshape(v, shape)), (-1,))

    def applier(self, like: Array) -> Applier:
        """Return what applies φ-functions; where all are φ_0, those of the stored parts come first."""
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
        return f"Commuting({', '.join(map(repr, self.parts))})"


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


def sum_of_products(parts: Sequence[Operator], like: Array) -> Callable[[Array], Array]:
    """Return v ↦ A_1 v + A_2 v + … for arrays like ``like``."""
    products = [part.product(like) for part in parts]

    def product(v: Array) -> Array:
        total = products[0](v)
        for multiply in products[1:]:
            total = total + multiply(v)
        return total

    return product


def _spectrum(part: Operator) -> Spectrum | None:
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


def _sum_of_spectra(spectra: Sequence[Spectrum | None]) -> Spectrum | None:
    """Return an interval for the sum of Hermitian parts, or of skew ones, from those of the parts (Weyl)."""
    known = [spectrum for spectrum in spectra if spectrum is not None]
    if len(known) < len(spectra) or len({spectrum.imaginary for spectrum in known}) != 1:
        return None
    return Spectrum(sum(s.low for s in known), sum(s.high for s in known), known[0].imaginary)
