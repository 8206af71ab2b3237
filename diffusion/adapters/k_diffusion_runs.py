"""Runs over lists of noise levels, as k-diffusion's functions make them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from math import sqrt
from typing import Any

import numpy as np

import expint
from diffusion.adapters.host_schedules import AtNodes, HostLevels, startable
from diffusion.denoiser import Denoiser
from diffusion.diagnosis import FirstData, warn_off_scale
from diffusion.process.schedule import EDM, FlowMatching, NoiseSchedule
from diffusion.running import run_sampler
from diffusion.sample import SamplingError
from diffusion.samplers.catalogue import AnySampler
from diffusion.samplers.fitted import FittedSampler
from diffusion.samplers.laid_out import laid_out
from diffusion.samplers.sampler import Sampler
from diffusion.samplers.stochastic.jumps import Churned
from expint.arguments import seen
from expint.backend import Array

__all__ = ["Run", "laid_out_on", "watched_model"]

_LITTLE = 0.1  # a noise level that changes the scale of no data


@dataclass(frozen=True)
class Run:
    """A run that is laid out: its plan on a schedule, and the sampler that made it.

    ``scales`` are α at its first and last state, by which states are multiplied and divided: 1 but for fitted samplers
    of other processes, of which hosts know x/α. ``to_data`` says whether the last state has little noise, so that it
    can be judged by the scale of the data.
    """

    schedule: NoiseSchedule
    sampler: Sampler | FittedSampler
    plan: expint.Plan
    scales: tuple[float, float] = (1.0, 1.0)
    to_data: bool = True

    def make(
        self, model: Callable[..., Array], x: Array, extra_args: Mapping[str, Any], shown: bool, rng: Any = None
    ) -> Array:
        """Return the last state."""
        first: list[FirstData] = []
        network = HostLevels(model, self.schedule) if isinstance(self.schedule, AtNodes) else model
        denoiser = Denoiser(network, "data", self.schedule, extra_args)
        begin, end = self.scales
        x = x if begin == 1.0 else begin * x
        last = [len(self.plan.steps) - 1]
        run = run_sampler(denoiser, x, self.plan, self.sampler, "state", last, None, shown, first=first, rng=rng)
        if not run.success:
            raise SamplingError(run)
        final = (warn_off_scale(run, denoiser, first, self.plan) if self.to_data else run).y[-1, ...]
        return final if end == 1.0 else final / end


def laid_out_on(sampler: AnySampler, levels: np.ndarray, *, flow: bool) -> Run:
    """Return the run of a sampler over noise ``levels``.

    Raises
    ------
    ValueError
        If they do not decrease, or do not increase from a positive one.
    """
    falls, ends = np.diff(levels), (float(levels.min()), float(levels.max()))
    one_way = np.all(falls < 0.0) or (np.all(falls > 0.0) and ends[0] > 0.0)
    if not np.all(np.isfinite(levels)) or not one_way or ends[0] < 0.0 or (flow and ends[1] > 1.0 + 1e-6):
        raise ValueError(
            f"expected noise levels that decrease to a positive one or 0{', from 1 at most' if flow else ''}, or "
            f"increase from a positive one, received {seen(levels.tolist())}; sort them"
        )
    if isinstance(sampler, FittedSampler):
        return _fitted(sampler, levels, flow=flow)
    down = falls[0] < 0.0
    times = np.minimum(levels, 1.0) if flow else levels
    times = times if down else times[::-1]
    last = float(times[times > 0.0][-1])
    last = last if last < times[0] else 0.5 * last  # of one step to σ = 0; a schedule has two ends
    highest = float(times[0]) * (sqrt(2.0) if isinstance(sampler, Churned) else 1.0)  # noise may rise so far
    schedule: NoiseSchedule = FlowMatching(t_start=times[0], t_end=last) if flow else EDM(last, highest)
    if flow:
        times = startable(sampler, schedule, times)
    if not down:
        chosen: Any = sampler.backwards(schedule, times)
        return Run(schedule, chosen, chosen.plan(schedule, times[::-1]), to_data=False)
    chosen, times, to_zero = laid_out(schedule, sampler, None, times)
    plan = chosen.plan(schedule, times, to_zero=to_zero)
    return Run(schedule, chosen, plan, to_data=float(levels[-1]) <= _LITTLE)


def _fitted(sampler: FittedSampler, levels: np.ndarray, *, flow: bool) -> Run:
    """Return the run of a fitted sampler, whose rows are for one schedule, if the ``levels`` are its own."""
    schedule = AtNodes(sampler.schedule, flow)
    own = schedule.levels(sampler)
    if own.shape != levels.shape or not np.allclose(levels, own, rtol=1e-5, atol=1e-7):
        raise ValueError(
            f"{sampler.name}: expected the noise levels that its rows are for, {seen(own.tolist(), 200)}, received "
            f"{seen(levels.tolist(), 200)}; take these: k_diffusion.sigmas(sampler)"
        )
    begin, end = schedule.norm(sampler.nodes[[0, -1]]).tolist()
    return Run(schedule, sampler, sampler.plan_on(schedule), (begin, end), float(levels[-1]) <= _LITTLE)


def watched_model(
    model: Callable[..., Array], callback: Callable[[dict[str, Any]], Any], plan: expint.Plan, levels: list[Any]
) -> Callable[..., Array]:
    """Return the ``model``, those of whose calls that start a step of the ``plan`` are told to the ``callback``."""
    starts, number = _starts(plan), count()

    def call(x: Array, sigma: Array, **extra_args: Any) -> Array:
        denoised = model(x, sigma, **extra_args)
        t = next(starts, None)
        if t is not None:
            i = next(number)
            level = levels[i]
            raised = level if t <= float(levels[i]) or levels[-1] > levels[0] else level * 0 + t
            callback({"x": x, "i": i, "sigma": level, "sigma_hat": raised, "denoised": denoised})
        return denoised

    return call


def _starts(plan: expint.Plan) -> Iterator[float | None]:
    """Return for each evaluation of the ``plan`` the time of the state at which a step starts; None for inner ones.

    None starts before a rise of the noise level, but after it, nor at the end.
    """
    ends, looks = plan.times.tolist(), plan.layout.parts
    goes_on = [any(w is not None for row in step.rows for w in looks(row.weights).values) for step in plan.steps[1:]]
    called = ([t for t, row in zip(step.times, step.rows) if row.evaluate] for step in plan.steps)
    return (
        t if n == len(inner) - 1 and t == end and follows else None
        for inner, end, follows in zip(called, ends, [*goes_on, False])
        for n, t in enumerate(inner)
    )
