"""Sampling to a tolerance: every sample of a batch with steps of its own, by one-step pairs in a gauge."""

from __future__ import annotations

import math
from math import prod
from typing import Any

import numpy as np

import expint
from diffusion.checks import check_denoiser, check_start, check_state
from diffusion.denoiser import Denoiser
from diffusion.diagnosis import warn_of_calls
from diffusion.names import fold
from diffusion.process.gauge import FLOW, Gauge
from diffusion.process.prediction import coefficients
from diffusion.running import SamplingError
from diffusion.running.course import Course, Slope
from diffusion.running.noticed import Noticed
from diffusion.running.refined import refined
from diffusion.samplers import dpm_adaptive
from diffusion.samplers.catalogue import AnySampler
from diffusion.samplers.catalogue import sampler as find_sampler
from diffusion.samplers.sampler import Sampler
from expint.arguments import number, seen
from expint.backend import Array
from expint.ivp import solve_each
from expint.run import is_batched

__all__ = ["all_good", "is_adaptive", "refuse", "rule", "sample_each", "tolerances", "trajectory_each"]

_LOOSE, _TIGHT = "lawson-bogacki-shampine32", "expint43"
"""The pairs that are taken if none is asked for, in the gauge of flow matching: its clock is finite from pure noise to
data. The second is taken below …"""

_CHANGE = 1e-4
"""… this tolerance, where it needs fewer calls. Measured by ``python -m benchmarks.adaptive_sampling``."""

_DEFAULT = 1e-3


def sample_each(denoiser: Denoiser, noise: Array, **options: Any) -> Array:
    """Return samples, each to a tolerance; see ``diffusion.sample``.

    Raises
    ------
    SamplingError
        If some samples fail; its ``solution`` is what `trajectory_each` returns.
    """
    chosen = options["sampler"]
    found: Any = None if is_adaptive(chosen) else find_sampler(chosen)
    if getattr(found, "stochastic", False):
        refuse({name: options[name] for name in ("steps", "grid", "callback", "progress", "gradient")})
        rtol, atol = tolerances(options["rtol"], options["atol"])
        return refined(denoiser, noise, found, rtol=rtol, atol=atol, start=options["start"], rng=options["rng"])
    return all_good(trajectory_each(denoiser, noise, stacklevel=4, **options)).y_end


def all_good(runs: expint.Solutions) -> expint.Solutions:
    """Return the runs of samples if none failed.

    Raises
    ------
    SamplingError
        If some did; its ``solution`` holds all.
    """
    failed = np.flatnonzero(~runs.success)
    if len(failed):
        first = int(failed[0])
        error = SamplingError(runs[first])
        error.add_note(f"{len(failed)} of {len(runs)} samples failed, sample {first} first; 'solution' holds all")
        error.solution = runs  # type: ignore[assignment]  # the runs of all samples
        raise error
    return runs


def trajectory_each(
    denoiser: Denoiser,
    noise: Array,
    *,
    sampler: str | AnySampler,
    rtol: float | None,
    atol: float | None,
    start: str,
    dense_output: bool = False,
    events: Any = None,
    stacklevel: int = 3,
    first: float | None = None,
    **others: Any,
) -> expint.Solutions:
    """Return the whole run of every sample, each to a tolerance; see ``diffusion.trajectory``.

    ``stacklevel`` says how far above the caller is that a warning is for.
    ``first`` is the first step of "dpm-adaptive" in its clock.

    Raises
    ------
    TypeError, ValueError
        For arguments that make no sense, before any network call.
    """
    refuse(others)
    of_origin = is_adaptive(sampler)
    rtol, atol = tolerances(rtol, atol, *((dpm_adaptive.RTOL, dpm_adaptive.ATOL) if of_origin else ()))
    check_denoiser(denoiser)
    check_state(noise)
    check_start(start)
    gauge, method, named = rule(sampler, denoiser, rtol)
    course = Course(denoiser.schedule, gauge)
    t_start = course.ends[0]
    state = noise * float(denoiser.schedule.noise_scale(t_start)) if start == "noise" else noise
    noticed = Noticed(denoiser, noise.shape[0], start == "noise") if events is None else None
    slope = Slope(denoiser, course, noise.shape[0], noticed)
    options: Any = {
        "linear": gauge.constants[0],
        "method": method,
        "rtol": rtol,
        "atol": atol,
        "dense_output": dense_output,
        "events": None if events is None else [course.event(own) for own in _listed(events)],
        "args": (np.arange(noise.shape[0]),),
    }
    inner: Any = {"on_host": True, "looks": named, "unit": course.unit}
    if of_origin:
        options["first_step"] = min(
            dpm_adaptive.FIRST if first is None else first, abs(course.span[1] - course.span[0])
        )
        inner |= {"looks": False, "norm": dpm_adaptive.of_both, "policy": dpm_adaptive.limited}
    found = solve_each(slope, course.span, state / float(course.scale(np.array([t_start]))[0]), inner, **options)
    runs = course.back(found)
    if noticed is not None and runs.success.all():
        warn_of_calls(noticed.calls(prod(noise.shape)), runs.y_end, denoiser, stacklevel + 1)
    return runs


