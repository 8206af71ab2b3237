r"""A run in its canonical form, and the run itself.

.. math:: x_i = c_i \, x_T + \sum_{j<i} d_{ij} \, x_0(x_j, \tau_j), \qquad i = 0 \dots n,

with x_0, …, x_{n-1} the points at which the network is called and x_n the sample. Every sampler of one call a step is
such a table of numbers, and so is everything that is fitted here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import starmap
from typing import Any, NamedTuple

import numpy as np

from diffusion.denoiser import Denoiser
from diffusion.samplers.bands import Banded, Bands
from expint.backend import Array, all_finite

__all__ = ["Run", "Values", "extend", "finite", "mapped", "run", "without_gradients"]


class Values(NamedTuple):
    """The numbers of a run of n calls.

    Attributes
    ----------
    times
        τ of shape (n,), decreasing: the times at which the network is evaluated.
    c
        Of shape (n + 1,) or (n + 1, K): the coefficients of the start; K bands have each their own.
    D
        Of shape (n + 1, n) or (n + 1, n, K): those of the predicted data, zero from the diagonal on.
    bands
        The bands, if the weights have K of them.
    """

    times: np.ndarray
    c: np.ndarray
    D: np.ndarray
    bands: Bands | None = None

    @property
    def calls(self) -> int:
        """The number of network calls n."""
        return len(self.times)

    @property
    def by_band(self) -> tuple[np.ndarray, np.ndarray]:
        """Views of c and D with a last axis of bands, of length 1 where there are none."""
        return self.c.reshape(*self.c.shape[:1], -1), self.D.reshape(*self.D.shape[:2], -1)

    def in_bands(self, bands: Bands) -> Values:
        """Return the same run with weights for each band."""
        c, D = (np.repeat(part[..., None], bands.count, axis=-1) for part in (self.c, self.D))
        return Values(self.times, c, D, bands)


class Run(NamedTuple):
    """The points x_0 … x_n of a run, and the data that the network predicted at the first n."""

    points: list[Array]
    data: list[Array]


def run(denoiser: Denoiser, values: Values, start: Array, known: Run | None = None, stage: int = 0) -> Run:
    """Run the ``values`` from the state ``start``; of a ``known`` run all before the point ``stage`` is taken over.

    It is the run of a plan in another order of summation: every point is combined anew from what came before, so that
    a change of one number needs only the calls after it.
    """
    found = Run([], []) if known is None else Run(known.points[:stage], known.data[:stage])
    for _ in range(stage, values.calls + 1):
        extend(denoiser, values, start, found)
    return found


def extend(denoiser: Denoiser, values: Values, start: Array, found: Run) -> None:
    """Add the next point to a run, and what the network predicts there."""
    i = len(found.points)
    found.points.append(_combined(values, i, [start, *found.data]))
    if i < values.calls:
        found.data.append(1.0 * denoiser.predict(found.points[i], float(values.times[i]), "data"))


def _combined(values: Values, i: int, columns: Sequence[Array]) -> Array:
    weights = [values.c[i], *values.D[i, :i]]
    if values.bands is not None:
        return Banded(values.bands).combine(tuple(weights), columns)
    total = float(weights[0]) * columns[0]
    for weight, column in zip(weights[1:], columns[1:], strict=True):
        total = total + float(weight) * column
    return total


def finite(found: Run) -> bool:
    """Whether the end of a run is finite."""
    return bool(all_finite(found.points[-1]))


def without_gradients() -> AbstractContextManager[Any]:
    """Return the context in which torch, where it is loaded, records nothing; it holds for one thread."""
    torch = sys.modules.get("torch")
    return nullcontext() if torch is None else torch.no_grad()


def mapped(function: Callable[..., Any], tasks: list[Any], executor: Executor | None) -> Iterable[Any]:
    """Return the results of a ``function`` of the ``tasks``, in their order, whoever makes them."""
    if executor is None:
        return starmap(function, tasks)
    return executor.map(partial(_starred, function), tasks)


def _starred(function: Callable[..., Any], task: tuple[Any, ...]) -> Any:
    return function(*task)
