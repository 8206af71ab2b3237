"""One run of a sampler: the plan, what evaluates its rows, and the loop that suits the state."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import expint
from diffusion.checks import check_start, check_state, check_watchers
from diffusion.denoiser import Denoiser
from diffusion.diagnosis import FirstData, diagnosed, first_data, looks
from diffusion.gradients import check_gradient, run_by_adjoint
from diffusion.noise.brownian import BrownianPath
from diffusion.noise.sources import Noise, columns_by_number, in_order, noise_for
from diffusion.planning.conversion import Predicted
from diffusion.planning.increments import increments
from diffusion.process.schedule import NoiseSchedule
from diffusion.reached import Reached, corrects, put_right
from diffusion.samplers.fitted import FittedSampler
from diffusion.samplers.sampler import Sampler
from diffusion.steering import Later, Steering, Stopped
from expint.backend import Array, array_namespace
from expint.lower import without_corrected
from expint.run import Accepted, over_plan, run_states
from expint.run.compiled import can_scatter, scattered_states

__all__ = ["SamplingError", "final", "final_states", "noise_of", "run_sampler"]

_Note = tuple[Container[float], Callable[[float, Array, Array], None]]
"""The times of the calls that are looked at, and what looks at (t, x, value)."""


def run_sampler(
    denoiser: Denoiser,
    state: Array,
    plan: expint.Plan,
    sampler: Sampler | FittedSampler,
    start: str,
    keep: list[int] | None,
    callback: Callable[[float, Array], None] | None,
    progress: bool,
    predictions: dict[float, Array] | None = None,
    first: list[FirstData] | None = None,
    rng: Any = None,
    earlier: tuple[Array, ...] = (),
    steering: Steering | None = None,
    gradient: str | None = None,
) -> expint.Solution:
    """Run the ``plan`` of a ``sampler`` from ``state``, and say what is wrong with a run that becomes non-finite.

    Parameters
    ----------
    denoiser, start, callback, progress
        As in ``diffusion.sample``.
    state
        Standard normal noise or the first state, as ``start`` says.
    plan, sampler
        The sampler, and its plan on a grid.
    keep
        Indices of the states to keep; None keeps all.
    predictions
        Where what the network predicts the data to be is entered by its time, if it is wanted.
    first
        Where the size of the data that the first call implies is entered, if it is wanted.
    rng
        As in ``diffusion.sample``.
    earlier
        What beside ``state`` a plan begins with that looks at two states; see ``expint.run.over_plan``.
    steering
        The callback of the run, if it may change the state and end the run, instead of ``callback``.
    gradient
        As in ``diffusion.sample``.

    Raises
    ------
    TypeError, ValueError
        If the state is no batch of finite numbers, or ``start`` is unknown, or a plan that draws noise is given none,
        or one that draws none is.
    """
    _check(denoiser, state, sampler, start, callback if steering is None else steering.callback, progress)
    x = state * denoiser.schedule.noise_scale(plan.steps[0].times[0]) if start == "noise" else state
    last, noise = len(plan.steps) - 1, noise_of(plan, sampler, denoiser.schedule, rng, x)

    reached: list[Reached] = []
    states = _States(
        denoiser,
        sampler,
        noise,
        earlier,
        predictions,
        first,
        from_noise=start == "noise",
        unobserved=keep == [last] and callback is None and steering is None,
        steering=steering,
        reached=reached,
    )
    every = states.of(plan, x)
    if steering is not None:
        every = steering.over(every, last, lambda n, at: states.of(steering.rest(at.t, sampler), at.y, n))
    shown: dict[str, Any] = {"name": sampler.name, "callback": callback, "progress": progress}
    draw = None if noise is None else columns_by_number(plan, noise, x)
    try:
        if check_gradient(gradient, x):
            _refuse_steering(steering)
            plan_run, evaluate, factors = _evaluation(sampler, denoiser, plan, x)
            noted = _watched(evaluate, None, False, states.note(plan, factors))
            run = run_by_adjoint(
                plan_run, evaluate, noted, x, denoiser, keep=keep, earlier=earlier, noise=draw, **shown
            )
        else:  # a look at the states synchronises a GPU
            with put_right(reached):
                run = run_states(every, x, last, keep=keep, look_every=None, **shown)
    except Stopped as stop:
        return stop.ended()
    if run.success or (steering is not None and steering.changed):
        return run
    plan_run, evaluate, _ = _evaluation(sampler, denoiser, plan, x)
    return diagnosed(run, plan_run, evaluate, x, in_order(draw), earlier)


@dataclass(frozen=True)
class _States:
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
            value = _evaluation(self.sampler, self.denoiser, plan, x, only=(begin,))[1](begin, x)
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
        plan_run, evaluate, factors = _evaluation(sampler, denoiser, plan, x, keep=every, hold=held)
        note = self.note(plan, factors)
        if steering is None:
            evaluate = _watched(evaluate, known, scattered, note)
        else:  # what is known of an earlier part of the run is looked at as well
            evaluate = _steered(
                _watched(evaluate, known, scattered, None), factors, sampler, denoiser.schedule, steering
            )
            evaluate = _watched(evaluate, None, False, note)
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


class SamplingError(FloatingPointError):
    """A run met inf or nan; the message says which network call gave it first, at which t, for which samples.

    A second run with a check after every call locates it. Checking always would make the host wait for the device at
    every step.

    Attributes
    ----------
    solution
        The run up to there: ``expint.Solution`` with times and states.
    """

    def __init__(self, solution: expint.Solution) -> None:
        super().__init__(solution.message)
        self.solution = solution

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to make it again, as a pool of processes does with what its workers raise."""
        return type(self), (self.solution,), self.__dict__


