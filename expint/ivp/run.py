"""A problem and a method that are bound, run over times that are given or to a tolerance."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from expint.backend import Array, to_numpy
from expint.ivp.bound import Bound
from expint.ivp.elsewhere.gradients import Differentiated
from expint.ivp.times import check_history
from expint.progress import Progress
from expint.run import ErrorNorm, StepControl
from expint.run.dense import Counted
from expint.run.events import Event
from expint.run.keeping import Save
from expint.run.loops import over_plan, over_times
from expint.run.record import Checkpoints, run_adaptive, run_states
from expint.run.steppers import Stepper
from expint.run.watch import Asked, Recorder, Watch
from expint.solution import Solution

__all__ = ["Shown", "over", "to_stops"]

_LOOKS = 16
"""At so many times N is looked at where the state is zero at the start, to see what it may lead to."""


class Shown(NamedTuple):
    """What is wanted of a run, and where; the attributes are those of ``solve_ivp``.

    Attributes
    ----------
    checkpoints
        Writes the run down.
    run
        Keeps what a gradient is computed from.
    """

    dense_output: bool = False
    events: Sequence[Event] = ()
    callback: Callable[[float, Array], None] | None = None
    progress: Progress = False
    land: bool = False
    save: Save | None = None
    checkpoints: Checkpoints | None = None
    run: Differentiated | None = None


def over(bound: Bound, y0: Array, times: np.ndarray, wanted: np.ndarray | None, shown: Shown) -> Solution:
    """Run over the step boundaries ``times`` and keep the states of the indices ``wanted``, all if None."""
    check_history(bound.method, len(times) - 1)
    if shown.run is not None:
        states = shown.run.states(bound, times)
    elif bound.lowered is not None:
        states = over_plan(bound.lowered(times), bound.slope, y0, notes=shown.checkpoints)
    else:
        states = over_times(bound.stepper, bound.slope, y0, times.tolist(), shown.checkpoints)
    rest = {"keep": wanted, "name": bound.method.name, **_rest(bound, shown)}
    return _told(bound, lambda: run_states(states, y0, len(times) - 1, **rest))


def to_stops(
    bound: Bound, y0: Array, start: float, stops: list[float], control: StepControl, keep: Any, shown: Shown
) -> Solution:
    """Run from ``start`` to the last of ``stops`` to a tolerance and keep the states at ``keep``, of all steps if None.

    All stops are landed on if ``shown.land`` says so.
    """
    times, looks = [] if keep is None else [float(t) for t in keep], Counted(bound.slope)
    stops = stops if shown.land else stops[-1:]
    between = [] if {start, *stops}.issuperset(times) else times
    kept = None if keep is None else set[float]() if between else set(times)
    if control.error.grows:
        control = replace(control, error=_at_least(control.error, bound.stepper, looks, y0, start, stops[-1]))
    asked = Asked(between, math.copysign(1.0, stops[-1] - start)) if between else None
    rest = {"keep": kept, **_rest(bound, shown, asked)}
    stepper = bound.stepper if shown.run is None else shown.run.stepper(bound)
    run = partial(run_adaptive, stepper, bound.slope, y0, start, stops, control, **rest)
    return _told(bound, run, looks.evaluations)


def _at_least(norm: ErrorNorm, stepper: Stepper[Any], slope: Counted, y0: Array, start: float, end: float) -> ErrorNorm:
    """Return the norm for a run from a state of zero, which errs by what N lets states reach, times rounding, at least.

    Without that a run would follow N from its faintest beginnings, where a pulse is 1e-300 of what it will be.
    """
    times = [start + (end - start) * k / _LOOKS for k in range(1, _LOOKS)]
    values = [np.abs(to_numpy(stepper.value(slope, t, y0))).astype(np.float64) for t in (*times, end)]
    size = max((float(np.max(own)) for own in values if np.all(np.isfinite(own))), default=0.0)
    least = np.finfo(np.float64).eps * norm.tightest[0] * size * abs(end - start)
    return replace(norm, atol=max(norm.atol, least))


def _rest(bound: Bound, shown: Shown, asked: Asked | None = None) -> dict[str, Any]:
    """Return what else a run is told: what is shown of it, and at which times states are ``asked`` for."""
    watch = None
    if shown.events or shown.dense_output or asked:
        slope = Counted(bound.slope)
        recorder = Recorder(bound.interpolation(slope), shown.dense_output)
        watch = Watch(recorder, shown.events, slope, asked)
    return {
        "callback": shown.callback,
        "progress": shown.progress,
        "watch": watch,
        "save": shown.save,
        "checkpoints": shown.checkpoints,
    }


def _told(bound: Bound, run: Callable[[], Solution], spent: int = 0) -> Solution:
    """Return the solution with all that is to be said of it; so is that of an exception.

    ``spent`` evaluations of N were made before the run.
    """

    def told(solution: Solution) -> Solution:
        if spent:
            calls = solution.stats.nonlinear_evaluations + spent
            solution = replace(solution, stats=replace(solution.stats, nonlinear_evaluations=calls))
        return bound.told(solution)

    try:
        return told(run())
    except BaseException as error:
        if hasattr(error, "solution"):
            error.solution = told(error.solution)
        raise
