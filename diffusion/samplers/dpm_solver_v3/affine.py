"""The operator of plans with elementwise weights and a constant in every row."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from expint.backend import Array, array_namespace, asarray_like, device

__all__ = ["Affine", "Beside"]

_KEPT = 512  # rows


class Beside:
    """Keeps host arrays beside the states they multiply: brought there once for each precision and device."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, tuple[Any, tuple[Any, ...]]] = OrderedDict()

    def __call__(
        self, key: Hashable, make: Callable[[], Sequence[Any]], like: Array, owner: object = None
    ) -> tuple[Any, ...]:
        """Return the numbers and arrays that ``make`` returns, in the namespace, precision and device of ``like``.

        A ``key`` that is the id of an ``owner`` is good as long as that is held, which it is here. With None as the key
        nothing is kept.

        Raises
        ------
        ValueError
            If an array does not broadcast to the shape of ``like``.
        """
        key = (key, array_namespace(like).__name__, like.dtype, str(device(like)), tuple(like.shape[1:]))
        if key in self._kept:
            return self._kept[key][1]
        values = tuple(_beside(value, like) for value in make())
        if key[0] is not None:
            self._kept[key] = owner, values
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return values


def _beside(value: Any, like: Array) -> Any:
    if not np.ndim(value):
        return value if value is None else float(value)
    try:
        fits = np.broadcast_shapes(value.shape, tuple(like.shape)) == tuple(like.shape)
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"expected samples of the shape of the statistics, {value.shape}; received states of shape "
            f"{tuple(like.shape)}; estimate statistics for such samples"
        )
    return asarray_like(value, like)


class Affine:
    """Combines columns, one of which is the number 1.

    It stands where a plan has its operator, of which a run asks no more than to combine. Weights are None for zero,
    numbers, or arrays of double precision on the host that multiply elementwise.
    """

    numeric = False  # what multiplies the constant is no weight of a state

    def __init__(self) -> None:
        self._beside = Beside()

    def combiner(self) -> Callable[[Sequence[Any], Sequence[Array]], Array]:
        """Return what combines columns during a run."""
        return self.combine

    def combine(self, weights: Sequence[Any], columns: Sequence[Array]) -> Array:
        """Return Σ_j weights_j columns_j."""
        total = None
        for factor, column in zip(self._beside(id(weights), lambda: weights, columns[0], owner=weights), columns):
            if factor is not None:
                term = factor if isinstance(column, float) else factor * column
                total = term if total is None else total + term
        return total

    def __repr__(self) -> str:
        return "Affine()"
