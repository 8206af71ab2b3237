"""Operators that work through another one, which they amount to."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from expint.backend import Array
from expint.derive.algebra.phisum import Terms
from expint.operators.base import USE, Operator, PhiTable, Use
from expint.operators.columns import Columns
from expint.operators.rotations import Rotations

__all__ = ["Routed"]


class Routed(Operator):
    """An operator that amounts to a simpler one, its ``route``. Runs work with the route."""

    @property
    @abstractmethod
    def route(self) -> Operator:
        """The operator that it amounts to."""

    def phi(self, p: int, scale: float) -> Sequence[Any]:
        """Return the φ-functions of the route, if that stores them."""
        return self.route.phi(p, scale)  # type: ignore[attr-defined]  # asked of stored ones only

    def needs(self, columns: Columns) -> Mapping[float, int]:
        """Return what ``row`` reads of its table."""
        return self.route.needs(columns)

    def row(
        self, columns: Sequence[Terms], factors: Sequence[float], table: PhiTable, like: Array | None
    ) -> tuple[Any, ...]:
        """Return the weights of one row."""
        return self.route.row(columns, factors, table, like)

    def combine(self, weights: Sequence[Any], columns: Sequence[Array]) -> Array:
        """Return Σ weights_j columns_j."""
        return self.route.combine(weights, columns)

    def combiner(self) -> Callable[[Sequence[Any], Sequence[Array]], Array]:
        """Return ``combine`` for one run."""
        return self.route.combiner()

    def rotations(self, direction: float = 1.0) -> Rotations | None:
        """Return how fast modes of the route may rotate."""
        return self.route.rotations(direction)

    def prepare(self, use: Use = USE) -> Operator:
        """Return the route, prepared."""
        return self.route.prepare(use)
