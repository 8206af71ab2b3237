"""Log-densities along any sampler's plan: one more element of the state, through the very rows."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

import expint
from diffusion.checks import lay_out
from diffusion.denoiser import Denoiser
from diffusion.inversion.stability import warn_of_latents, warn_unstable
from diffusion.likelihood.adaptive import Followed
from diffusion.likelihood.divergence import Divergence
from diffusion.process.gauge import Gauge
from diffusion.process.prediction import coefficients
from diffusion.process.schedule import NoiseSchedule
from diffusion.running import SamplingError
from diffusion.samplers.catalogue import AnySampler
from diffusion.samplers.catalogue import sampler as find_sampler
from diffusion.samplers.reversible import ReversibleSampler
from diffusion.samplers.sampler import Sampler
from expint.arguments import seen
from expint.backend import Array, array_namespace

__all__ = ["check_first_time", "check_plain", "density_over_plan", "log_density_of"]


def density_over_plan(
    denoiser: Denoiser,
    data: Array,
    sampler: str | AnySampler,
    steps: int | None,
    grid: Any,
    of_way: Callable[[], tuple[str, Divergence]],
    count: int,
    known: bool,
) -> tuple[Followed, str, float]:
    """Return what becomes of data along the plan of a sampler, the way of the divergence, and the first time.

    ``of_way`` gives that way and what finds divergences, ``count`` says how many probes it has if it has some, and
    ``known`` whether the density at the first time is given.

    Raises
    ------
    TypeError, ValueError
        If the sampler has no gauge, or the grid does not begin where the density is known.
    SamplingError
        If states or densities become non-finite.

    Warns
    -----
    UnstableWarning
        If the sampler is unstable backwards, or the latents are far off the scale of noise.
    """
    chosen, times, _ = lay_out(denoiser, sampler, steps, grid)
    gauge = _with_density(chosen, times, denoiser, known)
    backwards = find_sampler(sampler).backwards(denoiser.schedule, times)
    plan = backwards.plan(denoiser.schedule, times[::-1], edges=denoiser.discontinuities)
    warned = warn_unstable(plan, gauge.predicts, denoiser.schedule, chosen.name)
    way, diverging = of_way()
    state, gained = _run(denoiser, gauge, plan, data, diverging, count if way == "probes" else 1, chosen.name)
    if not warned:
        warn_of_latents(state, data, denoiser.schedule, times, chosen.name)
    gain = _assembled(denoiser, gauge, times, prod(data.shape[1:]), gained)
    return Followed(state, gain, plan.evaluations), way, float(times[0])


def _with_density(sampler: Any, times: np.ndarray, denoiser: Denoiser, known: bool) -> Gauge:
    """Return the gauge of a sampler by which densities are followed, over times at whose first the density is known."""
    schedule, gauge = denoiser.schedule, sampler.gauge
    if not isinstance(sampler, Sampler) or not isinstance(gauge, Gauge):
        raise TypeError(
            f"expected a sampler in a gauge with a constant linear part, received {sampler!r}, whose rows are made for "
            "states alone; take 'lawson-rk4-flow', 'dpmpp-3m' or another by name"
        )
    if isinstance(sampler, ReversibleSampler):
        raise ValueError(
            f"expected a sampler of one state, received {sampler.name!r}, in whose inverse errors of an element that "
            "no network answers to grow; take the one-step sampler that it is made of, or 'lawson-rk4-flow'"
        )
    check_first_time(times, schedule, known)
    if len(times) < 2 or not np.all(np.isfinite(_log_factor(gauge, schedule, times[[0, -1]]))):
        raise ValueError(
            f"expected a grid of two times or more at which the clock {gauge.clock.name!r} is finite, received "
            f"{len(times)} from t = {times[0]:.6g} to {times[-1]:.6g}; keep off α = 0 and σ = 0, or take a sampler in "
            "a gauge that is finite there, such as 'adams3-flow'"
        )
    return gauge


def check_first_time(times: np.ndarray, schedule: NoiseSchedule, known: bool) -> None:
    """Raise ValueError unless the density is known at the first of the times."""
    if not known and abs(float(times[0]) - schedule.t_start) > 1e-9 * abs(schedule.t_start):
        raise ValueError(
            f"expected a grid that begins at t_start = {schedule.t_start:g}, where the density is known, received one "
            f"from t = {times[0]:.6g}; begin there, change t_start of the schedule, or give the density as prior="
        )


def check_plain(data: Any) -> None:
    """Raise TypeError unless the data ask for no gradient, and are precise enough for sums over their elements."""
    if data.dtype.itemsize < 4:
        raise TypeError(
            f"expected data in single or double precision, in which densities are summed, received {data.dtype}; "
            "convert them, and let the network convert what it takes: data.float()"
        )
    if getattr(data, "requires_grad", False):
        raise TypeError(
            "expected data without a gradient, received a tensor that requires one: that of the divergence would be "
            "lost; detach it"
        )


def log_density_of(
    state: Array, data: Array, schedule: NoiseSchedule, t: float, prior: Callable[[Array], Array] | None
) -> Array:
    """Return the log-densities of states at the time ``t``, as the ``prior`` has it, or as they are of noise alone."""
    density: Any = schedule.prior_log_density(state, t) if prior is None else prior(state)
    if tuple(getattr(density, "shape", ())) != tuple(data.shape[:1]):
        raise ValueError(
            f"expected prior(x) as log-densities of shape {tuple(data.shape[:1])}, received {seen(density)}; sum over "
            "the elements of a sample"
        )
    return density


def _log_factor(gauge: Gauge, schedule: Any, t: np.ndarray) -> np.ndarray:
    """Return log(x/y) + L s: what the linear part and the scale of the gauge add to the density of one element."""
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.log(gauge.scale(alpha, sigma)) + gauge.constants[0] * np.asarray(gauge.clock.at(alpha, sigma))
    return np.asarray(found)


def _run(
    denoiser: Denoiser, gauge: Gauge, plan: expint.Plan, data: Array, diverging: Divergence, count: int, name: str
) -> tuple[Array, Array]:
    """Return the last state, and what the plan makes of the divergences, (B, count).

    The element q = (x/y) e^{L s} (log-density of y + d L s) has the linear part of x, and its slope in place of the
    prediction f is −(x/y) e^{L s} ∇·f.
    """
    xp, batch, shape, schedule = array_namespace(data), data.shape[0], data.shape, denoiser.schedule
    size = prod(shape[1:])

    def slope(t: float, both: Array) -> Array:
        x = xp.reshape(both[:, :size], shape)
        output, found = diverging(x, t)
        alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
        of_state, of_output = coefficients(denoiser.predicts, gauge.predicts, alpha, sigma, schedule.sigma_data)
        factor = float(np.exp(_log_factor(gauge, schedule, np.array(t))))
        prediction = of_state * x + of_output * output
        diverged = -factor * (of_state * size + of_output * found)
        return xp.concat([xp.reshape(prediction, (batch, size)), diverged], axis=1)

    none = xp.zeros_like(xp.reshape(data, (batch, -1))[:, :1])
    start = xp.concat([xp.reshape(data, (batch, size)), *[none] * count], axis=1)
    run = expint.run_plan(plan, slope, start, keep=[len(plan.steps) - 1], name=name)
    if not run.success:
        raise SamplingError(run)
    last = run.y[-1, ...]
    return xp.reshape(last[:, :size], shape), last[:, size:]


def _assembled(denoiser: Denoiser, gauge: Gauge, times: np.ndarray, size: int, gained: Array) -> Array:
    """Return by how much the log-densities of data are larger than those of states, for each probe."""
    first, last = (float(factor) for factor in _log_factor(gauge, denoiser.schedule, times[[0, -1]]))
    gain: Array = -float(np.exp(-first)) * gained + size * (first - last)
    return gain
