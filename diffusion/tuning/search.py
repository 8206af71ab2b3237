"""Searchers for the times of a run, each a function of the teacher's states, of the weights, or of a user's fitness."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from diffusion.process.schedule import NoiseSchedule
from diffusion.tuning.chart import GridChart, clock_of
from diffusion.tuning.starts import Shard, floored, norms
from diffusion.tuning.values import Values

__all__ = ["dynamic_programming", "evolution", "least_weight"]

_SPREAD = 1.5  # of the logarithms of the factors by which an evolution changes steps
_POPULATION = 6  # for each time


def dynamic_programming(
    shards: list[Shard], schedule: NoiseSchedule, steps: int, end: tuple[float, float]
) -> np.ndarray:
    r"""Return the ``steps`` + 1 times among the teacher's own with the least sum of errors of single steps.

    The cost of a step from t_i to t_j is the mean over starts of the distance of a DDIM step on the teacher's states,
    (σ_j/σ_i) x_i + (α_j − α_i σ_j/σ_i) x_0(x_i), to x_j, over the norm of the sample. It takes no further call. ``end``
    is (α, σ) at the end of the run.

    Chen, Zhou, Wang, Shen & Xu, *On the trajectory regularity of ODE-based diffusion sampling*, 2024 (GITS).
    """
    called = np.asarray(shards[0].path.t)
    alpha = np.append(schedule.alpha(called), end[0])
    sigma = np.append(schedule.sigma(called), end[1])
    count = len(called) + 1
    cost = np.full((count, count), np.inf)
    total = np.zeros((count, count))
    for shard in shards:
        states = [shard.path(float(t)) for t in called] + [shard.end]
        by = 1.0 / floored(norms(shard.end))
        for i in range(count - 1):
            for j in range(i + 1, count):
                growth = sigma[j] / sigma[i]
                step = growth * states[i] + (alpha[j] - alpha[i] * growth) * shard.path.previews[i]
                total[i, j] += float(np.sum(by * norms(step - states[j])))
    above = np.triu_indices(count, 1)
    cost[above] = total[above]
    path = _cheapest(cost, steps)
    return np.append(called[path[:-1]], np.nan)  # the end is the caller's


def _cheapest(cost: np.ndarray, steps: int) -> list[int]:
    """Return the nodes of the cheapest way of so many steps from the first node to the last."""
    count = len(cost)
    best, before = cost[0].copy(), [np.zeros(count, dtype=int)]
    for _ in range(steps - 1):
        ways = best[:, None] + cost
        before.append(np.argmin(ways, axis=0))
        best = np.min(ways, axis=0)
    path = [count - 1]
    for choice in reversed(before):
        path.append(int(choice[path[-1]]))
    return path[::-1]


def least_weight(chart: GridChart, times: np.ndarray) -> np.ndarray:
    r"""Return the times for which the weights of the predictions in the sample carry the least error, without calls.

    .. math:: \min \sum_j |d_{nj}| \, ρ_j, \qquad ρ = σ/α,

    d_n the last row of the canonical form, ρ the model of the error of a prediction of the data.

    Xue, Liu, Chen, Zhang, Hu, Xie & Li, *Accelerating diffusion sampling with optimized time steps*, 2024 (DMN).
    """
    from scipy.optimize import minimize  # takes long to load

    def weight(parameters: np.ndarray) -> float:
        values = chart.values(parameters)
        return np.inf if values is None else _carried(values, chart.schedule)

    start = chart.parameters(times)
    found = minimize(weight, start, method="Nelder-Mead", options={"maxiter": 200 * len(start), "xatol": 1e-4})
    return chart.times(found.x if weight(found.x) < weight(start) else start)


def _carried(values: Values, schedule: NoiseSchedule) -> float:
    with np.errstate(all="ignore"):
        error = np.asarray(schedule.sigma(values.times)) / np.asarray(schedule.alpha(values.times))
        return float(np.nansum(np.abs(values.D[-1]) * np.minimum(error, 1e6)))


def evolution(
    chart: GridChart, times: np.ndarray, fitness: Callable[[Values], float], generations: int, seed: int
) -> np.ndarray:
    """Return the times of the smallest ``fitness``, by differential evolution of the lengths of steps about ``times``.

    Storn & Price, *Differential evolution*, 1997; SciPy's.
    """
    from scipy.optimize import differential_evolution  # takes long to load

    u = clock_of(chart.schedule, times[:-1] if np.isinf(clock_of(chart.schedule, times[-1:])[0]) else times)
    lengths = np.diff(u)

    def parameters(logarithms: np.ndarray) -> np.ndarray:
        own = lengths * np.exp(logarithms)
        scale = (u[-1] - u[0]) / own.sum() if len(u) == len(times) else 1.0
        return (u[0] + scale * np.cumsum(own))[: len(times) - 2]

    def unfit(logarithms: np.ndarray) -> float:
        values = chart.values(parameters(logarithms))
        value = np.inf if values is None else float(fitness(values))
        return value if np.isfinite(value) else 1e300

    found = differential_evolution(
        unfit,
        [(-_SPREAD, _SPREAD)] * len(lengths),
        maxiter=generations,
        popsize=_POPULATION,
        seed=seed,
        polish=False,
        tol=0.0,
        init="sobol",
        x0=np.zeros(len(lengths)),
    )
    return chart.times(parameters(found.x))
