"""The exact structures that a tuning starts from: gauge, method, history and grid, with the weights that follow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

import expint
from diffusion import grids
from diffusion.planning.interpolation import SignalClock
from diffusion.process.clock import ANGLE
from diffusion.process.gauge import DATA, NOISE, RHO, SIGNAL
from diffusion.process.schedule import NoiseSchedule
from diffusion.samplers.automatic import Automatic
from diffusion.samplers.ends import End
from diffusion.samplers.sampler import Sampler
from diffusion.tuning.values import Values
from expint.derive import PredictorCorrector

__all__ = ["Exact", "Structure", "structures", "values_of"]


@dataclass(frozen=True)
class Exact:
    """The values of a sampler as a function of the times of its run; the last of them may be that of σ = 0.

    Parameters
    ----------
    sampler
        A declaration.
    schedule
        Whose times they are.
    calls
        How many calls a run makes.
    to_zero
        Whether the last step leads to σ = 0.
    edges
        Times at which the network is discontinuous.
    """

    sampler: Sampler
    schedule: NoiseSchedule
    calls: int
    to_zero: bool
    edges: tuple[float, ...] = ()

    def __call__(self, times: np.ndarray) -> Values | None:
        """Return the values, None where the sampler has none on these times or makes other calls."""
        given = times[:-1] if self.to_zero else times
        try:
            plan = self.sampler.plan(self.schedule, given, to_zero=self.to_zero, edges=self.edges)
        except (ValueError, ArithmeticError):
            return None
        return values_of(plan, self.calls)


def values_of(plan: expint.Plan, calls: int) -> Values | None:
    """Return the canonical form of a plan of so many calls, None if it makes others or is not finite."""
    form = plan.canonical()
    if len(form.times) != calls or not np.all(np.isfinite(form.D)) or not np.all(np.isfinite(form.c)):
        return None
    return Values(np.array(form.times), np.array(form.c), np.array(form.D))


class Structure(NamedTuple):
    """An exact structure: its name, its values as a function of times, and the times to begin with."""

    name: str
    exact: Exact
    times: np.ndarray


def structures(
    rule: Sampler | Automatic, schedule: NoiseSchedule, times: np.ndarray, *, to_zero: bool, edges: tuple[float, ...]
) -> Iterator[Structure]:
    """Yield the structure of the ``rule`` on its ``times``, and where it is "auto" those that rival it.

    They are the exponential Adams methods and predictor–corrector pairs of the data, noise and ρ gauges, with the
    history interpolated in λ, in t or in arctan ρ, on grids uniform in √t, in λ, in a root of the flow time, and those
    of Karras: combinations of which most have no name.
    """
    calls = len(times) - 1

    def structure(name: str, sampler: Sampler, times: np.ndarray) -> Structure:
        return Structure(name, Exact(sampler, schedule, calls, to_zero, edges), times)

    def bound(rule: Sampler | Automatic, times: np.ndarray) -> Sampler:
        return rule.on(schedule, times[:-1] if to_zero else times, to_zero=to_zero)

    yield structure(f"{rule.name} on its own grid", bound(rule, times), times)
    if not isinstance(rule, Automatic):
        return
    for label, grid in _laid_out(schedule, calls, to_zero):
        yield structure(f"auto on {label}", bound(rule, grid), grid)
        for name, sampler in _declared(calls, to_zero):
            if sampler.interpolate_in != "t" or not len(schedule.kinks):  # whose integrals take long
                yield structure(f"{name} on {label}", sampler, grid)


def _laid_out(schedule: NoiseSchedule, calls: int, to_zero: bool) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the grids that the schedule has."""
    choices: list[tuple[str, float, str]] = [
        ("√t", 2.0, "t"),
        ("λ", 1.0, "lambda"),
        ("Karras' grid", 7.0, "rho"),
        ("√flow time", 2.0, "flow"),
    ]
    for label, exponent, clock in choices:
        count = calls - to_zero
        try:
            grid = grids.power(count, exponent, clock, schedule=schedule) if count else np.array([schedule.t_start])
        except ValueError:  # infinite at an end
            continue
        yield label, np.append(grid, schedule.t_clean) if to_zero else grid


def _declared(calls: int, to_zero: bool) -> Iterator[tuple[str, Sampler]]:
    """Yield the methods in their gauges and clocks of history."""
    end = End(correct=to_zero)
    for order in (q for q in (2, 3) if q <= calls):
        adams, pair = expint.Adams(order, ramp=True), PredictorCorrector(order, ramp=True)
        own: list[tuple[str, Any, Any, Any]] = [
            ("data", DATA, adams, None),
            ("data, history in t", DATA, adams, "t"),
            ("data, history in arctan ρ", DATA, adams, ANGLE),
            ("noise", NOISE, adams, None),
            ("ρ, history in t", RHO, adams, "t"),
            ("data", DATA, pair, None),
            ("data, history in arctan ρ", DATA, pair, ANGLE),
        ]
        for label, gauge, method, history in own:
            kind = "Adams" if method is adams else "PEC"
            sampler = Sampler("tuned", method, gauge, _no_grid, interpolate_in=history)
            if method is pair:
                sampler = replace(sampler, end=end)
            if history is ANGLE:
                sampler = replace(sampler, gauge=SIGNAL, history=SignalClock)  # the same, finite from pure noise on
            yield f"{kind} of order {order} ({label})", sampler


def _no_grid(steps: int, schedule: NoiseSchedule) -> np.ndarray:
    del steps, schedule
    raise NotImplementedError("expected times beside the sampler, received none; it has no grid of its own")
