"""Log-densities of several models along the reverse of the noising process: by Bayes' rule from step to step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import log, nan, prod
from typing import Any, NamedTuple

import expint
from diffusion.denoiser import Denoiser
from diffusion.guidance.mixing import Affine, average, dot, each, products
from diffusion.guidance.superposed import Superposed, mixture, refused_change, with_densities
from diffusion.noise.sources import Noise, columns_by_number, in_order, noise_for
from diffusion.planning.frame import Frame
from diffusion.process.prediction import coefficients
from diffusion.process.schedule import NoiseSchedule
from diffusion.running import noise_of
from expint.backend import Array

__all__ = ["Following", "Reverse"]


@dataclass(frozen=True)
class Reverse(Frame):
    """A run of the reverse process, by whose steps the densities are followed."""

    denoiser: Following
    plan: expint.Plan = field(kw_only=True)
    diagnosed = False

    def enter(self, state: Array, t: float) -> Array:
        """Raise ValueError: of another state no densities are known."""
        return refused_change(state, t)

    def source_of_noise(self, rng: Any, state: Array) -> Any:
        """Return the noise of the run, which the weights of "and" look at as well."""
        if rng is not None and state.ndim:
            self.denoiser.noise[:] = [noise_for(rng, state)]
            return self.denoiser.noise[0]
        return rng

    def out(self, run: expint.Solution) -> expint.Solution:
        """Return the run with the densities of its states."""
        last = len(self.plan.steps) - 1
        found = list(self.denoiser.followed[0].densities) if self.denoiser.followed else []
        if len(run.t) < 2 or not found:
            return run
        if run.success and len(found) == last:
            found.append(self.denoiser.followed[0].after(float(run.t[-1]), run.y[-1, ...]))
        found += [found[-1] * nan] * (len(run.t) - len(found))
        return with_densities(run, found[: len(run.t)])


class _Last(NamedTuple):
    """A state that was reached, and the predictions there."""

    t: float
    x: Array
    data: list[Array]


class _Path:
    """What is followed along one run: the last state, and the densities of all."""

    def __init__(self, schedule: NoiseSchedule) -> None:
        self._schedule, self.densities = schedule, list[Array]()
        self._reached = list[_Last]()

    def reach(self, t: float, x: Array, data: list[Array]) -> Array:
        """Return the densities (B, M) at a state that is reached, where the predictions are ``data``."""
        if self._reached:
            self.densities.append(self.after(t, x))
        else:
            self.densities.append(each([self._schedule.prior_log_density(x, t)] * len(data)))
        self._reached[:] = [_Last(t, x, data)]
        return self.densities[-1]

    def after(self, t: float, x: Array) -> Array:
        """Return the densities at a state x at t to which a step leads from the last one; nan at σ = 0."""
        last = self._reached[0]
        step = _Kernels.of(self._schedule, last.t, t)
        if step is None:
            return self.densities[-1] * nan
        back = last.x - step.shrink * x
        common = 0.5 * dot(back, back) / step.noised + 0.5 * prod(x.shape[1:]) * log(step.noised / step.variance)
        middle = average(last.data)  # beside it the rest is small, and free of cancellation
        gap = x - step.keep * last.x - step.gain * middle
        common = common - 0.5 * dot(gap, gap) / step.variance
        apart = [step.gain * (own - middle) for own in last.data]
        return self.densities[-1] + each([common + dot(own, gap - 0.5 * own) / step.variance for own in apart])


class _Kernels(NamedTuple):
    """A step of the noising process, x_n | x_{n+1} ~ N(shrink x_{n+1}, noised), and of its reverse with x₀ known.

    The latter is x_{n+1} | x_n ~ N(keep x_n + gain x₀, variance).
    """

    shrink: float
    noised: float
    keep: float
    gain: float
    variance: float

    @classmethod
    def of(cls, schedule: NoiseSchedule, start: float, end: float) -> _Kernels | None:
        """Return those between two times, None where σ = 0 at the end."""
        (a, b), (s, r) = ([float(part(t)) for t in (start, end)] for part in (schedule.alpha, schedule.sigma))
        if r == 0.0:
            return None
        ratio = a * r / (b * s)  # of ρ at the end to ρ at the start
        new = (1.0 - ratio) * (1.0 + ratio)
        return cls(a / b, s * s * new, ratio * r / s, b * new, r * r * new)


@dataclass(frozen=True, eq=False)
class Following(Denoiser):
    """The superposition in one run of the reverse process."""

    source: Superposed = field(kw_only=True)
    plan: expint.Plan = field(kw_only=True)
    sampler: Any = field(kw_only=True)
    noise: list[Noise] = field(default_factory=list, kw_only=True)
    """Where the noise of the run comes from."""

    followed: list[_Path] = field(default_factory=list, kw_only=True)
    """What was followed by the last function that `at_times` made."""

    def at_times(self, times: Iterable[float], like: Array) -> Callable[[float, Array], Array]:
        """Return the mixture as a function of (t, x), which follows the densities."""
        models, path = self.source, _Path(self.schedule)
        data, mode = models.data_at_times(times, like), models.mode
        reached = iter([row.accept for _, row in self.plan.rows if row.evaluate])
        shadow = _Shadow(self, like) if mode.foresees else None
        self.followed[:] = [path]

        def call(t: float, x: Array) -> Array:
            found = data(t, x)
            densities = path.reach(t, x, found) if next(reached) else path.densities[-1]
            if shadow is None:
                return mixture(mode.weights(densities, None), found)
            ahead, evaluated = shadow.ahead(t, x, found)
            mixed = mixture(mode.weights(densities, ahead), found)
            evaluated(mixed)
            return mixed

        return call


class _Shadow:
    """The memory of a run beside it, which says where the next step leads by what is to be evaluated."""

    def __init__(self, run: Following, like: Array) -> None:
        self._run, self._steps = run, iter(run.plan.steps[1:])
        noise = noise_of(run.plan, run.sampler, run.schedule, run.noise[-1], like)
        assert noise is not None  # the plan draws
        drawn = in_order(columns_by_number(run.plan, noise, like))
        self._draw: Callable[[float], Sequence[Array | None]] = drawn or (lambda _: ())
        self._accept, self._evaluate = run.plan.layout.moves(run.plan.depth)
        self._combine = run.plan.operator.combiner()
        self._memory: tuple[Any, ...] = ()

    def ahead(self, t: float, x: Array, data: list[Array]) -> tuple[Affine | None, Callable[[Array], None]]:
        """Return what the densities do in the step from x at t, and what takes up the mixture that is evaluated.

        The next state is base + b u with u the mixture of the ``data``, and what two models say of it differs by
        something linear in it. At a step to σ = 0 there is no density.
        """
        run, step, layout = self._run, next(self._steps), self._run.plan.layout
        self._memory = self._accept(self._memory, x) if self._memory else layout.start(x)
        self._memory = layout.draw(self._memory, self._draw(step.times[-1]))
        alpha, sigma = float(run.schedule.alpha(t)), float(run.schedule.sigma(t))
        of_x, of_data = coefficients("data", run.sampler.gauge.predicts, alpha, sigma, run.schedule.sigma_data)

        def evaluated(mixed: Array) -> None:
            self._memory = self._evaluate(self._memory, of_x * x + of_data * mixed)

        kernels, weights = _Kernels.of(run.schedule, t, step.times[-1]), step.rows[0].weights
        if kernels is None:
            return None, evaluated
        b, middle = layout.values(weights)[0] * of_data, average(data)
        base = self._combine(weights, self._evaluate(self._memory, of_x * x + of_data * middle))
        gap, gain = base - kernels.keep * x - kernels.gain * middle, kernels.gain / kernels.variance
        apart = [own - middle for own in data]
        offsets = each([gain * dot(own, gap - (0.5 * kernels.gain) * own) for own in apart])
        return Affine(offsets, *products(b * gain, apart, middle)), evaluated
