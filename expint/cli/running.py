"""The run of ``expint solve``: begun or gone on with, written down, and kept where Ctrl-C stops it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import expint
from expint.backend import Array
from expint.ivp.checkpoint import read

__all__ = ["solved"]

_GIVEN_ONCE = ("method", "step", "rtol", "atol", "t_end", "checkpoint")


def solved(
    problem: expint.SemilinearProblem,
    options: Mapping[str, Any],
    out: Path | None,
    resume: str | None,
    progress: bool,
) -> expint.Solution:
    """Return the solution; of a run that Ctrl-C stops, as far as it came.

    Raises
    ------
    ValueError, TypeError, OSError
        For options that make no sense, or files that are none of this run.
    """
    given = {
        name: value for name, value in options.items() if value is not None and (name, value) != ("method", "auto")
    }
    try:
        if resume is not None:
            return _go_on(problem, given, out, resume, progress)
        t_end = given.pop("t_end", problem.t_span[1])
        if out is not None and out.suffix.lower() == ".nc":
            given |= {"save_to": out, "save": _Values(problem.physical)}
        span = (problem.t_span[0], t_end)
        return expint.solve(problem, given.pop("method", "auto"), t_span=span, progress=progress, **given)
    except KeyboardInterrupt as stopped:
        if not hasattr(stopped, "solution"):
            raise
        return stopped.solution


def _go_on(
    problem: expint.SemilinearProblem, given: Mapping[str, Any], out: Path | None, resume: str, progress: bool
) -> expint.Solution:
    twice = [name for name in _GIVEN_ONCE if name in given]
    twice += ["out"] if out is not None and out.suffix.lower() == ".nc" else []
    if twice:
        raise ValueError(
            f"expected no --{twice[0].replace('_', '-')} beside --resume, received one: it is that of the run that was "
            "stopped; leave it out"
        )
    again = read(resume)[0].get("again", ())
    return expint.resume(
        resume,
        problem,
        save=_Values(problem.physical) if "save" in again else None,
        checkpoint_every=given.get("checkpoint_every"),
        progress=progress,
    )


@dataclass(frozen=True)
class _Values:
    """What is written of a state: its values on the grid."""

    physical: Callable[[Array], Array] | None

    def __call__(self, t: float, y: Array) -> dict[str, Array]:
        del t
        return {"u": y if self.physical is None else self.physical(y)}
