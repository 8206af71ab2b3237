"""The sampler and the times of a run, from what was asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from diffusion import grids
from diffusion.process.schedule import NoiseSchedule
from diffusion.samplers.catalogue import AnySampler
from diffusion.samplers.catalogue import sampler as find_sampler
from diffusion.samplers.fitted import FittedSampler
from diffusion.samplers.sampler import Sampler
from expint.arguments import integer, refuse_gradients

__all__ = ["laid_out"]


def laid_out(
    schedule: NoiseSchedule,
    sampler: str | AnySampler,
    steps: int | None,
    grid: str | Sequence[float] | np.ndarray | None,
    edges: tuple[float, ...] = (),
) -> tuple[Sampler | FittedSampler, np.ndarray, bool]:
    """Return the sampler, the decreasing times of its steps, and whether one more step leads to σ = 0.

    Steps end at the ``edges`` inside a grid that is chosen here.

    Raises
    ------
    TypeError, ValueError
        If the sampler is unknown, both or neither of ``steps`` and ``grid`` are given, or the name of a grid without
        ``steps``, the grid is unknown or cannot be sampled on,
        ``steps`` are fewer than the sampler's last methods, or edges lie nearer than steps. With fewer steps than
        slopes that it interpolates a sampler interpolates what there are.
    """
    refuse_gradients("grid", grid)
    refuse_gradients("steps", steps)
    rule = find_sampler(sampler)
    if isinstance(grid, str):
        steps, grid = None, _named(grid, steps, schedule, edges)
    if isinstance(rule, FittedSampler):
        return rule, *rule.run_times(steps, grid, schedule)
    if (steps is None) == (grid is None):
        received = "neither" if steps is None else "both"
        raise ValueError(f"expected either steps= (their number) or grid= (their times), received {received}")
    if grid is None:
        steps = integer("steps", steps)
        chosen = rule.for_run(steps, schedule)
        to_zero = chosen.end.zero is not None
        before = steps - (to_zero and float(schedule.sigma(schedule.t_end)) > 0.0)
        times = chosen.grid(before, schedule) if before else np.array([schedule.t_start])
        times = grids.check(times, schedule, least=1 + bool(before))
        times = grids.through(times, edges) if before else times  # one step has no inner time
    else:
        times, to_zero = grids.check_with_zero(grid, schedule)
    chosen = rule.on(schedule, times, to_zero=to_zero)
    if len(times) > 1 and float(schedule.sigma(times[-1])) == 0.0 and _ends_by_policy(chosen, schedule, times[-1]):
        times, to_zero = times[:-1], True
        chosen = rule.on(schedule, times, to_zero=True)
    if grid is None and len(chosen.end.methods) > len(times) - 1 + to_zero:
        raise ValueError(
            f"expected at least {len(chosen.end.methods)} steps for {chosen.name}, which has methods for its last "
            f"ones, received {len(times) - 1 + to_zero}; take more steps"
        )
    return chosen, times, to_zero


def _named(name: str, steps: int | None, schedule: NoiseSchedule, edges: tuple[float, ...]) -> np.ndarray:
    """Return the times of a grid by name, of so many steps."""
    if steps is None:
        raise ValueError(f"expected steps= beside the name of a grid, received grid={name!r} alone; say how many")
    times = grids.named(name, steps, schedule=schedule)
    return np.append(grids.through(times[:-1], edges), times[-1])


def _ends_by_policy(sampler: Sampler, schedule: NoiseSchedule, t: float) -> bool:
    """Whether a step to σ = 0, at the time t, is that of the sampler's end.

    It is by choice, as its clock is infinite there, or as there is nothing to add noise to.
    """
    with np.errstate(divide="ignore"):
        there = sampler.gauge.clock.value(schedule, np.array([t]))
    return sampler.end.zero is not None or sampler.stochastic or not np.all(np.isfinite(there))
