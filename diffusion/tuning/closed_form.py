r"""Rows in closed form: ridge least squares, one row after the other on the student's own states.

With the columns A_i = (x_T, x_0(x_0), …, x_0(x_{i-1})) of a run, y_i the teacher's states at τ_i, at last its samples,
and w⁰ the weights of the exact step from the student's x_{i-1},

.. math:: w_i = w^0 + (A_i^T A_i + κ \, \mathrm{diag} A_i^T A_i)^{-1} A_i^T (y_i - A_i w^0),

every start divided by the norm of its sample and multiplied by the root of its weight in `least_squares.Robust`, first
at the errors of the exact rows, then at those of the rows found before. What is summed over the starts are the small
matrices AᵀA and Aᵀy, for each band where there are some.

Duan, Wang, Chen, Zhu, Liu & Huang, *Optimal linear subspace search*, 2023, solve such rows without a prior, from κ = 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor

import numpy as np

from diffusion.samplers.bands import Bands
from diffusion.tuning.fit import errors_of
from diffusion.tuning.least_squares import Robust
from diffusion.tuning.losses import LOSSES
from diffusion.tuning.starts import Shard, floored, norms
from diffusion.tuning.values import Run, Values, extend, mapped, without_gradients
from expint.backend import Array, asarray_like, to_numpy

__all__ = ["RUNS", "closed_form"]

RUNS = 4
"""Of the student: for the weights of the starts the first, for rows the others, whose errors weight the next."""

_RIDGE = 1e-3
_RIDGE_OF_BANDS = 1e-2


def closed_form(
    exact: Values, shards: list[Shard], measure: Robust, bands: Bands | None = None, executor: Executor | None = None
) -> Values:
    """Return the ``exact`` values with the rows that suit the starts of the ``shards``, in ``bands`` if given.

    It takes `RUNS` runs, the shards on the ``executor``.
    """
    values = exact if bands is None else exact.in_bands(bands)
    for _ in range(RUNS // 2):
        errors = errors_of(values, shards, LOSSES["endpoint"], executor)
        weights = np.sqrt(measure.weights(errors)) if np.all(np.isfinite(errors)) else np.ones(len(errors))
        cuts = np.cumsum([shard.start.shape[0] for shard in shards])[:-1]
        values = _weighted(exact, shards, np.split(weights, cuts), bands, executor)
    return values


def _weighted(
    exact: Values, shards: list[Shard], weights: list[np.ndarray], bands: Bands | None, executor: Executor | None
) -> Values:
    """Return the rows of the least sum of squares, the starts multiplied by their ``weights``."""
    values, prior = exact._replace(D=exact.D.copy(), c=exact.c.copy()), exact
    values = values if bands is None else values.in_bands(bands)
    prior = prior if bands is None else prior.in_bands(bands)
    ridge = _RIDGE if bands is None else _RIDGE_OF_BANDS
    runs = [Run([], []) for _ in shards]
    for i in range(1, values.calls + 1):
        made = list(mapped(_extended, [(values, i, *own) for own in zip(shards, weights, runs, strict=True)], executor))
        runs = [own for own, _ in made]
        _set_row(values, prior, i, sum(products for _, products in made), ridge)
    return values


def _extended(values: Values, i: int, shard: Shard, weights: np.ndarray, run: Run) -> tuple[Run, np.ndarray]:
    """Return the run of a shard up to the call before point i, and the inner products that row i is solved from.

    They are those of its columns and of the teacher's states, (K or 1, i + 2, i + 2).
    """
    with without_gradients():
        extend(shard.denoiser, values, shard.start, run)
    wanted = shard.end if i == values.calls else shard.path(float(values.times[i]))
    by = weights / floored(norms(shard.end))
    columns = [_scaled(column, by) for column in (shard.start, *run.data, wanted)]
    return run, _gram(columns) if values.bands is None else values.bands.gram(columns)


def _scaled(column: Array, by: np.ndarray) -> Array:
    return column * asarray_like(by.reshape(-1, *[1] * (column.ndim - 1)), column)


def _gram(columns: Sequence[Array]) -> np.ndarray:
    flat = np.stack([to_numpy(column).astype(np.float64).ravel() for column in columns])
    return (flat @ flat.T)[None]


def _set_row(values: Values, prior: Values, i: int, total: np.ndarray, ridge: float) -> None:
    """Set the row i of the ``values``, given the inner products ``total`` of its columns and its target."""
    (c, D), (exact_c, exact_D) = values.by_band, prior.by_band
    for k, products in enumerate(total):
        before = exact_c[i - 1, k]
        growth = exact_c[i, k] / before if before else 0.0
        exact = np.append(exact_c[i, k], exact_D[i, :i, k])
        exact -= growth * np.append(before, exact_D[i - 1, :i, k])
        start = exact + growth * np.append(c[i - 1, k], D[i - 1, :i, k])
        matrix, right = products[:-1, :-1], products[:-1, -1]
        damped = matrix + ridge * np.diag(np.diag(matrix))
        found = start + np.linalg.lstsq(damped, right - matrix @ start, rcond=None)[0]
        c[i, k], D[i, :i, k] = found[0], found[1:]
