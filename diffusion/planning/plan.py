"""From a sampler and its times to the numbers of a run: the plan in x and t."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import islice, pairwise
from math import exp, inf, log, sqrt
from typing import NamedTuple, Protocol

import numpy as np

import expint
from diffusion.planning.noise import lowered_with_noise
from diffusion.process.gauge import Gauge, StateGauge
from diffusion.process.keeping import kept_of_values
from diffusion.process.prediction import Kind, coefficients
from diffusion.process.schedule import NoiseSchedule
from diffusion.process.sde import SDE, sde
from diffusion.process.strength import Strength
from diffusion.samplers.ends import MethodsByStep
from expint.derive import Method
from expint.lower import Layout, Row, Step

__all__ = ["Declared", "of_data", "plan_sampler", "slopes_since"]


class Declared(Protocol):
    """What planning asks of a sampler; see ``diffusion.Sampler``."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def gauge(self) -> StateGauge:
        """The scaled state, its clock and its equation."""

    @property
    def stochasticity(self) -> Strength | None:
        """How much noise its steps add; None for the flow without noise."""

    def methods(
        self, schedule: NoiseSchedule, s: Sequence[float], known: Sequence[int], *, to_zero: bool = False
    ) -> tuple[Method, ...]:
        """Return the method of each step."""

    def plan(
        self, schedule: NoiseSchedule, times: np.ndarray, *, to_zero: bool = False, edges: tuple[float, ...] = ()
    ) -> expint.Plan:
        """Return the plan over ``times``."""


class _Ends(NamedTuple):
    """The ends of the steps: the time, the clock of the gauge and the scales there."""

    t: np.ndarray
    s: np.ndarray
    alpha: np.ndarray
    sigma: np.ndarray

    def and_zero(self, s: float, t: float) -> _Ends:
        """Return the ends with σ = 0 after them, at the time ``t``."""
        zero = (t, s, 1.0, 0.0)
        return _Ends(*(np.append(column, end) for column, end in zip(self, zero)))


@kept_of_values(maxsize=128)
def plan_sampler(
    sampler: Declared, schedule: NoiseSchedule, times: tuple[float, ...], to_zero: bool, edges: tuple[float, ...]
) -> expint.Plan:
    """Return the plan in x and t: the method is lowered in the gauge, whose scales are folded into the weights."""
    gauge, t = _with_constants(sampler), np.array(times)
    if t[0] < t[-1]:
        t = np.where(np.isin(t, edges), np.nextafter(t, np.inf), t)  # the slope at an edge is that of the step after it
    if gauge.predicts == "edm" and float(gauge.sigma_data) != schedule.sigma_data:
        raise ValueError(
            f"{sampler.name}: expected the gauge of the schedule's sigma_data = {schedule.sigma_data:g}, received "
            f"that of {float(gauge.sigma_data):g}; take diffusion.gauge.edm({schedule.sigma_data:g})"
        )
    with np.errstate(divide="ignore"):
        ends = _Ends(t, gauge.clock.value(schedule, t), schedule.alpha(t), schedule.sigma(t))
    if gauge.predicts == "data" and 0.0 in ends.alpha[[0, -1]] and not np.all(np.isfinite(ends.s[[0, -1]])):
        return _plan_with_noise(sampler, schedule, ends, to_zero, edges)
    if not np.all(np.isfinite(ends.s)):
        worst = int(np.argmin(np.isfinite(ends.s)))
        raise ValueError(
            f"{sampler.name}: expected times at which the clock {gauge.clock.name!r} is finite, received "
            f"t = {t[worst]:g} with α = {ends.alpha[worst]:g}, σ = {ends.sigma[worst]:g}; keep off that time, or take "
            "a sampler in a gauge that is finite there, such as 'adams3-flow' or 'adams3-velocity', or, to start from "
            "α = 0, one that uses the data, such as 'dpmpp-2m' or 'unipc3'"
        )
    if to_zero:
        with np.errstate(divide="ignore"):
            zero = float(gauge.clock.at(np.array(1.0), np.array(0.0)))
        if not np.isfinite(zero) or sampler.stochasticity is not None:
            return _plan_with_limit(sampler, schedule, ends, edges)
        ends = ends.and_zero(zero, schedule.t_clean)
    known = slopes_since(edges, ends.t)
    methods = sampler.methods(schedule, ends.s.tolist(), known, to_zero=to_zero)
    return _lowered(ends, methods, known, gauge, schedule, sampler.stochasticity)


def slopes_since(edges: tuple[float, ...], t: np.ndarray) -> list[int]:
    """Return how many slopes each step knows that lie on its side of all ``edges``.

    At an edge the network is what it is at earlier times t.
    """
    if len(t) < 2:
        return []
    side = np.searchsorted(np.sort(edges), t[:-1]) if edges else np.zeros(len(t) - 1, int)
    step = np.arange(len(side))
    first = np.where(np.diff(side, prepend=side[0] - 1) != 0, step, 0)
    return (step - np.maximum.accumulate(first) + 1).tolist()


