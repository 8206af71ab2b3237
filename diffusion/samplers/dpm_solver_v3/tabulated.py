r"""The gauge whose linear part is a table: elementwise l, s, b over λ, as in DPM-Solver-v3.

With L = ∫ l and S = ∫ s from the start λ_n of a step, z = x/α and N = ρ ε − l z,

.. math::

    z_{n+1} = e^{-L_{n+1}} \Bigl( z_n - \int e^{L + S} (g + B) \, d\lambda \Bigr), \qquad
    g = e^{-S} N - B, \quad B = \int_{\lambda_n} e^{-S} b \, d\lambda,

and g, whose slope is e^{−S} (N′ − s N − b), is interpolated in λ. Any multistep method that interpolates in λ serves:
in place of its φ_k stand the moments ∫ e^{L − L_{n+1} + S} θ^{k−1} dθ/(k − 1)! of the step, an array each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import factorial
from typing import Any

import numpy as np

from diffusion.denoiser import Denoiser
from diffusion.planning.plan import slopes_since
from diffusion.process.clock import LAMBDA, StateClock
from diffusion.process.keeping import is_value, kept_of_values
from diffusion.process.prediction import Prediction, coefficients
from diffusion.process.schedule import NoiseSchedule
from diffusion.samplers.dpm_solver_v3.affine import Affine, Beside
from diffusion.samplers.dpm_solver_v3.moments import StepMoments, step_moments
from diffusion.samplers.dpm_solver_v3.statistics import Statistics
from diffusion.samplers.ends import predictor
from diffusion.samplers.sampler import Sampler
from expint.backend import Array
from expint.derive import Method, Stage, StepContext, Terms
from expint.lower import Layout, Plan, Row, Step

__all__ = ["TabulatedGauge", "TabulatedSampler"]

_LOOKBACK = 4
"""As many times as many values of N as a step looks at are offered: it passes over some that nearly coincide."""

_LAYOUT = Layout(constant=True)


@dataclass(frozen=True, eq=False)
class TabulatedGauge:
    """The equation z′ = −l z − N of z = x/α in the clock λ with elementwise l(λ), and the model N′ = s N + b.

    Parameters
    ----------
    statistics
        The tables.
    """

    statistics: Statistics

    _never_changes = True

    def __reduce__(self) -> Any:
        """Return the tables alone; what is made of them is made again."""
        return TabulatedGauge, (self.statistics,)

    @property
    def name(self) -> str:
        """Its name."""
        return "tabulated"

    @property
    def clock(self) -> StateClock:
        """The clock λ."""
        return LAMBDA

    @cached_property
    def predicts(self) -> Prediction:
        """N = −l x₀ + (1 − l) ρ ε, by formula; its coefficients are arrays of the shape of the tables."""

        def linear(alpha: float, sigma: float) -> np.ndarray:
            return self.statistics.at(np.log(alpha) - np.log(sigma))[0]

        return Prediction(
            lambda xp, alpha, sigma, d: -linear(alpha, sigma),  # noqa: ARG005  # the arguments of a Prediction
            lambda xp, alpha, sigma, d: (1.0 - linear(alpha, sigma)) * (sigma / alpha),  # noqa: ARG005  # the arguments of a Prediction
        )

    def data(self, schedule: NoiseSchedule, t: float, x: Array, slope: Array) -> Array:
        """Return x₀ where N is ``slope`` at the state ``x`` and the time t."""

        def make() -> tuple[Any, Any]:
            return coefficients(self.predicts, "data", schedule.alpha(t), schedule.sigma(t), schedule.sigma_data)

        of_state, of_slope = self.beside((schedule, "to data", t) if is_value(schedule) else None, make, x)
        return of_state * x + of_slope * slope

    @cached_property
    def beside(self) -> Beside:
        """What keeps the coefficients of the predictions beside the states they are used with."""
        return Beside()


@dataclass(frozen=True, repr=False)
class TabulatedSampler(Sampler):
    """A multistep sampler in a `TabulatedGauge`; its parameters are those of a `Sampler`.

    Raises
    ------
    TypeError
        If the gauge is another.
    ValueError
        When it is planned: if a method has inner stages, or interpolates in another clock than λ, if a time has λ
        beyond that of the statistics, or if the statistics do not fit the shape of the samples.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.tables  # a refusal belongs here

    @property
    def tables(self) -> TabulatedGauge:
        """The gauge."""
        if isinstance(self.gauge, TabulatedGauge):
            return self.gauge
        raise TypeError(
            f"{self.name}: expected a TabulatedGauge, received {type(self.gauge).__name__}; take diffusion.Sampler for "
            "gauges whose linear part is constant"
        )

    def plan(
        self, schedule: NoiseSchedule, times: np.ndarray, *, to_zero: bool = False, edges: tuple[float, ...] = ()
    ) -> Plan:
        """Return the numbers of a run, as `Sampler.plan` does; those of the last few runs are kept."""
        return _plan(self, schedule, tuple(float(t) for t in times), to_zero, edges)

    def slope(self, denoiser: Denoiser) -> Callable[[float, Array], Array]:
        """Return N as a function of (t, x)."""
        gauge = self.tables
        schedule, source = denoiser.schedule, denoiser.predicts
        kept = is_value(schedule) and is_value(source)

        def slope(t: float, x: Array) -> Array:
            def make() -> tuple[Any, Any]:
                alpha, sigma = schedule.alpha(t), schedule.sigma(t)
                return coefficients(source, gauge.predicts, alpha, sigma, schedule.sigma_data)

            of_state, of_output = gauge.beside((schedule, source, t) if kept else None, make, x)
            return of_state * x + of_output * denoiser(x, t)

        return slope


