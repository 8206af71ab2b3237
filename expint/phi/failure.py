"""What can go wrong when φ-functions are applied by iterations."""

from __future__ import annotations

__all__ = ["ActionFailure"]


class ActionFailure(ArithmeticError):
    """An action of φ-functions on vectors that could not be computed to its tolerance: no value is returned."""
