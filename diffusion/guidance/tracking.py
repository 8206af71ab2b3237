r"""Runs that follow the log-densities of several models: the frames of superposed denoisers.

In deterministic runs the densities are elements of the state. With r = α/σ the sampling equation is d(x/σ)/dr = x₀, so
that an element w = σ ℓ whose "data" are dℓ/dr follows ℓ, in every gauge and by every sampler. In stochastic runs they
follow from the states, step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from itertools import pairwise
from math import hypot, isfinite, log, nan, prod
from typing import Any, NamedTuple

import expint
import expint.backend
from diffusion.checks import check_start, check_state
from diffusion.denoiser import Denoiser
from diffusion.guidance.mixing import Affine
from diffusion.guidance.superposed import Superposed, SuperposedRun, mixture
from diffusion.likelihood.divergence import divergence_of, draw_probes
from diffusion.noise.sources import Noise, columns_by_number, in_order, noise_for
from diffusion.planning.frame import Frame, Moved
from diffusion.process.prediction import coefficients
from diffusion.process.schedule import NoiseSchedule
from diffusion.running import noise_of
from expint.backend import Array, array_namespace

__all__ = ["Tracked"]

_ROUNDED = 4096.0  # units of rounding by which predictions of equal models may differ, from outputs near pure noise


class Tracked(Frame):
    """The frame of a superposed denoiser, before its run is laid out."""

    denoiser: Superposed

    def for_run(self, plan: expint.Plan, sampler: Any, rng: Any) -> Frame:
        """Return the frame of one run.

        Raises
        ------
        ValueError
            If the run leads from data to noise, or the sampler does not fit; see `superpose`.
        """
        del rng
        models = self.denoiser
        if not models.mode.tracks:
            return self
        if plan.steps[-1].times[-1] > plan.steps[0].times[0]:
            raise ValueError(
                f"expected a run from noise, where all models have one density, received one from data for {models!r}; "
                "take fixed weights, or each model alone"
            )
        if not plan.layout.noise:
            return _AlongFlow(_WithDensities(*_parts(models), source=models), plan=plan)
        _check_strength(models, plan, sampler)
        return _Reverse(_Following(*_parts(models), source=models, plan=plan, sampler=sampler), plan=plan)


def _parts(models: Superposed) -> tuple[Any, ...]:
    return models.network, "data", models.schedule, models.condition, models.discontinuities


def _refused(state: Array, t: float) -> Any:
    """Refuse a state that a callback returns."""
    raise ValueError(
        f"expected a callback that returns None for superposed models, received one of shape {tuple(state.shape)} at "
        f"t = {t:.6g}, whose log-densities are not known; take fixed weights, or change nothing"
    )


def _dot(a: Array, b: Array) -> Array:
    """Return the inner product over each sample, (B,)."""
    xp = array_namespace(a)
    return xp.sum(xp.reshape(a * b, (a.shape[0], -1)), axis=1)


def _each(values: Sequence[Array]) -> Array:
    """Return values (B,) of the models side by side, (B, M)."""
    return array_namespace(values[0]).stack(list(values), axis=1)


@dataclass(frozen=True)
class _AlongFlow(Moved):
    """States with the densities as further elements, (B, d + M)."""

    denoiser: _WithDensities
    plan: expint.Plan = field(kw_only=True)
    diagnosed = False

    def begin(self, state: Array, start: str, plan: expint.Plan) -> tuple[Array, str]:
        check_state(state)
        check_start(start)
        t, schedule = plan.steps[0].times[0], self.denoiser.schedule
        x = state * schedule.noise_scale(t) if start == "noise" else state
        self.denoiser.shape.append(tuple(x.shape))
        sigma = float(schedule.sigma(t))
        density = schedule.prior_log_density(x, t) + self._of_scale(t, prod(x.shape[1:]))
        xp, count = array_namespace(x), len(self.denoiser.source.models)
        densities = xp.stack([sigma * density] * count, axis=1)
        return xp.concat([xp.reshape(x, (x.shape[0], -1)), densities], axis=1), "state"

    def _of_scale(self, t: float, size: int) -> float:
        """Return by how much the log-density of x/√(α² + σ²), which is followed, is larger than that of x."""
        schedule = self.denoiser.schedule
        return size * log(hypot(float(schedule.alpha(t)), float(schedule.sigma(t))))

    def noise(self, state: Array, t: float) -> Array:
        return super().noise(self.end(state, t), t)

    def end(self, state: Array, t: float) -> Array:
        del t
        shape = self.denoiser.shape[-1]
        return array_namespace(state).reshape(state[:, : prod(shape[1:])], shape)

    def enter(self, state: Array, t: float) -> Array:
        return _refused(state, t)

    def out(self, run: expint.Solution) -> expint.Solution:
        densities = []
        for i, t in enumerate(run.t.tolist()):
            sigma, size = float(self.denoiser.schedule.sigma(t)), prod(self.denoiser.shape[-1][1:])
            scaled = run.y[i, ...][:, size:]
            densities.append(scaled / sigma - self._of_scale(t, size) if sigma > 0.0 else scaled * nan)
        return _with_densities(super().out(run), densities)


@dataclass(frozen=True, eq=False)
class _WithDensities(Denoiser):
    """The superposition as a denoiser of states with densities."""

    source: Superposed = field(kw_only=True)
    shape: list[tuple[int, ...]] = field(default_factory=list, kw_only=True)
    """That of the states of the run."""

    def at_times(self, times: Iterable[float], like: Array) -> Callable[[float, Array], Array]:
        models, xp, shape = self.source, array_namespace(like), self.shape[-1]
        size, schedule, ways = prod(shape[1:]), self.schedule, models.ways
        inner = xp.reshape(like[:, :size], shape)
        draw = partial(draw_probes, ways.probes, ways.probe, ways.rng, shape)
        diverging = [divergence_of(model, inner, ways.divergence, draw)[1] for model in models.models]

        def call(t: float, both: Array) -> Array:
            alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
            r, x = alpha / sigma, xp.reshape(both[:, :size], shape)
            data, divergences = [], []
            for model, own in zip(models.models, diverging):
                of_state, of_output = models.conversion(model, t)
                output, found = own(x, t)
                data.append(of_state * x + of_output * output)
                mean = xp.sum(found, axis=1) / found.shape[1]
                divergences.append(sigma * (of_state * size + of_output * mean))
            scores = [r * own - x / sigma for own in data]
            ahead = None
            if models.mode.foresees:
                middle = _mean(data)
                still = [-own + _dot(score, middle - u) for own, score, u in zip(divergences, scores, data)]
                ahead = Affine(_each(still), *_products(r, [u - middle for u in data], middle))
            # equal changes are wanted, not equal densities, of which rounding alone makes others
            followed = both[:, size:] / sigma
            level = followed * 0.0 if models.mode.foresees else followed
            mixed = mixture(models.mode.weights(level, ahead), data)
            widened = size * r / (1.0 + r * r)  # the density of x/√(α² + σ²) is smooth where that of x/σ is not
            rates = [widened - own + _dot(s, mixed - u) for own, s, u in zip(divergences, scores, data)]
            return xp.concat([xp.reshape(mixed, (shape[0], size)), _each(rates)], axis=1)

        del times
        return call


@dataclass(frozen=True)
class _Reverse(Frame):
    """A run of the reverse process, by whose steps the densities are followed."""

    denoiser: _Following
    plan: expint.Plan = field(kw_only=True)
    diagnosed = False

    def enter(self, state: Array, t: float) -> Array:
        return _refused(state, t)

    def source_of_noise(self, rng: Any, state: Array) -> Any:
        if rng is not None and state.ndim:
            self.denoiser.noise[:] = [noise_for(rng, state)]
            return self.denoiser.noise[0]
        return rng

    def out(self, run: expint.Solution) -> expint.Solution:
        last = len(self.plan.steps) - 1
        found = list(self.denoiser.followed[0].densities) if self.denoiser.followed else []
        if len(run.t) < 2 or not found:
            return run
        if run.success and len(found) == last:
            found.append(self.denoiser.followed[0].after(float(run.t[-1]), run.y[-1, ...]))
        found += [found[-1] * nan] * (len(run.t) - len(found))
        return _with_densities(run, found[: len(run.t)])


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
            self.densities.append(_each([self._schedule.prior_log_density(x, t)] * len(data)))
        self._reached[:] = [_Last(t, x, data)]
        return self.densities[-1]

    def after(self, t: float, x: Array) -> Array:
        """Return the densities at a state x at t to which a step leads from the last one; nan at σ = 0."""
        last = self._reached[0]
        step = _Kernels.of(self._schedule, last.t, t)
        if step is None:
            return self.densities[-1] * nan
        back = last.x - step.shrink * x
        common = 0.5 * _dot(back, back) / step.noised + 0.5 * prod(x.shape[1:]) * log(step.noised / step.variance)
        middle = _mean(last.data)  # beside it the rest is small, and free of cancellation
        gap = x - step.keep * last.x - step.gain * middle
        common = common - 0.5 * _dot(gap, gap) / step.variance
        apart = [step.gain * (own - middle) for own in last.data]
        return self.densities[-1] + _each([common + _dot(own, gap - 0.5 * own) / step.variance for own in apart])


def _products(factor: float, apart: list[Array], middle: Array) -> tuple[Array, Array]:
    """Return the products of what predictions differ from their ``middle`` by, and those of rounding errors."""
    xp = array_namespace(middle)
    products = xp.stack([_each([factor * _dot(one, other) for other in apart]) for one in apart], axis=1)
    return products, abs(factor) * (_ROUNDED * xp.finfo(middle.dtype).eps) ** 2 * _dot(middle, middle)


def _mean(values: Sequence[Array]) -> Array:
    return sum(values[1:], values[0]) / len(values)


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
class _Following(Denoiser):
    """The superposition in one run of the reverse process."""

    source: Superposed = field(kw_only=True)
    plan: expint.Plan = field(kw_only=True)
    sampler: Any = field(kw_only=True)
    noise: list[Noise] = field(default_factory=list, kw_only=True)
    """Where the noise of the run comes from."""

    followed: list[_Path] = field(default_factory=list, kw_only=True)
    """What was followed by the last function that `at_times` made."""

    def at_times(self, times: Iterable[float], like: Array) -> Callable[[float, Array], Array]:
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

    def __init__(self, run: _Following, like: Array) -> None:
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
        b, middle = layout.values(weights)[0] * of_data, _mean(data)
        base = self._combine(weights, self._evaluate(self._memory, of_x * x + of_data * middle))
        gap, gain = base - kernels.keep * x - kernels.gain * middle, kernels.gain / kernels.variance
        apart = [own - middle for own in data]
        offsets = _each([gain * _dot(own, gap - (0.5 * kernels.gain) * own) for own in apart])
        return Affine(offsets, *_products(b * gain, apart, middle)), evaluated


def _check_strength(models: Superposed, plan: expint.Plan, sampler: Any) -> None:
    """Raise ValueError unless a sampler runs the reverse of the noising process, in steps that can be followed."""
    lam = [float(models.schedule.half_log_snr(step.times[-1])) for step in plan.steps]
    spent = getattr(getattr(sampler, "stochasticity", None), "spent", None)
    inner = [(a, b) for a, b in pairwise(lam) if isfinite(a) and isfinite(b)]
    if spent is None or any(abs(spent(a, b) - (b - a)) > 1e-9 * (b - a) for a, b in inner):
        raise ValueError(
            f"expected a sampler of strength 1, the reverse of the noising process, by whose steps densities are "
            f"followed, received {sampler.name!r}; take 'ddpm', 'dpmpp-2m-sde', or 'dpmpp-2m', which draws no noise"
        )
    if any(row.accept and not row.evaluate for step in plan.steps[:-1] for row in step.rows):
        raise ValueError(
            f"expected a sampler that calls the network at its states, received {sampler.name!r}, which corrects them "
            "afterwards; take 'ddpm' or 'dpmpp-2m-sde'"
        )
    if models.mode.foresees and any(len(step.rows) > 1 for step in plan.steps):
        raise ValueError(
            f"expected a sampler of one call a step for 'and', received {sampler.name!r}, whose noise acts on stages "
            "that are not known when the weights are chosen; take 'ddpm' or 'dpmpp-2m-sde'"
        )


def _with_densities(run: expint.Solution, densities: list[Array]) -> SuperposedRun:
    parts = {part.name: getattr(run, part.name) for part in fields(expint.Solution)}
    return SuperposedRun(**parts, log_densities=expint.backend.stack(densities))
