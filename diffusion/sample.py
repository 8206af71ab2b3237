"""The front doors: sample, trajectory, encode."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

import expint
from diffusion.checks import check_watchers, lay_out
from diffusion.denoiser import Denoiser
from diffusion.diagnosis import FirstData, OffScaleWarning, warn_off_scale
from diffusion.inversion.latent import Latent
from diffusion.inversion.stability import UnstableWarning, warn_of_latents, warn_unstable
from diffusion.noise.sources import noise_for
from diffusion.planning.frame import frame_of
from diffusion.running import SamplingError, final, run_sampler
from diffusion.running.steering import Kept, Steering, StoppedRun, StoppedWarning
from diffusion.running.trajectories import begun_run, resume, trajectory_of
from diffusion.samplers.catalogue import AnySampler
from diffusion.samplers.catalogue import sampler as find_sampler
from diffusion.tolerance import is_adaptive, sample_each, trajectory_each
from expint.arguments import seen
from expint.backend import Array, is_array

__all__ = [
    "OffScaleWarning",
    "SamplingError",
    "StoppedRun",
    "StoppedWarning",
    "UnstableWarning",
    "encode",
    "resume",
    "sample",
    "trajectory",
]


def sample(
    denoiser: Denoiser,
    noise: Array | Latent,
    *,
    sampler: str | AnySampler = "auto",
    steps: int | None = None,
    grid: str | Sequence[float] | np.ndarray | None = None,
    start: Literal["noise", "state"] = "noise",
    rng: Any = None,
    callback: Callable[..., Any] | None = None,
    progress: bool = False,
    gradient: Literal["through", "adjoint"] | None = None,
    rtol: float | None = None,
    atol: float | None = None,
) -> Array:
    """Return samples of the data distribution, solving the probability-flow ODE, or an SDE, from noise to data.

    Parameters
    ----------
    denoiser
        The network with what it predicts and its schedule.
    noise
        Standard normal noise of shape (batch, …), NumPy or torch. A sample depends on its own noise only. Or the
        `Latent` of an inversion, which knows its sampler and times: they may be left out, and no others are taken.
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
    rng
        The noise of a stochastic sampler, such as "dpmpp-2m-sde", and of no other: a seed (sample i of the batch has
        the i-th stream of it), one seed for each sample, a generator of NumPy or torch, from which these are drawn, or
        noise itself (`diffusion.noise`). A sample depends on its own seed only, whatever its batch, device or split.
    callback
        Called as callback(t, x) with every state. If it has a parameter ``denoised`` it is given what the network
        predicted last of the data, from which the step to x was made; None for the first state. It may return another
        state, like x, to go on from: the steps after it remember nothing of those before, as where a run begins. It
        ends the run by raising StopIteration.
    progress
        True for a progress bar (needs tqdm).
    gradient
        How torch differentiates the samples, by the noise, the parameters of the network, guidance and conditions:
        "through", by recording all calls, as without; or "adjoint", by making them again, a few at a time, on the way
        back. Of n steps about 2 √(2n) are then kept, each call is made twice, and the gradient is the same to rounding.
    rtol, atol
        Instead of ``steps`` and ``grid``: tolerances, for which every sample chooses steps of its own, from t_start to
        t_end. The estimated error e of a step satisfies rms(e_i / w_i) ≤ 1 with w_i = atol √(α² + σ²) + rtol |x_i|; by
        default atol is rtol, and rtol 1e-3 where atol alone is given. "auto" is then a pair in the gauge of flow
        matching; other samplers have to be pairs: 'expint43-data', 'deis-rho-heun'. 'dpm-adaptive' is k-diffusion's
        sampler of this name, with its norm, controller and default tolerances. The network is called with the
        samples that still run, each at its own time and with its rows of the condition, and once more with one of them,
        to see that it heeds its time. What each cost is said by ``trajectory(…, rtol=…).calls``. A stochastic sampler
        of one strength is run by 8, 16, 32, … steps, uniform in λ, on one Brownian path for each seed, until the
        samples of two runs in succession differ by less than that.

    Returns
    -------
    array
        The state at the last time, in the shape, dtype and device of ``noise``. If the callback ended the run, the
        state there, and a StoppedWarning says so.

    Raises
    ------
    ValueError, TypeError
        For arguments that make no sense, before any network call.
    SamplingError
        If the state becomes non-finite; its ``solution`` holds the states reached. So does the ``solution`` of
        what the network or the callback raises, KeyboardInterrupt and SystemExit among it.
    TypeError
        If the callback returns what is no state.

    Notes
    -----
    Gradients of torch are recorded where anything asks for one: the noise, parameters of the network, guidance or
    conditions. ``torch.no_grad()`` around the call switches that off, and saves the memory of all calls;
    ``gradient="adjoint"`` saves most of it and keeps the gradient.

    Warns
    -----
    StoppedWarning
        If the callback ended the run.
    OffScaleWarning
        If what the network predicts at first fits no data, or none of the scale of the samples, as it does where
        ``denoiser.predicts`` is wrong.
    UnstableWarning
        If a stochastic sampler makes samples several times too large on this grid, whatever the network: those do that
        extrapolate predictions of the noise by a high order and long steps.

    Examples
    --------
    Standard normal data under x = α x₀ + σ ε, α² + σ² = 1, are what the noise is already:

    >>> import numpy as np
    >>> import diffusion
    >>> exact = diffusion.models.gaussian_mixture([1.0], [[0.0]], [[[1.0]]])
    >>> noise = np.array([[0.5], [-1.0]])
    >>> bool(np.allclose(diffusion.sample(exact, noise, steps=20), noise, atol=1e-3))
    True
    """
    if rtol is not None or atol is not None or is_adaptive(sampler):
        asked = {
            "steps": steps,
            "grid": grid,
            "rng": rng,
            "callback": callback,
            "progress": progress,
            "gradient": gradient,
        }
        return sample_each(denoiser, noise, sampler=sampler, rtol=rtol, atol=atol, start=start, **asked)
    begun = begun_run(denoiser, noise, sampler, steps, grid, start, rng)
    frame, plan = begun.frame, begun.plan
    first: list[FirstData] | None = [] if frame.diagnosed else None
    last, steering = [len(plan.steps) - 1], None
    if callback is not None:
        steering = Steering(callback, frame, begun.rule, begun.times, begun.to_zero)
    with frame.reporting():
        run = run_sampler(
            frame.denoiser,
            begun.state,
            plan,
            begun.sampler,
            begun.start,
            last,
            None,
            progress,
            first=first,
            rng=begun.rng,
            earlier=begun.earlier,
            steering=steering,
            gradient=gradient,
        )
    if run.status == expint.Status.TERMINATED:
        warnings.warn(f"{run.message} The state there is returned; trajectory returns more", StoppedWarning, 2)
        return frame.out(run).y[-1, ...]
    return final(frame.out(warn_off_scale(run, frame.denoiser, first or (), plan))).y[-1, ...]


def trajectory(
    denoiser: Denoiser,
    noise: Array | Latent,
    *,
    sampler: str | AnySampler = "auto",
    steps: int | None = None,
    grid: str | Sequence[float] | np.ndarray | None = None,
    start: Literal["noise", "state"] = "noise",
    rng: Any = None,
    callback: Callable[..., Any] | None = None,
    progress: bool = False,
    dense_output: bool = False,
    rtol: float | None = None,
    atol: float | None = None,
    events: Any = None,
) -> expint.Solution:
    """Sample as ``sample`` does and return the whole run; the other parameters are those of ``sample``.

    Parameters
    ----------
    callback
        As of ``sample``. With one the values of the network are kept as well as the states, so that `resume` can go on.
    dense_output
        Whether the solution gets ``sol``: a function of t that gives the state at any time of the run without further
        calls, with the predictions of the data in ``sol.previews``, which are kept for it.
    rtol, atol, events
        As in ``sample``. Each sample then has its own run: an ``expint.Solutions`` is returned, with the calls of each
        in ``calls`` and with ``dense_output`` a ``sol`` for each, which calls the network inside steps that it first
        looks into. ``events`` are functions event(t, x) of one sample, x without batch axis, or several: their zeros
        are found, and the run of a sample ends at that of one with ``event.terminal = True``; see ``expint.solve_ivp``.

    Returns
    -------
    Solution
        ``t`` the times, ``y`` the states of shape (len(t), *noise.shape), the number of network calls in ``calls``.
        From a `Latent` they begin with the second of its states: the first is none that the run makes. A run that
        becomes non-finite ends there, and says so in its status. So does one that its callback ended, of status
        TERMINATED, a `StoppedRun`, with which `resume` goes on. So is the attribute ``solution`` of what the network or
        the callback raises.

    Raises
    ------
    ValueError, TypeError
        For arguments that make no sense, before any network call.

    Examples
    --------
    >>> import numpy as np, diffusion
    >>> net = diffusion.models.gaussian_mixture([1.0], [[0.0]], [[[1.0]]])
    >>> run = diffusion.trajectory(net, np.array([[0.5], [-1.0]]), sampler="ddim", steps=4)
    >>> run.y.shape, run.calls
    ((5, 2, 1), 4)
    """
    check_watchers(callback, progress=progress, dense_output=dense_output)
    if rtol is not None or atol is not None or is_adaptive(sampler):
        asked = {"steps": steps, "grid": grid, "rng": rng, "callback": callback, "progress": progress}
        asked |= {"dense_output": dense_output, "events": events}
        runs: Any = trajectory_each(denoiser, noise, sampler=sampler, rtol=rtol, atol=atol, start=start, **asked)
        return runs
    if events is not None:
        raise ValueError(
            f"expected rtol= beside events=, received events={seen(events)} alone: zeros are found between the steps "
            "of each sample; pass rtol=1e-3, or look at the states of the run"
        )
    kept = None if callback is None else Kept()
    if kept is not None and rng is not None and is_array(noise):
        rng = noise_for(rng, noise)
    given = {"noise": noise, "sampler": sampler, "steps": steps, "grid": grid, "start": start, "rng": rng}
    return trajectory_of(denoiser, {**given, "dense_output": dense_output}, kept, callback, progress)


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
    of ``sample``. `invert` gives latents from which ``data`` come back to rounding.

    Warns
    -----
    UnstableWarning
        If the sampler is unstable on this grid run backwards, so that latents are several times too large. Those
        with a history in ρ are, the more the steps differ. Or if latents are far off the scale of noise, whatever the
        cause.

    Examples
    --------
    >>> import numpy as np, diffusion
    >>> net = diffusion.models.gaussian_mixture([1.0], [[0.0]], [[[1.0]]])
    >>> data = np.array([[0.5], [-1.0]])
    >>> again = diffusion.sample(net, diffusion.encode(net, data, steps=20), steps=20)
    >>> bool(np.allclose(again, data, atol=1e-2))
    True
    """
    frame = frame_of(denoiser)
    denoiser = frame.denoiser
    chosen, times, _ = lay_out(denoiser, sampler, steps, grid)
    backwards = find_sampler(sampler).backwards(denoiser.schedule, times)
    plan = backwards.plan(denoiser.schedule, times[::-1], edges=denoiser.discontinuities)
    warned = warn_unstable(plan, chosen.gauge.predicts, denoiser.schedule, chosen.name)
    last = [len(plan.steps) - 1]
    frame = frame.for_run(plan, chosen, None)
    denoiser = frame.denoiser
    first, _ = frame.begin(data, "state", plan)
    watch = frame.callback(callback)
    with frame.reporting():
        run = run_sampler(denoiser, first, plan, chosen, "state", last, watch, progress)
    final(frame.out(run))
    state = run.y[-1, ...]
    if not warned:
        warn_of_latents(state, first, denoiser.schedule, times, chosen.name)
    return frame.noise(state, float(times[0]))