def final_states(
    denoiser: Denoiser,
    state: Array,
    plan: expint.Plan,
    sampler: Sampler | FittedSampler,
    count: int,
    callback: Callable[[float, Array], None] | None,
    progress: bool,
    earlier: tuple[Array, ...] = (),
) -> tuple[Array, ...]:
    """Return the last ``count`` states of a run from a ``state`` as it is; see `run_sampler`.

    Raises
    ------
    SamplingError
        If a state becomes non-finite.
    """
    last = len(plan.steps) - 1
    keep = list(range(last + 1 - count, last + 1))
    run = run_sampler(denoiser, state, plan, sampler, "state", keep, callback, progress, earlier=earlier)
    return tuple(final(run).y[i, ...] for i in range(-count, 0))


def final(run: expint.Solution) -> expint.Solution:
    """Return a run that succeeded.

    Raises
    ------
    SamplingError
        If it did not.
    """
    if not run.success:
        raise SamplingError(run)
    return run


def _check(
    denoiser: Denoiser, state: Array, sampler: Sampler | FittedSampler, start: str, callback: Any, progress: bool
) -> None:
    check_state(state)
    sampler.admit(denoiser, state)
    check_start(start)
    check_watchers(callback, progress=progress)


def noise_of(
    plan: expint.Plan, sampler: Sampler | FittedSampler, schedule: NoiseSchedule, rng: Any, x: Array
) -> Noise | None:
    """Return the noise of a run, always the same; None for a plan without noise."""
    if not plan.layout.noise:
        if rng is not None:
            raise ValueError(
                f"expected a stochastic sampler beside rng=, received {sampler.name!r}, which draws no noise; leave "
                f"rng= out, or take diffusion.sampler({sampler.name!r}, stochasticity=1)"
            )
        return None
    if rng is None:
        raise ValueError(
            f"expected rng= for the stochastic sampler {sampler.name!r}, received none; give a seed (rng=7), one for "
            "each sample, or a generator: the same seed gives the same samples"
        )
    noise = noise_for(rng, x)
    if isinstance(noise, BrownianPath):
        return noise.along(*increments(sampler, schedule, plan))
    return noise


def _refuse_steering(steering: Steering | None) -> None:
    if steering is not None:
        raise ValueError(
            "expected no callback beside gradient='adjoint', received one: a run that it may change is not made again; "
            "take gradient='through', or leave the callback out"
        )


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


def _watched(
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


def _evaluation(
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
