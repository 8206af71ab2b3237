"""Values of many trajectories: arrays whose first axis counts them, alone or in tuples."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from expint.backend import Array, array_namespace, device, is_jax

__all__ = ["beside", "merged", "picked", "put", "sum_of_each"]

T = TypeVar("T")


def picked(tree: T, at: np.ndarray) -> T:
    """Return the trajectories ``at``, by number, of all arrays in a tree of tuples; None stays.

    Arrays of which all are picked in order are returned as they are: they are not to be written to.
    """
    found: T = _picked(tree, at, {})
    return found


def _picked(tree: Any, at: np.ndarray, made: dict[Any, Any]) -> Any:
    """Return ``picked``; ``made`` remembers the numbers by the device where they are needed, and whether all are."""
    if isinstance(tree, tuple):
        return _like(tree, [_picked(own, at, made) for own in tree])
    if tree is None:
        return None
    if len(at) == tree.shape[0]:
        if "all" not in made:
            made["all"] = bool((at == np.arange(len(at))).all())
        if made["all"]:
            return tree
    return tree[at] if type(tree) is np.ndarray else _taken(tree, _there(at, tree, made))


def _there(at: np.ndarray, like: Array, made: dict[Any, Any]) -> Array:
    """Return numbers of trajectories beside an array, as its library wants them."""
    where = device(like)
    if where not in made:
        made[where] = array_namespace(like).asarray(at, device=where)
    return made[where]


def _taken(values: Array, at: Array) -> Array:
    if hasattr(values, "index_select"):
        return values.index_select(0, at)
    return array_namespace(values).take(values, at, axis=0)


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


def put(whole: T, at: np.ndarray, rows: T) -> T:
    """Return arrays, or tuples of them, with ``rows`` at the trajectories ``at``; their memory may be used again."""
    found: T = _put(whole, at, rows, {})
    return found


def _put(whole: Any, at: np.ndarray, rows: Any, made: dict[Any, Any]) -> Any:
    if isinstance(whole, tuple):
        return tuple(_put(*own, made) for own in zip(whole, [at] * len(whole), rows))
    if len(at) == whole.shape[0] and (at == np.arange(len(at))).all():
        return rows
    if hasattr(whole, "index_copy_"):
        return whole.index_copy_(0, _there(at, whole, made), rows)
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
    while (length := values.shape[1]) > 1:
        half = (length + 1) // 2
        total = values[:, : length - half] + values[:, half:]
        if length != 2 * half:
            total = array_namespace(values).concat([total, values[:, length - half : half]], axis=1)
        values = total
    return values[:, 0]


def _like(tree: Any, entries: list[Any]) -> Any:
    return type(tree)(*entries) if hasattr(tree, "_fields") else tuple(entries)
