"""Derivatives of the φ-functions for JAX: one rule, from which JAX makes both modes, of any order, under jit and vmap.

Imported when the first JAX array is met; nobody imports it before.
"""

from __future__ import annotations

import functools
from typing import Any

import jax

from expint.phi.elementwise import evaluate, slopes

__all__ = ["phi_functions_jax"]


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def phi_functions_jax(z: Any, p: int) -> tuple[Any, ...]:
    """Return (φ_0(z), …, φ_p(z)) with φ_k′ = φ_k − k φ_{k+1}."""
    return tuple(evaluate(z, p))


@phi_functions_jax.defjvp
def _push_forward(p: int, primals: tuple[Any], tangents: tuple[Any]) -> tuple[Any, Any]:
    z, tangent = jax.numpy.asarray(primals[0]), tangents[0]
    return phi_functions_jax(z, p), tuple(tangent * slope for slope in slopes(z, p))
