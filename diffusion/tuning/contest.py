"""Candidates of a tuning, judged on starts that no fit has seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from diffusion.tuning.chart import Chart
from diffusion.tuning.fit import Fit, errors_of
from diffusion.tuning.least_squares import Iterate, Robust, minimise
from diffusion.tuning.losses import Loss
from diffusion.tuning.starts import Shard
from diffusion.tuning.values import Values, run, without_gradients
from expint.arguments import number
from expint.backend import Array, array_namespace

__all__ = ["Candidate", "Contest"]

_PATIENCE = 10  # iterations that bring nothing on the held-out starts


class Candidate(NamedTuple):
    """A run that might be the result.

    Attributes
    ----------
    name
        What it is.
    values
        Its numbers.
    errors
        Its errors on the held-out starts.
    score
        What decides, the smaller the better.
    """

    name: str
    values: Values
    errors: np.ndarray
    score: float


@dataclass
class Contest:
    """Keeps the best candidate on held-out starts.

    Parameters
    ----------
    fitted, held_out
        The starts of the fits, and those that decide.
    loss
        Residuals.
    measure
        What is lowered, of errors.
    fitness
        A function of the samples that decides instead of the errors, the smaller the better.
    executor
        Where shards are run.
    tick
        Called after every iteration.
    """

    fitted: list[Shard]
    held_out: list[Shard]
    loss: Loss
    measure: Robust
    fitness: Callable[[Array], Any] | None = None
    executor: Executor | None = None
    tick: Callable[[], Any] = lambda: None
    calls: int = 0
    stages: list[tuple[str, float, float]] = field(default_factory=list)
    untuned: Candidate | None = None
    best: Candidate | None = None

    def training_errors(self, values: Values) -> np.ndarray:
        """Return the errors on the starts of the fits."""
        self.calls += values.calls * sum(shard.start.shape[0] for shard in self.fitted)
        return errors_of(values, self.fitted, self.loss, self.executor)

    def consider(self, name: str, values: Values) -> bool:
        """Judge the ``values``; the first that are considered are the untuned ones. Return whether they are the best.

        No candidate wins whose mean error is above that of the untuned run.
        """
        self.calls += values.calls * sum(shard.start.shape[0] for shard in self.held_out)
        errors = errors_of(values, self.held_out, self.loss, self.executor)
        finite = bool(np.all(np.isfinite(errors)))
        score = np.inf
        if finite:
            score = self.measure.value(errors) if self.fitness is None else self._fitness_of(values, self.held_out)
        candidate = Candidate(name, values, errors, score)
        if self.untuned is None or self.best is None:
            self.untuned = self.best = candidate
            return True
        steady = self.fitness is not None or float(np.mean(errors)) <= float(np.mean(self.untuned.errors))
        if score < self.best.score and steady:
            self.best = candidate
            return True
        return False

    def unfitness(self, values: Values) -> float:
        """Return what a search lowers on the starts of the fits: the user's fitness, or the measure of errors."""
        if self.fitness is None:
            return self.measure.value(self.training_errors(values))
        self.calls += values.calls * sum(shard.start.shape[0] for shard in self.fitted)
        return self._fitness_of(values, self.fitted)

    def _fitness_of(self, values: Values, shards: list[Shard]) -> float:
        """Return the user's fitness of the samples."""
        assert self.fitness is not None
        with without_gradients():
            ends = [run(shard.denoiser, values, shard.start).points[-1] for shard in shards]
        return number("what fitness returns", self.fitness(array_namespace(ends[0]).concat(ends, axis=0)), finite=False)

    def fit(self, name: str, chart: Chart, parameters: np.ndarray, iterations: int) -> np.ndarray:
        """Lower the errors over the ``chart``, every iterate a candidate, and return the last parameters."""
        problem, idle = Fit(chart, self.fitted, self.loss, self.executor), 0
        found: Iterable[Iterate] = minimise(problem, parameters, self.measure, iterations=iterations)
        for iterate in found:
            parameters = iterate.parameters
            values = chart.values(parameters)
            assert values is not None  # it made errors
            idle = 0 if self.consider(name, values) else idle + 1
            self.tick()
            if idle >= _PATIENCE:
                break
        self.calls += problem.calls
        return parameters

    def note(self, name: str) -> None:
        """Write down how well the best of all candidates does after a stage."""
        assert self.best is not None
        self.stages.append((name, float(np.median(self.best.errors)), float(np.mean(self.best.errors))))
