"""The rule "auto": from the number of steps, the schedule and the times of a run to the sampler that makes it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from math import inf
from typing import NamedTuple

import numpy as np

from diffusion import grids
from diffusion.grids.published import GridRule
from diffusion.planning.interpolation import SignalClock
from diffusion.planning.signal_rule import lagrange_basis, signal_rule
from diffusion.process.clock import StateClock, edm_angle
from diffusion.process.gauge import SIGNAL
from diffusion.process.keeping import kept_of_values
from diffusion.process.schedule import NoiseSchedule
from diffusion.process.vp_table import VPTable
from diffusion.samplers.citations import bibtex
from diffusion.samplers.ends import End
from diffusion.samplers.sampler import Sampler
from expint.derive import PredictorCorrector

__all__ = ["AUTO", "Automatic", "RootOfNoiseShare"]

_REFERENCE = "zhao2023"


class _Choice(NamedTuple):
    """What is chosen for runs of at ``most`` so many steps.

    Attributes
    ----------
    most
        The steps.
    scale, tail, exponent
        Of the grid: uniform in v^(1/exponent), v = 1 − (1 + ρ/scale)^(−tail), ρ = σ/α.
    history
        The history is interpolated in the angle arctan(ρ/history).
    order
        The highest order of the predictor; the corrector's is one more.
    factor
        By how much the predictor may extrapolate on times that are not those of the rule.
    """

    most: float
    scale: float
    tail: float
    exponent: float
    history: float
    order: int
    factor: float


_CHOICES = (
    _Choice(2, 0.7, 0.5, 1.5, 3.0, 2, 2.25),
    _Choice(3, 1.2, 0.6, 2.1, 2.3, 2, 2.25),
    _Choice(4, 0.7, 0.6, 1.85, 2.0, 2, 2.25),
    _Choice(6, 0.55, 0.52, 1.8, 2.2, 2, 2.25),
    _Choice(9, 1.4, 0.41, 3.9, 3.4, 3, 2.25),
    _Choice(13, 1.3, 0.42, 3.9, 2.7, 4, 2.25),
    _Choice(24, 2.1, 0.69, 3.7, 1.3, 4, 2.5),
    _Choice(inf, 1.75, 0.56, 3.2, 4.2, 5, 4.0),
)
"""Found on models of small and of large scale (docs/defaults.md); those held out by `benchmarks.defaults`
and the mixtures of `benchmarks.tuning` were not among them."""

_MOST_FACTOR = 30.0  # on the rule's own times, whose steps change evenly


@lru_cache(maxsize=16)
def _noise_share(scale: float, tail: float) -> StateClock:
    """Return the clock v = 1 − (1 + ρ/scale)^(−tail), from 0 at clean data to 1 at pure noise."""
    return StateClock(
        f"noise-share({scale:g}, {tail:g})",
        of_state=lambda xp, a, s: -xp.expm1(tail * xp.log1p(-s / (scale * a + s))),
        half_log_snr=lambda xp, v: -xp.log(scale * xp.expm1(-xp.log1p(-v) / tail)),
        slope=lambda rho: -rho * (tail / scale) * (1.0 + rho / scale) ** (-tail - 1.0),
    )


@dataclass(frozen=True)
class Automatic:
    """The sampler for few calls, as a rule: (steps, schedule, times) ↦ `Sampler`.

    The equation is solved as d(x/σ) = x₀ d(α/σ), which starts from pure noise as from anywhere else, by a
    predictor–corrector (PEC: one call a step) whose history is interpolated in the angle arctan(ρ/s), ρ = σ/α, on a
    grid uniform in a root of 1 − (1 + ρ/c)^(−m). All are functions of ρ: the rule is the same for every process. With
    m < 1 steps are left for ρ far above 1, where images and other data with one large direction are decided. The
    numbers s, c, m, the root and the order depend on the number of steps alone. On other times than its own the order
    of each step is the highest with which the predictor extrapolates by no more than a given factor, so that no step
    overshoots and none enlarges rounding.

    Where the schedule ends at the first time of a table, which is no choice but where the table begins, the last step
    leads to σ = 0; elsewhere the run ends where the schedule does.

    Parameters
    ----------
    name
        Its name.
    grid
        The grid instead of the rule's: a function (steps, schedule) ↦ decreasing times.
    start
        How the first steps are made, as of a `Sampler`.
    end
        What happens at the end of the grid, instead of the rule's choice.

    Raises
    ------
    TypeError, ValueError
        As `Sampler` does.
    """

    name: str = "auto"
    grid: GridRule | None = None
    start: str | None = None
    end: End | None = None

    def __post_init__(self) -> None:
        self._sampler(1, End() if self.end is None else self.end)  # what is given is checked there

    def for_run(self, steps: int, schedule: NoiseSchedule) -> Sampler:
        """Return the sampler that lays out a run of so many ``steps``."""
        clean = _ends_clean(schedule)
        return self._sampler(steps, End(zero=1 if clean else None) if self.end is None else self.end, clean)

    def on(self, schedule: NoiseSchedule, times: np.ndarray, *, to_zero: bool = False) -> Sampler:
        """Return the sampler for a run over the ``times``, and from the last of them to σ = 0 if asked for."""
        given = End(correct=to_zero) if self.end is None else self.end  # the call at the start of a last step is made
        steps, clean = len(times) - 1 + to_zero, _ends_clean(schedule)
        own = _are_own(times, to_zero, schedule, clean)
        factor = _MOST_FACTOR if own else _choice(steps).factor
        orders = _orders(schedule, tuple(float(t) for t in times), to_zero, factor)
        wanted = given.orders[-len(orders) :] if orders else ()
        free = len(orders) - len(wanted)
        orders = (*orders[:free], *map(min, orders[free:], wanted))
        return self._sampler(steps, replace(given, orders=orders), clean)

    def backwards(self, schedule: NoiseSchedule, times: np.ndarray) -> Sampler:
        """Return the sampler that runs a run over the ``times`` from its end to its start."""
        return self.on(schedule, times[::-1])

    def cite(self) -> str:
        """Return the source of the predictor–corrector as BibTeX."""
        return bibtex(_REFERENCE)

    def _sampler(self, steps: int, end: End, clean: bool = False) -> Sampler:
        choice = _choice(steps)
        return Sampler(
            self.name,
            PredictorCorrector(choice.order, ramp=True),
            SIGNAL,
            RootOfNoiseShare(clean) if self.grid is None else self.grid,
            interpolate_in=edm_angle(choice.history),
            start=self.start,
            end=end,
            history=SignalClock,
            reference=_REFERENCE,
        )


def _choice(steps: int) -> _Choice:
    return next(choice for choice in _CHOICES if steps <= choice.most)


def _ends_clean(schedule: NoiseSchedule) -> bool:
    """Whether a run goes on to σ = 0 from where the schedule ends: at the first time of a table, by no one's choice."""
    return isinstance(schedule, VPTable) and schedule.t_end == 1.0 / len(schedule.half_log_snrs)


