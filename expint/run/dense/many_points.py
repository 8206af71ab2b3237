"""States between steps, at many times at once: sums of φ-functions of multiples of one operator."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from expint.backend import Array, array_namespace, asarray_like, stack
from expint.derive.algebra.phisum import Terms
from expint.lower.cache import PhiTables, weigh
from expint.operators import Diagonal, Operator, Scalar
from expint.operators.base import StoredOperator
from expint.operators.sums import linear_combination, real_product

__all__ = ["states_between"]

_NUMBERS = 2**21
"""So many numbers of weights are made at a time."""


def states_between(
    operator: Operator, scales: np.ndarray, factors: np.ndarray, columns: Sequence[Sequence[Array]]
) -> Array:
    r"""Return the states of several points along a new first axis.

    .. math:: y_i = \sum_j \sum_k f_{ijk} \, φ_k(s_i L) \, v_{ij}

    φ-functions that are stored are formed for many points at once.

    Parameters
    ----------
    operator
        L.
    scales
        s_i, of shape (m,).
    factors
        f_ijk, of shape (m, J, K).
    columns
        For each point the J columns v_ij.
    """
    if not isinstance(operator, StoredOperator):
        own = zip(scales.tolist(), factors.tolist(), columns)
        return stack([_applied(operator, scale, rows, vectors) for scale, rows, vectors in own])
    at_once = max(1, _NUMBERS // (max(factors.shape[1:]) * max(1, np.size(operator.values))))
    pieces = [slice(start, start + at_once) for start in range(0, len(scales), at_once)]
    found = [_weighed(operator, scales[piece], factors[piece], columns[piece]) for piece in pieces]
    return found[0] if len(found) == 1 else array_namespace(found[0]).concat(found)


def _applied(operator: Operator, scale: float, factors: Sequence[Sequence[float]], columns: Sequence[Array]) -> Array:
    """Return one state, the φ-functions applied to its columns."""
    sums: list[Terms] = [{(k, 1): factor for k, factor in enumerate(row) if factor} for row in factors]
    weights = weigh(operator, sums, [1.0] * len(sums), PhiTables(operator, scale), columns[0])
    return operator.combine(weights, columns)


def _weighed(
    operator: StoredOperator, scales: np.ndarray, factors: np.ndarray, columns: Sequence[Sequence[Array]]
) -> Array:
    """Return the states for weights that are formed, each combined by a product and a sum."""
    like, count = columns[0][0], factors.shape[1]
    tables = np.stack(operator.phi_many(factors.shape[2] - 1, scales), axis=1)
    form = tables.shape[2:]
    flat = tables.reshape(*tables.shape[:2], -1)
    weights = real_product(factors, flat)
    if not isinstance(operator, Diagonal | Scalar):
        combine = operator.combiner()
        own = zip(weights.reshape(-1, count, *form), columns)
        return stack([combine([operator.cast(weight, like) for weight in row], each) for row, each in own])
    beside = (1,) * (like.ndim - len(form))
    cast = [asarray_like(weights[:, j].reshape(-1, *beside, *form), like) for j in range(count)]
    return linear_combination(cast, [stack([each[j] for each in columns]) for j in range(count)])
