r"""Log-densities to a tolerance: the state and its log-density of each sample in steps of its own.

In a gauge, where y′ = L y + n f(x, s), the log-density of y obeys d log p/ds = −d L − n (x/y) ∇ₓ·f. The integral of
n (x/y) ∇ₓ·f joins the state as one more element, without a linear part, or as one more for each probe.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any, NamedTuple

import numpy as np

from diffusion.denoiser import Denoiser, beside_states
from diffusion.likelihood.divergence import Divergence
from diffusion.process.gauge import Gauge
from diffusion.running.course import Course, Slope
from diffusion.tolerance import all_good
from expint.backend import Array, array_namespace
from expint.ivp import solve_each
from expint.run import EachNorm

__all__ = ["Followed", "density_to_tolerance"]


class Followed(NamedTuple):
    """What became of samples on their way to noise.

    Attributes
    ----------
    state
        The states at t_start.
    gained
        By how much log p of the data is larger than that of these states, (B, K): for each probe.
    calls
        The evaluations of the network for each sample: a number, or (B,).
    """

    state: Array
    gained: Array
    calls: int | np.ndarray


def density_to_tolerance(
    denoiser: Denoiser,
    data: Array,
    diverging: Divergence,
    count: int,
    rule: tuple[Gauge, Any, bool],
    tolerances: tuple[float, float],
) -> Followed:
    """Follow ``data`` from t_end to t_start, with ``count`` estimates of their log-densities.

    ``rule`` is the gauge, the method, and whether they were named.

    Raises
    ------
    SamplingError
        If some samples fail.
    """
    gauge, method, named = rule
    course, batch, size = Course(denoiser.schedule, gauge, to_noise=True), data.shape[0], prod(data.shape[1:])
    xp, (t_data, t_noise) = array_namespace(data), course.ends
    first, last = (float(course.scale(np.array([t]))[0]) for t in (t_data, t_noise))
    flat = xp.reshape(data, (batch, size)) / first
    start = xp.concat([flat, *[xp.zeros_like(flat[:, :1])] * count], axis=1)
    linear = gauge.constants[0]
    runs = all_good(
        solve_each(
            _Both(denoiser, course, diverging, tuple(data.shape)),
            course.span,
            start,
            {"on_host": True, "looks": named, "unit": course.unit, "norm": partial(_OfBoth.of_state, size)},
            linear=np.array([linear] * size + [0.0] * count) if linear else 0.0,
            method=method,
            rtol=tolerances[0],
            atol=tolerances[1],
            args=(np.arange(batch),),
        )
    )
    known = size * (np.log(last / first) + linear * (course.span[1] - course.span[0]))
    state = xp.reshape(runs.y_end[:, :size], data.shape) * last
    return Followed(state, runs.y_end[:, size:] + float(known), runs.calls)


class _Both:
    """N(s, (y, ℓ)) of the samples that run: of their states, and of what their log-densities gain."""

    def __init__(self, denoiser: Denoiser, course: Course, diverging: Divergence, shape: tuple[int, ...]) -> None:
        self._slope, self._course = Slope(denoiser, course, shape[0]), course
        self._diverging, self._shape, self._size = diverging, shape[1:], prod(shape[1:])
        self._last: tuple[np.ndarray | None, Divergence] = None, diverging

    def __call__(self, s: np.ndarray, both: Array, which: np.ndarray) -> Array:
        xp, size = array_namespace(both), self._size
        denoiser = self._slope.of(which)
        at = self._slope.place(s, xp.reshape(both[:, :size], (-1, *self._shape)))
        if self._last[0] is not which:
            self._last = which, self._diverging.of_samples(denoiser, np.asarray(which))
        output, found = self._last[1](at.x, at.t)
        self._slope.check(denoiser, s, at, output)
        gained = (
            beside_states(at.scale * at.of_state * size, found) + beside_states(at.scale * at.of_output, found) * found
        )
        return xp.concat([xp.reshape(at.slope(output), (-1, size)), gained], axis=1)


@dataclass(frozen=True)
class _OfBoth(EachNorm):
    """The larger of two errors: of the ``size`` elements of a state, as in sampling, and of its log-densities, in nats.

    A density may err by atol + rtol |ℓ|, ℓ what it has gained, however many elements the state has.
    """

    elements: int = 0

    @classmethod
    def of_state(cls, size: int, norm: EachNorm) -> _OfBoth:
        own: dict[str, Any] = vars(norm)
        return cls(**own, elements=size)

    def scale(self, which: np.ndarray, t: np.ndarray, y: Array) -> Array:
        own, nats = super().scale(which, t, y), abs(y[:, self.elements :])
        allowed = nats * self.rtol[:1, ...] + self.atol[:1, ...]
        return array_namespace(y).concat([own[:, : self.elements], allowed], axis=1)

    def size(self, error: Array, scale: Array) -> np.ndarray:
        parts = (slice(None, self.elements), slice(self.elements, None))
        found = [EachNorm.size(self, error[:, part], scale[:, part]) for part in parts]
        return np.maximum(*found)