def _with_constants(sampler: Declared) -> Gauge:
    """Return the gauge of a sampler whose plan is made here: by φ-functions of a constant L."""
    if isinstance(sampler.gauge, Gauge):
        return sampler.gauge
    raise TypeError(
        f"{sampler.name}: expected a diffusion.Gauge, whose linear part is constant, received "
        f"{type(sampler.gauge).__name__}; take one of diffusion.gauge, or a sampler with a plan of its own"
    )


def _plan_with_limit(sampler: Declared, schedule: NoiseSchedule, ends: _Ends, edges: tuple[float, ...]) -> expint.Plan:
    """Return the plan whose last step is the limit of the exponential Euler step as σ → 0: in every gauge x = x₀.

    So it is with noise, too: what the state keeps of it vanishes with σ.
    """
    gauge, t = _with_constants(sampler), ends.t[-1]
    before = ends.s[-2] if len(ends.s) > 1 else ends.s[-1] - 1.0
    beyond = ends.and_zero(2 * ends.s[-1] - before, schedule.t_clean)  # any finite step: its row is replaced
    beyond.alpha[-1], beyond.sigma[-1] = ends.alpha[-1], ends.sigma[-1]
    known = slopes_since(edges, beyond.t)
    methods = sampler.methods(schedule, [*ends.s.tolist(), inf], known, to_zero=True)
    plan = _lowered(beyond, methods, known, gauge, schedule, sampler.stochasticity, to_zero=True)
    alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
    of_state, of_slope = coefficients(gauge.predicts, "data", alpha, sigma, schedule.sigma_data)
    weights = plan.layout.arrange((of_state or None,), (of_slope,), (None,) * plan.layout.noise)
    row = Row(weights, evaluate=False, accept=True)
    return replace(plan, steps=(*plan.steps[:-1], plan.steps[-1]._replace(rows=(row,))))


def _plan_with_noise(
    sampler: Declared, schedule: NoiseSchedule, ends: _Ends, to_zero: bool, edges: tuple[float, ...]
) -> expint.Plan:
    """Return the plan from or to a time at which α = 0, by the limit of the exponential Euler step in the data gauge.

    It keeps x₀ and ε: from noise x the state is (σ′/σ) x + α′ x₀, and x₀ is not remembered; to noise it is that of ε.
    With noise of its own it keeps the part e^{-∫τ²} of ε.
    """
    if sampler.stochasticity is not None:
        return _stochastic_from_noise(sampler, sampler.stochasticity, schedule, ends, to_zero, edges)
    t, alpha, sigma = (column.tolist() for column in (ends.t, ends.alpha, ends.sigma))
    first = Step((t[0],), (Row((1.0,), evaluate=True, accept=True),))
    if alpha[0] == 0.0:
        if len(t) + to_zero < 3:  # all of it is one step
            t1, alpha1, sigma1 = (schedule.t_clean, 1.0, 0.0) if to_zero else (t[-1], alpha[-1], sigma[-1])
            only = Step((t1,), (Row((sigma1 / sigma[0] or None, alpha1), evaluate=False, accept=True),))
            return expint.Plan(expint.operators.Scalar(0.0), (first, only), 1)
        rest = sampler.plan(schedule, ends.t[1:], to_zero=to_zero, edges=edges)
        arrange = rest.layout.arrange
        first = Step((t[0],), (Row(arrange((1.0,), ()), evaluate=True, accept=True),))
        weights = arrange((sigma[1] / sigma[0],), (alpha[1],))
        second = Step((t[1],), (Row(weights, evaluate=True, accept=True),))
        return replace(rest, steps=(first, second, *rest.steps[1:]))
    if len(t) < 3:
        growth = sigma[-1] / sigma[0]
        only = Step((t[-1],), (Row((growth, -alpha[0] * growth), evaluate=False, accept=True),))
        return expint.Plan(expint.operators.Scalar(0.0), (first, only), 1)
    rest = sampler.plan(schedule, ends.t[:-1], edges=edges)
    last = rest.steps[-1].rows
    before = rest.steps[-1]._replace(rows=(*last[:-1], last[-1]._replace(evaluate=True)))
    growth = sigma[-1] / sigma[-2]
    weights = rest.layout.arrange((growth,), (-alpha[-2] * growth,))
    final = Step((t[-1],), (Row(weights, evaluate=False, accept=True),))
    return replace(rest, steps=(*rest.steps[:-1], before, final))