@kept_of_values(maxsize=8)
def _plan(
    sampler: TabulatedSampler,
    schedule: NoiseSchedule,
    times: tuple[float, ...],
    to_zero: bool,
    edges: tuple[float, ...],
) -> Plan:
    t = np.array(times)
    if t[0] < t[-1]:
        t = np.where(np.isin(t, edges), np.nextafter(t, np.inf), t)  # N at a breakpoint is that of the step after it
    lam = schedule.half_log_snr(t)
    if sampler.interpolate_in is not None or not np.all(np.isfinite(lam)):
        raise ValueError(
            f"{sampler.name}: expected a history interpolated in λ, and times at which α > 0 and σ > 0; received "
            f"interpolate_in = {sampler.interpolate_in!r} and λ from {lam[0]:g} to {lam[-1]:g}"
        )
    known = slopes_since(edges, t)
    methods = sampler.methods(schedule, lam.tolist(), known) if len(t) > 1 else ()
    if to_zero and methods:  # N of the state itself, which is what gives its x₀
        methods = (*methods[:-1], predictor(methods[-1]))
    statistics = sampler.tables.statistics
    highest = 1 + max((method.history for method in methods), default=0)
    with np.errstate(over="ignore", invalid="ignore"):
        moments = [step_moments(statistics, *pair, highest) for pair in pairwise(lam.tolist())]
    if not all(np.all(np.isfinite(part)) for step in moments for part in (*step.of_phi, step.drift, step.offset)):
        raise ValueError(
            f"{sampler.name}: expected statistics whose exponentials ∫ l and ∫ s over a step are finite, received "
            f"|l| up to {np.abs(statistics.linear).max():.3g} and |s| up to {np.abs(statistics.slope).max():.3g}; "
            "estimate them with more samples"
        )
    alpha = schedule.alpha(t)
    steps = [Step((float(t[0]),), (Row(_LAYOUT.arrange((1.0,), (), (), (None,)), evaluate=True, accept=True),))]
    for i, method in enumerate(methods):
        rows = _rows(method, lam, i, known[i], moments, alpha)
        steps.append(Step((float(t[i + 1]),) * len(rows), rows))
    if to_zero:
        steps.append(_to_data(sampler, schedule, t[-1]))
    else:
        last = steps[-1].rows
        steps[-1] = steps[-1]._replace(rows=(*last[:-1], last[-1]._replace(evaluate=False)))
    depth = max(1, *(len(row.weights) - _LAYOUT.fixed for step in steps for row in step.rows))
    return Plan(Affine(), tuple(steps), depth, _LAYOUT)


def _rows(
    method: Method, lam: np.ndarray, i: int, known: int, moments: Sequence[StepMoments], alpha: np.ndarray
) -> tuple[Row, ...]:
    """Return the rows of step i, for x and N; ``known`` past values of N may be looked at."""
    h = float(lam[i + 1] - lam[i])
    count = min(known, _LOOKBACK * method.history)
    history = tuple(float(at - lam[i]) / h for at in lam[i - count + 1 : i + 1][::-1])
    past = _relative(moments, i, count)
    end = (moments[i].growth, moments[i].drift)
    rows = []
    for stage in method.recipe(StepContext(float(lam[i]), h, history)):
        _check(stage, method)
        weights = [_value(terms, moments[i]) for terms in (*stage.stages, *stage.past)]
        places = [*[end] * len(stage.stages), *past]
        constant = sum((w * b for w, (_, b) in zip(weights, places)), start=-moments[i].offset)
        of_state = alpha[i + 1] / alpha[i] * _value(stage.state, moments[i])
        of_slopes = [-alpha[i + 1] * h * w * np.exp(-growth) for w, (growth, _) in zip(weights, places)]
        row = _LAYOUT.arrange((of_state,), of_slopes, (), (alpha[i + 1] * h * constant,))
        rows.append(Row(row, stage.evaluate, stage.accept))
    return tuple(rows)


def _relative(moments: Sequence[StepMoments], i: int, count: int) -> list[tuple[Any, Any]]:
    """Return (S, B) at the ends before step i, newest first, both measured from its start."""
    growth, drift = np.zeros(1), np.zeros(1)
    places: list[tuple[Any, Any]] = [(0.0, 0.0)]
    for before in moments[i - count + 1 : i][::-1]:
        # B = −∫ e^{−S} b over the steps between, each measured from its own start
        drift = drift - np.exp(-growth + before.growth) * before.drift
        growth = growth - before.growth
        places.append((growth, drift))
    return places


def _value(terms: Terms, moments: StepMoments) -> Any:
    """Return Σ r φ_k with the moments of the step in place of φ_k."""
    return sum(float(r) * (moments.of_phi[k] if c else 1 / factorial(k)) for (k, c), r in terms.items())


def _check(stage: Stage, method: Method) -> None:
    if float(stage.c) != 1.0 or any(c not in (0, 1) for terms in (*stage.stages, *stage.past) for _, c in terms):
        raise ValueError(
            f"expected a multistep method that interpolates in λ, received {method.name}; take Adams, a "
            "predictor–corrector or diffusion.dpm_solver_v3"
        )


def _to_data(sampler: Sampler, schedule: NoiseSchedule, t: float) -> Step:
    """Return the step to σ = 0: the limit of the first-order step is x = x₀."""
    alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
    of_state, of_slope = coefficients(sampler.gauge.predicts, "data", alpha, sigma, schedule.sigma_data)
    row = _LAYOUT.arrange((of_state,), (of_slope,), (), (None,))
    return Step((schedule.t_clean,), (Row(row, evaluate=False, accept=True),))
