"""The flow of y' = A y + b with constant A and b."""

from __future__ import annotations

from expint.backend import Array
from expint.lower.cache import PhiTables
from expint.operators.base import Operator

__all__ = ["flow"]


def flow(operator: Operator, h: float, y: Array, force: Array | None = None) -> Array:
    """Return the solution after a time ``h`` of y' = A y + b with constant A and b: e^{hA} y + h φ_1(hA) b."""
    columns = [y] if force is None else [y, force]
    sums = [{(0, 1): 1}, {(1, 1): 1}][: len(columns)]
    weights = operator.row(sums, [1.0, h][: len(columns)], PhiTables(operator, h), y)
    return operator.combine(weights, columns)
