"""Values of many trajectories: arrays whose first axis counts them, alone or in tuples."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from expint.backend import Array, array_namespace, device, is_jax

__all__ = ["beside", "merged", "picked", "put", "sum_of_each"]

T = TypeVar("T")


def picked(tree: T, at: np.ndarray) -> T:
    """Return the trajectories ``at``, by number, of all arrays in a tree of tuples; None stays."""
    found: T = _picked(tree, at)
    return found


def _picked(tree: Any, at: np.ndarray) -> Any:
    if isinstance(tree, tuple):
        return _like(tree, [_picked(own, at) for own in tree])
    if tree is None or type(tree) is np.ndarray:
        return tree if tree is None else tree[at]
    xp = array_namespace(tree)
    return xp.take(tree, xp.asarray(at, device=device(tree)), axis=0)


def merged(chosen: np.ndarray, one: T, other: T) -> T:
    """Return ``one`` where ``chosen`` says so, trajectory by trajectory, and ``other`` elsewhere; trees of one form."""
    found: T = one if chosen.all() else _merged(chosen, one, other)
    return found


def _merged(chosen: np.ndarray, one: Any, other: Any) -> Any:
    if isinstance(one, tuple):
        return _like(one, [_merged(chosen, *own) for own in zip(one, other)])
    if one is None or one is other:
        return one
    xp = array_namespace(one)
    mask = chosen.reshape(-1, *(1,) * (one.ndim - 1))
    return xp.where(mask if type(one) is np.ndarray else xp.asarray(mask, device=device(one)), one, other)


def put(whole: Array, at: np.ndarray, rows: Array) -> Array:
    """Return ``whole`` with ``rows`` at the trajectories ``at``; its memory may be used again."""
    if len(at) == whole.shape[0]:
        return rows
    if is_jax(array_namespace(whole)):
        return whole.at[at].set(rows)
    whole[at] = rows
    return whole


def beside(values: np.ndarray, like: Array) -> np.ndarray:
    """Return one number for each trajectory in the shape that multiplies arrays like ``like``."""
    return values.reshape(-1, *(1,) * (like.ndim - 1))


def sum_of_each(values: Array) -> Array:
    """Return the sum over the second axis, by halves.

    Libraries add in an order that depends on the number of trajectories and on the machine; this one depends on the
    length of the axis alone, so that no trajectory has other digits for its neighbours.
    """
    xp = array_namespace(values)
    while (length := values.shape[1]) > 1:
        half = (length + 1) // 2
        total = values[:, : length - half] + values[:, half:]
        values = total if length == 2 * half else xp.concat([total, values[:, length - half : half]], axis=1)
    return values[:, 0]


def _like(tree: Any, entries: list[Any]) -> Any:
    return type(tree)(*entries) if hasattr(tree, "_fields") else tuple(entries)
