"""A zero of equations near numbers that almost solve them, proved to exist in rational arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

import numpy as np

__all__ = ["has_zero_near"]


def has_zero_near(
    values: Sequence[Fraction], slopes: Sequence[Sequence[Fraction]], bend: Fraction, radius: Fraction
) -> bool:
    """Whether F is proved to have a zero no unknown of which is further than ``radius`` from x.

    Parameters
    ----------
    values, slopes
        F(x) and the square matrix F'(x).
    bend
        A number K with ‖F'(u) - F'(v)‖ ≤ K‖u - v‖ for all u and v within the radius, in the norm of the largest
        component.
    radius
        The radius r.

    Notes
    -----
    With M ≈ F'(x)⁻¹ the map u ↦ u - M F(u) contracts the ball of radius r into itself if
    ‖M F‖ + (‖1 - M F'‖ + ‖M‖ K r) r ≤ r.
    """
    near_inverse = _near_inverse(slopes)
    moved = [_dot(row, values) for row in near_inverse]
    columns = list(zip(*slopes))
    identity = [
        [(1 if i == j else 0) - _dot(row, column) for j, column in enumerate(columns)]
        for i, row in enumerate(near_inverse)
    ]
    contraction = _norm(identity) + _norm(near_inverse) * bend * radius
    return max(map(abs, moved)) + contraction * radius <= radius and contraction < 1


def _near_inverse(matrix: Sequence[Sequence[Fraction]]) -> list[list[Fraction]]:
    """Return the inverse to double precision, as exact numbers."""
    inverse = np.linalg.inv(np.array(matrix, dtype=np.float64))
    return [[Fraction(value) for value in row] for row in inverse.tolist()]


def _dot(left: Iterable[Fraction], right: Iterable[Fraction]) -> Fraction:
    return sum((x * y for x, y in zip(left, right)), Fraction(0))


def _norm(matrix: Sequence[Sequence[Fraction]]) -> Fraction:
    """Return the largest sum of sizes in a row: the norm that belongs to the largest component."""
    return max(sum(map(abs, row), Fraction(0)) for row in matrix)
