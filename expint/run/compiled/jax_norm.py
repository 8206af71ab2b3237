"""The norm of errors in arrays of JAX: that of ``ErrorNorm``, which cannot be asked whether it is finite."""

from __future__ import annotations

import jax.numpy as jnp

from expint.backend import Array

__all__ = ["norm_of", "root_mean_square", "scale_of"]


def root_mean_square(y: Array) -> Array:
    """Return the root mean square of a state."""
    return jnp.sqrt(jnp.mean(jnp.abs(y) ** 2))


def scale_of(y: Array, tolerance: tuple[Array, Array]) -> Array:
    """Return the tolerance of each component; see ``ErrorNorm.scale``."""
    rtol, atol = tolerance
    return jnp.abs(y) * rtol + atol


def norm_of(error: Array, scale: Array) -> Array:
    """Return the norm that ``ErrorNorm`` takes by default; in units of the largest no square overflows."""
    size, unit = jnp.abs(error), jnp.max(scale)
    whole = jnp.sum((size / unit) ** 2) / jnp.sum((scale / unit) ** 2)
    return jnp.sqrt(jnp.maximum(jnp.mean((size / scale) ** 2), whole))
