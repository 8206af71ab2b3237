"""One run of a sampler: the plan, what evaluates its rows, and the loop that suits the state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import expint
from expint.backend import Array
from expint.lower.uncorrected import without_corrected
from expint.run.fixed import accepted_states
from expint.run.record import run_states
from expint.run.scattered import can_scatter, scattered_states

from .declaration import Sampler
from .denoiser import Denoiser
from .diagnosis import FirstData, diagnosed, first_data, middle_time
from .door import check_state
from .evaluation import Predicted
from .schedule import NoiseSchedule

__all__ = ["run_sampler"]


def run_sampler(
    denoiser: Denoiser,
    state: Array,
    plan: expint.Plan,
    sampler: Sampler,
    start: str,
    keep: list[int] | None,
    callback: Callable[[float, Array], None] | None,
    progress: bool,
    outputs: dict[float, Array] | None = None,
    first: list[FirstData] | None = None,
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
    outputs
        Where the outputs of the network, in the kind of the gauge, are entered by their time, if they are wanted.
    first
        Where the size of the data that the first call implies is entered, if it is wanted.

    Raises
    ------
    TypeError, ValueError
        If the state is no batch of finite numbers, or ``start`` is unknown.
    """
    check_state(state)
    if start not in ("noise", "state"):
        raise ValueError(f"expected start to be 'noise' or 'state', received {start!r}")
    start_time = plan.steps[0].times[0]
    x = state * denoiser.schedule.noise_scale(start_time) if start == "noise" else state
    scattered = can_scatter(plan, x)
    last = len(plan.steps) - 1
    with _no_grad(x):
        plan_run, evaluate, factors = _evaluation(sampler, denoiser, plan, x, keep=not scattered or outputs is not None)
        if outputs is not None:
            evaluate = _kept(evaluate, factors, outputs)
        if first is not None:
            middle = middle_time(plan, denoiser.schedule)
            evaluate = _noted(evaluate, factors, sampler, denoiser.schedule, first, start == "noise", middle)
        if scattered and keep == [last] and callback is None:
            plan_run = without_corrected(plan_run)  # nothing looks at the states between, but where the network raises
        states = (scattered_states if scattered else accepted_states)(plan_run, evaluate, x)
        run = run_states(
            states,
            x,
            last,
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


def _noted(
    slope: Callable[[float, Array], Array],
    factors: Mapping[float, float],
    sampler: Sampler,
    schedule: NoiseSchedule,
    first: list[FirstData],
    from_noise: bool,
    middle: float,
) -> Callable[[float, Array], Array]:
    """Return the ``slope``, with what its first value and that at ``middle`` say of the data appended to ``first``."""

    def evaluate(t: float, x: Array) -> Array:
        value = slope(t, x)
        if not first or (t == middle and len(first) == 1):
            data = sampler.gauge.data(schedule, t, x, factors.get(t, 1.0) * value)
            first.append(first_data(schedule, t, x, data, from_noise and not first))
        return value

    return evaluate


def _no_grad(x: Array) -> AbstractContextManager[Any]:
    """Return torch.no_grad() for tensors that ask for no gradient, without importing torch for others."""
    if hasattr(x, "requires_grad") and not x.requires_grad:
        import torch

        return torch.no_grad()
    return nullcontext()
