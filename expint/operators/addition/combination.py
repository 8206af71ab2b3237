"""Sums, linear combinations and commutators of operators, as few operators as can be had without filling in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np

from expint.backend import Array
from expint.operators.addition.commuting import Products
from expint.operators.addition.rules import Commutators
from expint.operators.addition.table import rule
from expint.operators.base import Operator
from expint.operators.dense import Dense
from expint.operators.diagonal import Diagonal
from expint.operators.scalar import Scalar

__all__ = ["combination", "for_single_use", "merge"]

_FORMED = 100
"""The most rows of a matrix whose exponential is formed for one vector."""


def for_single_use(operator: Operator, like: Array) -> Operator:
    """Return the operator, but a large matrix by its products: it is not worth forming exponentials for one vector."""
    if isinstance(operator, Dense):
        n = operator.matrix.shape[-1]
        if n > _FORMED and math.prod(like.shape) == n:
            return Products([1.0], [operator])
    return operator


def combination(factors: Sequence[float], operators: Sequence[Operator], commutators: Commutators = ()) -> Operator:
    """Return Σ factors_i A_i + Σ β [A_i, A_j].

    Numbers, symbols, small matrices, those along the axes of a grid, and sparse ones without commutators are combined;
    of others a product with the combination is made of products with the operators, so that nothing is filled in.

    Parameters
    ----------
    factors, operators
        Numbers and operators; those with factor 0 may be needed for commutators.
    commutators
        The triples (i, j, β) of β [A_i, A_j].
    """
    combine, *others = {rule(operator)[1].combine for operator in operators}
    whole = None if others else combine(factors, operators, commutators)
    return Products(factors, operators, commutators) if whole is None else whole


def merge(parts: Sequence[Operator]) -> list[Operator]:
    """Return operators of the same sum, as few as can be had without filling in what is sparse."""
    plain = [
        Scalar(part.symbol.item()) if isinstance(part, Diagonal) and part.symbol.size == 1 else part for part in parts
    ]
    ordered = sorted(plain, key=lambda part: rule(part)[0])
    by_kind = [_fold(list(kind)) for _, kind in groupby(ordered, key=lambda part: rule(part)[0])]
    return _fold([part for kind in by_kind for part in kind])


def _fold(parts: Sequence[Operator]) -> list[Operator]:
    """Return the parts with each added to the first that takes it."""
    merged: list[Operator] = []
    for part in parts:
        for i, other in enumerate(merged):
            whole = _add(other, part)
            if whole is not None:
                merged[i] = whole
                break
        else:
            merged.append(part)
    return merged


def _add(a: Operator, b: Operator) -> Operator | None:
    """Return a + b as one operator, None if it is none; the kind of ``a`` does not come after that of ``b``."""
    (place, _), (other, adding) = rule(a), rule(b)
    if isinstance(a, Scalar):
        return adding.with_number(b, a.value)
    if isinstance(a, Diagonal):
        return adding.with_symbol(b, a.symbol)
    whole: Any = b
    if isinstance(a, Dense) and a.matrix.ndim == 2 and hasattr(b, "with_factors"):
        a, place = whole.with_factors(*(np.zeros(len(factor)) for factor in whole.factors[:-1]), a.matrix), other
    return adding.combine((1.0, 1.0), (a, b), ()) if place == other else None
