"""L as a tensor by which torch differentiates: weights are functions of it, by the derivatives of φ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from expint.backend import Array, array_namespace
from expint.derive.algebra.phisum import Terms
from expint.operators.base import Operator, PhiTable
from expint.operators.columns import Columns
from expint.operators.dense import Dense
from expint.operators.diagonal import Diagonal
from expint.operators.rotations import Rotations
from expint.operators.scalar import Scalar
from expint.phi import phi_functions, phi_matrices

__all__ = ["Learned"]


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
        self._known: tuple[float, dict[float, Any]] = (0.0, {})

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
        phi = {c: self._phi(c, k, table.step) for c, k in known.highest.items()}
        xp, weights = array_namespace(like), list[Any]()
        for j, (terms, factor) in enumerate(zip(known, factors)):
            total = None
            for (k, c), r in terms.items():
                term = (factor * float(r)) * phi[float(c)][k]
                total = term if total is None else total + term
            if total is not None:
                total = total * self.stretch if j >= self.fixed and self.stretch is not None else total
                total = xp.astype(total.mT if self._matrix else total, like.dtype)
            weights.append(total)
        return tuple(weights)

    def _phi(self, c: float, k: int, step: float) -> Sequence[Array]:
        """Return φ_0, …, φ_k of c h s L; rows of one step share them."""
        if self._known[0] != step:
            self._known = (step, {})
        found = self._known[1].get(c)
        if found is None or len(found) <= k:
            z = (c * step) * self.numbers if self.stretch is None else (c * step) * self.stretch * self.numbers
            found = self._known[1][c] = (phi_matrices if self._matrix else phi_functions)(z, k)
        return found

    def __repr__(self) -> str:
        return f"Learned({self.plain!r})"
