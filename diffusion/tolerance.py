"""Sampling to a tolerance: every sample of a batch with steps of its own, by one-step pairs in a gauge."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

import expint
from diffusion.checks import check_denoiser, check_start, check_state
from diffusion.denoiser import Denoiser, beside_states
from diffusion.names import fold
from diffusion.process.gauge import FLOW, Gauge
from diffusion.process.prediction import coefficients
from diffusion.process.schedule import NoiseSchedule
from diffusion.running import SamplingError
from diffusion.running.refined import refined
from diffusion.samplers import dpm_adaptive
from diffusion.samplers.catalogue import AnySampler
from diffusion.samplers.catalogue import sampler as find_sampler
from diffusion.samplers.sampler import Sampler
from expint.arguments import function, number, seen
from expint.backend import Array, array_namespace, to_numpy
from expint.ivp import solve_each
from expint.run import is_batched

__all__ = ["is_adaptive", "sample_each", "trajectory_each"]

_LOOSE, _TIGHT = "lawson-bogacki-shampine32", "expint43"
"""The pairs that are taken if none is asked for, in the gauge of flow matching: its clock is finite from pure noise to
data. The second is taken below …"""

_CHANGE = 1e-4
"""… this tolerance, where it needs fewer calls. Measured by ``python -m benchmarks.adaptive_sampling``."""

_DEFAULT = 1e-3

_APART = 0.05
"""It is seen whether a network heeds the time of each sample once these are so far apart, in units of the run."""

_ALIKE = 1e-2
"""By so much, relative to its size, an output may differ from that of the sample alone."""


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
        _refuse({name: options[name] for name in ("steps", "grid", "callback", "progress", "gradient")})
        rtol, atol = _tolerances(options["rtol"], options["atol"], _DEFAULT)
        return refined(denoiser, noise, found, rtol=rtol, atol=atol, start=options["start"], rng=options["rng"])
    runs = trajectory_each(denoiser, noise, **options)
    failed = np.flatnonzero(~runs.success)
    if len(failed):
        first = int(failed[0])
        error = SamplingError(runs[first])
        error.add_note(f"{len(failed)} of {len(runs)} samples failed, sample {first} first; 'solution' holds all")
        error.solution = runs  # type: ignore[assignment]  # the runs of all samples
        raise error
    return runs.y_end


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
    **others: Any,
) -> expint.Solutions:
    """Return the whole run of every sample, each to a tolerance; see ``diffusion.trajectory``.

    Raises
    ------
    TypeError, ValueError
        For arguments that make no sense, before any network call.
    """
    _refuse(others)
    of_origin = is_adaptive(sampler)
    if of_origin:
        rtol, atol = _tolerances(rtol, dpm_adaptive.ATOL if atol is None else atol, dpm_adaptive.RTOL)
    else:
        rtol, atol = _tolerances(rtol, atol, _DEFAULT)
    check_denoiser(denoiser)
    check_state(noise)
    check_start(start)
    gauge, method, named = _rule(sampler, denoiser, rtol)
    course = Course(denoiser.schedule, gauge)
    t_start = course.ends[0]
    state = noise * float(denoiser.schedule.noise_scale(t_start)) if start == "noise" else noise
    slope = _Slope(denoiser, course, noise.shape[0])
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
        options["first_step"] = min(dpm_adaptive.FIRST, abs(course.span[1] - course.span[0]))
        inner |= {"looks": False, "norm": dpm_adaptive.of_both, "policy": dpm_adaptive.limited}
    found = solve_each(slope, course.span, state / float(course.scale(np.array([t_start]))[0]), inner, **options)
    return course.back(found)


def _tolerances(rtol: float | None, atol: float | None, default: float) -> tuple[float, float]:
    """Return both tolerances."""
    rtol = number("rtol", default if rtol is None else rtol, above=0.0)
    return rtol, number("atol", rtol if atol is None else atol, above=0.0)


@dataclass(frozen=True)
class Course:
    """The way from noise to data in a gauge: its clock s instead of the time t, scaled states y instead of x."""

    schedule: NoiseSchedule
    gauge: Gauge

    @property
    def ends(self) -> tuple[float, float]:
        """The first and the last time."""
        return float(self.schedule.t_start), float(self.schedule.t_end)

    @property
    def span(self) -> tuple[float, float]:
        """The same in the clock."""
        first, last = (float(self.gauge.clock.value(self.schedule, t)) for t in self.ends)
        return first, last

    def times(self, s: np.ndarray) -> np.ndarray:
        """Return the times at which the clock shows ``s``; its ends are met exactly."""
        (first, last), (t_start, t_end) = self.span, self.ends
        with np.errstate(all="ignore"):  # at the ends the inverse may be infinite
            t = np.clip(np.asarray(self.gauge.clock.time(self.schedule, s)), t_end, t_start)
        return np.where(s == first, t_start, np.where(s == last, t_end, t))

    def scales(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return α, σ and x/y at times."""
        alpha, sigma = np.asarray(self.schedule.alpha(t)), np.asarray(self.schedule.sigma(t))
        return alpha, sigma, np.asarray(self.gauge.scale(alpha, sigma)) * np.ones_like(alpha)

    def scale(self, t: np.ndarray) -> np.ndarray:
        """Return x/y at times."""
        return self.scales(t)[2]

    def unit(self, s: np.ndarray) -> np.ndarray:
        """Return how large y is where x has the size √(α² + σ²)."""
        alpha, sigma, scale = self.scales(self.times(s))
        return np.hypot(alpha, sigma) / scale

    def event(self, event: Any) -> Callable[[float, Array, Any], Any]:
        """Return an event of (t, x) as one of (s, y) and the number of the sample."""
        function("events", event, "event(t, x) or a list of them")

        def told(s: float, y: Array, which: Any) -> Any:
            del which
            t = self.times(np.array([s]))
            return event(float(t[0]), y * float(self.scale(t)[0]))

        for name in ("terminal", "direction"):
            setattr(told, name, getattr(event, name, 0))
        return told

    def back(self, found: expint.Solutions) -> expint.Solutions:
        """Return runs in the clock as runs in t and x."""
        kept, t_end = found.kept, self.times(found.t_end)
        t = self.times(kept.t)
        whole = replace(kept, t=t, y=kept.y * beside_states(self.scale(t), kept.y)) if len(t) else kept
        events: dict[str, Any] = {}
        if found.t_events is not None and found.y_events is not None:
            at = [[self.times(np.asarray(own)) for own in one] for one in found.t_events]
            pairs = [zip(times, states) for times, states in zip(at, found.y_events)]
            events["t_events"] = tuple(at)
            events["y_events"] = tuple(
                [y * beside_states(self.scale(times), y) if len(times) else y for times, y in own] for own in pairs
            )
        return replace(
            found,
            t_end=t_end,
            y_end=found.y_end * beside_states(self.scale(t_end), found.y_end),
            kept=whole,
            sols=None if found.sols is None else tuple(sol and Path(sol, self) for sol in found.sols),
            **events,
        )


