"""What a sampler is: a method, and the three clocks it runs by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

import expint
from expint.backend import Array
from expint.derive import Method
from expint.derive.predictor_corrector import PredictorCorrector
from expint.lower.plan import Row, Step

from .citations import bibtex
from .clock import Clock, clock
from .denoiser import Denoiser
from .evaluation import Predicted
from .gauge import DATA, Gauge
from .history import ScheduleClock
from .names import resolve
from .prediction import coefficients
from .programme import STARTS, STOP, End, Programme, capped, predictor
from .schedule import NoiseSchedule

__all__ = ["Sampler", "plan_sampler"]


@dataclass(frozen=True)
class Sampler:
    """A deterministic sampler: an exponential integrator for the probability-flow ODE, by declaration.

    Parameters
    ----------
    name
        Its name.
    method
        The method of ``expint``.
    gauge
        The scaled state and the clock in which the linear part is constant.
    grid
        The clock in which the grid is uniform, as a function (steps, schedule) ↦ decreasing times.
    interpolate_in
        The clock in which a multistep method interpolates its history; None is the clock of the gauge.
    start
        How a multistep method makes its first steps: "euler", "corrected", "runge-kutta"; None as the method says.
    end
        What happens at the end of the grid.
    history
        How integrals over a history in another clock are computed.
    reference
        Key of the source.

    Raises
    ------
    TypeError
        If the grid is no function or the end no `End`.
    ValueError
        If the start is unknown, or is chosen for a method that keeps no history.
    """

    name: str
    method: Method
    gauge: Gauge
    grid: Callable[[int, NoiseSchedule], np.ndarray]
    interpolate_in: str | Clock | None = None
    start: str | None = None
    end: End = STOP
    history: type[ScheduleClock] = ScheduleClock
    reference: str = ""

    def __post_init__(self) -> None:
        if not callable(self.grid):
            raise TypeError(
                f"{self.name}: expected grid as a function (steps, schedule) ↦ decreasing times, received "
                f"{type(self.grid).__name__}; give times themselves to diffusion.sample(…, grid=times)"
            )
        if not isinstance(self.end, End):
            raise TypeError(
                f"{self.name}: expected end as a diffusion.End, received {type(self.end).__name__}; "
                "for example diffusion.End(zero=1)"
            )
        if self.start is None:
            return
        object.__setattr__(self, "start", resolve(self.start, STARTS, {}, "start"))
        if not isinstance(self.method, expint.Adams | PredictorCorrector):
            raise ValueError(
                f"{self.name}: expected a multistep method to start by {self.start!r}, received {self.method.name}, "
                "which needs no start; leave start out"
            )

    def methods(
        self, schedule: NoiseSchedule, s: Sequence[float], known: Sequence[int], *, to_zero: bool = False
    ) -> tuple[Method, ...]:
        """Return the method of each of the steps between the values ``s`` of the clock of the gauge.

        ``known`` says how many slopes each of them may look at. With ``to_zero`` the grid ends before the last step,
        which leads to σ = 0.
        """
        method = self._method_on(schedule, s)
        steps = len(s) - 1 - to_zero
        begun = [method if self.start is None else STARTS[self.start](method, count) for count in known[:steps]]
        restarted = [after == 1 for after in known[1:steps]]  # no correction by a slope from beyond an edge
        ended = self.end.apply([predictor(m) if edge else m for m, edge in zip(begun, [*restarted, False])])
        return (*ended, capped(method, self.end.zero or 1)) if to_zero else ended

    def plan(
        self, schedule: NoiseSchedule, times: np.ndarray, *, to_zero: bool = False, edges: tuple[float, ...] = ()
    ) -> expint.Plan:
        """Return the numbers of a run over ``times`` (monotone), and from the last of them to σ = 0 if asked for.

        The plan is for the state x and for outputs of the kind ``gauge.predicts``, in double precision. No slope is
        remembered across the ``edges``, which are times. The plan of the same arguments is made once.
        """
        return plan_sampler(self, schedule, tuple(float(t) for t in times), to_zero, edges)

    def slope(self, denoiser: Denoiser) -> Callable[[float, Array], Array]:
        """Return what the plan's rows are evaluated by, as a function of (t, x): the prediction of the gauge."""
        return Predicted(denoiser, self.gauge.predicts)

    def for_run(self, steps: int, schedule: NoiseSchedule) -> Sampler:
        """Return the sampler with which a run of so many ``steps`` is made: this one."""
        del steps, schedule
        return self

    def on(self, schedule: NoiseSchedule, times: np.ndarray) -> Sampler:
        """Return the sampler with which a run over the ``times`` is made.

        One of order 1 that starts from pure noise, α = 0, uses the data prediction: it is the same sampler in both
        gauges, and of pure noise the noise prediction tells nothing.
        """
        if self.gauge.predicts == "noise" and self.method.order == 1 and float(schedule.alpha(times[0])) == 0.0:
            return replace(self, gauge=DATA)
        return self

    def cite(self) -> str:
        """Return the source of the sampler as BibTeX."""
        method: Any = self.method  # of expint's catalogue, where every method knows its source
        return bibtex(self.reference) if self.reference else str(method.cite())

    def _method_on(self, schedule: NoiseSchedule, s: Sequence[float]) -> Method:
        """Return the method with its history clock bound to the ``schedule`` and the ends ``s`` of the steps."""
        if self.interpolate_in is None:
            return self.method
        if not isinstance(self.method, expint.Adams):
            raise ValueError(
                f"{self.name}: expected an Adams method to interpolate in {self.interpolate_in!r}, received "
                f"{self.method.name}, whose history has no clock of its own; leave interpolate_in out"
            )
        history = self.history(schedule, self.gauge.clock, clock(self.interpolate_in), tuple(s), self.gauge.linear == 0)
        return replace(self.method, clock=history)


