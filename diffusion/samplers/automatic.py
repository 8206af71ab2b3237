"""The rule "auto": from the number of steps, the schedule and the times of a run to the sampler that makes it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf
from typing import NamedTuple

import numpy as np

from diffusion import grids
from diffusion.grids.published import GridRule
from diffusion.planning.interpolation import SignalClock
from diffusion.planning.signal_rule import lagrange_basis, signal_rule
from diffusion.process.clock import ANGLE, FLOW
from diffusion.process.gauge import SIGNAL
from diffusion.process.keeping import kept_of_values
from diffusion.process.schedule import NoiseSchedule
from diffusion.process.vp_table import VPTable
from diffusion.samplers.citations import bibtex
from diffusion.samplers.ends import End
from diffusion.samplers.sampler import Sampler
from expint.derive import PredictorCorrector, spread

__all__ = ["AUTO", "Automatic", "RootOfFlow"]

_REFERENCE = "zhao2023"


class _Choice(NamedTuple):
    """What is chosen for runs of at ``most`` so many steps.

    Attributes
    ----------
    most
        The steps.
    exponent
        Of the grid: uniform in σ/(α+σ) to the power of one over it.
    order
        The highest order of the predictor; the corrector's is one more.
    factor
        By how much the predictor may extrapolate.
    """

    most: float
    exponent: float
    order: int
    factor: float


_CHOICES = (
    _Choice(2, 1.8, 2, 4.0),
    _Choice(3, 1.75, 2, 4.0),
    _Choice(4, 2.0, 2, 4.0),
    _Choice(6, 2.25, 2, 4.0),
    _Choice(10, 2.25, 5, 4.0),
    _Choice(24, 2.25, 5, 6.0),
    _Choice(inf, 2.25, 5, 10.0),
)
"""Found on the models that `benchmarks.defaults` calls tuning, and judged on its others."""


@dataclass(frozen=True)
class Automatic:
    """The sampler for few calls, as a rule: (steps, schedule, times) ↦ `Sampler`.

    The equation is solved as d(x/σ) = x₀ d(α/σ), which starts from pure noise as from anywhere else, by a
    predictor–corrector (PEC: one call a step) whose history is interpolated in the angle arctan(σ/α), on a grid uniform
    in a root of the flow time σ/(α+σ). All three are functions of σ/α: the rule is the same for every process. The
    order of each step is the highest with which the predictor extrapolates by no more than a given factor, so that no
    step overshoots, on whatever times, and none enlarges rounding.

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
        orders = _orders(schedule, tuple(float(t) for t in times), to_zero)
        wanted = given.orders[-len(orders) :] if orders else ()
        free = len(orders) - len(wanted)
        orders = (*orders[:free], *map(min, orders[free:], wanted))
        return self._sampler(len(times) - 1 + to_zero, replace(given, orders=orders), _ends_clean(schedule))

    def backwards(self, schedule: NoiseSchedule, times: np.ndarray) -> Sampler:
        """Return the sampler that runs a run over the ``times`` from its end to its start."""
        return self.on(schedule, times[::-1])

    def cite(self) -> str:
        """Return the source of the predictor–corrector as BibTeX."""
        return bibtex(_REFERENCE)

    def _sampler(self, steps: int, end: End, clean: bool = False) -> Sampler:
        return Sampler(
            self.name,
            PredictorCorrector(_choice(steps).order, ramp=True),
            SIGNAL,
            RootOfFlow(clean) if self.grid is None else self.grid,
            interpolate_in=ANGLE,
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


@dataclass(frozen=True)
class RootOfFlow:
    """The rule of the grids that are uniform in a root of the flow time σ/(α+σ), the exponent by the number of steps.

    Parameters
    ----------
    clean
        Whether one more step leads to σ = 0. The times are then those of a grid that leads there, but for its last;
        where they would lie beyond the end of the schedule they stop at it.
    """

    clean: bool = False

    def __call__(self, steps: int, schedule: NoiseSchedule) -> np.ndarray:
        """Return ``steps`` + 1 times."""
        exponent = _choice(steps + self.clean).exponent
        if self.clean:
            first = float(FLOW.value(schedule, schedule.t_start)) ** (1 / exponent)
            roots = first * np.arange(steps + 1, 0, -1) / (steps + 1)
            if roots[-1] ** exponent > float(FLOW.value(schedule, schedule.t_end)):
                return np.array([schedule.t_start, *np.asarray(FLOW.time(schedule, roots[1:] ** exponent)).tolist()])
        return grids.power(steps, exponent, FLOW, schedule=schedule) if steps else np.array([schedule.t_start])


@kept_of_values(maxsize=128)
def _orders(schedule: NoiseSchedule, times: tuple[float, ...], to_zero: bool) -> tuple[int, ...]:
    """Return the order of the predictor in each step: the highest that extrapolates by no more than is allowed."""
    alpha, sigma = (np.asarray(part(np.array(times))) for part in (schedule.alpha, schedule.sigma))
    angles = np.arctan2(sigma, alpha).tolist()
    with np.errstate(divide="ignore"):
        ratios = (alpha / sigma).tolist()
    choice = _choice(len(times) - 1 + to_zero)
    orders = []
    for n, span in enumerate(pairwise(ratios)):
        if not np.isfinite(max(span)):  # to σ = 0
            orders.append(1)
            continue
        r, weights = signal_rule(*sorted(span))
        at = np.arctan2(1.0, r)
        past = angles[n::-1]
        taken = [past[k] for k in spread(past, angles[n + 1], choice.order, predicted=True, ramp=True)]
        highest = len(taken)  # of two times that nearly coincide the method looks at one
        fits = (q for q in range(highest, 1, -1) if _extrapolation(taken[:q], at, weights) <= choice.factor)
        order = next(fits, 1)
        orders.append(choice.order if order == highest else order)  # the first steps are those of the sampler's start
    return tuple(orders)


def _extrapolation(nodes: list[float], at: np.ndarray, weights: np.ndarray) -> float:
    """Return Σ|w_j| / |Σ w_j|, w_j the integrals of the Lagrange polynomials: how much errors of slopes may grow."""
    return float(np.abs(lagrange_basis(nodes, at) @ weights).sum() / weights.sum())


AUTO = Automatic()
