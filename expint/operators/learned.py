"""L as a tensor by which torch differentiates: weights are functions of it, by the derivatives of φ."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from expint.backend import Array, array_namespace, device
from expint.derive.algebra.phisum import Terms
from expint.operators.base import Operator, PhiTable
from expint.operators.columns import Columns
from expint.operators.dense import Dense
from expint.operators.diagonal import Diagonal
from expint.operators.rotations import Rotations
from expint.operators.scalar import Scalar
from expint.phi import phi_functions, phi_matrices

__all__ = ["Learned"]

T = TypeVar("T")

_AT_ONCE = 2**20
"""So many numbers are taken to their φ-functions at a time."""


class Learned(Operator):
    """The operator s L, with weights that depend on the tensors s and L.

    Parameters
    ----------
    plain
        L as it is now, in numbers; it says what the weights multiply.
    numbers
        L as a tensor.
    stretch
        s, a tensor of the value 1 by which all times are multiplied, so that values of N are, too; None for 1.
    fixed
        How many columns come before those of values of N.
    """

    def __init__(self, plain: Scalar | Diagonal | Dense, numbers: Array, stretch: Array | None = None, fixed: int = 1):
        self.plain, self.stretch, self.fixed, self.rungs = plain, stretch, fixed, plain.rungs
        xp = array_namespace(numbers)
        double = xp.complex128 if xp.isdtype(numbers.dtype, "complex floating") else xp.float64
        self.numbers, self._matrix = xp.astype(numbers, double), isinstance(plain, Dense)
        self._known: dict[float, Sequence[Any]] = {}
        self._asked: dict[float, int] | None = None

    def check(self, y0: Array) -> None:
        """Refuse states on which L cannot act."""
        self.plain.check(y0)

    def combine(self, weights: Sequence[Any], columns: Sequence[Array]) -> Array:
        """Return the point Σ_j weights_j columns_j."""
        return self.plain.combine(weights, columns)

    def product(self, like: Array) -> Callable[[Array], Array]:
        """Return v ↦ L v."""
        return self.plain.product(like)

    def damps(self, span: float) -> bool:
        """Whether some mode decays."""
        return self.plain.damps(span)

    def rotations(self, direction: float = 1.0) -> Rotations | None:
        """Return how fast modes rotate."""
        return self.plain.rotations(direction)

    def row(
        self, columns: Sequence[Terms], factors: Sequence[float], table: PhiTable, like: Array | None
    ) -> tuple[Any, ...]:
        """Return the weights of one row, tensors that depend on s and L."""
        assert like is not None  # runs are lowered for a state
        known = columns if isinstance(columns, Columns) else Columns(columns)
        phi = {c: self._phi(k, c * table.step) for c, k in known.highest.items()}
        xp, weights = array_namespace(like), list[Any]()
        for j, (terms, factor) in enumerate(zip(known, factors)):
            total = None
            for (k, c), r in terms.items():
                term = (factor * float(r)) * phi[float(c)][k]
                total = term if total is None else total + term
            if total is not None and self._asked is None:
                total = total * self.stretch if j >= self.fixed and self.stretch is not None else total
                total = xp.astype(total.mT if self._matrix else total, like.dtype)
            weights.append(total)
        return tuple(weights)

    def lowered(self, lower: Callable[[], T]) -> T:
        """Return what ``lower`` makes of this operator, its φ-functions computed together.

        It is called twice, at first to see which are asked for: one by one they would cost more than the run.
        """
        self._known, self._asked = {}, {}
        lower()
        asked, xp = self._asked, array_namespace(self.numbers)
        scales, self._asked = sorted(asked), None
        size = max(1, _AT_ONCE // math.prod(self.numbers.shape))
        for first in range(0, len(scales), size):
            part = scales[first : first + size]
            factors = xp.asarray(part, dtype=xp.float64, device=device(self.numbers))
            z = xp.reshape(factors, (-1, *(1,) * self.numbers.ndim)) * self.numbers
            z = z if self.stretch is None else z * self.stretch
            values = (phi_matrices if self._matrix else phi_functions)(z, max(asked[scale] for scale in part))
            self._known.update(zip(part, zip(*[tuple(value) for value in values])))  # tuples take them apart at once
        return lower()

    def _phi(self, k: int, scale: float) -> Sequence[Any]:
        """Return φ_0, …, φ_k of (scale · s L)."""
        if self._asked is not None:
            self._asked[scale] = max(self._asked.get(scale, 0), k)
            return (0.0,) * (k + 1)
        found = self._known.get(scale)
        if found is None or len(found) <= k:
            z = scale * self.numbers if self.stretch is None else scale * self.stretch * self.numbers
            found = self._known[scale] = (phi_matrices if self._matrix else phi_functions)(z, k)
        return found

    def __repr__(self) -> str:
        return f"Learned({self.plain!r})"
