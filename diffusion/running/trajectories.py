"""Whole runs, and runs that were ended before their end and go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np

import expint
from diffusion.checks import check_denoiser, check_watchers, lay_out
from diffusion.denoiser import Denoiser
from diffusion.dense import with_dense_output
from diffusion.diagnosis import FirstData, warn_off_scale
from diffusion.inversion.latent import Latent, begun_by
from diffusion.inversion.stability import warn_unstable
from diffusion.planning.frame import Frame, frame_of
from diffusion.running import run_sampler
from diffusion.running.steering import Kept, Steering, StoppedRun
from diffusion.samplers.catalogue import AnySampler
from diffusion.samplers.catalogue import sampler as find_sampler
from diffusion.samplers.fitted import FittedSampler
from diffusion.samplers.sampler import Sampler
from expint.arguments import instance
from expint.backend import Array

__all__ = ["Begun", "begun_run", "planned", "resume", "trajectory_of", "warn_of_noise"]


def resume(
    denoiser: Denoiser,
    run: expint.Solution,
    *,
    callback: Callable[..., Any] | None = None,
    progress: bool = False,
) -> expint.Solution:
    """Return the whole of a ``run`` that was ended before its end: the run that it would have been, bit for bit.

    What the network has said is not asked for again: the run is made anew of its values, with its history, its noise
    and the states that its callback returned, up to where it was ended.

    Parameters
    ----------
    denoiser
        That of the run.
    run
        What ``trajectory`` returned, a `StoppedRun`, or the attribute ``solution`` of what ended it by an exception. It
        may be pickled in between.
    callback, progress
        As of ``trajectory``; the callback is told the states after those that were told before.

    Raises
    ------
    TypeError
        If the run cannot go on: one that came to its end, or one without a callback.

    Examples
    --------
    >>> import numpy as np, diffusion
    >>> net = diffusion.models.gaussian_mixture([1.0], [[0.5]], [[[0.1]]])
    >>> def stop(t, x):
    ...     if t < 0.5:
    ...         raise StopIteration
    >>> part = diffusion.trajectory(net, np.array([[0.3]]), sampler="unipc3", steps=8, callback=stop)
    >>> whole = diffusion.trajectory(net, np.array([[0.3]]), sampler="unipc3", steps=8)
    >>> bool(np.array_equal(diffusion.resume(net, part).y, whole.y))
    True
    """
    remedy = "give what trajectory returned, with a callback that ended it by raising StopIteration"
    instance("run", run, StoppedRun, "a StoppedRun", remedy)
    check_watchers(callback, progress=progress)
    assert isinstance(run, StoppedRun)
    kept = Kept(list(run.kept.values), list(run.kept.answers))
    return trajectory_of(denoiser, dict(run.arguments), kept, callback, progress)


def trajectory_of(
    denoiser: Denoiser,
    arguments: dict[str, Any],
    kept: Kept | None,
    callback: Callable[..., Any] | None,
    progress: bool,
) -> expint.Solution:
    """Return the run of ``trajectory`` with its ``arguments``, parts of which may be known."""
    noise, sampler, start, rng = (arguments[name] for name in ("noise", "sampler", "start", "rng"))
    dense_output = arguments["dense_output"]
    begun = begun_run(denoiser, noise, sampler, arguments["steps"], arguments["grid"], start, rng)
    frame, plan, chosen = begun.frame, begun.plan, begun.sampler
    denoiser = frame.denoiser
    if dense_output and getattr(chosen, "stochastic", False):
        raise ValueError(
            f"expected dense_output=False for the stochastic sampler {chosen.name!r}, received True: between its steps "
            "a path is not known; take more steps"
        )
    predictions: dict[float, Array] | None = {} if dense_output else None
    first: list[FirstData] | None = [] if frame.diagnosed else None
    steering = None if kept is None else Steering(callback, frame, begun.rule, begun.times, begun.to_zero, kept)
    try:
        with frame.reporting():
            run = run_sampler(
                denoiser,
                begun.state,
                plan,
                chosen,
                begun.start,
                None,
                None,
                progress,
                predictions,
                first,
                begun.rng,
                begun.earlier,
                steering=steering,
            )
    except BaseException as error:
        if kept is not None and isinstance(getattr(error, "solution", None), expint.Solution):
            error.solution = StoppedRun(**_fields(error.solution), arguments=arguments, kept=kept)  # type: ignore[attr-defined]  # nothing reached is lost
        raise
    if run.status == expint.Status.SUCCESS:
        run = warn_off_scale(run, denoiser, first or (), plan)
    if predictions and len(run.t) > 1:
        reached_zero = begun.to_zero and len(run.t) == len(plan.steps)
        run = with_dense_output(run, predictions, denoiser.schedule, reached_zero, denoiser.discontinuities)
    run = frame.out(run)
    return (
        run
        if run.status < 0 or run.status == 0 or kept is None
        else StoppedRun(**_fields(run), arguments=arguments, kept=kept)
    )


class Begun(NamedTuple):
    """What a run begins with: ``rule`` is the sampler as it was asked for, ``earlier`` the states beside the first."""

    frame: Frame
    plan: expint.Plan
    sampler: Sampler | FittedSampler
    rule: AnySampler
    times: np.ndarray
    to_zero: bool
    state: Array
    start: str
    rng: Any
    earlier: tuple[Array, ...] = ()


def begun_run(
    denoiser: Denoiser, noise: Any, sampler: str | AnySampler, steps: int | None, grid: Any, start: str, rng: Any
) -> Begun:
    """Return what a run from noise, from a state or from a latent begins with, its arguments checked."""
    frame = frame_of(denoiser)
    if isinstance(noise, Latent):
        _check_latent(denoiser, start)
        plan, own = begun_by(denoiser, noise, sampler, steps, grid)
        times = np.asarray(noise.times)
        state = noise.noise * denoiser.schedule.noise_scale(float(times[0]))
        to_zero = len(plan.times) > len(times)
        return Begun(frame, plan, own, own, times, to_zero, state, "state", rng, (noise.second,))
    chosen, times, to_zero = lay_out(frame.denoiser, sampler, steps, grid)
    plan = planned(frame.denoiser, chosen, times, to_zero)
    warn_of_noise(plan, chosen, frame.denoiser)
    frame = frame.for_run(plan, chosen, rng)
    state, start = frame.begin(noise, start, plan)
    rng = frame.source_of_noise(rng, state)
    return Begun(frame, plan, chosen, find_sampler(sampler), times, to_zero, state, start, rng)


def _fields(run: expint.Solution) -> dict[str, Any]:
    return {field.name: getattr(run, field.name) for field in fields(run)}


def planned(denoiser: Denoiser, chosen: Sampler | FittedSampler, times: np.ndarray, to_zero: bool) -> expint.Plan:
    """Return the plan of a sampler over the times of a run."""
    return chosen.plan(denoiser.schedule, times, to_zero=to_zero, edges=denoiser.discontinuities)


def warn_of_noise(plan: expint.Plan, sampler: Sampler | FittedSampler, denoiser: Denoiser) -> None:
    """Warn if a plan that draws noise is unstable."""
    if plan.layout.noise:
        warn_unstable(plan, sampler.gauge.predicts, denoiser.schedule, sampler.name)


def _check_latent(denoiser: Denoiser, start: str) -> None:
    """Raise an error unless there is a denoiser, and a latent is not said to be a state."""
    check_denoiser(denoiser)
    if start != "noise":
        raise ValueError(
            f"expected start='noise' for a Latent, which knows its states, received {start!r}; leave it out"
        )
