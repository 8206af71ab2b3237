r"""Samplers whose noise level rises: deterministic steps, and between them the forward process itself.

From a time with α, σ to an earlier one of sampling with α̂, σ̂, σ̂/α̂ > σ/α, the process leads exactly by

.. math:: \hat x = \frac{\hatα}{α} x + \sqrt{\hatσ^2 - (\hatα σ/α)^2}\; ξ.

Ancestral samplers step below each time of the grid and rise to it; EDM rises before each step; restarts rise over many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from math import expm1, isfinite, log1p, sqrt
from typing import ClassVar, NamedTuple

import numpy as np

import expint
from diffusion.process.keeping import kept_of_values
from diffusion.process.schedule import NoiseSchedule
from diffusion.samplers.sampler import Sampler
from expint.arguments import integer, listed, number
from expint.lower import Layout, Row, Step

__all__ = ["Ancestral", "Churned", "Jumping", "Restart", "Restarted", "TrajectoryConsistent"]

_LAYOUT = Layout(noise=1)


@dataclass(frozen=True, repr=False)
class Jumping(Sampler):
    """A sampler that makes several deterministic runs, between which the noise level rises."""

    folded: ClassVar[bool] = True
    """Whether a rise is part of the step before it, or a step of its own, which makes no call."""

    inflation: float = 1.0
    """By what the noise of a rise is multiplied."""

    def __post_init__(self) -> None:
        super().__post_init__()
        number("inflation", self.inflation, least=0.0)

    @property
    def stochastic(self) -> bool:
        """Whether it draws noise: yes."""
        return True

    def path(self, schedule: NoiseSchedule, times: tuple[float, ...], *, to_zero: bool) -> list[float]:
        """Return all times that a run over the grid ``times`` goes through, up and down."""
        raise NotImplementedError(f"expected a sampler with a path of its own, received {self.name}; override path")

    def plan(
        self, schedule: NoiseSchedule, times: np.ndarray, *, to_zero: bool = False, edges: tuple[float, ...] = ()
    ) -> expint.Plan:
        """Return the plan over ``times``, made of the plans of its runs."""
        return _composed(self, schedule, tuple(float(t) for t in times), to_zero, edges)

    def flow(self) -> Sampler:
        """Return the sampler that makes the deterministic runs."""
        return Sampler(**{own.name: getattr(self, own.name) for own in fields(Sampler)})


class _Run(NamedTuple):
    """Decreasing times, and whether a step to σ = 0 follows them."""

    times: tuple[float, ...]
    to_zero: bool


def _runs(path: Sequence[float], schedule: NoiseSchedule, *, to_zero: bool) -> list[_Run]:
    """Return the deterministic runs of a path."""
    rises = [0, *(n for n, (t, then) in enumerate(pairwise(path), 1) if then > t), len(path)]
    runs = []
    for first, after in pairwise(rises):
        own = tuple(path[first:after])
        clean = float(schedule.sigma(own[-1])) == 0.0 or own[-1] <= schedule.t_clean
        runs.append(_Run(own[:-1], True) if clean else _Run(own, to_zero and after == len(path)))
    return runs


@kept_of_values(maxsize=32)
def _composed(
    sampler: Jumping, schedule: NoiseSchedule, times: tuple[float, ...], to_zero: bool, edges: tuple[float, ...]
) -> expint.Plan:
    """Return the plan of all runs of a sampler, with the rises between them."""
    flow, depth, outputs = sampler.flow(), 1, None
    steps = [Step(times[:1], (Row(_LAYOUT.arrange((1.0,), (), (None,)), evaluate=True, accept=True),))]
    before: _Run | None = None
    for run in _runs(sampler.path(schedule, times, to_zero=to_zero), schedule, to_zero=to_zero):
        if before is not None:
            rise = _rise(schedule, before, run.times[0], sampler.inflation)
            steps[-1:] = _risen(steps[-1], *rise, run.times[0], folded=sampler.folded)
        if len(run.times) > 1 or run.to_zero:
            part = flow.plan(schedule, np.array(run.times), to_zero=run.to_zero, edges=edges)
            steps += [_with_column(step, part.layout) for step in part.steps[1:]]
            depth, outputs = max(depth, part.depth), part.outputs
        before = run
    last = steps[-1].rows
    steps[-1] = steps[-1]._replace(rows=(*last[:-1], last[-1]._replace(evaluate=False)))  # nothing follows a last rise
    return expint.Plan(expint.operators.Scalar(0.0), tuple(steps), depth, _LAYOUT, outputs)


def _rise(schedule: NoiseSchedule, run: _Run, time: float, inflation: float) -> tuple[float, float]:
    """Return by what the state at the end of a run is multiplied to rise to a ``time``, and the size of the noise."""
    alpha, sigma = (1.0, 0.0) if run.to_zero else (float(of(run.times[-1])) for of in (schedule.alpha, schedule.sigma))
    factor = float(schedule.alpha(time)) / alpha
    return factor, inflation * sqrt(max(float(schedule.sigma(time)) ** 2 - (factor * sigma) ** 2, 0.0))


def _risen(step: Step, factor: float, size: float, time: float, *, folded: bool) -> list[Step]:
    """Return a step with a rise at its end, in its last row or as one more step."""
    last = step.rows[-1]
    if not folded:
        rise = Row(_LAYOUT.arrange((factor,), (), (size,)), evaluate=True, accept=True)
        return [step._replace(rows=(*step.rows[:-1], last._replace(evaluate=False))), Step((time,), (rise,))]
    states, _, _, values = _LAYOUT.parts(last.weights)
    scaled = [[None if w is None else factor * w for w in part] for part in (states, values)]
    row = last._replace(weights=_LAYOUT.arrange(scaled[0], scaled[1], (size,)), evaluate=True)
    return [Step((*step.times[:-1], time), (*step.rows[:-1], row))]


def _with_column(step: Step, own: Layout) -> Step:
    """Return the step of a deterministic run beside a column of noise."""
    parts = [own.parts(row.weights) for row in step.rows]
    rows = [
        row._replace(weights=_LAYOUT.arrange(part.states, part.values, (None,))) for row, part in zip(step.rows, parts)
    ]
    return step._replace(rows=tuple(rows))


@dataclass(frozen=True, repr=False)
class Ancestral(Jumping):
    r"""A method that goes below each time of the grid, and rises to it again.

    .. math:: ρ_d = ρ \sqrt{1 - η^2 (1 - ρ^2/ρ_s^2)}

    from ρ_s to ρ, so that with a step of order 1 the noise is that of η in DDIM.

    Parameters
    ----------
    eta
        The share η of the noise of the process, in [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> import diffusion
    >>> net = diffusion.models.gaussian_mixture([1.0], [[0.3]], [[[0.2]]])
    >>> noise = np.random.default_rng(0).standard_normal((200, 1))
    >>> ancestral = diffusion.sampler("dpmpp-2s-ancestral")
    >>> samples = diffusion.sample(net, noise, sampler=ancestral, steps=20, rng=7)
    >>> type(ancestral).__name__, bool(abs(samples.mean() - 0.3) < 0.1)
    ('Ancestral', True)
    """

    eta: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        number("eta", self.eta, least=0.0, most=1.0)

    def path(self, schedule: NoiseSchedule, times: tuple[float, ...], *, to_zero: bool) -> list[float]:
        """Return the times of the grid, each with the one below it before it; to σ = 0 the step is direct."""
        del to_zero
        path = [times[0]]
        for s, t in pairwise(times):
            below = self._below(schedule, s, t)
            path += [below, t] if below < t else [t]
        return path

    def _below(self, schedule: NoiseSchedule, s: float, t: float) -> float:
        """Return the time to which a step from ``s`` to ``t`` goes."""
        before, after = float(schedule.half_log_snr(s)), float(schedule.half_log_snr(t))
        kept = self.eta**2 * expm1(-2.0 * (after - before))
        if kept == -1.0:  # from pure noise all noise comes anew
            return schedule.t_clean
        return float(schedule.time(np.array(after - log1p(kept) / 2)))


@dataclass(frozen=True, repr=False)
class TrajectoryConsistent(Ancestral):
    """The sampler of trajectory consistency models: down to the time (1 − γ) t of the schedule, and up to t again.

    ``eta`` is γ: with 1 every step goes to the data, with 0 it is DDIM.

    Examples
    --------
    >>> import numpy as np
    >>> import diffusion
    >>> net = diffusion.models.gaussian_mixture([1.0], [[0.3]], [[[0.2]]])
    >>> noise = np.random.default_rng(0).standard_normal((200, 1))
    >>> tcd = diffusion.sampler("tcd")
    >>> samples = diffusion.sample(net, noise, sampler=tcd, steps=8, rng=7)
    >>> tcd.eta, samples.shape
    (0.3, (200, 1))
    """

    def _below(self, schedule: NoiseSchedule, s: float, t: float) -> float:
        del s
        return max((1.0 - self.eta) * t, schedule.t_clean)


@dataclass(frozen=True, repr=False)
class Churned(Jumping):
    """The stochastic sampler of EDM: before each step the noise level ρ = σ/α rises to (1 + γ) ρ.

    γ = min(churn/steps, √2 − 1) for ρ in [low, high], and 0 elsewhere and where (1 + γ) ρ would lie before the first
    time of the schedule. Each rise is a state of the run.

    Parameters
    ----------
    inflation
        S_noise, by which the noise of a rise is multiplied.
    churn, low, high
        S_churn, S_tmin and S_tmax.

    Examples
    --------
    >>> import numpy as np
    >>> import diffusion
    >>> net = diffusion.models.gaussian_mixture([1.0], [[0.3]], [[[0.2]]])
    >>> noise = np.random.default_rng(0).standard_normal((200, 1))
    >>> heun = diffusion.sampler("edm-stochastic")
    >>> samples = diffusion.sample(net, noise, sampler=heun, steps=20, rng=7)
    >>> type(heun).__name__, bool(abs(samples.mean() - 0.3) < 0.1)
    ('Churned', True)
    """

    folded: ClassVar[bool] = False
    inflation: float = 1.003
    churn: float = 40.0
    low: float = 0.05
    high: float = 50.0

    def __post_init__(self) -> None:
        super().__post_init__()
        number("churn", self.churn, least=0.0)
        number("low", self.low, least=0.0)
        number("high", self.high, least=self.low, finite=False)

    def path(self, schedule: NoiseSchedule, times: tuple[float, ...], *, to_zero: bool) -> list[float]:
        """Return the times of the grid, each but the last of all with the one above it behind it."""
        gamma = min(self.churn / (len(times) - 1 + to_zero), sqrt(2.0) - 1.0)
        path: list[float] = []
        for t in times if to_zero else times[:-1]:
            path += [t, *self._above(schedule, t, gamma)]
        return path if to_zero else [*path, times[-1]]

    def _above(self, schedule: NoiseSchedule, t: float, gamma: float) -> list[float]:
        lam = float(schedule.half_log_snr(t))
        raised = lam - log1p(gamma)
        inside = isfinite(lam) and self.low <= np.exp(-lam) <= self.high
        if gamma == 0.0 or not inside or raised < float(schedule.half_log_snr(schedule.t_start)):
            return []
        return [float(schedule.time(np.array(raised)))]


class Restart(NamedTuple):
    """One interval of restarts.

    Attributes
    ----------
    low, high
        From which noise level ρ = σ/α to which the level rises. The rise is from the time of the grid next to ``low``.
    times
        How often.
    steps
        With how many steps each way down is made.

    Examples
    --------
    >>> import diffusion
    >>> diffusion.Restart(0.1, 0.3).times
    2
    """

    low: float
    high: float
    times: int = 2
    steps: int = 3


@dataclass(frozen=True, repr=False)
class Restarted(Jumping):
    """Restart sampling: at some noise levels the run rises to a higher level, and comes down again, several times.

    Errors of earlier steps are contracted by the noise, whatever makes the steps. The steps down are laid out as EDM's,
    uniform in ρ^{1/7}. A rise is a state of the run.

    Parameters
    ----------
    restarts
        The intervals.

    Raises
    ------
    ValueError
        If an interval is not one; by `plan`, if it reaches beyond the grid.

    Examples
    --------
    >>> import numpy as np
    >>> import diffusion
    >>> net = diffusion.models.gaussian_mixture([1.0], [[0.3]], [[[0.2]]])
    >>> noise = np.random.default_rng(0).standard_normal((200, 1))
    >>> restart = diffusion.sampler("restart")
    >>> samples = diffusion.sample(net, noise, sampler=restart, steps=20, rng=7)
    >>> type(restart).__name__, bool(abs(samples.mean() - 0.3) < 0.1)
    ('Restarted', True)
    """

    folded: ClassVar[bool] = False
    restarts: tuple[Restart, ...] = (Restart(0.06, 0.3),)

    def __post_init__(self) -> None:
        super().__post_init__()
        for one in listed("restarts", self.restarts, "intervals"):
            low, high, times, steps = one
            number("low of a restart", low, above=0.0)
            number("high of a restart", high, above=low)
            integer("times of a restart", times)
            integer("steps of a restart", steps)

    def path(self, schedule: NoiseSchedule, times: tuple[float, ...], *, to_zero: bool) -> list[float]:
        """Return the times of the grid with the ways up and down."""
        del to_zero
        rho = np.exp(-np.asarray(schedule.half_log_snr(np.array(times))))
        after: dict[int, list[float]] = {}
        for restart in map(Restart._make, self.restarts):
            if not rho[-1] <= restart.low < restart.high <= rho[0]:
                raise ValueError(
                    f"expected restarts within the noise levels of the grid, from {rho[-1]:.4g} to {rho[0]:.4g}, "
                    f"received one from {restart.low:g} to {restart.high:g}; take levels between these"
                )
            place = int(np.argmin(np.abs(rho - restart.low)))
            levels = np.linspace(restart.high ** (1 / 7), rho[place] ** (1 / 7), restart.steps + 1)[:-1] ** 7
            if not levels[0] > rho[place]:
                raise ValueError(
                    f"expected a grid with a time at which σ/α is below {restart.high:g}, near {restart.low:g}, "
                    f"received {rho[place]:.4g} as the nearest; take more steps, or a wider interval"
                )
            down = [*np.asarray(schedule.time(-np.log(levels))).tolist(), times[place]]
            after.setdefault(place, []).extend(down * restart.times)
        return [own for n, t in enumerate(times) for own in (t, *after.get(n, ()))]
