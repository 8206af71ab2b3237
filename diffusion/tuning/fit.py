"""The errors of a student, and the normal matrices of their differences, over shards of the starts."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from itertools import starmap
from typing import Any

import numpy as np

from diffusion.tuning.chart import Chart
from diffusion.tuning.losses import Loss, residuals
from diffusion.tuning.starts import Shard, norms
from diffusion.tuning.values import Run, Values, finite, run, without_gradients
from expint.backend import Array, array_namespace

__all__ = ["Fit", "errors_of"]


@dataclass
class Fit:
    """A least-squares problem: the ``chart``'s parameters, the ``loss`` over ``shards``; it counts calls of one start.

    Parameters
    ----------
    chart
        From parameters to the values of a run.
    shards
        The starts.
    loss
        The residuals.
    executor
        Where shards are run; None: one after the other. The sums are those of the order of shards, whoever runs them.
    """

    chart: Chart
    shards: list[Shard]
    loss: Loss
    executor: Executor | None = None
    calls: int = field(default=0, init=False)

    def errors(self, parameters: np.ndarray) -> np.ndarray | None:
        """Return the error of every start."""
        values = self.chart.values(parameters)
        if values is None:
            return None
        self.calls += values.calls * sum(shard.start.shape[0] for shard in self.shards)
        found = errors_of(values, self.shards, self.loss, self.executor)
        return found if np.all(np.isfinite(found)) else None

    def normal(self, parameters: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return Σ w JᵀJ and Σ w Jᵀr, w those of the starts."""
        ends = np.cumsum([shard.start.shape[0] for shard in self.shards])
        own = np.split(weights, ends[:-1])
        tasks = [(self.chart, parameters, self.loss, *pair) for pair in zip(self.shards, own, strict=True)]
        parts = list(_mapped(_normal, tasks, self.executor))
        self.calls += sum(calls for _, _, calls in parts)
        return sum(matrix for matrix, _, _ in parts), sum(gradient for _, gradient, _ in parts)


def errors_of(values: Values, shards: list[Shard], loss: Loss, executor: Executor | None = None) -> np.ndarray:
    """Return the error of every start of the shards, inf where a run is not finite."""
    return np.concatenate(list(_mapped(_errors, [(values, loss, shard) for shard in shards], executor)))


def _mapped(function: Callable[..., Any], tasks: list[Any], executor: Executor | None) -> Any:
    if executor is None or len(tasks) < 2:
        return starmap(function, tasks)
    return executor.map(partial(_starred, function), tasks)


def _starred(function: Callable[..., Any], task: tuple[Any, ...]) -> Any:
    return function(*task)


def _errors(values: Values, loss: Loss, shard: Shard) -> np.ndarray:
    with without_gradients(), np.errstate(all="ignore"):
        found = run(shard.denoiser, values, shard.start)
        if not finite(found):
            return np.full(shard.start.shape[0], np.inf)
        return np.linalg.norm(residuals(loss.differences(found, values.times, shard)), axis=1)


def _normal(
    chart: Chart, parameters: np.ndarray, loss: Loss, shard: Shard, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the normal matrix of a shard, its right-hand side and the calls of one start that were made."""
    values = chart.values(parameters)
    assert values is not None  # it made errors
    with without_gradients():
        base = run(shard.denoiser, values, shard.start)
        residual = residuals(loss.differences(base, values.times, shard))
        points, columns = ([_size(x) for x in part] for part in (base.points, (shard.start, *base.data)))
        eta = max(float(array_namespace(shard.start).finfo(shard.start.dtype).eps) ** 0.5, 1e-6)
        moves = chart.steps(parameters, points, columns, eta)
        root, calls = np.sqrt(weights)[:, None], values.calls
        columns = []
        for k, (stage, move) in enumerate(zip(chart.stages, moves, strict=True)):
            slope, used = _difference(chart, parameters, k, move, shard, loss, base, stage, residual)
            columns.append((root * slope).ravel())
            calls += used
    jacobian, right = np.stack(columns), (root * residual).ravel()
    return jacobian @ jacobian.T, jacobian @ right, calls * shard.start.shape[0]


def _size(x: Array) -> float:
    return float(np.sqrt(np.mean(norms(x) ** 2)))


def _difference(
    chart: Chart,
    parameters: np.ndarray,
    k: int,
    move: float,
    shard: Shard,
    loss: Loss,
    base: Run,
    stage: int,
    residual: np.ndarray,
) -> tuple[np.ndarray, int]:
    """Return the derivative of the residual by the parameter k, 0 where it can be moved neither way."""
    for step in (move, -move):
        moved = parameters.copy()
        moved[k] += step
        values = chart.values(moved)
        if values is None:
            continue
        found = run(shard.denoiser, values, shard.start, base, stage)
        if finite(found):
            return (residuals(loss.differences(found, values.times, shard)) - residual) / step, values.calls - stage
    return np.zeros_like(residual), 0
