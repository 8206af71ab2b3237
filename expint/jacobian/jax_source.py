"""Derivatives by JAX's forward mode. Imported when the first JAX array is met; nobody imports it before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

__all__ = ["matrix", "product"]


def matrix(function: Callable[[Any], Any], x: Any) -> Any:
    """Return the Jacobian of ``function`` at ``x``, all columns at once."""
    return jax.jacfwd(function)(x)


def product(function: Callable[[Any], Any], x: Any) -> Callable[[Any], Any]:
    """Return v ↦ Jv."""
    return jax.linearize(function, x)[1]
