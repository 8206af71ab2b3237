"""The front doors: sample, trajectory, encode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

import expint
from diffusion.checks import check_watchers, lay_out
from diffusion.denoiser import Denoiser
from diffusion.dense import with_dense_output
from diffusion.diagnosis import FirstData, OffScaleWarning, warn_off_scale
from diffusion.planning.frame import frame_of
from diffusion.running import run_sampler
from diffusion.samplers.catalogue import AnySampler
from diffusion.samplers.catalogue import sampler as find_sampler
from diffusion.samplers.fitted import FittedSampler
from diffusion.samplers.sampler import Sampler
from diffusion.stability import UnstableWarning, warn_unstable
from expint.backend import Array

__all__ = ["OffScaleWarning", "SamplingError", "UnstableWarning", "encode", "sample", "trajectory"]


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


def sample(
    denoiser: Denoiser,
    noise: Array,
    *,
    sampler: str | AnySampler = "auto",
    steps: int | None = None,
    grid: str | Sequence[float] | np.ndarray | None = None,
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
        A name (see ``diffusion.sampler_names()``), a ``Sampler`` or a ``FittedSampler``. "auto" is the rule that
        chooses grid and orders by the number of steps and the schedule, and does best at few calls.
    steps
        Number of steps; with a multistep sampler also the number of network calls. A fitted sampler has its own.
    grid
        Instead of ``steps``: the times of the steps, decreasing, within [t_end, t_start] of the schedule. A grid that
        ends in 0, for a schedule with t_end > 0, makes its last step to σ = 0. Beside ``steps``: the name of a grid,
        such as "karras", "beta" or "ays-sd" (see ``diffusion.grids.named``), whose last step is to σ = 0.
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
        If the state becomes non-finite; its ``solution`` holds the states reached. So does the ``solution`` of
        what the network or the callback raises, KeyboardInterrupt and SystemExit among it.

    Notes
    -----
    Gradients of torch are recorded where anything asks for one: the noise, parameters of the network, guidance or
    conditions. ``torch.no_grad()`` around the call switches that off, and saves the memory of all calls.

    Warns
    -----
    OffScaleWarning
        If what the network predicts at first fits no data, or none of the scale of the samples, as it does where
        ``denoiser.predicts`` is wrong.

    Examples
    --------
    Standard normal data under x = α x₀ + σ ε, α² + σ² = 1, are what the noise is already:

    >>> import numpy as np
    >>> import diffusion
    >>> exact = diffusion.models.gaussian_mixture([1.0], [[0.0]], [[[1.0]]])
    >>> noise = np.array([[0.5], [-1.0]])
    >>> bool(np.allclose(diffusion.sample(exact, noise, steps=10), noise, atol=1e-3))
    True
    """
    frame = frame_of(denoiser)
    plan, chosen = _planned(frame.denoiser, sampler, steps, grid)
    last = [len(plan.steps) - 1]
    first: list[FirstData] = []
    state, begun = frame.begin(noise, start, plan)
    watch = frame.callback(callback)
    with frame.reporting():
        run = run_sampler(frame.denoiser, state, plan, chosen, begun, last, watch, progress, first=first)
    return _final(frame.out(warn_off_scale(run, frame.denoiser, first, plan)))


def trajectory(
    denoiser: Denoiser,
    noise: Array,
    *,
    sampler: str | AnySampler = "auto",
    steps: int | None = None,
    grid: str | Sequence[float] | np.ndarray | None = None,
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
        calls, with the predictions of the data in ``sol.previews``, which are kept for it.

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
    check_watchers(callback, progress=progress, dense_output=dense_output)
    frame = frame_of(denoiser)
    denoiser = frame.denoiser
    chosen, times, to_zero = lay_out(denoiser, sampler, steps, grid)
    plan = chosen.plan(denoiser.schedule, times, to_zero=to_zero, edges=denoiser.discontinuities)
    predictions: dict[float, Array] | None = {} if dense_output else None
    first: list[FirstData] = []
    state, begun = frame.begin(noise, start, plan)
    watch = frame.callback(callback)
    with frame.reporting():
        run = run_sampler(denoiser, state, plan, chosen, begun, None, watch, progress, predictions, first)
    run = warn_off_scale(run, denoiser, first, plan)
    if not predictions or len(run.t) < 2:
        return frame.out(run)
    reached_zero = to_zero and len(run.t) == len(times) + 1
    return frame.out(with_dense_output(run, predictions, denoiser.schedule, reached_zero, denoiser.discontinuities))


def encode(
    denoiser: Denoiser,
    data: Array,
    *,
    sampler: str | AnySampler = "auto",
    steps: int | None = None,
    grid: str | Sequence[float] | np.ndarray | None = None,
    callback: Callable[[float, Array], None] | None = None,
    progress: bool = False,
) -> Array:
    """Return the noise from which ``sample`` with the same arguments gives ``data``, up to the error of both solves.

    The same ODE is solved from the last time of the grid at which σ > 0 to the first; parameters and errors are those
    of ``sample``.

    Warns
    -----
    UnstableWarning
        If the sampler is unstable on this grid run backwards, so that latents are several times too large. Those
        with a history in ρ are, the more the steps differ.
    """
    frame = frame_of(denoiser)
    denoiser = frame.denoiser
    chosen, times, _ = lay_out(denoiser, sampler, steps, grid)
    backwards = find_sampler(sampler).backwards(denoiser.schedule, times)
    plan = backwards.plan(denoiser.schedule, times[::-1], edges=denoiser.discontinuities)
    warn_unstable(plan, chosen.gauge.predicts, denoiser.schedule, chosen.name)
    last = [len(plan.steps) - 1]
    first, _ = frame.begin(data, "state", plan)
    watch = frame.callback(callback)
    with frame.reporting():
        run = run_sampler(denoiser, first, plan, chosen, "state", last, watch, progress)
    if not run.success:
        raise SamplingError(frame.out(run))
    return frame.noise(run.y[-1, ...], float(times[0]))


def _planned(
    denoiser: Denoiser, sampler: str | AnySampler, steps: int | None, grid: Any
) -> tuple[expint.Plan, Sampler | FittedSampler]:
    chosen, times, to_zero = lay_out(denoiser, sampler, steps, grid)
    return chosen.plan(denoiser.schedule, times, to_zero=to_zero, edges=denoiser.discontinuities), chosen


def _final(run: expint.Solution) -> Array:
    if not run.success:
        raise SamplingError(run)
    return run.y[-1, ...]
