"""What yields the states of a run: what its rows are evaluated by, and the loop that suits the state."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

import expint
from diffusion.denoiser import Denoiser
from diffusion.diagnosis import FirstData, first_data, looks
from diffusion.noise.sources import Noise, columns_by_number, in_order
from diffusion.planning.conversion import Predicted
from diffusion.process.schedule import NoiseSchedule
from diffusion.running.reached import Reached, corrects
from diffusion.running.steering import Later, Steering
from diffusion.samplers.fitted import FittedSampler
from diffusion.samplers.sampler import Sampler
from expint.backend import Array, array_namespace
from expint.lower import without_corrected
from expint.run import Accepted, over_plan
from expint.run.compiled import can_scatter, scattered_states

__all__ = ["States", "evaluation", "watched"]

_Note = tuple[Container[float], Callable[[float, Array, Array], None]]
"""The times of the calls that are looked at, and what looks at (t, x, value)."""


@dataclass(frozen=True)
class States:
    """What yields the states of a run; of `run_sampler` its arguments.

    ``unobserved`` says whether nobody looks at the states before the last: then they are what they should be only once
    something is raised, by ``reached``.
    """

    denoiser: Denoiser
    sampler: Sampler | FittedSampler
    noise: Noise | None
    earlier: tuple[Array, ...]
    predictions: dict[float, Array] | None
    first: list[FirstData] | None
    from_noise: bool
    unobserved: bool
    steering: Steering | None
    reached: list[Reached]

    def of(self, plan: expint.Plan, x: Array, done: int = 0) -> Iterator[Accepted]:
        """Yield the states of a ``plan`` from ``x``, after so many steps of the run as are ``done``."""
        return chain.from_iterable(self._parts(plan, x, done))

    def _parts(self, plan: expint.Plan, x: Array, done: int) -> Iterator[Iterable[Accepted]]:
        """Yield the states in parts, each of which is begun where the one before has ended."""
        scattered, begin = can_scatter(plan, x), plan.steps[0].times[0]
        if not scattered or not array_namespace(x).is_grad_enabled():
            yield self._by(scattered, plan, x, done)
            return
        yield [Accepted(begin, x, 0)]
        known: list[Array] = []
        chosen = self._by(True, plan, x, done, known)
        next(chosen)  # all numbers are on the device before the first call
        value = None if self.steering is None else self.steering.next_known
        if value is None:
            value = evaluation(self.sampler, self.denoiser, plan, x, only=(begin,))[1](begin, x)
            known.append(value)
        if value.requires_grad:  # what the network learns asks for a gradient
            chosen = self._by(False, plan, x, done, known)
            next(chosen)
        yield chosen

    def _by(
        self, scattered: bool, plan: expint.Plan, x: Array, done: int, known: list[Array] | None = None
    ) -> Iterator[Accepted]:
        """Return the states, by the loop with fewer operations or the one that records gradients."""
        denoiser, sampler, steering = self.denoiser, self.sampler, self.steering
        every = not scattered or self.predictions is not None
        held = scattered and self.unobserved and corrects(plan)
        plan_run, evaluate, factors = evaluation(sampler, denoiser, plan, x, keep=every, hold=held)
        note = self.note(plan, factors)
        if steering is None:
            evaluate = watched(evaluate, known, scattered, note)
        else:  # what is known of an earlier part of the run is looked at as well
            evaluate = _steered(
                watched(evaluate, known, scattered, None), factors, sampler, denoiser.schedule, steering
            )
            evaluate = watched(evaluate, None, False, note)
        if self.predictions is not None:
            evaluate = _kept(evaluate, factors, sampler, denoiser.schedule, self.predictions, plan)
        if held:
            self.reached[:] = [Reached(plan_run)]
            watching = self.reached[0].watching(evaluate)
            return self.reached[0].along(scattered_states(without_corrected(plan_run), watching, x))
        noise = None if self.noise is None or scattered else columns_by_number(plan, Later(self.noise, done), x)
        by_rows = partial(over_plan, earlier=() if done else self.earlier, noise=in_order(noise))
        return (scattered_states if scattered else by_rows)(plan_run, evaluate, x)

    def note(self, plan: expint.Plan, factors: Mapping[float, float]) -> _Note | None:
        """Return what looks at calls of the network, None where nobody does."""
        if self.first is None:
            return None
        return _noted(factors, self.sampler, self.denoiser, self.first, self.from_noise, plan)


def _steered(
    slope: Callable[[float, Array], Array],
    factors: Mapping[float, float],
    sampler: Sampler | FittedSampler,
    schedule: NoiseSchedule,
    steering: Steering,
) -> Callable[[float, Array], Array]:
    """Return the ``slope``, its values kept for a run that goes on, and the data that the last implies at hand."""
    recorded = steering.recorded(slope)

    def evaluate(t: float, x: Array) -> Array:
        value = recorded(t, x)
        if steering.wants_data:
            steering.latest = lambda: sampler.gauge.data(schedule, t, x, factors.get(t, 1.0) * value)
        return value

    return evaluate if steering.wants_data or steering.kept is not None else slope


def watched(
    slope: Callable[[float, Array], Array],
    known: list[Array] | None,
    refuse: bool,
    note: _Note | None,
) -> Callable[[float, Array], Array]:
    """Return the ``slope`` with what a run does beside: in one function, since it is called at every step.

    Parameters
    ----------
    slope
        The function of (t, x).
    known
        The first value once it is there, in a list; None where the first call makes it.
    refuse
        Whether values that ask for a gradient are refused, where a first one is known.
    note
        The times of calls that are looked at, and what looks at (t, x, value).
    """
    if known is None and note is None:
        return slope
    ahead, refuse = ([], False) if known is None else (known, refuse)
    times, look = ((), None) if note is None else note

    def evaluate(t: float, x: Array) -> Array:
        if ahead:
            value = ahead.pop()
        else:
            value = slope(t, x)
            if refuse and value.requires_grad:
                raise TypeError(
                    "expected a network all or none of whose outputs ask for a gradient, received the first of them at "
                    f"t = {t:.6g}, after the run had begun without; let the noise ask for one, too "
                    "(noise.requires_grad_()), or sample under torch.no_grad()"
                )
        if look is not None and t in times:
            look(t, x, value)
        return value

    return evaluate


def evaluation(
    sampler: Sampler | FittedSampler,
    denoiser: Denoiser,
    plan: expint.Plan,
    x: Array,
    *,
    keep: bool = True,
    hold: bool = False,
    only: Sequence[float] = (),
) -> tuple[expint.Plan, Callable[[float, Array], Array], Mapping[float, float]]:
    """Return the plan to run, what evaluates its rows, and by time its factor to the prediction of the gauge."""
    slope = sampler.slope(denoiser)
    return (
        slope.for_run(plan, x, keep=keep, hold=hold, only=only) if isinstance(slope, Predicted) else (plan, slope, {})
    )


def _kept(
    slope: Callable[[float, Array], Array],
    factors: Mapping[float, float],
    sampler: Sampler | FittedSampler,
    schedule: NoiseSchedule,
    predictions: dict[float, Array],
    plan: expint.Plan,
) -> Callable[[float, Array], Array]:
    """Return the ``slope``, the data that its values imply entered into ``predictions`` by the times of the points."""
    places = iter([t for t, row in plan.rows if row.evaluate])  # the network may be told others

    def evaluate(t: float, x: Array) -> Array:
        value = slope(t, x)  # of calls at one time the last stays: that nearest to the accepted state
        predictions[next(places)] = sampler.gauge.data(schedule, t, x, factors.get(t, 1.0) * value)
        return value

    return evaluate


def _noted(
    factors: Mapping[float, float],
    sampler: Sampler | FittedSampler,
    denoiser: Denoiser,
    first: list[FirstData],
    from_noise: bool,
    plan: expint.Plan,
) -> _Note:
    """Return what enters in ``first`` what the first call of a run and some later ones say of the data."""
    looked_at = looks(plan, denoiser.schedule, denoiser.predicts)

    def note(t: float, x: Array, value: Array) -> None:
        look = looked_at[t]
        if first and not look.every:
            return
        data = sampler.gauge.data(denoiser.schedule, t, x, factors.get(t, 1.0) * value)
        if len(first) > 1 and first[-1].t == t:  # of calls at one time the last stays, nearest to the accepted state
            first.pop()
        first.append(first_data(look, t, x, data, from_noise and not first))

    return looked_at, note
