"""Stochastic runs to a tolerance: the steps of each sample are doubled on one Brownian path until two runs agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import isfinite
from typing import Any

import numpy as np

import expint
from diffusion.checks import check_denoiser, check_start, check_state
from diffusion.denoiser import Denoiser, rows_of
from diffusion.noise.brownian import BrownianPath
from diffusion.noise.sources import Seeded, noise_for
from diffusion.planning.frame import Frame, frame_of
from diffusion.process.schedule import NoiseSchedule
from diffusion.running.errors import SamplingError, final
from diffusion.running.run import run_sampler
from diffusion.samplers.sampler import Sampler
from expint.arguments import seen
from expint.backend import Array, array_namespace, stack, to_numpy

__all__ = ["refined"]

_LADDER = tuple(8 * 2**k for k in range(11))


def refined(
    denoiser: Denoiser, noise: Array, sampler: Sampler, *, rtol: float, atol: float, start: str, rng: Any
) -> Array:
    """Return samples of a stochastic ``sampler``, each by as many steps as its tolerance asks.

    A sample is run by 8, 16, 32, … steps uniform in λ that see one Brownian path, and is done where two runs in
    succession differ by less than the tolerance; the finer is returned. So it depends on its seed and the tolerance
    only, and not on its batch.

    Raises
    ------
    TypeError, ValueError
        For arguments that make no sense, before any network call: among them noise that is no function of a seed.
    SamplingError
        If 8192 steps are not enough, or a state becomes non-finite.
    """
    check_denoiser(denoiser)
    check_state(noise)
    check_start(start)
    if type(frame_of(denoiser)) is not Frame:
        raise ValueError(
            f"expected a process without a mean and one denoiser beside rtol=, received {denoiser!r}; take steps="
        )
    seeds, grid = _seeds(rng, noise), _grid(denoiser.schedule)
    running, ends, before = np.arange(len(seeds)), dict[int, Array](), None
    off = np.empty(0)
    for steps in _LADDER:
        source = BrownianPath(Seeded(tuple(seeds[k] for k in running)))
        plan = sampler.plan(denoiser.schedule, grid(steps), edges=denoiser.discontinuities)
        own, state = denoiser.of_samples(running, len(seeds)), rows_of(noise, running, len(seeds))
        run = final(run_sampler(own, state, plan, sampler, start, [steps], None, False, rng=source))
        states = run.y[-1, ...]
        if before is not None:
            off = _off(denoiser.schedule, states, before, rtol, atol)
            ends |= {int(k): states[j, ...] for j, k in enumerate(running) if off[j] <= 1.0}
            left = np.flatnonzero(~(off <= 1.0))
            if not len(left):
                return stack([ends[k] for k in range(len(seeds))])
            running, states = running[left], rows_of(states, left, len(running))
        before = states
    message = (
        f"{_LADDER[-1]} steps are not enough for samples {running[:5].tolist()}: they differ from those of half as "
        f"many by up to {off.max():.2g} times what is allowed; ask for less, or take steps="
    )
    raise SamplingError(replace(run, status=expint.Status.TOO_MANY_STEPS, message=message))


def _grid(schedule: NoiseSchedule) -> Callable[[int], np.ndarray]:
    """Return what gives the times of so many steps: uniform in λ, so that each step is halved by the next."""
    ends = [float(schedule.t_start), float(schedule.t_end)]
    with np.errstate(all="ignore"):
        first, last = (float(schedule.half_log_snr(t)) for t in ends)
    if not (isfinite(first) and isfinite(last)):
        raise ValueError(
            f"expected a schedule with data and noise at both ends beside rtol=, received λ from {first} to {last}; "
            "choose its t_start and t_end, or take steps="
        )

    def times(steps: int) -> np.ndarray:
        inner = np.asarray(schedule.time(np.linspace(first, last, steps + 1)[1:-1]))
        return np.array([ends[0], *inner.tolist(), ends[1]])

    return times


def _seeds(rng: Any, like: Array) -> tuple[tuple[int, int], ...]:
    """Return the seeds of the samples."""
    if rng is None:
        raise ValueError(
            "expected rng= for a stochastic sampler, received none; give a seed (rng=7), one for each sample, or a "
            "generator: the same seed gives the same samples"
        )
    found = noise_for(rng.rng if isinstance(rng, BrownianPath) else rng, like)
    if not isinstance(found, Seeded):
        raise TypeError(
            f"expected rng= seeds or a generator beside rtol=, received {seen(rng)}, which has no path "
            "for finer steps; take a seed, or steps="
        )
    if len(found.seeds) != like.shape[0]:
        found.draw(1, 0, like)  # which refuses it
    return found.seeds


def _off(schedule: NoiseSchedule, states: Array, before: Array, rtol: float, atol: float) -> np.ndarray:
    """Return the root mean square of the differences of each sample, in units of what is allowed."""
    xp, t = array_namespace(states), float(schedule.t_end)
    size = float(np.hypot(schedule.alpha(t), schedule.sigma(t)))
    parts = xp.reshape((states - before) / (atol * size + rtol * xp.abs(states)), (states.shape[0], -1))
    return np.sqrt(to_numpy(xp.mean(parts**2, axis=1)).astype(float))