class _Ends(NamedTuple):
    """The ends of the steps: the time, the clock of the gauge and the scales there."""

    t: np.ndarray
    s: np.ndarray
    alpha: np.ndarray
    sigma: np.ndarray

    def and_zero(self, s: float) -> _Ends:
        """Return the ends with σ = 0 after them; some schedules have no time for it."""
        zero = (0.0 if self.t[-1] > 0.0 else -np.inf, s, 1.0, 0.0)
        return _Ends(*(np.append(column, end) for column, end in zip(self, zero)))


@lru_cache(maxsize=128)
def plan_sampler(
    sampler: Sampler, schedule: NoiseSchedule, times: tuple[float, ...], to_zero: bool, edges: tuple[float, ...]
) -> expint.Plan:
    """Return the plan in x and t: the method is lowered in the gauge, whose scales are folded into the weights."""
    gauge, t = sampler.gauge, np.array(times)
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
        if not np.isfinite(zero):
            return _plan_with_limit(sampler, schedule, ends, edges)
        ends = ends.and_zero(zero)
    known = _slopes_since(edges, ends.t)
    methods = sampler.methods(schedule, ends.s.tolist(), known, to_zero=to_zero)
    return _lowered(ends, methods, known, gauge, schedule)


def _slopes_since(edges: tuple[float, ...], t: np.ndarray) -> list[int]:
    """Return how many slopes each step knows that lie on its side of all ``edges``.

    At an edge the network is what it is at earlier times t.
    """
    side = np.searchsorted(np.sort(edges), t[:-1]) if edges else np.zeros(len(t) - 1, int)
    step = np.arange(len(side))
    first = np.where(np.diff(side, prepend=side[0] - 1) != 0, step, 0)
    return (step - np.maximum.accumulate(first) + 1).tolist()


def _plan_with_limit(sampler: Sampler, schedule: NoiseSchedule, ends: _Ends, edges: tuple[float, ...]) -> expint.Plan:
    """Return the plan whose last step is the limit of the exponential Euler step as σ → 0: in every gauge x = x₀."""
    gauge, t = sampler.gauge, ends.t[-1]
    beyond = ends.and_zero(2 * ends.s[-1] - ends.s[-2])  # any finite step: its row is replaced
    beyond.alpha[-1], beyond.sigma[-1] = ends.alpha[-1], ends.sigma[-1]
    known = _slopes_since(edges, beyond.t)
    methods = (*sampler.methods(schedule, ends.s.tolist(), known), expint.Adams(1))
    plan = _lowered(beyond, methods, known, gauge, schedule)
    alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
    of_state, of_slope = coefficients(gauge.predicts, "data", alpha, sigma, schedule.sigma_data)
    row = Row((of_state or None, of_slope), evaluate=False, accept=True)
    return replace(plan, steps=(*plan.steps[:-1], plan.steps[-1]._replace(rows=(row,))))


