"""Callbacks that steer a run: they see what is predicted, may change the state, and may end the run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np

import expint
from diffusion.noise.sources import Noise
from diffusion.planning.frame import Frame
from diffusion.process.schedule import NoiseSchedule
from diffusion.samplers.catalogue import AnySampler
from diffusion.samplers.catalogue import sampler as find_sampler
from diffusion.samplers.fitted import FittedSampler
from diffusion.samplers.sampler import Sampler
from expint.arguments import seen
from expint.backend import Array, all_finite, is_array
from expint.run import Accepted

__all__ = ["Kept", "Later", "Steering", "StoppedRun", "StoppedWarning"]


class StoppedWarning(UserWarning):
    """A callback ended a run before its end: what is returned is the state reached, not a sample."""


class Stopped(Exception):
    """A callback ended the run; it stays inside this package."""

    def ended(self) -> expint.Solution:
        """Return the run up to there."""
        run: expint.Solution = self.solution  # type: ignore[attr-defined]  # of run_states
        return replace(run, status=expint.Status.TERMINATED, message=f"The callback ended the run {self}.")


@dataclass
class Kept:
    """What a run has asked of the network and of its callback so far, so that it can be made again without them.

    Attributes
    ----------
    values
        What the rows of the plan were given, by evaluation.
    answers
        For each state the one that the callback returned instead, or None.
    """

    values: list[Array] = field(default_factory=list)
    answers: list[Array | None] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class StoppedRun(expint.Solution):
    """A run that its callback or an exception ended before its end: a solution, with what `resume` needs.

    Attributes
    ----------
    arguments
        Those of ``diffusion.trajectory``, its noise fixed.
    kept
        What the network and the callback have said.

    Examples
    --------
    >>> import numpy as np, warnings
    >>> import diffusion
    >>> net = diffusion.models.gaussian_mixture([1.0], [[0.3]], [[[0.2]]])
    >>> def early(t, x):
    ...     if t < 0.5:
    ...         raise StopIteration
    >>> with warnings.catch_warnings(action="ignore"):  # of a run that was ended, as is wanted here
    ...     run = diffusion.trajectory(net, np.ones((2, 1)), sampler="ddim", steps=10, callback=early)
    >>> type(run).__name__, bool(run.t[-1] > 0.1)
    ('StoppedRun', True)
    >>> diffusion.resume(net, run).success
    True
    """

    arguments: Mapping[str, Any]
    kept: Kept


@dataclass(frozen=True)
class Later:
    """The noise of a run from one of its states on.

    Attributes
    ----------
    noise
        That of the whole run.
    steps
        The steps before that state.
    """

    noise: Noise
    steps: int

    def draw(self, step: int, column: int, like: Array) -> Array:
        """Return the noise of one column of one step."""
        return self.noise.draw(step + self.steps, column, like)


@dataclass
class Steering:
    """The callback of a run, and how the run goes on from a state that it returns.

    Attributes
    ----------
    callback
        As the caller gave it; None is told nothing.
    frame
        The frame of the run.
    rule, times, to_zero
        The sampler that was asked for and the grid of the run.
    kept
        What was said in an earlier part of the run, and what is kept of this one; None keeps nothing.
    """

    callback: Callable[..., Any] | None
    frame: Frame
    rule: AnySampler
    times: np.ndarray
    to_zero: bool
    kept: Kept | None = None

    def __post_init__(self) -> None:
        self.wants_data = self.callback is not None and _takes(self.callback, "denoised")
        self.latest: Callable[[], Array] | None = None
        """The data that the network predicted last."""

        self.changed = False
        """Whether a state was changed."""

        self._asked, self._recorded = 0, len(self.kept.answers) if self.kept else 0

    @property
    def next_known(self) -> Any:
        """The next value of the network, if it is one of an earlier part of the run; else None."""
        known = [] if self.kept is None else self.kept.values
        return known[self._asked] if self._asked < len(known) else None

    def rest(self, t: float, chosen: Sampler | FittedSampler) -> expint.Plan:
        """Return the plan from the state at ``t`` on, with nothing remembered of the steps before.

        Raises
        ------
        ValueError
            If the rows of the sampler are for the whole run, or no step of its grid starts there.
        """
        places = np.flatnonzero(self.times == t)
        if isinstance(chosen, FittedSampler) or not places.size:
            raise ValueError(
                f"expected a callback that returns None for {chosen.name!r}, "
                f"{'whose rows are for a whole run' if places.size else 'whose noise level rises between steps'}; "
                f"received a state at t = {t:.6g}; take a named sampler, or return states at the times of the grid"
            )
        schedule: NoiseSchedule = self.frame.denoiser.schedule
        times = self.times[int(places[0]) :]
        own: Any = find_sampler(self.rule).on(schedule, times, to_zero=self.to_zero)
        found: expint.Plan = own.plan(schedule, times, to_zero=self.to_zero, edges=self.frame.denoiser.discontinuities)
        return found

    def recorded(self, slope: Callable[[float, Array], Array]) -> Callable[[float, Array], Array]:
        """Return the ``slope``, its values kept, and those that are kept already not asked for again."""
        kept = self.kept
        if kept is None:
            return slope

        def evaluate(t: float, x: Array) -> Array:
            number, self._asked = self._asked, self._asked + 1
            if number == len(kept.values):
                value = slope(t, x)
                kept.values.append(1.0 * value)  # a copy: networks may use their memory again
            return kept.values[number]

        return evaluate

    def over(
        self, states: Iterator[Accepted], last: int, again: Callable[[int, Accepted], Iterator[Accepted]]
    ) -> Iterator[Accepted]:
        """Yield the ``states`` of a run, those in their place that the callback returns.

        What it raises is raised when its state has been taken.

        Parameters
        ----------
        states
            The states, the first of the run first.
        last
            The number of the last.
        again
            By the number of a state, and the state: the states from there on, with nothing remembered.
        """
        index, before = 0, 0
        while index <= last:
            changed = None
            for found in states:
                accepted = found._replace(evaluations=before + found.evaluations)
                changed, error = self._told(index, accepted)
                accepted = accepted if changed is None else accepted._replace(y=changed)
                self.changed |= changed is not None
                yield accepted
                if error is not None:
                    raise error
                index += 1
                if changed is not None and index <= last:
                    states, before = islice(again(index - 1, accepted), 1, None), accepted.evaluations
                    break
            else:
                return

    def _told(self, index: int, accepted: Accepted) -> tuple[Array | None, BaseException | None]:
        """Return the state that the callback returns for one, in the frame of the run, and what it raises."""
        if self.kept is not None and index < self._recorded:
            return self.kept.answers[index], None
        if self.callback is None:
            return None, None
        given: dict[str, Any] = {}
        t, frame = accepted.t, self.frame
        if self.wants_data:
            data = None if self.latest is None else self.latest()
            given["denoised"] = None if data is None else frame.end(data, frame.denoiser.schedule.t_clean)
        try:
            answer = self.callback(t, frame.end(accepted.y, t), **given)
            answer = None if answer is None else self._checked(answer, accepted.y, t)
        except StopIteration as stop:
            if self.kept is not None:
                self.kept.answers.append(None)  # a run that goes on does not tell this state again
            return None, Stopped(f"at t = {t:.6g}{': ' if stop.args else ''}{', '.join(map(str, stop.args))}")
        except BaseException as error:  # an interrupt, too: the state is taken first
            return None, error
        if self.kept is not None:
            self.kept.answers.append(answer)
        return answer, None

    def _checked(self, answer: Any, like: Array, t: float) -> Array:
        """Return a state that the callback returned, in the frame of the run."""
        fits = is_array(answer) and tuple(answer.shape) == tuple(like.shape) and answer.dtype == like.dtype
        if not fits or not all_finite(answer):
            raise TypeError(
                f"expected the callback to return None or a finite state of shape {tuple(like.shape)} and dtype "
                f"{like.dtype}, received {seen(answer)} at t = {t:.6g}; return nothing to go on, raise StopIteration "
                "to end the run"
            )
        return 1.0 * self.frame.enter(answer, t)  # a copy: the caller may go on with its own


def _takes(callback: Callable[..., Any], name: str) -> bool:
    """Whether a ``callback`` has a parameter of this ``name``."""
    try:
        parameters: Sequence[str] = list(inspect.signature(callback).parameters)
    except (TypeError, ValueError):  # of C
        return False
    return name in parameters
