"""Elementwise formulas on Python floats, NumPy arrays and tensors alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from expint.arguments import number
from expint.arrays import numeric
from expint.backend import array_namespace, is_array

__all__ = ["in_double", "pointwise"]


def pointwise(formula: Callable[..., Any], *values: Any) -> Any:
    """Return ``formula(xp, *values)`` with the namespace ``xp`` of the values; Python numbers give a Python float.

    Arrays of whole numbers are taken as floating-point ones, of the precision in which the namespace makes them.
    """
    xp = array_namespace(*values)
    if all(isinstance(value, (int, float)) for value in values):
        return float(formula(xp, *(number("t", value, finite=False) for value in values)))
    return formula(xp, *(_floating(xp, value) for value in values))


def _floating(xp: Any, value: Any) -> Any:
    value = numeric("t", value)
    whole = is_array(value) and xp.isdtype(value.dtype, "integral")
    return xp.astype(value, xp.asarray(0.0).dtype) if whole else value


def in_double(value: Any) -> Any:
    """Return a number, or an array in double precision."""
    if not is_array(value):
        return float(value)
    xp = array_namespace(value)
    return xp.astype(value, xp.float64)