def tolerances(
    rtol: float | None, atol: float | None, usual: float = _DEFAULT, beside: float | None = None
) -> tuple[float, float]:
    """Return both tolerances: by default rtol is the ``usual``, and atol what is ``beside`` it, or rtol."""
    rtol = number("rtol", usual if rtol is None else rtol, above=0.0)
    return rtol, number("atol", (rtol if beside is None else beside) if atol is None else atol, above=0.0)


def is_adaptive(sampler: Any) -> bool:
    """Whether the sampler is k-diffusion's dpm_adaptive, which knows no other way than to a tolerance."""
    return isinstance(sampler, str) and fold(sampler) == dpm_adaptive.NAME


def rule(sampler: str | AnySampler, denoiser: Denoiser, rtol: float) -> tuple[Gauge, Any, bool]:
    """Return the gauge, the method, and whether they were named, of a run to a tolerance."""
    schedule = denoiser.schedule
    if schedule.centred is not schedule:
        raise ValueError(
            f"expected a process without a mean beside rtol=, received {schedule!r}; take steps=, or give the network "
            "the states less the mean, and this the process without"
        )
    named = not isinstance(sampler, str) or fold(sampler) != "auto"
    gauge: Any = FLOW
    method: Any = _LOOSE if rtol >= _CHANGE else _TIGHT
    if is_adaptive(sampler):
        gauge, method = dpm_adaptive.GAUGE, dpm_adaptive.METHOD
    elif named:
        found = find_sampler(sampler)
        if getattr(found, "stochastic", False):
            raise ValueError(
                f"expected a sampler without noise beside rtol=, received the stochastic {found.name!r}: its samples "
                "have no steps in common; take diffusion.sample, which halves them on one path, or steps="
            )
        gauge, method = getattr(found, "gauge", None), getattr(found, "method", None)
        if not isinstance(found, Sampler) or not isinstance(gauge, Gauge) or not is_batched(method):
            raise ValueError(
                f"expected a sampler that estimates the error of its steps beside rtol=, received "
                f"{getattr(found, 'name', sampler)!r}; take 'auto', 'expint43-data', 'deis-rho-heun' or another pair "
                "of expint in a gauge, or steps="
            )
    course = Course(schedule, gauge)
    with np.errstate(all="ignore"):
        ends = course.span
    if not all(map(math.isfinite, ends)):
        raise ValueError(
            f"expected a gauge whose clock is finite at both ends of the schedule, received {gauge.clock.name!r}, from "
            f"{ends[0]} to {ends[1]}; take sampler='auto', whose clock is"
        )
    for t in course.ends:  # says what is wrong where a prediction tells nothing
        alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
        coefficients(denoiser.predicts, gauge.predicts, alpha, sigma, schedule.sigma_data)
    return gauge, method, named


_REMEDIES = {
    "steps": "leave one of them out: rtol= chooses the steps of each sample, steps= fixes those of all",
    "grid": "leave one of them out: rtol= chooses the steps of each sample, grid= fixes those of all",
    "rng": "name a stochastic sampler, such as 'dpmpp-2m-sde', or leave rng= out",
    "callback": "samples have no time in common; take diffusion.trajectory(…, rtol=…), which keeps all states",
    "progress": "leave it out",
    "gradient": "take steps=, which are the same whatever the parameters are",
}


def refuse(others: dict[str, Any]) -> None:
    """Refuse options that go with fixed steps."""
    for name, value in others.items():
        if value is not None and value is not False:
            raise ValueError(f"expected no {name}= beside rtol=, received {seen(value)}; {_REMEDIES[name]}")


def _listed(events: Any) -> list[Any]:
    return list(events) if isinstance(events, list | tuple) else [events]
