"""What a sampler is: a method, and the three clocks it runs by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, is_dataclass, replace
from functools import partial
from math import isfinite
from typing import Any

import numpy as np

import expint
from diffusion.denoiser import Denoiser
from diffusion.names import resolve
from diffusion.planning.conversion import Predicted
from diffusion.planning.interpolation import ScheduleClock
from diffusion.planning.plan import plan_sampler
from diffusion.process.clock import Clock, clock
from diffusion.process.gauge import DATA, Gauge, StateGauge
from diffusion.process.schedule import NoiseSchedule
from diffusion.process.sde import sde
from diffusion.process.strength import Strength, strength
from diffusion.samplers.citations import bibtex
from diffusion.samplers.ends import STARTS, STOP, End, capped, predictor
from expint.arguments import flag, function, instance, numbers
from expint.backend import Array
from expint.derive import INDEX, Method, kind_of_method

__all__ = ["Sampler", "check_method"]


@dataclass(frozen=True)
class Sampler:
    """A sampler by declaration: an exponential integrator for the probability-flow ODE, or for an SDE beside it.

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
    stochasticity
        The strength τ of the SDE that is solved: a number, a function of λ, or a ``diffusion.Strength``; None or 0 is
        the ODE. The method is that of the ODE; the noise of a step comes with its exact covariance
        (``diffusion.planning.noise``). The gauge has to be one in which the SDE has constant coefficients.

    Raises
    ------
    TypeError
        If the grid is no function or the end no `End`.
    ValueError
        If the method is none for a constant L and values of N, or the start is unknown, or chosen for a method that
        keeps no history.

    Examples
    --------
    >>> import diffusion
    >>> ours = diffusion.sampler("dpmpp-2m")
    >>> ours.name, ours.gauge.name
    ('dpmpp-2m', 'data')
    >>> plan = ours.plan(diffusion.VP.linear(), ours.grid(8, diffusion.VP.linear()))
    >>> plan.evaluations
    8
    """

    name: str
    method: Method
    gauge: StateGauge
    grid: Callable[[int, NoiseSchedule], np.ndarray]
    interpolate_in: str | Clock | None = None
    start: str | None = None
    end: End = STOP
    history: type[ScheduleClock] = ScheduleClock
    reference: str = ""
    stochasticity: Strength | None = None

    def __post_init__(self) -> None:
        for method in (self.method, *getattr(self.end, "methods", ())):
            check_method(self.name, method)
        remedy = "give times themselves to diffusion.sample(…, grid=times)"
        function("grid", self.grid, "(steps, schedule) ↦ decreasing times", remedy)
        instance("end", self.end, End, "a diffusion.End", "for example diffusion.End(zero=1)")
        object.__setattr__(self, "stochasticity", strength(self.stochasticity))
        if self.stochasticity is not None:
            self._check_noise()
        if self.start is None:
            return
        object.__setattr__(self, "start", resolve(self.start, STARTS, {}, "start"))
        if not hasattr(self.method, "ramp"):
            raise ValueError(
                f"{self.name}: expected a multistep method to start by {self.start!r}, received {self.method.name}, "
                "which needs no start; leave start out"
            )

    def __repr__(self) -> str:
        grid = str(self.grid) if is_dataclass(self.grid) else getattr(self.grid, "__name__", type(self.grid).__name__)
        clock = getattr(self.interpolate_in, "name", self.interpolate_in)
        own = "" if clock is None else f", history in {clock}"
        own += "" if self.end == STOP else ", an end of its own"
        own += ", with noise" if self.stochastic else ""
        kind = f"{type(self).__name__}({self.name!r}"
        return f"{kind}: {self.method.name} in the {self.gauge.name} gauge, grid {grid:.30}{own})"

    def _check_noise(self) -> None:
        """Raise ValueError if no noise can be added to the steps of the sampler."""
        if type(self) is not Sampler and isinstance(self.gauge, Gauge):  # its plan is another one
            raise ValueError(
                f"expected a sampler whose steps are those of its method for stochasticity=, received {self.name!r}, a "
                f"{type(self).__name__}; take 'dpmpp-2m' or 'unipc3'"
            )
        if not isinstance(self.gauge, Gauge):
            raise ValueError(
                f"{self.name}: expected a gauge with a constant linear part for stochasticity, received "
                f"{type(self.gauge).__name__}; take a sampler in the gauge 'data', such as 'dpmpp-2m'"
            )
        sde(self.gauge)
        if getattr(self.method, "clock", None) is INDEX:
            raise ValueError(
                f"{self.name}: expected a history in a clock for stochasticity, received {self.method.name} by the "
                "number of the step, whose weights are no integrals over a step; take 'deis-rhoab1' or 'dpmpp-2m'"
            )
        if getattr(self.method, "states", 1) > 1:
            raise ValueError(
                f"{self.name}: expected a method of one state for stochasticity, received {self.method.name}, which "
                "looks back at states without noise; take an Adams method, such as that of 'dpmpp-2m'"
            )

    def methods(
        self, schedule: NoiseSchedule, s: Sequence[float], known: Sequence[int], *, to_zero: bool = False
    ) -> tuple[Method, ...]:
        """Return the method of each of the steps between the values ``s`` of the clock of the gauge.

        ``known`` says how many values of N each of them may look at. With ``to_zero`` the grid ends before the last
        step, which leads to σ = 0; where the clock is infinite there, the last value is.
        """
        bounded = not to_zero or (
            isfinite(s[-1])
            and (self.interpolate_in is None or isfinite(self._history_value(schedule, schedule.t_clean)))
        )
        bound = partial(self._on, schedule=schedule, s=s if bounded else s[:-1])
        method = bound(self.method)
        last: tuple[Method, ...] = ()
        if to_zero:
            towards = capped(method, self.end.zero or 1) if bounded else expint.Adams(1)
            last = (towards if self.end.correct else predictor(towards),)
        steps = len(s) - 1 - to_zero
        if steps == 0:
            return last
        begun = [method if self.start is None else STARTS[self.start](method, count) for count in known[:steps]]
        restarted = [after == 1 for after in known[1:steps]]  # none by a value of N from beyond a breakpoint
        of_end = tuple(bound(m) if hasattr(m, "clock") else m for m in self.end.methods)
        end = replace(self.end, methods=of_end)
        ended = end.apply([predictor(m) if edge else m for m, edge in zip(begun, [*restarted, False])], to_zero=to_zero)
        return (*ended, *last)

    def plan(
        self, schedule: NoiseSchedule, times: np.ndarray, *, to_zero: bool = False, edges: tuple[float, ...] = ()
    ) -> expint.Plan:
        """Return the numbers of a run over ``times`` (monotone), and from the last of them to σ = 0 if asked for.

        The plan is for the state x and for outputs of the kind ``gauge.predicts``, in double precision. No value of
        N is remembered across the breakpoints ``edges``, which are times. The plan of the same arguments is made once.
        """
        instance("schedule", schedule, NoiseSchedule, "a NoiseSchedule", "pass VP.linear() or another")
        at = tuple(numbers("times", times, least=1))
        return plan_sampler(self, schedule, at, flag("to_zero", to_zero), tuple(numbers("edges", edges)))

    def slope(self, denoiser: Denoiser) -> Callable[[float, Array], Array]:
        """Return what the plan's rows are evaluated by, as a function of (t, x): the prediction of the gauge."""
        return Predicted(denoiser, self.gauge.predicts)

    @property
    def stochastic(self) -> bool:
        """Whether a run draws noise."""
        return self.stochasticity is not None

    def for_run(self, steps: int, schedule: NoiseSchedule) -> Sampler:
        """Return the sampler with which a run of so many ``steps`` is made: this one."""
        del steps, schedule
        return self

    def on(self, schedule: NoiseSchedule, times: np.ndarray, *, to_zero: bool = False) -> Sampler:
        """Return the sampler with which a run over the ``times`` is made.

        One of order 1 that starts from pure noise, α = 0, uses the data prediction: it is the same sampler in both
        gauges, and of pure noise the noise prediction tells nothing.
        """
        del to_zero
        if self.stochasticity is not None:  # with noise the gauges differ
            return self
        if self.gauge.predicts == "noise" and self.method.order == 1 and float(schedule.alpha(times[0])) == 0.0:
            return replace(self, gauge=DATA)
        return self

    def backwards(self, schedule: NoiseSchedule, times: np.ndarray) -> Sampler:
        """Return the sampler that runs a run over the ``times`` from its end to its start.

        Raises
        ------
        ValueError
            If it is stochastic: no noise leads back.
        """
        if self.stochastic:
            raise ValueError(
                f"expected a deterministic sampler to run backwards, received {self.name!r}, which adds noise that no "
                f"encoding finds again; take {self.name!r} with stochasticity=0, or 'ddim'"
            )
        chosen = self.on(schedule, times)
        return replace(chosen, end=End(correct=chosen.end.correct))

    def admit(self, denoiser: Denoiser, state: Array) -> None:
        """Accept any network and any samples."""

    def cite(self) -> str:
        """Return the source of the sampler as BibTeX."""
        method: Any = self.method  # of expint's catalogue, where every method knows its source
        return bibtex(self.reference) if self.reference else str(method.cite())

    def _history_value(self, schedule: NoiseSchedule, t: float) -> float:
        """Return the clock in which the history is interpolated at the time ``t``."""
        with np.errstate(divide="ignore"):
            value = clock(self.interpolate_in or self.gauge.clock).value(schedule, np.array([t]))
        return float(np.asarray(value)[0])

    def _on(self, method: Any, schedule: NoiseSchedule, s: Sequence[float]) -> Method:
        """Return the ``method`` with its clock bound to the ``schedule`` and the ends ``s`` of the steps."""
        if self.interpolate_in is None:
            return method
        if not hasattr(method, "clock"):
            raise ValueError(
                f"{self.name}: expected a multistep method to interpolate in {self.interpolate_in!r}, received "
                f"{method.name}, whose history has no clock of its own; leave interpolate_in out"
            )
        flat = isinstance(self.gauge, Gauge) and self.gauge.constants[0] == 0
        history = self.history(schedule, self.gauge.clock, clock(self.interpolate_in), tuple(s), flat)
        bound: Method = replace(method, clock=history)
        return bound


def check_method(name: str, method: Method) -> None:
    """Raise ValueError if the ``method`` of the sampler ``name`` does not solve y' = L y + N with a constant L."""
    kind = kind_of_method(method)
    if kind == "fixed L" or (kind == "follows fields" and bool(getattr(method, "points", ()))):
        return
    reason = {
        "linearises": "makes L the Jacobian of the right-hand side at every step",
        "splitting": "is a splitting, made of flows of N",
        "follows fields": "is made for N = b(t), whatever the state",
    }[kind]
    raise ValueError(
        f"{name}: expected a method for a constant L and values of N, received {method.name}, which {reason}; take a "
        "one-step or multistep method such as 'krogstad4' or 'adams3'"
    )
