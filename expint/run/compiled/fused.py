"""Elementwise operators and norms by fused kernels: one call for each row, real weights on complex states."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np

from expint.backend import Array
from expint.operators.base import USE, Operator, Use
from expint.operators.diagonal import Diagonal
from expint.operators.sums import linear_combination
from expint.run.compiled import kernels
from expint.run.tolerance import ErrorNorm

__all__ = ["Fused", "FusedNorm", "fused", "fused_norm"]


class Fused(Diagonal):
    """A ``Diagonal`` whose rows are combined by a kernel, for states of NumPy of the shape of its symbol.

    Its weights are real where its symbol is, beside complex states, too: a product costs two multiplications, not six.
    """

    kernels = kernels
    """What ``StackedColumns`` combine by."""

    def __init__(self, symbol: np.ndarray) -> None:
        self.symbol = symbol

    def cast(self, weight: Any, like: Array | None) -> Any:
        """Return the weight in the precision of the state, real where it is."""
        if like is None:
            return weight
        kind = like.dtype if weight.dtype.kind == "c" else like.real.dtype
        return np.ascontiguousarray(weight, kind)

    def cast_all(self, weights: np.ndarray, like: Array | None) -> Iterable[Any]:
        """Return all weights at once."""
        cast = self.cast(weights, like)
        return [cast[j, ...] for j in range(len(weights))]

    def prepare(self, use: Use = USE) -> Operator:
        """Return the operator itself; between the steps, where states of many times are combined, a plain one."""
        return Diagonal(self.symbol) if use.steps == "between" else self

    def combine(self, weights: Sequence[Any], columns: Sequence[Array]) -> Array:
        """Return Σ weights_j · columns_j."""
        return self.combiner()(weights, columns)

    def combiner(self) -> Callable[[Sequence[Any], Sequence[Array]], Array]:
        """Return ``combine`` for one run: what is known of a row is found once.

        Columns that a kernel does not take, such as real values of N beside complex states, are combined by NumPy.
        """
        known: dict[int, tuple[Any, Callable[[Any], Any], np.ndarray]] = {}
        kernel, empty, takes = kernels.combined, np.empty, True

        def combine(weights: Sequence[Any], columns: Sequence[Array]) -> Array:
            nonlocal takes
            if not takes:
                return linear_combination(weights, columns)
            found = known.get(id(weights))
            if found is None:
                if len(known) >= _KEPT:
                    known.clear()
                found = known[id(weights)] = weights, *_laid_out(weights, columns[0])  # holding it keeps its id unique
            _, pick, flat = found
            first, used = columns[0], pick(columns)
            out = empty(first.shape, first.dtype)
            try:
                if first.ndim == 1:
                    takes = kernel(flat, used, out)
                else:
                    takes = kernel(flat, tuple([own.reshape(-1) for own in used]), out.reshape(-1))
            except kernels.NO_KERNEL:
                takes = False
            return out if takes else linear_combination(weights, columns)

        return combine

    def __repr__(self) -> str:
        return f"{super().__repr__()}, by kernels"


def _laid_out(
    weights: Sequence[Any], like: np.ndarray
) -> tuple[Callable[[Sequence[Any]], tuple[Any, ...]], np.ndarray]:
    """Return what picks the columns that a row looks at, and their weights, one line for each."""
    held = [j for j, weight in enumerate(weights) if weight is not None] or [0]  # a row of zeros is 0 · y
    kind = like.dtype if any(np.iscomplexobj(weights[j]) for j in held) else like.real.dtype
    flat = np.array(
        [np.broadcast_to(0.0 if weights[j] is None else weights[j], like.shape) for j in held], kind
    ).reshape(len(held), like.size)
    if len(held) == 1:
        only = held[0]
        return lambda columns: (columns[only],), flat
    return itemgetter(*held), flat


_KEPT = 512
"""So many rows are remembered by a run."""


@dataclass(frozen=True)
class FusedNorm(ErrorNorm):
    """An ``ErrorNorm`` of numbers, without a norm of one's own, by kernels."""

    def measures(self, like: Array) -> tuple[Callable[[Array], Array], Callable[[Array, Array], float]]:
        """Return ``scale`` and ``size`` for states like ``like``."""
        plain_scale, plain_size = super().measures(like)
        real = like.real.dtype
        rtol, atol = real.type(self.rtol), real.type(self.atol)
        of_state, of_error = kernels.scale, kernels.size

        def scale(y: np.ndarray) -> np.ndarray:
            if not y.flags.carray:
                return plain_scale(y)
            out = np.empty(y.shape, real)
            of_state(y.reshape(-1), rtol, atol, out.reshape(-1))
            return out

        def size(error: np.ndarray, scale: np.ndarray) -> float:
            if not (error.flags.carray and scale.flags.carray):
                return plain_size(error, scale)
            return of_error(error.reshape(-1), scale.reshape(-1))

        return scale, size


def fused(operator: Any, y0: Array) -> Fused | None:
    """Return the operator by kernels, for states like ``y0``; None for one that is not elementwise on them."""
    if type(operator) is not Diagonal or type(y0) is not np.ndarray or y0.itemsize < 4 or not y0.flags.c_contiguous:
        return None
    symbol = operator.symbol
    return Fused(symbol) if symbol.size == y0.size else None


def fused_norm(norm: ErrorNorm) -> ErrorNorm:
    """Return the norm by kernels where its tolerances are numbers."""
    numbers = isinstance(norm.rtol, float) and isinstance(norm.atol, float)
    if norm.norm is not None or norm.grows or not numbers:
        return norm
    return FusedNorm(norm.rtol, norm.atol, forgets=norm.forgets)