def _stochastic_from_noise(
    sampler: Declared,
    strength: Strength,
    schedule: NoiseSchedule,
    ends: _Ends,
    to_zero: bool,
    edges: tuple[float, ...],
) -> expint.Plan:
    """Return the plan of a stochastic sampler from a time at which α = 0: its first step is of infinite length in λ."""
    t, alpha, sigma = (column.tolist() for column in (ends.t, ends.alpha, ends.sigma))
    if len(t) + to_zero < 3:  # all of it is one step
        layout = Layout(noise=1)
        rest: tuple[Step, ...] = ()
        t1, alpha1, sigma1 = (schedule.t_clean, 1.0, 0.0) if to_zero else (t[-1], alpha[-1], sigma[-1])
        plan = expint.Plan(expint.operators.Scalar(0.0), (), 1, layout)
    else:
        plan = sampler.plan(schedule, ends.t[1:], to_zero=to_zero, edges=edges)
        layout, rest = plan.layout, plan.steps[1:]
        t1, alpha1, sigma1 = t[1], alpha[1], sigma[1]
    kept = 0.0 if sigma1 == 0.0 else exp(-strength.spent(-inf, log(alpha1 / sigma1)))
    unused = (None,) * (layout.noise - 1)
    weights = layout.arrange((sigma1 / sigma[0] * kept or None,), (alpha1,), (sigma1 * sqrt(1 - kept**2), *unused))
    whole = layout.arrange((1.0,), (), (None, *unused))
    first = Step((t[0],), (Row(whole, evaluate=True, accept=True),))
    second = Step((t1,), (Row(weights, evaluate=bool(rest), accept=True),))
    return replace(plan, steps=(first, second, *rest))


def _squares(strength: Strength, equation: SDE, ends: _Ends, to_zero: bool) -> list[float]:
    """Return τ² of each step; that of a step to σ = 0, which is its limit, is left out of account: 0."""
    with np.errstate(divide="ignore"):
        lam = np.log(ends.alpha / ends.sigma).tolist()
    steps = list(pairwise(lam[: len(lam) - to_zero]))
    for start, end in steps:
        if not end > start:
            raise ValueError(
                f"expected times that go from noise to data for a stochastic sampler, received λ = {start:.6g} "
                f"followed by {end:.6g}; take the deterministic one"
            )
    return [equation.square(strength.spent(*step), step[1] - step[0]) for step in steps] + [0.0] * to_zero


def _lowered(
    ends: _Ends,
    methods: tuple[Method, ...],
    known: Sequence[int],
    gauge: Gauge,
    schedule: NoiseSchedule,
    strength: Strength | None = None,
    *,
    to_zero: bool = False,
) -> expint.Plan:
    """Return the plan for x of steps between the ``ends``, each by its method.

    With a ``strength`` each adds noise, but that ``to_zero``, whose row is going to be replaced.
    """
    if strength is None:
        by_step = MethodsByStep(tuple(ends.s[:-1].tolist()), methods, tuple(known))
        linear, nonlinear = gauge.constants
        plan = expint.lower(by_step, expint.operators.Scalar(linear), ends.s)
    else:
        equation, nonlinear = sde(gauge), 1.0
        plan = lowered_with_noise(equation, ends.s, methods, known, _squares(strength, equation, ends, to_zero))
    inner = np.array([at for step in plan.steps for at in step.times[:-1]])
    with np.errstate(divide="ignore"):  # λ = ∞ has a time
        t = gauge.clock.time(schedule, inner) if inner.size else inner  # all in one inversion of the clock
    t = _on_this_side(t, ends.t, [len(step.times) - 1 for step in plan.steps], known) if inner.size else t
    scale = gauge.scale(schedule.alpha(t), schedule.sigma(t)) if inner.size else inner
    sizes = [len(step.times) for step in plan.steps]
    in_x = plan.in_coordinates(
        _by_step(gauge.scale(ends.alpha, ends.sigma), scale, sizes), _by_step(ends.t, t, sizes), nonlinear
    )
    return replace(in_x, outputs=partial(of_data, gauge.predicts, schedule))


def of_data(kind: Kind, schedule: NoiseSchedule, t: float) -> tuple[float, float]:
    """Return (p, q) with prediction = p x + q x₀ at the time t: the data are what all plans have in common."""
    return coefficients("data", kind, float(schedule.alpha(t)), float(schedule.sigma(t)), schedule.sigma_data)


def _on_this_side(t: np.ndarray, ends: np.ndarray, inner: Sequence[int], known: Sequence[int]) -> np.ndarray:
    """Return the times of the inner points, those at the end of a step its very time, as a slope there is known by it.

    Before an edge it is the time one rounding earlier in the step.
    """
    before_edge = np.repeat([False, *(after == 1 for after in known[1:]), False], inner)
    start, end = np.repeat([ends[0], *ends[:-1]], inner), np.repeat(ends, inner)
    at_end = np.abs(t - end) <= 1e-9 * np.abs(start - end)
    return np.where(at_end, np.where(before_edge, np.nextafter(end, start), end), t)


def _by_step(ends: np.ndarray, inner: np.ndarray, sizes: Sequence[int]) -> list[list[float]]:
    """Return for each step the values at its inner points and at its end."""
    between = iter(inner.tolist())
    return [[*islice(between, size - 1), end] for end, size in zip(ends.tolist(), sizes, strict=True)]
