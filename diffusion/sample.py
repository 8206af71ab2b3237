"""The front doors: sample, trajectory, encode."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any, Literal

import numpy as np

import expint
from expint.backend import Array
from expint.run.fixed import accepted_states
from expint.run.record import run_states
from expint.run.scattered import can_scatter, scattered_states

from .declaration import Sampler
from .denoiser import Denoiser
from .dense import with_dense_output
from .diagnosis import OffScaleWarning, diagnosed, warn_off_scale
from .door import check_state, lay_out
from .evaluation import Predicted
from .programme import End

__all__ = ["OffScaleWarning", "SamplingError", "encode", "sample", "trajectory"]


class SamplingError(FloatingPointError):
    """A run met inf or nan; the message says which network call gave it first, at which t, for which samples.

    It is found by a second run with every output looked at, since looking would slow down every run.

    Attributes
    ----------
    solution
        The run up to there: ``expint.Solution`` with times and states.
    """

    def __init__(self, solution: expint.Solution) -> None:
        super().__init__(solution.message)
        self.solution = solution


def sample(
    denoiser: Denoiser,
    noise: Array,
    *,
    sampler: str | Sampler = "deis-tab3",
    steps: int | None = None,
    grid: Sequence[float] | np.ndarray | None = None,
    start: Literal["noise", "state"] = "noise",
    callback: Callable[[float, Array], None] | None = None,
    progress: bool = False,
) -> Array:
    """Return samples of the data distribution, solving the probability-flow ODE from noise to data.

    Parameters
    ----------
    denoiser
        The network with what it predicts and its schedule.
    noise
        Standard normal noise of shape (batch, …), NumPy or torch. A sample depends on its own noise only.
    sampler
        A name (see ``diffusion.sampler_names()``) or a ``Sampler``.
    steps
        Number of steps; with a multistep sampler also the number of network calls.
    grid
        Instead of ``steps``: the times of the steps, decreasing, within [t_end, t_start] of the schedule. A grid that
        ends in 0, for a schedule with t_end > 0, makes its last step to σ = 0.
    start
        "noise": the input is multiplied by the standard deviation of the noise at the first time. "state": the input is
        the state x at that time, as it is.
    callback
        Called as callback(t, x) with every state.
    progress
        True for a progress bar (needs tqdm).

    Returns
    -------
    array
        The state at the last time, in the shape, dtype and device of ``noise``.

    Raises
    ------
    ValueError, TypeError
        For arguments that make no sense, before any network call.
    SamplingError
        If the state becomes non-finite; its ``solution`` holds the states reached.

    Warns
    -----
    OffScaleWarning
        If the samples are far larger than normalised data, as they are where ``denoiser.predicts`` is wrong.
    """
    plan, chosen = _planned(denoiser, sampler, steps, grid)
    last = [len(plan.steps) - 1]
    return _final(warn_off_scale(_run(denoiser, noise, plan, chosen, start, last, callback, progress), denoiser))


def trajectory(
    denoiser: Denoiser,
    noise: Array,
    *,
    sampler: str | Sampler = "deis-tab3",
    steps: int | None = None,
    grid: Sequence[float] | np.ndarray | None = None,
    start: Literal["noise", "state"] = "noise",
    callback: Callable[[float, Array], None] | None = None,
    progress: bool = False,
    dense_output: bool = False,
) -> expint.Solution:
    """Sample as ``sample`` does and return the whole run; the other parameters are those of ``sample``.

    Parameters
    ----------
    dense_output
        Whether the solution gets ``sol``: a function of t that gives the state at any time of the run without further
        calls, with the predictions of the data in ``sol.previews``. The outputs of the network are kept for it.

    Returns
    -------
    Solution
        ``t`` the times, ``y`` the states of shape (len(t), *noise.shape), the number of network calls in ``calls``. A
        run that becomes non-finite ends there, and says so in its status.

    Raises
    ------
    ValueError, TypeError
        For arguments that make no sense, before any network call.
    """
    plan, chosen = _planned(denoiser, sampler, steps, grid)
    outputs: dict[float, Array] | None = {} if dense_output else None
    run = warn_off_scale(_run(denoiser, noise, plan, chosen, start, None, callback, progress, outputs), denoiser)
    if not outputs or len(run.t) < 2:
        return run
    return with_dense_output(run, outputs, chosen.gauge, denoiser.schedule, chosen.method.order)


def encode(
    denoiser: Denoiser,
    data: Array,
    *,
    sampler: str | Sampler = "deis-tab3",
    steps: int | None = None,
    grid: Sequence[float] | np.ndarray | None = None,
    callback: Callable[[float, Array], None] | None = None,
    progress: bool = False,
) -> Array:
    """Return the noise from which ``sample`` with the same arguments gives ``data``, up to the error of both solves.

    The same ODE is solved from the last time of the grid at which σ > 0 to the first; parameters and errors are those
    of ``sample``.
    """
    chosen, times, _ = lay_out(denoiser, sampler, steps, grid)
    backwards = replace(chosen, end=End(correct=chosen.end.correct))
    plan = backwards.plan(denoiser.schedule, times[::-1], edges=denoiser.discontinuities)
    last = [len(plan.steps) - 1]
    state = _final(_run(denoiser, data, plan, chosen, "state", last, callback, progress))
    return state / denoiser.schedule.noise_scale(float(times[0]))


def _planned(
    denoiser: Denoiser, sampler: str | Sampler, steps: int | None, grid: Sequence[float] | np.ndarray | None
) -> tuple[expint.Plan, Sampler]:
    chosen, times, to_zero = lay_out(denoiser, sampler, steps, grid)
    return chosen.plan(denoiser.schedule, times, to_zero=to_zero, edges=denoiser.discontinuities), chosen


def _run(
    denoiser: Denoiser,
    state: Array,
    plan: expint.Plan,
    sampler: Sampler,
    start: str,
    keep: list[int] | None,
    callback: Callable[[float, Array], None] | None,
    progress: bool,
    outputs: dict[float, Array] | None = None,
) -> expint.Solution:
    """Run ``plan``; the network's outputs, in the kind of the gauge, are entered into ``outputs`` by their time."""
    check_state(state)
    if start not in ("noise", "state"):
        raise ValueError(f"expected start to be 'noise' or 'state', received {start!r}")
    first = plan.steps[0].times[0]
    x = state * denoiser.schedule.noise_scale(first) if start == "noise" else state
    scattered = can_scatter(plan, x)
    plan_run, evaluate, factors = _evaluation(sampler, denoiser, plan, x, keep=not scattered or outputs is not None)
    if outputs is not None:
        evaluate = _kept(evaluate, factors, outputs)
    with _no_grad(x):
        states = (scattered_states if scattered else accepted_states)(plan_run, evaluate, x)
        run = run_states(
            states,
            x,
            len(plan.steps) - 1,
            keep=keep,
            name=sampler.name,
            callback=callback,
            progress=progress,
            look_every=None,  # a look at the states synchronises a GPU
        )
        if run.success:
            return run
        plan_run, evaluate, _ = _evaluation(sampler, denoiser, plan, x)
        return diagnosed(run, plan_run, evaluate, x)


