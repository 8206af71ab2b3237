"""The course of samples that each have steps of their own: in the clock and the scaled states of a gauge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

import expint
from diffusion.denoiser import Denoiser, beside_states
from diffusion.process.gauge import Gauge
from diffusion.process.prediction import coefficients
from diffusion.process.schedule import NoiseSchedule
from diffusion.running.each import look_at_each
from diffusion.running.noticed import Noticed
from expint.arguments import function, seen
from expint.backend import Array

__all__ = ["Course", "Path", "Place", "Slope"]

_APART = 0.05
"""It is seen whether a network heeds the time of each sample once these are so far apart, in units of the run."""


@dataclass(frozen=True)
class Course:
    """The way from noise to data, or back, in a gauge: its clock s instead of the time t, scaled states y, not x."""

    schedule: NoiseSchedule
    gauge: Gauge
    to_noise: bool = False

    @property
    def ends(self) -> tuple[float, float]:
        """The first and the last time."""
        ends = float(self.schedule.t_start), float(self.schedule.t_end)
        return ends[::-1] if self.to_noise else ends

    @property
    def span(self) -> tuple[float, float]:
        """The same in the clock."""
        first, last = (float(self.gauge.clock.value(self.schedule, t)) for t in self.ends)
        return first, last

    def times(self, s: np.ndarray) -> np.ndarray:
        """Return the times at which the clock shows ``s``; its ends are met exactly."""
        (first, last), ends = self.span, self.ends
        with np.errstate(all="ignore"):  # at the ends the inverse may be infinite
            t = np.clip(np.asarray(self.gauge.clock.time(self.schedule, s)), min(ends), max(ends))
        return np.where(s == first, ends[0], np.where(s == last, ends[1], t))

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


class Place(NamedTuple):
    """Where samples stand: times, x/y, states x; N of the gauge is ``of_state`` x + ``of_output`` output."""

    t: np.ndarray
    scale: np.ndarray
    x: Array
    of_state: np.ndarray
    of_output: np.ndarray

    def slope(self, output: Array) -> Array:
        """Return N of the gauge, n times its prediction."""
        return beside_states(self.of_state, self.x) * self.x + beside_states(self.of_output, self.x) * output


class Slope:
    """N(s, y) of the samples that run, from the network at their own times."""

    def __init__(self, denoiser: Denoiser, course: Course, count: int, noticed: Noticed | None = None) -> None:
        self._noticed = noticed
        self._denoiser, self._course, self._count = denoiser, course, count
        self._factor, self._looked = course.gauge.constants[1], False
        self._last: tuple[np.ndarray | None, Denoiser] = None, denoiser

    def __call__(self, s: np.ndarray, y: Array, which: np.ndarray) -> Array:
        """Return n times the prediction of the gauge, at the clock and the scaled states of the samples ``which``."""
        denoiser, at = self.of(which), self.place(s, y)
        output = denoiser.at_each(at.x, at.t)
        self.check(denoiser, s, at, output)
        if self._noticed is not None:
            self._noticed.see(np.asarray(which), at.t, at.x, output)
        return at.slope(output)

    def place(self, s: np.ndarray, y: Array) -> Place:
        """Return where samples stand that have the scaled states ``y`` at ``s``."""
        t = self._course.times(s)
        alpha, sigma, scale = self._course.scales(t)
        denoiser, predicts = self._denoiser, self._course.gauge.predicts
        known = coefficients(denoiser.predicts, predicts, alpha, sigma, denoiser.schedule.sigma_data)
        weights = (self._factor * np.asarray(own) * np.ones_like(alpha) for own in known)
        return Place(t, scale, y * beside_states(scale, y), *weights)

    def of(self, which: np.ndarray) -> Denoiser:
        """Return the denoiser of the samples that run; it is made when they change."""
        if self._last[0] is not which:
            whole = len(which) == self._count
            self._last = which, self._denoiser if whole else self._denoiser.of_samples(np.asarray(which), self._count)
        return self._last[1]

    def check(self, denoiser: Denoiser, s: np.ndarray, at: Place, output: Array) -> None:
        """Look once, where times are apart, whether the ``output`` of each sample is what it is alone."""
        if not self._looked and np.ptp(s) > _APART * abs(self._course.span[1] - self._course.span[0]):
            self._looked = True
            look_at_each(denoiser, at.x, at.t, output)
