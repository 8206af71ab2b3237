"""The errors of a student, and the normal matrices of their differences, over shards of the starts."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from diffusion.tuning.chart import Chart
from diffusion.tuning.losses import Loss, residuals
from diffusion.tuning.starts import Shard, norms
from diffusion.tuning.values import Values, finite, mapped, run, without_gradients
from expint.backend import Array, array_namespace

__all__ = ["Fit", "errors_of"]


@dataclass
class Fit:
    """A least-squares problem: the ``chart``'s parameters, the ``loss`` over ``shards``; it counts calls of one start.

    Parameters
    ----------
    chart
        From parameters to the values of a run. It is asked here only, as it may run the shards itself.
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
    _sizes: dict[bytes, np.ndarray] = field(default_factory=dict, init=False)

    def errors(self, parameters: np.ndarray) -> np.ndarray | None:
        """Return the error of every start, None where the parameters make no run."""
        values = self.chart.values(parameters)
        if values is None:
            return None
        counts = np.array([shard.start.shape[0] for shard in self.shards])
        self.calls += values.calls * int(counts.sum())
        made = list(mapped(_errors_and_sizes, [(values, self.loss, shard) for shard in self.shards], self.executor))
        found = np.concatenate([errors for errors, _ in made])
        if not np.all(np.isfinite(found)):
            return None
        squares = sum(count * sizes**2 for count, (_, sizes) in zip(counts, made, strict=True))
        self._sizes[parameters.tobytes()] = np.sqrt(squares / counts.sum())
        return found

    def normal(self, parameters: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return Σ w JᵀJ and Σ w Jᵀr, w those of the starts; their errors have been asked for."""
        values = self.chart.values(parameters)
        assert values is not None  # it made errors
        trials = self._trials(parameters, values.calls)
        ends = np.cumsum([shard.start.shape[0] for shard in self.shards])
        own = np.split(weights, ends[:-1])
        tasks = [(values, trials, self.loss, *pair) for pair in zip(self.shards, own, strict=True)]
        parts = list(mapped(_normal, tasks, self.executor))
        per_start = values.calls + sum(values.calls - trial.stage for trial in trials if trial.values is not None)
        self.calls += per_start * int(ends[-1])
        return sum(matrix for matrix, _ in parts), sum(gradient for _, gradient in parts)

    def _trials(self, parameters: np.ndarray, calls: int) -> list[_Trial]:
        """Return the runs whose differences are the derivatives, one for each parameter."""
        sizes = self._sizes[parameters.tobytes()].tolist()
        self._sizes.clear()
        start = self.shards[0].start
        eta = max(float(array_namespace(start).finfo(start.dtype).eps) ** 0.5, 1e-6)
        moves = self.chart.steps(parameters, sizes[: calls + 1], sizes[calls + 1 :], eta)
        found = []
        for k, (stage, move) in enumerate(zip(self.chart.stages, moves.tolist(), strict=True)):
            for step in (move, -move):
                moved = parameters.copy()
                moved[k] += step
                values = self.chart.values(moved)
                if values is not None:
                    break
            found.append(_Trial(stage, step, values))
        return found


class _Trial(NamedTuple):
    """A run that differs from another from the point ``stage`` on, by a ``step`` of one parameter.

    The values are None where the parameter can be moved neither way.
    """

    stage: int
    step: float
    values: Values | None


def errors_of(values: Values, shards: list[Shard], loss: Loss, executor: Executor | None = None) -> np.ndarray:
    """Return the error of every start of the shards, inf where a run is not finite."""
    return np.concatenate(list(mapped(_errors, [(values, loss, shard) for shard in shards], executor)))


def _errors(values: Values, loss: Loss, shard: Shard) -> np.ndarray:
    return _errors_and_sizes(values, loss, shard, sized=False)[0]


def _errors_and_sizes(values: Values, loss: Loss, shard: Shard, sized: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Return the errors of a shard, and the sizes of the points of its run, of x_T and of the predictions."""
    with without_gradients(), np.errstate(all="ignore"):
        found = run(shard.denoiser, values, shard.start)
        if not finite(found):
            return np.full(shard.start.shape[0], np.inf), np.zeros(0)
        sizes = [_size(x) for x in (*found.points, shard.start, *found.data)] if sized else []
        return np.linalg.norm(residuals(loss.differences(found, values.times, shard)), axis=1), np.array(sizes)


def _size(x: Array) -> float:
    return float(np.sqrt(np.mean(norms(x) ** 2)))


def _normal(
    values: Values, trials: list[_Trial], loss: Loss, shard: Shard, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the normal matrix of a shard and its right-hand side."""
    root, columns = np.sqrt(weights)[:, None], []
    with without_gradients():
        base = run(shard.denoiser, values, shard.start)
        residual = residuals(loss.differences(base, values.times, shard))
        for stage, step, moved in trials:
            slope = np.zeros_like(residual)
            if moved is not None:
                found = run(shard.denoiser, moved, shard.start, base, stage)
                if finite(found):
                    slope = (residuals(loss.differences(found, moved.times, shard)) - residual) / step
            columns.append((root * slope).ravel())
    jacobian, right = np.stack(columns), (root * residual).ravel()
    return jacobian @ jacobian.T, jacobian @ right
