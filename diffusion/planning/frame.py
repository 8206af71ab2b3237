"""The frame in which a run is made: for a process with a mean m, the states less κ m, of an ordinary schedule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

import expint
import expint.backend
from diffusion.checks import check_denoiser, check_start, check_state
from diffusion.denoiser import Denoiser
from diffusion.process.with_mean import WithMean, mean_like
from expint.backend import Array

__all__ = ["Frame", "Moved", "frame_of"]


@dataclass(frozen=True)
class Frame:
    """The denoiser of a run, and what leads into its frame and out of it: for an ordinary denoiser, nothing.

    Parameters
    ----------
    denoiser
        Of the states of the frame.
    """

    denoiser: Denoiser
    diagnosed = True
    """Whether the states are those of a process, by whose scale a wrong network is noticed."""

    def for_run(self, plan: expint.Plan, sampler: Any, rng: Any) -> Frame:
        """Return the frame of one run, by its plan, its sampler and where its noise comes from."""
        del plan, sampler, rng
        return self

    def begin(self, state: Array, start: str, plan: expint.Plan) -> tuple[Array, str]:
        """Return the first state of a run, or the noise, and which it is, from what the caller gave.

        Raises
        ------
        TypeError, ValueError
            If the state is no batch of finite numbers, ``start`` is unknown, or the frame does not fit the state.
        """
        del plan
        return state, start

    def source_of_noise(self, rng: Any, state: Array) -> Any:
        """Return where the noise of the run comes from, for its first ``state``."""
        del state
        return rng

    def noise(self, state: Array, t: float) -> Array:
        """Return the noise from which a run begins with this ``state`` of the frame at ``t``."""
        return state / self.denoiser.schedule.noise_scale(t)

    def end(self, state: Array, t: float) -> Array:
        """Return the state that the caller knows for one of the frame."""
        del t
        return state

    def enter(self, state: Array, t: float) -> Array:
        """Return the state of the frame for one that the caller knows, from which a run goes on."""
        del t
        return state

    def callback(self, callback: Callable[[float, Array], None] | None) -> Callable[[float, Array], None] | None:
        """Return the callback for a run in the frame."""
        return callback

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Let what is raised in a run hold the states that the caller knows, not those of the frame."""
        yield

    def out(self, run: expint.Solution) -> expint.Solution:
        """Return the run that the caller knows for one in the frame."""
        return run


class Moved(Frame):
    """A frame with states of its own: ``end`` leads out of it."""

    def callback(self, callback: Callable[[float, Array], None] | None) -> Callable[[float, Array], None] | None:
        """Return the callback for a run in the frame."""
        if not callable(callback):
            return callback
        told = callback
        return lambda t, x: told(t, self.end(x, t))

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Let what is raised in a run hold the states that the caller knows, not those of the frame."""
        try:
            yield
        except BaseException as error:
            reached = getattr(error, "solution", None)
            if isinstance(reached, expint.Solution):
                error.solution = self.out(reached)  # type: ignore[attr-defined]  # of a SamplingError
            raise

    def out(self, run: expint.Solution) -> expint.Solution:
        """Return the run that the caller knows for one in the frame."""
        if not len(run.t):
            return run
        states = [self.end(run.y[i, ...], t) for i, t in enumerate(run.t.tolist())]
        path = None if run.sol is None else partial(_between, run.sol, self)
        return replace(run, y=expint.backend.stack(states), sol=path)


@dataclass(frozen=True)
class _OfMean(Moved):
    """The states less κ m of a process with a mean m."""

    process: WithMean = field(kw_only=True)

    def begin(self, state: Array, start: str, plan: expint.Plan) -> tuple[Array, str]:
        check_state(state)
        check_start(start)
        t = plan.steps[0].times[0]
        if start == "noise":
            state = mean_like(self.process.mean, state) + state * float(self.process.noise_scale(t))
        return state - self.process.offset(t, state), "state"

    def noise(self, state: Array, t: float) -> Array:
        scale = self.denoiser.schedule.noise_scale(t)
        return (self.end(state, t) - mean_like(self.process.mean, state)) / scale

    def end(self, state: Array, t: float) -> Array:
        return state + self.process.offset(t, state)

    def enter(self, state: Array, t: float) -> Array:
        return state - self.process.offset(t, state)


def frame_of(denoiser: Any) -> Frame:
    """Return the frame in which runs of the ``denoiser`` are made.

    Raises
    ------
    TypeError
        If it is no denoiser.
    """
    check_denoiser(denoiser)
    process, own = denoiser.schedule, getattr(denoiser, "framed", None)
    if own is not None:
        return own()
    if not isinstance(process, WithMean) or process.centred is process:
        return Frame(denoiser)
    centred = _Centred(
        denoiser.network,
        denoiser.predicts,
        process.centred,
        denoiser.condition,
        denoiser.discontinuities,
        source=denoiser,
        process=process,
    )
    return _OfMean(centred, process=process)


@dataclass(frozen=True, eq=False)
class _Centred(Denoiser):
    """The ``source`` as a denoiser of states less the offset of its ``process``."""

    source: Denoiser = field(kw_only=True)
    process: WithMean = field(kw_only=True)

    def __call__(self, x: Array, t: Any) -> Array:
        return self.source(x + self.process.offset(t, x), t)

    def at_times(self, times: Iterable[float], like: Array) -> Callable[[float, Array], Array]:
        network = self.source.at_times(times, like)
        mean = mean_like(self.process.mean, like)  # on the device of the run once

        def call(t: float, x: Array) -> Array:
            return network(t, x + self.process.mean_scale(t) * mean)

        return call


def _between(path: Callable[[Any], Array], frame: Moved, t: Any) -> Array:
    """Return the states of a process between the steps, from the ``path`` of its run in the ``frame``."""
    states = path(t)
    if np.ndim(t) == 0:
        return frame.end(states, float(t))
    return expint.backend.stack([frame.end(states[i, ...], float(at)) for i, at in enumerate(t)])
