"""One run of a sampler: the plan, what evaluates its rows, and the loop that suits the state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import expint
from diffusion.checks import check_start, check_state, check_watchers
from diffusion.denoiser import Denoiser
from diffusion.diagnosis import FirstData, diagnosed
from diffusion.noise.brownian import BrownianPath
from diffusion.noise.sources import Noise, columns_by_number, in_order, noise_for
from diffusion.planning.increments import increments
from diffusion.process.schedule import NoiseSchedule
from diffusion.running.errors import final
from diffusion.running.gradients import check_gradient, run_by_adjoint
from diffusion.running.reached import Reached, put_right
from diffusion.running.states import States, evaluation, watched
from diffusion.running.steering import Steering, Stopped
from diffusion.samplers.fitted import FittedSampler
from diffusion.samplers.sampler import Sampler
from expint.backend import Array
from expint.run import run_states

__all__ = ["final_states", "noise_of", "run_sampler"]


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
    states = States(
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
            plan_run, evaluate, factors = evaluation(sampler, denoiser, plan, x)
            noted = watched(evaluate, None, False, states.note(plan, factors))
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
    plan_run, evaluate, _ = evaluation(sampler, denoiser, plan, x)
    return diagnosed(run, plan_run, evaluate, x, in_order(draw), earlier)


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
