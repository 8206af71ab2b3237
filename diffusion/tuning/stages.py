"""The stages of a tuning: structure, times, rows, all together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from diffusion.process.schedule import NoiseSchedule
from diffusion.samplers.automatic import Automatic
from diffusion.samplers.bands import Bands
from diffusion.samplers.sampler import Sampler
from diffusion.tuning.chart import GridChart, PlanChart, clock_of, times_of
from diffusion.tuning.closed_form import RUNS, closed_form
from diffusion.tuning.contest import Contest
from diffusion.tuning.fit import errors_of
from diffusion.tuning.gradient import descend, takes_times
from diffusion.tuning.search import dynamic_programming, evolution, least_weight
from diffusion.tuning.starts import part_of
from diffusion.tuning.structures import Structure, structures
from diffusion.tuning.values import Values

__all__ = ["Task", "best_structure", "in_bands", "laid_out", "tuned_rows"]

_SCREENED = 16  # starts on which all structures are tried
_KEPT = 6  # structures that are tried on all
_MOST_OF_TIMES = 15  # iterations over times alone
_MOST_OF_BANDS = 8  # iterations over the many weights of bands
_DESCENTS = 6  # steps of a descent in the place of one iteration of Gauss–Newton
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
    search
        How times are found: "differences", "dp", "total-weight" or "evolution".
    by
        How weights are: "differences", "gradient" or "closed-form".
    seed
        Of what is drawn.
    """

    schedule: NoiseSchedule
    times: np.ndarray
    to_zero: bool
    edges: tuple[float, ...]
    consistent: bool = False
    iterations: int = 40
    search: str = "differences"
    by: str = "differences"
    seed: int = 0

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
    few = part_of(contest.fitted[0], np.arange(min(_SCREENED, contest.fitted[0].start.shape[0])))
    contest.calls += sum(values.calls for _, values in found) * few.start.shape[0]
    first = [contest.measure.value(errors_of(values, [few], contest.loss, contest.executor)) for _, values in found]
    kept = [found[i] for i in np.argsort(first, kind="stable")[:_KEPT]]
    scores = [contest.measure.value(contest.training_errors(values)) for _, values in kept]
    best = kept[int(np.argmin(scores))]
    contest.consider(best[0].name, best[1])
    contest.note("structure")
    contest.tick()
    return best


def laid_out(contest: Contest, task: Task, structure: Structure) -> Values:
    """Return the values of a structure on the times that suit it best, as the task's search finds them."""
    chart = GridChart(task.schedule, structure.exact, *_span(structure.times))
    times, name = structure.times, f"{structure.name}, tuned times"
    if task.by == "closed-form":  # the rows are solved at every trial of times: variable projection
        chart = replace(chart, exact=partial(_solved, contest, structure.exact))
        name += ", weights in closed form"
    if len(times) > 2 and task.search == "differences":
        return _on(chart, contest.fit(name, chart, chart.parameters(times), min(task.iterations, _MOST_OF_TIMES)))
    if len(times) > 2:
        times = _searched(contest, task, chart, times)
    values = chart.exact(times)
    if values is None:
        return _on(chart, chart.parameters(structure.times))
    contest.consider(f"{structure.name}, times by {task.search}", values)
    return values


def _span(times: np.ndarray) -> tuple[tuple[float, float], int]:
    return (float(times[0]), float(times[-1])), len(times) - 2


def _on(chart: GridChart, parameters: np.ndarray) -> Values:
    values = chart.values(parameters)
    assert values is not None  # it was considered
    return values


def _solved(contest: Contest, exact: Callable[[np.ndarray], Values | None], times: np.ndarray) -> Values | None:
    """Return the rows in closed form whose prior are the exact ones on these times."""
    values = exact(times)
    if values is None:
        return None
    return _rows_solved(contest, values)


def _rows_solved(contest: Contest, values: Values, bands: Bands | None = None) -> Values:
    contest.calls += RUNS * values.calls * sum(shard.start.shape[0] for shard in contest.fitted)
    return closed_form(values, contest.fitted, contest.measure, bands, contest.executor)


def _searched(contest: Contest, task: Task, chart: GridChart, times: np.ndarray) -> np.ndarray:
    """Return the times that one of the published searchers finds."""
    if task.search == "dp":
        found = dynamic_programming(contest.fitted, task.schedule, len(times) - 1, task.end)
        return np.append(found[:-1], times[-1])
    if task.search == "total-weight":
        return least_weight(chart, times)
    return evolution(chart, times, contest.unfitness, task.iterations, task.seed)


def tuned_rows(contest: Contest, task: Task, values: Values, *, times: bool) -> Values:
    """Return values with tuned weights, and tuned ``times`` if wanted; then the first call is moved as well.

    Weights in closed form are found beside the times already, where these are tuned.
    """
    if task.by == "closed-form":
        return values if times else _considered(contest, "weights in closed form", _rows_solved(contest, values))
    window = _WINDOW[1] if values.calls > _WINDOW[0] else values.calls
    chart = PlanChart(
        task.schedule, values, task.end, free_times=times, early=False, consistent=task.consistent, window=window
    )
    for early in (False, True) if times and not task.consistent else (False,):
        values = _first_call_moved(contest, values, task.schedule) if early else values
        chart = replace(chart, early=early, base=values)
        name = "times and weights" if times else "weights"
        name += ", the first call moved" if early else ""
        values = _fitted(contest, task, name, chart)
    return values


def _fitted(contest: Contest, task: Task, name: str, chart: PlanChart) -> Values:
    shard = contest.fitted[0]
    if task.by == "gradient" and chart.free_times and not takes_times(shard.denoiser, shard.start):
        chart, name = replace(chart, free_times=False), "weights: the network takes no times that are tensors"
    parameters = chart.parameters(chart.base)
    if task.by == "gradient":
        iterations = _DESCENTS * task.iterations
        parameters = descend(contest, chart, parameters, iterations=iterations, seed=task.seed, name=name)
    else:
        parameters = contest.fit(name, chart, parameters, task.iterations)
    contest.note(name)
    found = chart.values(parameters)
    assert found is not None  # it was considered
    return found


def in_bands(contest: Contest, task: Task, bands: Bands) -> None:
    """Let the best candidate so far have weights in bands."""
    assert contest.best is not None
    if task.by == "closed-form":
        rows = _rows_solved(contest, contest.best.values, bands)
        _considered(contest, "weights in closed form, in bands", rows)
        return
    base = contest.best.values.in_bands(bands)
    chart = PlanChart(task.schedule, base, task.end, free_times=False, consistent=task.consistent)
    contest.fit("weights in bands", chart, chart.parameters(base), min(task.iterations, _MOST_OF_BANDS))
    contest.note("bands")


def _considered(contest: Contest, name: str, values: Values) -> Values:
    contest.consider(name, values)
    contest.note(name)
    contest.tick()
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
