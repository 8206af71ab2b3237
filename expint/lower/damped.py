"""Rows of error estimates in steps over which L damps: there Lawson methods need others; see ``seen_where_damped``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from expint.backend import Array, array_namespace
from expint.derive.kinds.stage import Stage
from expint.operators.base import Operator, StoredOperator
from expint.operators.dense import Dense

__all__ = ["lower_damped", "lower_lacking", "may_damp", "sees_less"]

LowerStage = Callable[[Stage, Array | None], Sequence[Any]]
"""The weights of a stage in the form that a state asks for; on the host for None."""


def may_damp(operator: Operator, h: float) -> bool:
    """Whether a mode may decay by a factor e or more within ``h``: of a matrix, by the norm of its Hermitian part."""
    if not operator.damps(h):
        return False
    if not isinstance(operator, Dense):
        return True
    hermitian = operator.matrix + np.swapaxes(operator.matrix, -1, -2).conj()
    return float(np.max(np.sum(np.abs(hermitian), axis=-1), initial=0.0)) * abs(h) >= 2.0


def sees_less(z: Array, plain: Sequence[Any], damped: Sequence[Any]) -> Array:
    """Return in which modes, of the numbers z = hL, the row ``damped`` is to be taken.

    They decay by a factor e or more within the step, and ``plain`` sees less of what a steady N does there.
    """
    xp = array_namespace(z)
    return (xp.real(z) <= -1.0) & (abs(_total(plain)) < abs(_total(damped)))


def lower_damped(
    operator: Operator, h: float, plain: Stage, damped: Stage, lower: LowerStage, like: Array | None
) -> tuple[Any, ...]:
    """Return the weights of an estimate in a step of length ``h`` over which L damps.

    Where φ-functions of L are those of numbers each mode has its own; elsewhere all modes have those for damped ones.
    """
    if _numbers(operator) is None:
        return tuple(lower(damped, like))
    rows = lower(plain, None), lower(damped, None)
    taken = sees_less(h * _numbers(operator), *rows)
    return _cast(operator, [_either(taken, *pair) for pair in zip(*rows, strict=True)], like)


def lower_lacking(
    operator: Operator, h: float, stages: tuple[Stage, Stage, Stage], lower: LowerStage, like: Array | None
) -> tuple[Any, ...]:
    """Return the weights of what an estimate lacks where L damps; ``stages`` are those of ``by_halves``."""
    *both, lacks = stages
    if _numbers(operator) is None:
        return tuple(lower(lacks, like))
    taken = sees_less(h * _numbers(operator), *(lower(stage, None) for stage in both))
    return _cast(operator, [_either(taken, None, weight) for weight in lower(lacks, None)], like)


def _numbers(operator: Operator) -> Any:
    """Return the numbers of which the φ-functions of L are those, None where it is no such L."""
    return np.asarray(operator.values) if isinstance(operator, StoredOperator) and operator.elementwise else None


def _total(row: Sequence[Any]) -> Any:
    return sum(weight for weight in row if weight is not None)


def _either(taken: np.ndarray, plain: Any, damped: Any) -> Any:
    if plain is None and damped is None:
        return None
    return np.where(taken, 0.0 if damped is None else damped, 0.0 if plain is None else plain)


def _cast(operator: Any, weights: Sequence[Any], like: Array | None) -> tuple[Any, ...]:
    held = iter(operator.cast_all(np.stack([own for own in weights if own is not None]), like))
    return tuple(None if own is None else next(held) for own in weights)
