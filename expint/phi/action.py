r"""φ-functions of an operator acting on vectors, without forming them: Σ φ_k(c T A) v_{k,c}."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from expint.arguments import function, instance, number
from expint.backend import Array, array_namespace, is_array, is_jax
from expint.phi.augmented import Accuracy, Augmented, Matvec, no_gradient, norm
from expint.phi.elementwise import HIGHEST
from expint.phi.failure import ActionFailure
from expint.phi.krylov import Krylov

__all__ = ["Accuracy", "ActionFailure", "Propagator", "phi_action"]

Propagator: TypeAlias = Callable[[Augmented, Array, Accuracy], Array]
"""Returns u(1) of an augmented system for u(0) = u, to an accuracy."""


def phi_action(
    matvec: Matvec,
    vectors: Mapping[tuple[int, float], Array],
    span: float = 1.0,
    *,
    accuracy: Accuracy | float = 1e-12,
    propagate: Propagator | None = None,
) -> Array:
    r"""Return Σ φ_k(c T A) v_{k,c}, computed in one run through the times c.

    Parameters
    ----------
    matvec
        v ↦ A v for vectors of shape (n,), linear; it must return a new array.
    vectors
        {(k, c): v_{k,c}}, vectors of shape (n,) of NumPy or torch, k ≥ 0, c any real numbers. Real and complex ones are
        all taken as complex.
    span
        The factor T, usually the step size.
    accuracy
        The error allowed in Euclidean norm, relative to that of the result; or an ``Accuracy``.
    propagate
        How: ``Krylov()`` by default, or another of ``expint.phi``.

    Returns
    -------
    Array
        Of shape (n,). Where a vector is not finite the result is nan.

    Raises
    ------
    ActionFailure
        If the accuracy cannot be reached.
    ValueError, TypeError
        If an argument makes no sense, or A v is no vector like v.

    Notes
    -----
    With y(c) the vector that still has to be taken through e^{c T A}, a term φ_k(c T A) v is a force (x/c)^{k-1}/(k-1)!
    v/c that begins where c is still ahead. So all terms together are one linear initial-value problem, run from the
    largest c to 0; its cost is that of the largest c alone. Terms with c < 0 are a second one, run backwards.

    Examples
    --------
    >>> import numpy as np
    >>> from expint.phi import phi_action
    >>> diagonal = np.array([-3.0, -1.0])
    >>> bool(np.allclose(phi_action(lambda u: diagonal * u, {(0, 1.0): np.ones(2)}), np.exp(diagonal)))
    True
    """
    wanted = accuracy if isinstance(accuracy, Accuracy) else Accuracy(number("accuracy", accuracy, finite=False))
    if propagate is not None:
        function("propagate", propagate, "(system, u, accuracy) ↦ u(1), such as Krylov()")
    instance("vectors", vectors, Mapping, "a mapping {(k, c): v}")
    vectors, span = _checked(matvec, vectors, span, wanted)
    finite = all(math.isfinite(norm(v)) for v in vectors.values())
    if not finite:
        return math.nan * sum(vectors.values())
    total = None
    for sign in (1, -1):
        part = {(k, abs(c)): v for (k, c), v in vectors.items() if sign * c > 0 and span}
        if part:
            result = _run(matvec, part, sign * span, wanted, propagate or Krylov())
            total = result if total is None else total + result
    for (k, c), v in vectors.items():
        if c == 0 or not span:
            term = v / math.factorial(k)
            total = term if total is None else total + term
    return total


def _checked(
    matvec: Matvec, vectors: Mapping[tuple[int, float], Array], span: float, accuracy: Accuracy
) -> tuple[dict[tuple[int, float], Array], float]:
    """Return vectors of one dtype with numbers as keys, and the span, or refuse what makes no sense."""
    function("matvec", matvec, "v ↦ A v", "of a matrix it is lambda v: matrix @ v")
    if not (accuracy.relative >= 0 and accuracy.absolute >= 0):
        raise ValueError(f"expected tolerances ≥ 0 as accuracy, received {accuracy.relative} and {accuracy.absolute}")
    span = number("span", span)
    if not vectors:
        raise ValueError("expected vectors to apply φ-functions to, received none: {(k, c): v}")
    given = {_key(key): v if is_array(v) else np.asarray(v) for key, v in vectors.items()}
    arrays = list(given.values())
    xp, shapes = array_namespace(*arrays), {tuple(v.shape) for v in arrays}
    if is_jax(xp):
        raise TypeError(
            "expected vectors of NumPy or PyTorch, received those of JAX, which iterations cannot write to; take "
            "phi_matrices for a matrix that can be formed"
        )
    if len(shapes) > 1 or len(next(iter(shapes))) != 1:
        raise ValueError(f"expected vectors of one shape (n,), received shapes {sorted(shapes)}")
    if any(getattr(v, "requires_grad", False) for v in arrays) and xp.is_grad_enabled():
        raise no_gradient("a vector")
    if len({v.dtype for v in arrays}) == 1 and xp.isdtype(arrays[0].dtype, ("real floating", "complex floating")):
        return given, float(span)
    bad = [v.dtype for v in arrays if not xp.isdtype(v.dtype, "numeric")]
    if bad:
        raise TypeError(f"expected vectors of numbers, received dtype {bad[0]}")
    whole = all(xp.isdtype(v.dtype, "integral") for v in arrays)
    kind = xp.float64 if whole else xp.result_type(*(v for v in arrays if not xp.isdtype(v.dtype, "integral")))
    return {key: xp.astype(v, kind) for key, v in given.items()}, float(span)


def _key(key: Any) -> tuple[int, float]:
    """Return (k, c) as numbers."""
    try:
        k, c = operator.index(key[0]), float(key[1])
        good = len(key) == 2 and 0 <= k <= HIGHEST and math.isfinite(c)
    except (TypeError, ValueError, IndexError):
        good = False
    if not good:
        raise ValueError(
            f"expected keys (k, c) with an integer k ≥ 0 and a finite real c, received {key!r}; k is at most "
            f"{HIGHEST}, beyond which 1/k! underflows"
        )
    return k, c


def _run(
    matvec: Matvec, vectors: Mapping[tuple[int, float], Array], span: float, accuracy: Accuracy, propagate: Propagator
) -> Array:
    """Return Σ φ_k(c T A) v_{k,c} for positive c."""
    times = sorted({c for _, c in vectors}, reverse=True)
    like = next(iter(vectors.values()))
    u = array_namespace(like).zeros_like(like)
    forces: list[Array | None] = [None] * max(k for k, _ in vectors)
    for c, later in zip(times, [*times[1:], 0.0]):
        length = c - later
        for (k, at), v in vectors.items():
            if at == c and k == 0:
                u = u + v
            elif at == c:
                own, before = v / c**k, forces[k - 1]
                forces[k - 1] = own if before is None else before + own
        scaled = [None if b is None else b * length ** (k + 1) for k, b in enumerate(forces)]
        u = propagate(Augmented(matvec, span * length, scaled, like), u, accuracy)
        if later:
            forces = _later(forces, length)
    return u


def _later(forces: list[Array | None], length: float) -> list[Array | None]:
    """Return the Taylor coefficients of the force Σ b_k s^{k-1}/(k-1)! about s = length."""
    shifted: list[Array | None] = []
    for k in range(len(forces)):
        terms = [b * (length**j / math.factorial(j)) for j, b in enumerate(forces[k:]) if b is not None]
        shifted.append(sum(terms[1:], start=terms[0]) if terms else None)
    return shifted
