"""Interpolation polynomials, and their exact integrals against the exponential."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import factorial
from typing import Any

from expint.derive.phisum import PhiSum

__all__ = ["collocation_weights", "lagrange_coefficients"]


def lagrange_coefficients(nodes: Sequence[Any]) -> list[list[Any]]:
    r"""Return for each Lagrange polynomial ℓ_j of ``nodes`` its monomial coefficients, lowest first.

    The arithmetic is that of the nodes: exact for Fractions and sympy expressions, floating for floats.

    Raises
    ------
    ValueError
        If a node occurs twice.
    """
    result = []
    for j, own in enumerate(nodes):
        one = own * 0 + 1  # of the arithmetic of the nodes
        coefficients, denominator = [one], one
        for i, other in enumerate(nodes):
            if i != j and own == other:
                raise ValueError(f"expected different nodes, received {own} twice among {', '.join(map(str, nodes))}")
            if i != j:
                shifted, lowered = [0, *coefficients], [-other * a for a in coefficients] + [0]
                coefficients = [a + b for a, b in zip(shifted, lowered)]
                denominator = denominator * (own - other)
        result.append([a / denominator for a in coefficients])
    return result


def collocation_weights(nodes: Sequence[Any], end: Any = 1) -> list[PhiSum]:
    r"""Return the exact weights w_j = ∫_0^c e^{(c-θ)z} ℓ_j(θ) dθ for exact ``nodes``, c = ``end``.

    With ℓ_j(θ) = Σ_m a_m θ^m each is Σ_m a_m m! c^{m+1} φ_{m+1}(cz).
    """
    return [
        PhiSum({(m + 1, end): a * factorial(m) * end ** (m + 1) for m, a in enumerate(row)})
        for row in lagrange_coefficients([Fraction(node) if isinstance(node, int) else node for node in nodes])
    ]
