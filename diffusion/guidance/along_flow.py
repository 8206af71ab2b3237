r"""Log-densities of several models along the flow: further elements of the state of a deterministic run.

With r = α/σ the sampling equation is d(x/σ)/dr = x₀, so that an element w = σ ℓ whose "data" are dℓ/dr follows ℓ, in
every gauge and by every sampler.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from math import hypot, log, nan, prod

import expint
from diffusion.checks import check_start, check_state
from diffusion.denoiser import Denoiser
from diffusion.guidance.mixing import Affine, average, dot, each, products
from diffusion.guidance.superposed import Superposed, mixture, refused_change, with_densities
from diffusion.likelihood.divergence import divergence_of, draw_probes
from diffusion.planning.frame import Moved
from expint.backend import Array, array_namespace

__all__ = ["AlongFlow", "WithDensities"]


@dataclass(frozen=True)
class AlongFlow(Moved):
    """States with the densities as further elements, (B, d + M)."""

    denoiser: WithDensities
    plan: expint.Plan = field(kw_only=True)
    diagnosed = False

    def begin(self, state: Array, start: str, plan: expint.Plan) -> tuple[Array, str]:
        """Return the first state with the densities, which are those of the prior."""
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
        """Return the noise from which a run begins with this ``state`` of the frame."""
        return super().noise(self.end(state, t), t)

    def end(self, state: Array, t: float) -> Array:
        """Return the state without the densities."""
        del t
        shape = self.denoiser.shape[-1]
        return array_namespace(state).reshape(state[:, : prod(shape[1:])], shape)

    def enter(self, state: Array, t: float) -> Array:
        """Raise ValueError: of another state no densities are known."""
        return refused_change(state, t)

    def out(self, run: expint.Solution) -> expint.Solution:
        """Return the run with the densities of its states."""
        densities = []
        for i, t in enumerate(run.t.tolist()):
            sigma, size = float(self.denoiser.schedule.sigma(t)), prod(self.denoiser.shape[-1][1:])
            scaled = run.y[i, ...][:, size:]
            densities.append(scaled / sigma - self._of_scale(t, size) if sigma > 0.0 else scaled * nan)
        return with_densities(super().out(run), densities)


@dataclass(frozen=True, eq=False)
class WithDensities(Denoiser):
    """The superposition as a denoiser of states with densities."""

    source: Superposed = field(kw_only=True)
    shape: list[tuple[int, ...]] = field(default_factory=list, kw_only=True)
    """That of the states of the run."""

    def at_times(self, times: Iterable[float], like: Array) -> Callable[[float, Array], Array]:
        """Return the mixture as a function of (t, x), which follows the densities."""
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
                middle = average(data)
                still = [-own + dot(score, middle - u) for own, score, u in zip(divergences, scores, data)]
                ahead = Affine(each(still), *products(r, [u - middle for u in data], middle))
            # equal changes are wanted, not equal densities, of which rounding alone makes others
            followed = both[:, size:] / sigma
            level = followed * 0.0 if models.mode.foresees else followed
            mixed = mixture(models.mode.weights(level, ahead), data)
            widened = size * r / (1.0 + r * r)  # the density of x/√(α² + σ²) is smooth where that of x/σ is not
            rates = [widened - own + dot(s, mixed - u) for own, s, u in zip(divergences, scores, data)]
            return xp.concat([xp.reshape(mixed, (shape[0], size)), each(rates)], axis=1)

        del times
        return call
