"""Two conditions of one network in one call, with twice the batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from diffusion.denoiser import Denoiser
from expint.arguments import seen
from expint.backend import Array, array_namespace, is_array

__all__ = ["outputs_of_both"]


def outputs_of_both(source: Denoiser, other: Mapping[str, Any], x: Array, t: float | np.ndarray) -> tuple[Array, Array]:
    """Return the outputs of a denoiser with its own and with the ``other`` condition, made by one call.

    Parameters
    ----------
    source, other
        The denoiser, and the other condition: with the same names, and a row for each sample where the two differ.
    x, t
        The states (B, …), and one time for all or one for each.

    Raises
    ------
    ValueError
        If the conditions cannot be laid side by side.
    """
    count, xp = x.shape[0], array_namespace(x)
    both = source.with_condition(_side_by_side(source.condition, other, count))
    twice = xp.concat([x, x])
    output = both.at_each(twice, np.concatenate([t, t])) if isinstance(t, np.ndarray) else both(twice, t)
    return output[:count, ...], output[count:, ...]


def _side_by_side(own: Mapping[str, Any], other: Mapping[str, Any], count: int) -> dict[str, Any]:
    if own.keys() != other.keys():
        raise ValueError(
            f"expected the unconditional condition to have the names {sorted(own)} of the other one, for one call of "
            f"both, received {sorted(other)}; name the same, or leave together=True out"
        )
    return {name: _rows(name, value, other[name], count) for name, value in own.items()}


def _rows(name: str, own: Any, other: Any, count: int) -> Any:
    if isinstance(own, Mapping) and isinstance(other, Mapping) and own.keys() == other.keys():
        return {key: _rows(f"{name}[{key!r}]", value, other[key], count) for key, value in own.items()}
    if own is other:
        return own if not _has_rows(own, count) else _concatenated(own, other)
    if _has_rows(own, count) and _has_rows(other, count):
        return _concatenated(own, other)
    raise ValueError(
        f"expected {name!r} with a row for each of the {count} samples in both conditions, for one call of both, "
        f"received {seen(own)} and {seen(other)}; give arrays or lists of that length, or leave together=True out"
    )


def _has_rows(value: Any, count: int) -> bool:
    if isinstance(value, list | tuple):
        return len(value) == count
    return is_array(value) and bool(value.ndim) and value.shape[0] == count


def _concatenated(own: Any, other: Any) -> Any:
    return [*own, *other] if isinstance(own, list | tuple) else array_namespace(own).concat([own, other])
