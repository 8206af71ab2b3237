"""A plan seen from its slopes: what each of them adds to the points that use it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from expint.backend import Array, array_namespace, asarray_like, device

if TYPE_CHECKING:
    from expint.lower.plan import Row

__all__ = ["Following", "Scattered", "scatter"]


class Following(NamedTuple):
    """A row without the weights of its slopes: its time, the weight of the state, and whether its point is accepted."""

    t: float
    weight: Any
    accept: bool


@dataclass(frozen=True, eq=False)
class Scattered:
    """The rows of a plan, grouped by the evaluations that they follow.

    Attributes
    ----------
    start
        The time of the first row, y_0 itself.
    groups
        For each evaluation the rows between it and the next one; the point of the last of them is evaluated next.
    weights
        What each slope adds, (evaluations, depth, width): ``weights[e, g % depth, i]`` is the weight of slope e in row
        i of the group g, e ≤ g < e + depth. A ring of ``depth`` sums for each of the ``width`` rows of a group is
        enough, since no row looks at more slopes.
    """

    start: float
    groups: tuple[tuple[Following, ...], ...]
    weights: np.ndarray
    _beside: dict[Any, Sequence[Array]] = field(default_factory=dict, init=False, repr=False)

    def beside(self, y: Array) -> Sequence[Array]:
        """Return for each slope its weights in the precision and on the device of ``y``, each shaped to multiply it.

        Their first axis counts the depth · width sums. They are brought there once.
        """
        key = (type(y), y.dtype, device(y), y.ndim)
        if key not in self._beside:
            evaluations, depth, width = self.weights.shape
            shape = (evaluations, depth * width, *(1,) * y.ndim)
            self._beside[key] = tuple(array_namespace(y).reshape(asarray_like(self.weights, y), shape))
        return self._beside[key]


def scatter(rows: Iterable[tuple[float, Row]], depth: int) -> Scattered:
    """Return the plan of these ``rows``, which look at up to ``depth`` slopes, seen from its slopes."""
    (start, first), *others = rows
    groups: list[list[Following]] = [[]] if first.evaluate else []
    entries: dict[tuple[int, int, int], Any] = {}
    for t, row in others:
        group, place = len(groups) - 1, len(groups[-1])
        state, *slopes = row.weights
        for age, weight in enumerate(slopes):
            if weight is not None:
                entries[group - age, group % depth, place] = weight
        groups[-1].append(Following(t, state, row.accept))
        if row.evaluate:
            groups.append([])
    width = max((len(group) for group in groups), default=0)
    numbers = np.array(list(entries.values()))
    weights = np.zeros((len(groups), depth, width), numbers.dtype)
    if entries:
        weights[tuple(np.transpose(list(entries)))] = numbers
    return Scattered(start, tuple(tuple(group) for group in groups), weights)
