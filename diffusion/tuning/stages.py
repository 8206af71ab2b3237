"""The stages of a tuning: structure, times, rows, all together."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from diffusion.process.schedule import NoiseSchedule
from diffusion.samplers.automatic import Automatic
from diffusion.samplers.sampler import Sampler
from diffusion.tuning.chart import GridChart, PlanChart, clock_of, times_of
from diffusion.tuning.contest import Contest
from diffusion.tuning.fit import errors_of
from diffusion.tuning.starts import Shard, picked
from diffusion.tuning.structures import Structure, structures
from diffusion.tuning.values import Values
from expint.backend import array_namespace

__all__ = ["Task", "best_structure", "tuned_rows", "tuned_times"]

_SCREENED = 16  # starts on which all structures are tried
_KEPT = 6  # structures that are tried on all
_MOVES = (0.05, 0.1, 0.2, 0.4)  # of the way to the second call
_WINDOW = (12, 5)  # with more calls than the first, so many of the newest weights of a row are free


class Task(NamedTuple):
    """What a tuning is for.

    Attributes
    ----------
    schedule
        The process.
    times
        The times of a run by the rule "auto" or a sampler; the last may be that of σ = 0.
    to_zero
        Whether it is.
    edges
        Times at which the network is discontinuous.
    consistent
        Whether constant data and noise are to be solved for exactly.
    iterations
        The most iterations of a stage.
    """

    schedule: NoiseSchedule
    times: np.ndarray
    to_zero: bool
    edges: tuple[float, ...]
    consistent: bool
    iterations: int

    @property
    def end(self) -> tuple[float, float]:
        """(α, σ) at the end."""
        t = float(self.times[-1])
        return (1.0, 0.0) if self.to_zero else (float(self.schedule.alpha(t)), float(self.schedule.sigma(t)))


def best_structure(contest: Contest, task: Task, rule: Sampler | Automatic) -> tuple[Structure, Values]:
    """Return the exact structure that does best on the starts of the fits; the rule's own is the untuned run.

    Raises
    ------
    ValueError
        If the rule makes no run of so many calls.
    """
    found = []
    for structure in structures(rule, task.schedule, task.times, to_zero=task.to_zero, edges=task.edges):
        values = structure.exact(structure.times)
        if values is not None:
            found.append((structure, values))
        elif not found:
            raise ValueError(
                f"expected a sampler of one call a step to start from, received {rule.name!r}, which makes other calls "
                f"in {len(task.times) - 1} steps; take a multistep sampler, such as 'auto'"
            )
    contest.consider(found[0][0].name, found[0][1])
    contest.note("untuned")
    few = _few(contest.fitted[0])
    contest.calls += sum(values.calls for _, values in found) * few.start.shape[0]
    first = [contest.measure.value(errors_of(values, [few], contest.loss)) for _, values in found]
    kept = [found[i] for i in np.argsort(first, kind="stable")[:_KEPT]]
    scores = [contest.measure.value(contest.training_errors(values)) for _, values in kept]
    best = kept[int(np.argmin(scores))]
    for structure, values in kept:
        if structure is best[0] and structure is not found[0][0]:
            contest.consider(structure.name, values)
    contest.note("structure")
    contest.tick()
    return best


def _few(shard: Shard) -> Shard:
    """Return the first starts of a shard."""
    rows = np.arange(min(_SCREENED, shard.start.shape[0]))
    denoiser, start = picked(shard.denoiser, shard.start, rows)
    _, end = picked(shard.denoiser, shard.end, rows)
    return Shard(denoiser, start, _Cut(shard.path, len(rows)), end)


class _Cut(NamedTuple):
    """The first starts of a path."""

    path: object
    count: int

    def __call__(self, t: float) -> object:
        return self.path(t)[: self.count, ...]  # type: ignore[operator]


def tuned_times(contest: Contest, task: Task, structure: Structure) -> Values:
    """Return the values of a structure on the times that suit it best, by Gauss–Newton over the times."""
    first, last = float(structure.times[0]), float(structure.times[-1])
    chart = GridChart(task.schedule, structure.exact, (first, last), len(structure.times) - 2)
    parameters = chart.parameters(structure.times)
    if len(parameters):
        name = f"{structure.name}, tuned times"
        parameters = contest.fit(name, chart, parameters, min(task.iterations, 15))
    contest.note("times")
    values = chart.values(parameters)
    assert values is not None  # it was considered
    return values


def tuned_rows(contest: Contest, task: Task, values: Values, *, times: bool) -> Values:
    """Return values with tuned weights, and tuned ``times`` if wanted; then the first call is moved as well."""
    window = _WINDOW[1] if values.calls > _WINDOW[0] else values.calls
    chart = PlanChart(
        task.schedule, values, task.end, free_times=times, early=False, consistent=task.consistent, window=window
    )
    for early in (False, True) if times and not task.consistent else (False,):
        values = _first_call_moved(contest, values, task.schedule) if early else values
        chart = replace(chart, early=early, base=values)
        name = "times and weights" if times else "weights"
        name += ", the first call moved" if early else ""
        parameters = contest.fit(name, chart, chart.parameters(values), task.iterations)
        contest.note(name)
        found = chart.values(parameters)
        assert found is not None  # it was considered
        values = found
    return values


def _first_call_moved(contest: Contest, values: Values, schedule: NoiseSchedule) -> Values:
    """Return the values with the first call made later, at so much of the first state as there is noise.

    Of pure noise a network can say no more than the mean of the data: the call tells more where some signal is, which
    the first state, scaled, stands for. How much later is tried out on the starts of the fits.
    """
    start, second = clock_of(schedule, [values.times[0], values.times[1] if values.calls > 1 else schedule.t_end])
    tried = []
    for part in _MOVES:
        first = times_of(schedule, np.array([start + part * (min(second, start + 5.0) - start)]))
        scale = float(schedule.sigma(first[0]) / schedule.sigma(schedule.t_start))
        c = np.append(scale, values.c[1:])
        moved = values._replace(times=np.append(first, values.times[1:]), c=c)
        tried.append((contest.measure.value(contest.training_errors(moved)), moved))
    return min(tried, key=lambda pair: pair[0])[1]
