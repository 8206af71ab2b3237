"""Runs that are written down as they go, and go on after they were stopped."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import astuple
from typing import Any, NamedTuple

import numpy as np

from expint.arguments import number, seen
from expint.backend import Array, array_namespace, asarray_like, is_numpy, is_torch, to_numpy
from expint.ivp.bound import Bound, Problem
from expint.ivp.checkpoint import Checkpoints, read
from expint.operators import TimeDependent, TimeScaled, as_operator
from expint.run.control import Controller
from expint.solution import Solution

__all__ = ["Resumed", "checkpoints_of", "given_every", "refuse_beside_checkpoint", "resume_by"]

EVERY = 60.0
"""So many seconds lie between two checkpoints, if nothing else is said."""

_CLOSE = 1e-8
"""Values of L and N may differ by so much, relatively, from those of the run that was stopped: another machine may
round otherwise."""


class Resumed(NamedTuple):
    """A checkpoint from which a run goes on: the path, and what ``expint.ivp.checkpoint.read`` returned."""

    path: str | os.PathLike[str]
    header: dict[str, Any]
    run: dict[str, Any]


def refuse_beside_checkpoint(asked: Mapping[str, Any], y0: Array) -> None:
    """Refuse what cannot be written down, where a checkpoint is asked for."""
    if asked["checkpoint"] is None:
        every = asked["checkpoint_every"]
        if every is not None:
            raise ValueError(f"expected checkpoint= beside checkpoint_every, received {every!r} alone; add it")
        return
    given = [name for name in ("events", "breakpoints", "jac") if asked.get(name) is not None]
    given += ["dense_output"] if asked["dense_output"] else []
    if given:
        raise ValueError(
            f"expected none of events, breakpoints, jac and dense_output beside checkpoint, received {given[0]}, which "
            "is not written down; solve piece by piece, or take t_eval in place of dense_output"
        )
    if isinstance(asked["linear"], TimeScaled | TimeDependent):
        raise ValueError(
            f"expected an L that does not depend on time beside checkpoint, received {asked['linear']!r}; solve piece "
            "by piece, and save the state at the end of each"
        )
    xp = array_namespace(y0)
    if not (is_numpy(xp) or is_torch(xp)) or getattr(y0, "requires_grad", False):
        raise TypeError(
            f"expected y0 of NumPy or torch beside checkpoint, without a gradient, received {seen(y0)}; detach it, or "
            "leave checkpoint out"
        )


def given_every(every: Any) -> float:
    """Return after how many steps, an integer, or seconds, a float, a checkpoint is due."""
    if every is None:
        return EVERY
    value = number("checkpoint_every", every)
    if value <= 0:
        raise ValueError(f"expected checkpoint_every to be a number above 0, received {every!r}; 100 is 100 steps")
    return int(every) if isinstance(every, int | np.integer) else value


def checkpoints_of(asked: Mapping[str, Any], problem: Problem, bound: Bound) -> Checkpoints | None:
    """Return what writes the run down, and lets it go on where it is resumed; None where this is not asked for.

    Raises
    ------
    ValueError, TypeError
        If the run remembers what cannot be written down, or is another than that of the file.
    """
    checkpoint = asked["checkpoint"]
    if checkpoint is None:
        return None
    if bound.lowered is None and not hasattr(getattr(bound.stepper, "inner", bound.stepper), "pack"):
        raise ValueError(
            f"expected a method with a fixed L beside checkpoint, received {bound.method.name}, whose steps remember "
            "more than numbers; take linear= and method='auto', or solve piece by piece and save each solution.y_end"
        )
    every, (start, _) = given_every(asked["checkpoint_every"]), problem.span
    header = {
        "span": problem.span,
        "y0": problem.y0,
        "method": bound.method.name,
        "linear": _told_by(problem),
        "nonlinear": bound.slope(start, problem.y0),
        "every": every,
        **_split(asked),
    }
    if not isinstance(checkpoint, Resumed):
        return Checkpoints(_path(checkpoint), every, header, None)
    _check_same(header, checkpoint)
    return Checkpoints(checkpoint.path, every, header, checkpoint.run)


def resume_by(
    solve: Callable[..., Solution], path: str | os.PathLike[str], nonlinear: Any, given: Mapping[str, Any]
) -> Solution:
    """Go on by ``solve``; ``given`` are the arguments of ``resume``."""
    header, run = read(_path(path))
    try:
        options, again, every = dict(header["options"]), header["again"], header["every"]
        span, y0 = header["span"], header["y0"]
    except KeyError as error:
        raise ValueError(
            f"expected a whole checkpoint, received {str(path)!r} without {error}; solve from the start"
        ) from error
    missing = [name for name in again if given.get(name) is None or given[name] == ()]
    if missing:
        raise ValueError(
            f"expected {missing[0]}= as the run had it that was stopped, received none: it is not written down; pass it"
        )
    if options.get("controller") is not None:
        options["controller"] = Controller(*options["controller"])
    options |= {name: value for name, value in given.items() if value is not None and name != "checkpoint_every"}
    every = every if given["checkpoint_every"] is None else given["checkpoint_every"]
    return solve(nonlinear, span, y0, **options, checkpoint=Resumed(path, header, run), checkpoint_every=every)


def _path(path: Any) -> str | os.PathLike[str]:
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f'expected checkpoint to be the path of a file, received {seen(path)}; "run.npz" is one')
    return path


def _split(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of ``solve_ivp`` that are written down, and the names of those to be given again."""
    options, again = dict[str, Any](), list[str]()
    for name, value in asked.items():
        if name in ("callback", "progress", "checkpoint", "checkpoint_every", "jac", "events", "breakpoints"):
            continue
        if isinstance(value, Controller):
            options[name] = astuple(value)
        elif value is None or _plain(value):
            options[name] = value
        elif value != ():
            again.append(name)
    return {"options": options, "again": again}


def _plain(value: Any) -> bool:
    if isinstance(value, list | tuple) and value:
        return all(isinstance(own, int | float | np.number) for own in value)
    return isinstance(value, bool | int | float | complex | str | np.generic | np.ndarray) or hasattr(value, "detach")


def _told_by(problem: Problem) -> np.ndarray:
    """Return L v for a fixed vector v, by which operators are told apart."""
    size = int(np.prod(problem.y0.shape))
    v = asarray_like(np.cos(np.arange(1.0, size + 1)).reshape(tuple(problem.y0.shape)), problem.y0)
    return to_numpy(as_operator(problem.linear, problem.y0).product(problem.y0)(v))


def _check_same(header: Mapping[str, Any], resumed: Resumed) -> None:
    """Refuse to go on with another problem than that of the file."""
    before = resumed.header
    if header["method"] != before["method"]:
        raise ValueError(
            f"expected the method of the run that was stopped, {before['method']}, received {header['method']}; pass "
            "that one, or solve from the state reached"
        )
    for name, told in (("linear", "L"), ("nonlinear", "N at the start")):
        old, new = to_numpy(before[name]), to_numpy(header[name])
        if old.shape != new.shape or not np.allclose(old, new, rtol=_CLOSE, atol=_CLOSE * float(np.max(abs(old)))):
            raise ValueError(
                f"expected the {name} of the run that was stopped, received another: {told} differs from what "
                f"{str(resumed.path)!r} says; pass that one, or solve from the start"
            )
