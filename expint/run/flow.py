"""The flow of y' = A y + b with constant A and b."""

from __future__ import annotations

from expint.backend import Array
from expint.derive.algebra.phisum import Terms
from expint.lower.cache import PhiTables, weigh
from expint.lower.memory import PLAIN
from expint.operators.base import Operator

__all__ = ["flow"]


def flow(operator: Operator, h: float, y: Array, force: Array | None = None) -> Array:
    """Return the solution after a time ``h`` of y' = A y + b with constant A and b: e^{hA} y + h φ_1(hA) b."""
    forces = [] if force is None else [force]
    of_forces: list[Terms] = [{(1, 1): 1} for _ in forces]
    sums = PLAIN.arrange(({(0, 1): 1},), of_forces)
    weights = weigh(operator, sums, PLAIN.factors(1.0, h, len(sums)), PhiTables(operator, h), y)
    return operator.combine(weights, PLAIN.arrange((y,), forces))