@dataclass(frozen=True)
class Path:
    """The continuous solution of one sample: called with times it returns the states x there."""

    between: Any
    course: Course
    _steps: dict[float, float] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        clock = self.between.times  # at the times of steps the states are those of the run, to the bit
        object.__setattr__(self, "_steps", dict(zip(self.course.times(np.array(clock)).tolist(), clock)))

    def __call__(self, t: float | Sequence[float] | np.ndarray) -> Array:
        """Return the state at the time ``t``, or the states at several times along a new first axis."""
        times = np.asarray(t, dtype=np.float64)
        low, high = min(self._steps), max(self._steps)
        if not np.all((times >= low) & (times <= high)):
            raise ValueError(f"expected times between {low:.6g} and {high:.6g}, those of the run, received {seen(t)}")
        s = np.asarray(self.course.gauge.clock.value(self.course.schedule, times.reshape(-1))).tolist()
        y = self.between([self._steps.get(at, own) for at, own in zip(times.reshape(-1).tolist(), s)])
        x = y * beside_states(self.course.scale(times.reshape(-1)), y) if times.size else y
        return x if times.ndim else x[0, ...]


class _Slope:
    """N(s, y) of the samples that run, from the network at their own times."""

    def __init__(self, denoiser: Denoiser, course: Course, count: int) -> None:
        self._denoiser, self._course, self._count = denoiser, course, count
        self._factor, self._looked = course.gauge.constants[1], False
        self._last: tuple[np.ndarray | None, Denoiser] = None, denoiser

    def __call__(self, s: np.ndarray, y: Array, which: np.ndarray) -> Array:
        """Return n times the prediction of the gauge, at the clock and the scaled states of the samples ``which``."""
        denoiser, gauge = self._of(which), self._course.gauge
        t = self._course.times(s)
        alpha, sigma, scale = self._course.scales(t)
        x = y * beside_states(scale, y)
        output = denoiser.at_each(x, t)
        if not self._looked and np.ptp(s) > _APART * abs(self._course.span[1] - self._course.span[0]):
            self._looked = True
            self._look(denoiser, x, t, output)
        known = coefficients(denoiser.predicts, gauge.predicts, alpha, sigma, denoiser.schedule.sigma_data)
        of_state, of_output = (beside_states(self._factor * np.asarray(own), y) for own in known)
        return of_state * x + of_output * output

    def _of(self, which: np.ndarray) -> Denoiser:
        """Return the denoiser of the samples that run; it is made when they change."""
        if self._last[0] is not which:
            whole = len(which) == self._count
            self._last = which, self._denoiser if whole else self._denoiser.of_samples(np.asarray(which), self._count)
        return self._last[1]

    def _look(self, denoiser: Denoiser, x: Array, t: np.ndarray, output: Array) -> None:
        """Refuse networks for which a sample in a batch, at a time of its own, is not what it is alone.

        It is looked once, where times are apart, at the sample whose time differs most from that of the first.
        """
        k = int(np.argmax(np.abs(t - t[0])))
        at = np.array([k])
        alone = denoiser.of_samples(at, len(t)).at_each(x[k : k + 1, ...], t[at])
        xp = array_namespace(x)
        off = float(to_numpy(xp.max(xp.abs(alone - output[k : k + 1, ...]))))
        size = float(to_numpy(xp.max(xp.abs(alone))))
        if math.isfinite(off) and off > _ALIKE * size:
            raise TypeError(
                f"expected a network that takes a time for each sample, received one whose output for sample {k} at "
                f"t = {t[k]:.6g} differs by {off:.3g} from that of the sample alone, of size {size:.3g}; let it heed "
                "every entry of its times (B,), and couple no samples, or take steps="
            )


def is_adaptive(sampler: Any) -> bool:
    """Whether the sampler is k-diffusion's dpm_adaptive, which knows no other way than to a tolerance."""
    return isinstance(sampler, str) and fold(sampler) == dpm_adaptive.NAME


def _rule(sampler: str | AnySampler, denoiser: Denoiser, rtol: float) -> tuple[Gauge, Any, bool]:
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


def _refuse(others: dict[str, Any]) -> None:
    """Refuse options that go with fixed steps."""
    for name, value in others.items():
        if value is not None and value is not False:
            raise ValueError(f"expected no {name}= beside rtol=, received {seen(value)}; {_REMEDIES[name]}")


def _listed(events: Any) -> list[Any]:
    return list(events) if isinstance(events, list | tuple) else [events]
