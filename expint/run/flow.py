"""The flow of y' = A y + b + t c with constant A, b and c."""

from __future__ import annotations

from expint.backend import Array
from expint.derive.algebra.phisum import Terms
from expint.lower.cache import PhiTables, weigh
from expint.lower.memory import PLAIN
from expint.operators.base import Operator

__all__ = ["flow"]


def flow(operator: Operator, h: float, y: Array, force: Array | None = None, ramp: Array | None = None) -> Array:
    """Return the solution after a time ``h`` of y' = A y + b + t c: e^{hA} y + h φ_1(hA) b + h² φ_2(hA) c."""
    given = [(k, own) for k, own in ((1, force), (2, None if ramp is None else h * ramp)) if own is not None]
    of_forces: list[Terms] = [{(k, 1): 1} for k, _ in given]
    sums = PLAIN.arrange(({(0, 1): 1},), of_forces)
    weights = weigh(operator, sums, PLAIN.factors(1.0, h, len(sums)), PhiTables(operator, h), y)
    return operator.combine(weights, PLAIN.arrange((y,), [own for _, own in given]))
