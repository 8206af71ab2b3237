"""What is asked of ``solve_ivp``: the problem, and what is wanted of its run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from expint.arguments import flag
from expint.backend import Array
from expint.given import Times, given_callback, given_save
from expint.ivp.bound import Problem
from expint.ivp.elsewhere.gradients import RECORDED, Differentiated
from expint.ivp.run import Shown
from expint.ivp.runner import given_runner
from expint.run.events import Event

__all__ = ["problem_of", "shown_of"]


def shown_of(asked: Mapping[str, Any], watched: Sequence[Event]) -> Shown:
    """Return what is wanted of a run, checked."""
    dense_output, progress, land = (flag(name, asked[name]) for name in ("dense_output", "progress", "land"))
    callback, save = given_callback(asked["callback"]), given_save(asked["save"])
    return Shown(
        dense_output,
        watched,
        callback,
        progress,
        land,
        save,
        run=asked["gradient"] if isinstance(asked["gradient"], Differentiated) else None,
    )


def problem_of(nonlinear: Callable[..., Array] | None, y0: Array, times: Times, asked: Mapping[str, Any]) -> Problem:
    """Return what is solved, and by which runner."""
    alone = asked["checkpoint"] is not None
    runner = given_runner(asked["runner"], times, y0, alone)
    recorded = asked["gradient"] is RECORDED
    given = asked["linear"], asked["jac"], asked["args"]
    return Problem(nonlinear, y0, times.span, *given, alone=alone, recorded=recorded, runner=runner)
