"""Multiples and sums of operators, as few operators as can be had without filling in."""

from __future__ import annotations

from expint.operators.addition.combination import combination, merge
from expint.operators.base import Operator
from expint.operators.scalar import Scalar

__all__ = ["multiple", "total"]


def multiple(operator: Operator, factor: complex) -> Operator:
    """Return c L for a number c."""
    return combination([factor], [operator])  # type: ignore[list-item]  # complex, too


def total(operator: Operator, other: Operator | complex) -> Operator:
    """Return L + M, or L + c for a number c, which stands for c times the identity."""
    parts = [operator, other if isinstance(other, Operator) else Scalar(other)]
    merged = merge(parts)
    return merged[0] if len(merged) == 1 else combination([1.0, 1.0], parts)
