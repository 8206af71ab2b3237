"""Exact numbers from floating ones, where a simple fraction explains them; only when asked for, never silently."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import isfinite
from typing import Any, overload

from expint.arguments import number, seen
from expint.derive.algebra.phisum import PhiSum, exact
from expint.derive.kinds.tableau_checks import REST

__all__ = ["recover"]

LARGEST_DENOMINATOR = 10**6
"""Fractions with denominators up to this lie so thinly that a double meets one by accident once in some thousands."""


@overload
def recover(value: float) -> Fraction: ...
@overload
def recover(value: Mapping[tuple[int, Any], float]) -> PhiSum: ...
@overload
def recover(value: PhiSum) -> PhiSum: ...


def recover(value: Any) -> Any:
    """Return the simplest fraction that rounds to a float, or the PhiSum of such fractions for {(k, c): r}.

    Parameters
    ----------
    value
        A number, or the terms {(k, c): r} of a sum Σ r φ_k(cz) with floats for r and c. What is exact stays as it is.

    Raises
    ------
    ValueError
        If no fraction with a denominator up to 10⁶ lies within two units in the last place of a float, or the keys of
        terms are no pairs.

    Examples
    --------
    >>> recover(0.3333333333333333)
    Fraction(1, 3)
    """
    if isinstance(value, PhiSum):
        return value
    if isinstance(value, Mapping):
        for key in value:
            if not (isinstance(key, tuple) and len(key) == 2):
                raise ValueError(f"expected the terms {{(k, c): r}} of Σ r φ_k(cz), received the key {seen(key)}")
        parts = (PhiSum({(k, recover(c)): recover(r)}) for (k, c), r in value.items())
        return sum(parts, PhiSum())  # nodes may coincide once recovered
    if _is_floating(value):
        return _fraction(number("a coefficient", value, finite=False))
    return value if hasattr(value, "free_symbols") or value is REST else exact(value)


def _is_floating(value: Any) -> bool:
    """Whether a number is a float: of Python, NumPy or sympy."""
    return isinstance(value, float) or bool(getattr(value, "is_Float", False)) or hasattr(value, "dtype")


def _fraction(value: float) -> Fraction:
    if not isfinite(value):
        raise ValueError(f"expected a finite coefficient, received {value!r}")
    bound = 2 * Fraction(2) ** -52 * abs(Fraction(value))
    denominator = 1
    while denominator <= LARGEST_DENOMINATOR:  # the first hit has about the smallest denominator
        near = Fraction(value).limit_denominator(denominator)
        if abs(near - Fraction(value)) <= bound:
            return near
        denominator *= 2
    near = Fraction(value).limit_denominator(LARGEST_DENOMINATOR)
    if abs(near - Fraction(value)) <= bound:
        return near
    raise ValueError(
        f"expected a float that a fraction with a denominator up to {LARGEST_DENOMINATOR} explains, received "
        f"{value!r}, whose nearest is {near}; give more digits, or an exact sympy expression such as sqrt(2)/2"
    )
