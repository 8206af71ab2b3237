"""The plan of a run for a host that calls the network itself, from any of its steps on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

import expint
from diffusion.adapters.diffusers.process import Process
from diffusion.checks import lay_out
from diffusion.denoiser import Denoiser
from diffusion.planning.conversion import Conversion, Predicted, fold
from diffusion.process.prediction import coefficients
from diffusion.samplers.automatic import Automatic
from diffusion.samplers.catalogue import AnySampler
from diffusion.samplers.fitted import FittedSampler
from diffusion.samplers.sampler import Sampler
from expint.backend import Array
from expint.lower import Row, Step, without_corrected
from expint.run.compiled import Pushed, pushed

__all__ = ["Layout", "Run", "laid_out"]

Limit = Callable[[Array], Array]


@dataclass(frozen=True, eq=False)
class Run:
    """A run from the call ``first`` of a layout on.

    Attributes
    ----------
    first
        The call.
    pushed
        Its plan, for evaluations by `slope`.
    conversions
        How those are made of the outputs, by the number of the evaluation.
    to_data
        (A, B) with data = A x + B output there, where the data are limited.
    limit
        What limits them.
    """

    first: int
    pushed: Pushed
    conversions: tuple[Conversion, ...]
    to_data: tuple[tuple[float, float], ...] = ()
    limit: Limit | None = None

    @property
    def stochastic(self) -> bool:
        """Whether it draws noise."""
        return bool(self.pushed.begun)

    def advance(
        self, memory: Any, call: int, x: Array, output: Array, noise: Callable[..., Any] | None = None
    ) -> tuple[Any, Array]:
        """Return the memory after the ``call`` whose ``output`` at ``x`` is given, and the state of the next one.

        ``noise`` is that of `expint.run.compiled.Pushed`, for samplers that draw some.
        """
        number = call - self.first
        if self.limit is not None:
            of_state, of_output = self.to_data[number]
            output = self.limit(of_state * x + of_output * output)
        from_state, ratio, _ = self.conversions[number]
        if not ratio:
            value = 1.0 * output  # a copy: networks may use their memory again
        else:
            value = x.add(output, alpha=ratio) if from_state else output.add(x, alpha=ratio)
        return self.pushed.advance(memory, number, x, value, noise)


@dataclass(frozen=True, eq=False)
class Layout:
    """The steps of a run, and when the network is called.

    Attributes
    ----------
    process
        The process, with the schedule whose times these are.
    rule, chosen
        What was asked for, and the sampler that makes the run.
    times, to_zero
        The ends of the steps with σ > 0, and whether one more leads to σ = 0.
    """

    process: Process
    rule: AnySampler
    chosen: Sampler | FittedSampler
    times: np.ndarray
    to_zero: bool
    limit: Limit | None = None

    @cached_property
    def calls(self) -> tuple[tuple[float, bool], ...]:
        """The time of each call of the network, and whether a step starts there."""
        return tuple((t, of_state) for t, of_state, _ in self._pushed_from(0).evaluations)

    @cached_property
    def starts(self) -> list[int]:
        """The calls at which steps start."""
        return [number for number, (_, start) in enumerate(self.calls) if start]

    @cached_property
    def order(self) -> int:
        """The number of calls of every step, the last of which may have fewer; 1 if they differ."""
        sizes = [b - a for a, b in pairwise(self.starts)]
        last = len(self.calls) - self.starts[-1]
        return sizes[0] if sizes and len(set(sizes)) == 1 and last <= sizes[0] else 1

    def run_from(self, call: int) -> Run:
        """Return the run from a ``call`` on, with nothing remembered of those before it.

        Raises
        ------
        ValueError
            If no step starts there, or the steps from there on make other calls than those after others.
        """
        each = len(self.calls) == self.times.size - 1 + self.to_zero  # time is a call, and may be one of a first step
        if not 0 <= call < len(self.calls) or not (each or self.calls[call][1]):
            raise ValueError(
                f"expected to begin where a step starts, at one of {self.starts}; received {call}; "
                f"timesteps[k * scheduler.order:] start there where order = {self.order} is that of all steps"
            )
        plan = self._pushed_from(self.starts.index(call)) if self.calls[call][1] else self._pushed_at(call)
        expected = [t for t, _ in self.calls[call:]]
        if [evaluation.t for evaluation in plan.evaluations] != expected:
            raise ValueError(
                "expected a sampler whose steps make the same calls wherever it begins; received "
                f"{self.chosen.name!r}, which begins by steps with more calls; take start='corrected': "
                f"sampler=diffusion.sampler({self.chosen.name!r}, start='corrected')"
            )
        schedule, source = self.process.schedule, self.process.predicts
        folded, by_time = fold(plan.plan, schedule, self._source, self.chosen.gauge.predicts)
        to_data: tuple[tuple[float, float], ...] = ()
        if self.limit is not None:
            scales = [(float(schedule.alpha(t)), float(schedule.sigma(t))) for t in expected]
            to_data = tuple(coefficients(source, "data", a, s, schedule.sigma_data) for a, s in scales)
        return Run(call, pushed(folded), tuple(by_time[t] for t in expected), to_data, self.limit)

    @property
    def _source(self) -> Any:
        return self.process.predicts if self.limit is None else "data"

    def _pushed_from(self, step: int) -> Pushed:
        return pushed(without_corrected(self._plan_from(step)))

    def _pushed_at(self, call: int) -> Pushed:
        self._refuse_late_start()
        return pushed(self.chosen.plan(self.process.schedule, self.times[call:], to_zero=self.to_zero))

    def _refuse_late_start(self) -> None:
        if isinstance(self.chosen, FittedSampler):
            raise ValueError(
                f"expected a run from its first step for {self.chosen.name!r}, whose rows combine all calls from there "
                "on; received one that begins later, as image-to-image does; take a named sampler for it"
            )

    def _plan_from(self, step: int) -> expint.Plan:
        """Return the plan from the start of a step on: a new history begins there, as at an edge."""
        schedule, to_zero, t = self.process.schedule, self.to_zero, self.times
        whole = self.chosen.plan(schedule, t, to_zero=to_zero)
        if not step:
            return whole
        self._refuse_late_start()
        if isinstance(self.rule, Automatic):  # what is best from here on
            return self.rule.on(schedule, t[step:], to_zero=to_zero).plan(schedule, t[step:], to_zero=to_zero)
        start = whole.steps[step].times[-1]
        whole = self.chosen.plan(schedule, t, to_zero=to_zero, edges=(start,))
        first = Step((start,), (Row(whole.layout.arrange((1.0,), (), (None,) * whole.layout.noise), True, True),))
        return replace(whole, steps=(first, *whole.steps[step + 1 :]))


def laid_out(
    process: Process,
    rule: AnySampler,
    steps: int | None,
    grid: Sequence[float] | np.ndarray | None,
    limit: Limit | None = None,
) -> Layout:
    """Return the layout of a run of so many ``steps``, or over the ``grid``, as ``diffusion.sample`` makes it.

    Raises
    ------
    TypeError, ValueError
        As ``diffusion.sample`` does; also for samplers that are evaluated by more than a prediction of the network.
    """
    denoiser = Denoiser(_nothing, process.predicts, process.schedule)
    chosen, times, to_zero = lay_out(denoiser, rule, steps, grid)
    if not isinstance(chosen.slope(denoiser), Predicted):
        raise ValueError(
            f"expected a sampler that combines predictions of the network; received {chosen.name!r}, which changes "
            "them itself; run it by diffusion.sample with Denoiser.from_diffusers(model, scheduler)"
        )
    plan = chosen.plan(process.schedule, times, to_zero=to_zero)
    if not plan.steps[0].rows[0].evaluate:
        raise ValueError(
            f"expected a sampler that calls the network where it starts, received {chosen.name!r}, whose noise level "
            "rises before; take 'euler-ancestral' or 'dpmpp-2m-sde', or diffusion.sample with "
            "Denoiser.from_diffusers(model, scheduler)"
        )
    layout = Layout(process, rule, chosen, times, to_zero, limit)
    layout.run_from(0)
    return layout


def _nothing(x: Array, t: Array) -> Array:
    del t
    return x
