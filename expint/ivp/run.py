"""A problem and a method that are bound, run over times that are given or to a tolerance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from expint.backend import Array
from expint.ivp.bound import Bound
from expint.progress import Progress
from expint.run import StepControl
from expint.run.dense import Counted
from expint.run.events import Event
from expint.run.loops import over_plan, over_times
from expint.run.record import run_adaptive, run_states
from expint.run.recorder import Recorder
from expint.run.watch import Watch
from expint.solution import Solution
from expint.times import check_history

__all__ = ["Shown", "over", "to_stops"]


class Shown(NamedTuple):
    """What is wanted of a run beside its states; the attributes are those of ``solve_ivp``."""

    dense_output: bool = False
    events: Sequence[Event] = ()
    callback: Callable[[float, Array], None] | None = None
    progress: Progress = False


def over(bound: Bound, y0: Array, times: np.ndarray, wanted: np.ndarray | None, shown: Shown) -> Solution:
    """Run over the step boundaries ``times`` and keep the states of the indices ``wanted``, all if None."""
    check_history(bound.method, len(times) - 1)
    if bound.lowered is not None:
        states = over_plan(bound.lowered(times), bound.slope, y0)
    else:
        states = over_times(bound.stepper, bound.slope, y0, times.tolist())
    rest = {"keep": wanted, "name": bound.method.name, **_rest(bound, shown)}
    return _told(bound, lambda: run_states(states, y0, len(times) - 1, **rest))


def to_stops(
    bound: Bound, y0: Array, start: float, stops: list[float], control: StepControl, keep: Any, shown: Shown
) -> Solution:
    """Run from ``start`` over ``stops`` to a tolerance and keep the states at the times ``keep``, all if None."""
    kept = None if keep is None else {float(t) for t in keep}
    rest = {"keep": kept, **_rest(bound, shown)}
    return _told(bound, lambda: run_adaptive(bound.stepper, bound.slope, y0, start, stops, control, **rest))


def _rest(bound: Bound, shown: Shown) -> dict[str, Any]:
    watched, slope = shown.events or shown.dense_output, Counted(bound.slope)
    watch = Watch(Recorder(bound.interpolation(slope), shown.dense_output), shown.events, slope) if watched else None
    return {"callback": shown.callback, "progress": shown.progress, "watch": watch}


def _told(bound: Bound, run: Callable[[], Solution]) -> Solution:
    """Return the solution with all that is to be said of it; so is that of an exception."""
    try:
        return bound.told(run())
    except BaseException as error:
        if hasattr(error, "solution"):
            error.solution = bound.told(error.solution)
        raise
