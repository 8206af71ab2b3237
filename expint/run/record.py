"""Turn a run into a Solution: keep the requested states, and detect those that are not finite."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from expint.backend import Array, all_finite
from expint.lower.plan import Plan
from expint.phi.action import ActionFailure
from expint.progress import Progress, progress_bar
from expint.run.keeping import Kept, Save
from expint.run.loops import Accepted, over_plan, to_tolerance
from expint.run.standing import Notes
from expint.run.steppers import Stepper
from expint.run.tolerance import AdaptiveFailure, StepControl
from expint.run.watch import Watch
from expint.solution import Solution, Stats, Status

__all__ = ["Checkpoints", "run_adaptive", "run_plan", "run_states"]

_LOOK_EVERY = 32
"""Accepted steps between two looks for non-finite values when not every state is kept: a look synchronises a GPU."""


class Checkpoints(Notes, Protocol):
    """Writes where a run stands, from time to time, and lets it go on from where an earlier one stood."""

    def resume(self, last: Accepted, kept: Kept, watch: Watch | None) -> tuple[Accepted, int]:
        """Return the last state and its number, and give back what was kept; ``last`` and 0 for a run that begins."""

    def look(self, steps: int, kept: Kept, watch: Watch | None) -> None:
        """Write down where the run stands if that is due after so many ``steps``."""


class _Wanted(NamedTuple):
    """What is wanted of a run.

    Attributes
    ----------
    keep
        The states to keep, by index in a run over given steps, by time in one that chooses them; None keeps all.
    last
        The index of the last state of a run over given steps, None if it chooses them: such a run accepts states by
        the norm of their error, which is finite for finite states only, so that none needs to be looked at.
    look_every
        After how many steps a state that is not kept is looked at for non-finite values; 0 for never.
    save
        What is kept instead of states; None keeps these.
    checkpoints
        Where what is kept is written from time to time.
    """

    keep: frozenset[float] | None
    last: int | None = None
    look_every: int = 0
    save: Save | None = None
    checkpoints: Checkpoints | None = None


def run_plan(
    plan: Plan,
    nonlinear: Callable[[float, Array], Array],
    y0: Array,
    *,
    keep: Collection[int] | None = None,
    name: str = "",
    callback: Callable[[float, Array], None] | None = None,
    progress: Progress = False,
    watch: Watch | None = None,
    noise: Callable[[float], Sequence[Any]] | None = None,
) -> Solution:
    """Run ``plan`` from ``y0``.

    Parameters
    ----------
    plan
        The plan.
    nonlinear
        What is evaluated at the points: N(t, y).
    y0
        The first state.
    keep
        Indices of the states to keep (0 is y_0); None keeps all.
    name
        What the solution calls its method.
    callback
        Called as callback(t, y) with every accepted state, y_0 among them.
    progress
        Whether to show a progress bar.
    watch
        Dense output and events, if wanted.
    noise
        The random columns of the steps, for plans that have some; see ``over_plan``.

    Returns
    -------
    Solution
        A run that meets inf or nan ends there with the states kept so far and the last one seen to be finite. If
        ``nonlinear`` (or ``callback``) raises, the exception is passed on with those states in its attribute
        ``solution``.

    Examples
    --------
    >>> import numpy as np, expint
    >>> from expint.operators import Scalar
    >>> plan = expint.lower(expint.method("etdrk4"), Scalar(-1.0), np.linspace(0.0, 1.0, 11))
    >>> run = expint.run_plan(plan, lambda t, y: 1.0 + 0.0 * y, np.array([0.0]))
    >>> bool(np.isclose(run.y_end[0], 1.0 - np.exp(-1.0)))
    True
    """
    states = over_plan(plan, nonlinear, y0, noise=noise)
    return run_states(
        states, y0, len(plan.steps) - 1, keep=keep, name=name, callback=callback, progress=progress, watch=watch
    )


def run_states(
    states: Iterator[Accepted],
    y0: Array,
    last: int,
    *,
    keep: Collection[int] | None = None,
    name: str = "",
    callback: Callable[[float, Array], None] | None = None,
    progress: Progress = False,
    watch: Watch | None = None,
    look_every: int | None = _LOOK_EVERY,
    save: Save | None = None,
    checkpoints: Checkpoints | None = None,
) -> Solution:
    """Take the ``states`` of a run over given steps, ``y0`` and ``last`` more, and return what is wanted of them.

    Parameters
    ----------
    states
        The accepted states, y_0 first.
    y0, keep, name, callback, progress, watch
        As in ``run_plan``.
    last
        The number of steps.
    look_every
        After how many steps a state that is not kept is looked at for non-finite values; None only looks at the last.
    save
        save(t, y) is kept instead of the states; None keeps these.
    checkpoints
        Writes where the run stands, and knows where an earlier one stood.
    """
    wanted = None if keep is None else frozenset(int(i) for i in keep)
    with progress_bar(progress, last, name) as tick:
        advance = (lambda _: tick()) if progress else None
        asked = _Wanted(wanted, last, look_every or 0, save, checkpoints)
        return _record(states, y0, asked, name, callback, advance, watch)


def run_adaptive(
    stepper: Stepper[Any],
    nonlinear: Callable[[float, Array], Array],
    y0: Array,
    t0: float,
    stops: list[float],
    control: StepControl,
    *,
    keep: Collection[float] | None = None,
    callback: Callable[[float, Array], None] | None = None,
    progress: Progress = False,
    watch: Watch | None = None,
    save: Save | None = None,
    checkpoints: Checkpoints | None = None,
) -> Solution:
    """Run from ``y0`` at ``t0`` over ``stops`` with steps chosen by ``control``.

    Parameters
    ----------
    stepper, nonlinear, stops, control
        As in ``to_tolerance``; the policy is that of the stepper.
    y0, t0
        The first state and time.
    keep
        Times among t0 and ``stops`` at which states are kept, beside those that ``watch`` finds; None keeps those of
        all steps.
    callback, progress, watch, save, checkpoints
        As in ``run_states``.

    Returns
    -------
    Solution
        A run that cannot go on ends with the states kept so far, its last good one among them, and a status that says
        why.
    """
    wanted = None if keep is None else frozenset(keep)
    name, total, reached = stepper.name, 1000, 0

    with progress_bar(progress, total, name) as advance:

        def move(t: float) -> None:
            nonlocal reached
            while reached < total * abs(t - t0) / abs(stops[-1] - t0) - 0.5:
                advance()
                reached += 1

        policy = stepper.policy(control, stops[-1] - t0)
        states = to_tolerance(stepper, policy, nonlinear, y0, t0, stops, control, checkpoints)
        if checkpoints is not None and checkpoints.standing is not None and checkpoints.standing.t == stops[-1]:
            stepper.unpack(checkpoints.standing.memory, checkpoints.standing.y)  # with what it has counted
            states = iter(())  # all was done
        asked = _Wanted(wanted, save=save, checkpoints=checkpoints)
        return _record(states, y0, asked, name, callback, move if progress else None, watch)


def _record(
    states: Iterator[Accepted],
    y0: Array,
    wanted: _Wanted,
    name: str,
    callback: Callable[[float, Array], None] | None,
    advance: Callable[[float], None] | None,
    watch: Watch | None,
) -> Solution:
    """Drive a run and keep what is wanted of it."""
    keep, given, look_every = wanted.keep, wanted.last is not None, wanted.look_every
    kept = Kept(y0, wanted.save)
    last, index, checkpoints = Accepted(math.nan, y0, 0), 0, wanted.checkpoints
    if checkpoints is not None:
        last, index = checkpoints.resume(last, kept, watch)
    good, first = last, index + (not math.isnan(last.t))

    def finish(status: Status, message: str) -> Solution:
        reached = last if status >= 0 or all_finite(last.y) else good
        if status < 0 and not math.isnan(reached.t):
            kept.end(reached.t, reached.y)
        seen, between = ({}, 0) if watch is None else (watch.seen(), watch.evaluations)
        stats = Stats(last.evaluations + between, steps=index, rejected=last.rejected)
        return Solution(status=status, message=message, stats=stats, method=name, **kept.fields(), **seen)

    try:
        for index, last in enumerate(states, first):
            ended = watch.look(last) if watch is not None else None
            if ended is None:
                asked = keep is None or (index if given else last.t) in keep
            else:
                last, asked = ended, keep is None
            if given and (asked or index == wanted.last or (look_every and index % look_every == 0)):
                if not all_finite(last.y):
                    return finish(Status.NON_FINITE, _non_finite(last.t, index))
                good = last
            if asked:
                kept.add(last.t, last.y)
            elif watch is not None:
                for t, y in watch.passed(last):
                    kept.add(t, y)
            if callback is not None:
                callback(last.t, last.y)
            if ended is not None:
                return finish(Status.TERMINATED, f"{Status.TERMINATED.sentence} It was at t = {last.t:.6g}.")
            if index and advance is not None:
                advance(last.t)
            if checkpoints is not None:
                checkpoints.look(index, kept, watch)
    except AdaptiveFailure as failure:
        return finish(failure.status, str(failure))
    except ActionFailure as failure:
        return finish(Status.ACTION_FAILED, f"after t = {last.t:.6g}: {failure}")
    except BaseException as error:  # an interrupt, too: nothing reached is lost
        where = "at the start" if math.isnan(last.t) else f"after t = {last.t:.6g}"
        error.solution = finish(Status.RAISED, f"{type(error).__name__} raised {where}: {error}".rstrip(": "))  # type: ignore[attr-defined]  # read by callers of a failed run
        error.add_note(f"raised {where}; the states reached so far are in the attribute 'solution' of this exception")
        raise
    return finish(Status.SUCCESS, Status.SUCCESS.sentence)


def _non_finite(t: float, steps: int) -> str:
    return (
        f"expected finite states, received inf or nan found at t = {t:.6g} after {steps} steps; try a smaller step, "
        "a method of higher stiff order, or check that nonlinear is finite there"
    )