def _plan_with_noise(
    sampler: Sampler, schedule: NoiseSchedule, ends: _Ends, to_zero: bool, edges: tuple[float, ...]
) -> expint.Plan:
    """Return the plan from or to a time at which α = 0, by the limit of the exponential Euler step in the data gauge.

    It keeps x₀ and ε: from noise x the state is (σ′/σ) x + α′ x₀, and x₀ is not remembered; to noise it is that of ε.
    """
    t, alpha, sigma = (column.tolist() for column in (ends.t, ends.alpha, ends.sigma))
    if len(t) < 3:
        raise ValueError(
            f"{sampler.name}: expected at least two times beside the one at which α = 0; received {t}; take more steps"
        )
    if alpha[0] == 0.0:
        rest = sampler.plan(schedule, ends.t[1:], to_zero=to_zero, edges=edges)
        first = Step((t[0],), (Row((1.0,), evaluate=True, accept=True),))
        second = Step((t[1],), (Row((sigma[1] / sigma[0], alpha[1]), evaluate=True, accept=True),))
        return replace(rest, steps=(first, second, *rest.steps[1:]))
    rest = sampler.plan(schedule, ends.t[:-1], edges=edges)
    last = rest.steps[-1].rows
    before = rest.steps[-1]._replace(rows=(*last[:-1], last[-1]._replace(evaluate=True)))
    growth = sigma[-1] / sigma[-2]
    final = Step((t[-1],), (Row((growth, -alpha[-2] * growth), evaluate=False, accept=True),))
    return replace(rest, steps=(*rest.steps[:-1], before, final))


def _lowered(
    ends: _Ends, methods: tuple[Method, ...], known: Sequence[int], gauge: Gauge, schedule: NoiseSchedule
) -> expint.Plan:
    """Return the plan for x of steps between the ``ends``, each by its method."""
    programme = Programme(tuple(ends.s[:-1].tolist()), methods, tuple(known))
    plan = expint.lower(programme, expint.operators.Scalar(float(gauge.linear)), ends.s)
    inner = np.array([at for step in plan.steps for at in step.times[:-1]])
    t = gauge.clock.time(schedule, inner) if inner.size else inner  # all in one inversion of the clock
    t = _on_this_side(t, ends.t, [len(step.times) - 1 for step in plan.steps], known) if inner.size else t
    scale = gauge.scale(schedule.alpha(t), schedule.sigma(t)) if inner.size else inner
    sizes = [len(step.times) for step in plan.steps]
    return plan.in_coordinates(
        _by_step(gauge.scale(ends.alpha, ends.sigma), scale, sizes), _by_step(ends.t, t, sizes), float(gauge.nonlinear)
    )


def _on_this_side(t: np.ndarray, ends: np.ndarray, inner: Sequence[int], known: Sequence[int]) -> np.ndarray:
    """Return the times of the inner points, those at the end of a step before an edge moved back by one rounding."""
    before_edge = np.repeat([False, *(after == 1 for after in known[1:]), False], inner)
    start, end = np.repeat([ends[0], *ends[:-1]], inner), np.repeat(ends, inner)
    at_end = np.abs(t - end) <= 1e-9 * np.abs(start - end)
    return np.where(before_edge & at_end, np.nextafter(end, start), t)


def _by_step(ends: np.ndarray, inner: np.ndarray, sizes: Sequence[int]) -> list[list[float]]:
    """Return for each step the values at its inner points and at its end."""
    between = iter(inner.tolist())
    return [[*islice(between, size - 1), end] for end, size in zip(ends.tolist(), sizes, strict=True)]