def _are_own(times: np.ndarray, to_zero: bool, schedule: NoiseSchedule, clean: bool) -> bool:
    """Whether the ``times`` are those of the rule for so many steps, to rounding."""
    beyond = to_zero and not clean  # of a schedule that itself ends at σ = 0
    own = _own_times(len(times) - 1 + beyond, schedule, clean)
    return bool(np.allclose(own[: len(times)], times, rtol=1e-9, atol=0.0))


@dataclass(frozen=True)
class RootOfNoiseShare:
    """The rule of the grids uniform in a root of 1 − (1 + ρ/c)^(−m), ρ = σ/α, the numbers by the number of steps.

    Parameters
    ----------
    clean
        Whether one more step leads to σ = 0. The times are then those of a grid that leads there, but for its last;
        where they would lie beyond the end of the schedule they stop at it.
    """

    clean: bool = False

    def __call__(self, steps: int, schedule: NoiseSchedule) -> np.ndarray:
        """Return ``steps`` + 1 times."""
        return _own_times(steps, schedule, self.clean).copy()


@kept_of_values(maxsize=128)
def _own_times(steps: int, schedule: NoiseSchedule, clean: bool) -> np.ndarray:
    if not steps:
        return np.array([schedule.t_start])
    choice = _choice(steps + clean)
    share, exponent = _noise_share(choice.scale, choice.tail), choice.exponent
    if clean:
        first, last = (_value(share, schedule, t) for t in (schedule.t_start, schedule.t_end))
        roots = first ** (1 / exponent) * np.arange(steps + 1, 0, -1) / (steps + 1)
        if roots[-1] ** exponent > last:
            return np.array([schedule.t_start, *np.asarray(share.time(schedule, roots[1:] ** exponent)).tolist()])
    return grids.power(steps, exponent, share, schedule=schedule)


def _value(clock: StateClock, schedule: NoiseSchedule, t: float) -> float:
    with np.errstate(divide="ignore"):  # at pure noise
        return float(np.asarray(clock.value(schedule, np.array([t])))[0])


@kept_of_values(maxsize=128)
def _orders(schedule: NoiseSchedule, times: tuple[float, ...], to_zero: bool, factor: float) -> tuple[int, ...]:
    """Return the order of the predictor in each step: the highest that extrapolates by no more than the ``factor``."""
    alpha, sigma = (np.asarray(part(np.array(times))) for part in (schedule.alpha, schedule.sigma))
    choice = _choice(len(times) - 1 + to_zero)
    angles = np.arctan2(sigma, choice.history * alpha).tolist()
    with np.errstate(divide="ignore"):
        ratios = (alpha / sigma).tolist()
    orders = []
    for n, span in enumerate(pairwise(ratios)):
        if not np.isfinite(max(span)):  # to σ = 0
            orders.append(1)
            continue
        r, weights = signal_rule(*sorted(span))
        at = np.arctan2(1.0, choice.history * r)
        highest = min(choice.order, n + 1)
        fits = (q for q in range(highest, 1, -1) if _extrapolation(angles[n - q + 1 : n + 1], at, weights) <= factor)
        order = next(fits, 1)
        orders.append(choice.order if order == highest else order)  # the first steps are those of the sampler's start
    return tuple(orders)


def _extrapolation(nodes: list[float], at: np.ndarray, weights: np.ndarray) -> float:
    """Return Σ|w_j| / |Σ w_j|, w_j the integrals of the Lagrange polynomials: how much errors of slopes may grow."""
    return float(np.abs(lagrange_basis(nodes, at) @ weights).sum() / weights.sum())


AUTO = Automatic()