def _evaluation(
    sampler: Sampler, denoiser: Denoiser, plan: expint.Plan, x: Array, *, keep: bool = True
) -> tuple[expint.Plan, Callable[[float, Array], Array], Mapping[float, float]]:
    """Return the plan to run, what evaluates its rows, and by time its factor to the prediction of the gauge."""
    slope = sampler.slope(denoiser)
    return slope.for_run(plan, x, keep=keep) if isinstance(slope, Predicted) else (plan, slope, {})


def _kept(
    slope: Callable[[float, Array], Array], factors: Mapping[float, float], outputs: dict[float, Array]
) -> Callable[[float, Array], Array]:
    """Return the ``slope``, its values times their factors entered into ``outputs``."""

    def evaluate(t: float, x: Array) -> Array:
        value = slope(t, x)
        outputs[t] = factors.get(t, 1.0) * value  # of calls at one time the last: that at the accepted state
        return value

    return evaluate


def _final(run: expint.Solution) -> Array:
    if not run.success:
        raise SamplingError(run)
    return run.y[-1, ...]


def _no_grad(x: Array) -> AbstractContextManager[Any]:
    """Return torch.no_grad() for tensors that ask for no gradient, without importing torch for others."""
    if hasattr(x, "requires_grad") and not x.requires_grad:
        import torch

        return torch.no_grad()
    return nullcontext()
