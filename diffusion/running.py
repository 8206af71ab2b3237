"""One run of a sampler: the plan, what evaluates its rows, and the loop that suits the state."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import expint
from diffusion.checks import check_start, check_state, check_watchers
from diffusion.denoiser import Denoiser
from diffusion.diagnosis import FirstData, diagnosed, first_data, times_looked_at
from diffusion.noise.brownian import BrownianPath
from diffusion.noise.sources import columns_of_steps, noise_for
from diffusion.planning.conversion import Predicted
from diffusion.planning.increments import increments
from diffusion.process.schedule import NoiseSchedule
from diffusion.reached import Reached, corrects, put_right
from diffusion.samplers.fitted import FittedSampler
from diffusion.samplers.sampler import Sampler
from expint.backend import Array, array_namespace
from expint.lower import without_corrected
from expint.run import Accepted, over_plan, run_states
from expint.run.compiled import can_scatter, scattered_states

__all__ = ["SamplingError", "final", "final_states", "run_sampler"]


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

    Raises
    ------
    TypeError, ValueError
        If the state is no batch of finite numbers, or ``start`` is unknown, or a plan that draws noise is given none,
        or one that draws none is.
    """
    _check(denoiser, state, sampler, start, callback, progress)
    start_time = plan.steps[0].times[0]
    x = state * denoiser.schedule.noise_scale(start_time) if start == "noise" else state
    last, draws = len(plan.steps) - 1, _draws(plan, sampler, denoiser.schedule, rng, x)
    reached: list[Reached] = []

    def states_by(scattered: bool, known: list[Array] | None = None) -> Iterator[Accepted]:
        """Yield the states, by the loop with fewer operations or the one that records gradients."""
        every = not scattered or predictions is not None
        held = scattered and keep == [last] and callback is None and corrects(plan)
        plan_run, evaluate, factors = _evaluation(sampler, denoiser, plan, x, keep=every, hold=held)
        if known is not None:
            evaluate = _once_known(evaluate, known, refuse=scattered)
        if predictions is not None:
            evaluate = _kept(evaluate, factors, sampler, denoiser.schedule, predictions, plan)
        if first is not None:
            evaluate = _noted(evaluate, factors, sampler, denoiser, first, start == "noise", plan)
        if held:
            reached[:] = [Reached(plan_run)]  # its states are unseen unless something raises
            return reached[0].along(scattered_states(without_corrected(plan_run), reached[0].watching(evaluate), x))
        by_rows = partial(over_plan, earlier=earlier, noise=None if scattered else draws())
        return (scattered_states if scattered else by_rows)(plan_run, evaluate, x)

    def states() -> Iterator[Accepted]:
        scattered = can_scatter(plan, x)
        if not scattered or not array_namespace(x).is_grad_enabled():
            yield from states_by(scattered)
            return
        yield Accepted(start_time, x, 0)
        known: list[Array] = []
        chosen = states_by(True, known)
        next(chosen)  # all numbers are on the device before the first call
        value = _evaluation(sampler, denoiser, plan, x, only=(start_time,))[1](start_time, x)
        known.append(value)
        if value.requires_grad:  # what the network learns asks for a gradient
            chosen = states_by(False, known)
            next(chosen)
        yield from chosen

    with put_right(reached):  # None: a look at the states synchronises a GPU
        run = run_states(
            states(), x, last, keep=keep, name=sampler.name, callback=callback, progress=progress, look_every=None
        )
    if run.success:
        return run
    plan_run, evaluate, _ = _evaluation(sampler, denoiser, plan, x)
    return diagnosed(run, plan_run, evaluate, x, draws(), earlier)


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


def _draws(
    plan: expint.Plan, sampler: Sampler | FittedSampler, schedule: NoiseSchedule, rng: Any, x: Array
) -> Callable[[], Callable[[float], Sequence[Array | None]] | None]:
    """Return what begins to draw the noise of a run, always the same; None for a plan without noise."""
    if not plan.layout.noise:
        if rng is not None:
            raise ValueError(
                f"expected a stochastic sampler beside rng=, received {sampler.name!r}, which draws no noise; leave "
                f"rng= out, or take diffusion.sampler({sampler.name!r}, stochasticity=1)"
            )
        return lambda: None
    if rng is None:
        raise ValueError(
            f"expected rng= for the stochastic sampler {sampler.name!r}, received none; give a seed (rng=7), one for "
            "each sample, or a generator: the same seed gives the same samples"
        )
    noise = noise_for(rng, x)
    if isinstance(noise, BrownianPath):
        noise = noise.along(*increments(sampler, schedule, plan))
    return lambda: columns_of_steps(plan, noise, x)


def _once_known(
    slope: Callable[[float, Array], Array], known: list[Array], refuse: bool
) -> Callable[[float, Array], Array]:
    """Return the ``slope``, its first value that in ``known`` once it is there.

    With ``refuse``, values that ask for a gradient are refused.
    """

    def evaluate(t: float, x: Array) -> Array:
        if known:
            return known.pop()
        value = slope(t, x)
        if refuse and value.requires_grad:
            raise TypeError(
                "expected a network all or none of whose outputs ask for a gradient, received the first of them at "
                f"t = {t:.6g}, after the run had begun without; let the noise ask for one, too "
                "(noise.requires_grad_()), or sample under torch.no_grad()"
            )
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
    slope: Callable[[float, Array], Array],
    factors: Mapping[float, float],
    sampler: Sampler | FittedSampler,
    denoiser: Denoiser,
    first: list[FirstData],
    from_noise: bool,
    plan: expint.Plan,
) -> Callable[[float, Array], Array]:
    """Return the ``slope``, with what its first value and some later ones say of the data in ``first``."""
    later = times_looked_at(plan, denoiser.schedule)

    def evaluate(t: float, x: Array) -> Array:
        value = slope(t, x)
        if not first or t in later:
            schedule = denoiser.schedule
            alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
            data = sampler.gauge.data(schedule, t, x, factors.get(t, 1.0) * value)
            if (
                len(first) > 1 and first[-1].t == t
            ):  # of calls at one time the last stays, nearest to the accepted state
                first.pop()
            first.append(first_data(denoiser, t, alpha, sigma, x, data, from_noise and not first))
        return value

    return evaluate
