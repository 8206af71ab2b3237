"""Descent along the gradient through the run, for networks of torch that can be differentiated."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffusion.denoiser import Denoiser
from diffusion.optional import require
from diffusion.process.clock import LOG_FLOW
from diffusion.process.prediction import coefficients
from diffusion.tuning.chart import PlanChart
from diffusion.tuning.contest import Contest
from diffusion.tuning.least_squares import Robust
from diffusion.tuning.starts import Shard, part_of
from diffusion.tuning.values import Run

__all__ = ["check_gradients", "descend", "errors_of_run", "objective", "takes_times"]

_RATE = 1e-2
_BATCH = 48
_LOOK_EVERY = 20  # iterations


def check_gradients(denoiser: Denoiser, start: Any) -> None:
    """Raise TypeError unless the output of the network carries a gradient of its state.

    Raises
    ------
    TypeError
        If the starts are no tensors, or the network records no gradient.
    """
    received = type(start).__name__
    if hasattr(start, "requires_grad"):
        torch = require("torch")
        with torch.enable_grad():
            x = start[:1].detach().clone().requires_grad_()
            try:
                output = denoiser(x, 0.5 * (denoiser.schedule.t_start + denoiser.schedule.t_end))
            except (RuntimeError, TypeError, ValueError) as error:
                received = f"a network of tensors that failed with {error}"
            else:
                if output.requires_grad:
                    return
                received = "a network whose output does not require one"
    raise TypeError(
        f"expected a network and starts of torch that can be differentiated for by='gradient', received {received}; "
        "take by='differences', which needs no gradient"
    )


def takes_times(denoiser: Denoiser, start: Any) -> bool:
    """Whether the network can be asked at times that are tensors: guidance takes one number for the whole batch."""
    torch = require("torch")
    t = torch.full((1,), 0.5 * (denoiser.schedule.t_start + denoiser.schedule.t_end), dtype=start.dtype)
    try:
        with torch.no_grad():
            denoiser(start[:1], t.to(start.device))
    except ValueError:
        return False
    return True


def descend(
    contest: Contest, chart: PlanChart, parameters: np.ndarray, *, iterations: int, seed: int, name: str
) -> np.ndarray:
    """Lower the errors by Adam over the parameters of the ``chart``, and return the best that were judged.

    Every call is recomputed in the backward pass, so that memory is that of one call. Each iteration looks at a few of
    the starts. Kingma & Ba, *Adam: a method for stochastic optimization*, 2015.
    """
    torch = require("torch")
    parts = _minibatches(contest.fitted, np.random.default_rng(seed))
    free = torch.tensor(parameters, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([free], lr=_RATE, betas=(0.9, 0.95))
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(adam, iterations)
    best = parameters
    for i in range(iterations):
        part = parts[i % len(parts)]
        with torch.enable_grad():
            value = objective(torch, errors_of_run(torch, chart, free, part, contest), contest.measure)
            adam.zero_grad()
            value.backward()
        contest.calls += 3 * chart.base.calls * part.start.shape[0]  # forwards twice, and once back
        adam.step()
        decay.step()
        if (i + 1) % _LOOK_EVERY == 0 or i + 1 == iterations:
            found = free.detach().cpu().numpy().copy()
            values = chart.values(found)
            if values is None:  # times have crossed
                break
            best = found if contest.consider(name, values) else best
            contest.tick()
    return best


def _minibatches(shards: list[Shard], rng: np.random.Generator) -> list[Shard]:
    """Return the starts of the shards in a random order, in parts."""
    parts = []
    for shard in shards:
        order = rng.permutation(shard.start.shape[0])
        parts += [part_of(shard, order[i : i + _BATCH]) for i in range(0, len(order), _BATCH)]
    return parts


def objective(torch: Any, errors: Any, measure: Robust) -> Any:
    """Return what the ``measure`` lowers, of errors that are a tensor."""
    each = 0.5 * torch.mean(torch.log(errors**2 + measure.floor**2))
    return (1.0 - measure.tail) * each + measure.tail * torch.log(torch.mean(errors) + measure.floor)


def errors_of_run(torch: Any, chart: PlanChart, free: Any, shard: Shard, contest: Contest) -> Any:
    """Return the error of every start, as a tensor."""
    points, times = _points(torch, chart, free, shard)
    differences = contest.loss.differences(Run(points, []), times, shard)
    squares = sum(
        torch.sum((x.flatten(1) * torch.as_tensor(by[:, None], dtype=x.dtype, device=x.device)) ** 2, dim=1)
        for x, by in differences
    )
    return torch.sqrt(squares + 1e-30)


def _points(torch: Any, chart: PlanChart, free: Any, shard: Shard) -> tuple[list[Any], np.ndarray]:
    """Return the points of a run as tensors of the parameters, and its times."""
    schedule, base, moved, start = chart.schedule, chart.base, chart.moved, shard.start
    told = [torch.tensor(float(t), dtype=torch.float64) for t in base.times]
    for place, u in zip(moved, free[: len(moved)]):
        told[place] = torch.clamp(LOG_FLOW.time(schedule, u), schedule.t_end, schedule.t_start)
    first = float(schedule.sigma(schedule.t_start))
    weights: dict[tuple[int, int], Any] = {}
    for (i, j, _), weight in zip(chart.entries, free[len(moved) :]):
        unit = 1.0 if i == base.calls else schedule.sigma(told[i]) / first if j < 0 else schedule.alpha(told[i])
        weights[i, j] = weight * unit
    points: list[Any] = []
    data: list[Any] = []
    for i in range(base.calls + 1):
        x: Any = 0.0
        for j, column in enumerate((start, *data), -1):
            weight = weights.get((i, j), float(base.c[i] if j < 0 else base.D[i, j]))
            x = x + weight * column
        points.append(x.to(start.dtype))
        if i < base.calls:
            data.append(
                torch.utils.checkpoint.checkpoint(_data, shard.denoiser, points[i], told[i], use_reentrant=False)
            )
    return points, np.array([float(t.detach()) for t in told])


def _data(denoiser: Denoiser, x: Any, t: Any) -> Any:
    """Return the predicted data at a time that is a tensor."""
    schedule = denoiser.schedule
    if not t.requires_grad:
        return denoiser.predict(x, float(t), "data")
    output = denoiser(x, t.to(x.dtype).to(x.device).expand(x.shape[0]))
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    of_state, of_output = coefficients(denoiser.predicts, "data", alpha, sigma, schedule.sigma_data)
    return (of_state * x + of_output * output).to(x.dtype)
