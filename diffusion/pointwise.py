"""Elementwise formulas on Python floats, NumPy arrays and tensors alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from expint.backend import array_namespace

__all__ = ["pointwise"]


def pointwise(formula: Callable[..., Any], *values: Any) -> Any:
    """Return ``formula(xp, *values)`` with the namespace ``xp`` of the values; Python numbers give a Python float."""
    xp = array_namespace(*values)
    if all(isinstance(value, (int, float)) for value in values):
        return float(formula(xp, *(float(value) for value in values)))
    return formula(xp, *values)
