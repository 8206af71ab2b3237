"""Batches of which each trajectory is solved alone, and what is made of their solutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from expint.backend import Array, array_namespace, asarray_like, is_array, to_numpy
from expint.ivp.batched.asked import Options, Trajectories
from expint.ivp.checks import check_function
from expint.jacobian import Lineariser
from expint.run.batch.record import alone
from expint.run.batch.rows import Rows
from expint.run.events import check_events
from expint.solution import Solution, Stats, Status
from expint.solutions import Kept, Solutions

__all__ = ["of_none", "one_by_one"]


def of_none(problem: Trajectories) -> Solutions:
    """Return the solutions of a batch of none."""
    nothing = np.empty(0, dtype=np.int64)
    stats = Stats(nothing, nothing, nothing, nothing, nothing, nothing)  # type: ignore[arg-type]  # arrays, one entry for each
    kept = Kept(np.empty(0), problem.y0, np.zeros(1, dtype=np.int64), nothing)
    return Solutions(problem.end, problem.y0, nothing, (), stats, "", kept, problem.wanted)


def one_by_one(
    solve: Callable[..., Any], nonlinear: Any, problem: Trajectories, options: Options, method: Any, why: str
) -> Solutions:
    """Run one trajectory after the other, each by a call of ``solve_ivp``; N and ``jac`` are told one row."""
    y0, found = problem.y0, list[Solution]()
    if nonlinear is not None:
        check_function(nonlinear, options.args, "nonlinear(t, y)")
    rows = Rows(nonlinear, options.args, y0.shape[0])
    for i in range(y0.shape[0]):
        error = _row_of_each(options, y0, i)
        watched = None if options.events is None else check_events(options.events, rows.of(i))
        asked = {
            "linear": problem.linear_of(i),
            "method": method,
            "jac": _jacobian(options.jac, rows, i),
            "t_eval": None if problem.wanted is None else _with_end(problem.wanted[i], problem.end[i]),
            "land": options.land,
            "first_step": options.first,
            "max_step": options.largest,
            "max_steps": options.most,
            "error": options.error,
            "controller": options.controller,
            "dense_output": options.dense_output,
            "events": watched,
        }
        own = None if nonlinear is None else partial(alone, rows, i)
        try:
            found.append(solve(own, (float(problem.start[i]), float(problem.end[i])), y0[i, ...], **asked, **error))
        except BaseException as raised:
            raised.add_note(f"in trajectory {i} of the batch; 'solution' holds those before it, and it")
            reached = [*found, *([raised.solution] if hasattr(raised, "solution") else [])]
            if reached:
                raised.solution = _gathered(reached, problem, why)  # type: ignore[attr-defined]  # nothing reached is lost
            raise
    return _gathered(found, problem, why)


def _with_end(wanted: np.ndarray, end: float) -> np.ndarray:
    """Return the times asked for, and the end, whose state is kept in any case."""
    return wanted if end in wanted else np.append(wanted, end)


def _as_asked(own: Solution, wanted: np.ndarray) -> Solution:
    """Return a solution without the state at its end, if that was not asked for."""
    more = own.success and len(own.t) and own.t[-1] not in wanted
    return replace(own, t=own.t[:-1], y=own.y[:-1, ...]) if more else own


def _ending(own: Solution, y0: Array, start: float) -> tuple[float, Array]:
    """Return where a trajectory ended."""
    at = [(t[-1], y[-1, ...]) for t, y in zip(own.t_events or (), own.y_events or ()) if len(t)]
    if own.status == Status.TERMINATED and at:
        t, y = max(at, key=lambda one: abs(one[0] - start))
        return float(t), y
    return (float(own.t[-1]), own.y[-1, ...]) if len(own.t) else (start, y0)


def _row_of_each(options: Options, y0: Array, i: int) -> dict[str, Any]:
    """Return the tolerances of one trajectory."""
    found: dict[str, Any] = {"norm": options.norm}
    for name in ("rtol", "atol"):
        own = getattr(options, name)
        if own is not None and np.ndim(to_numpy(own)) == y0.ndim:
            own = own[i if len(own) > 1 else 0]
        found[name] = own
    return found


def _jacobian(jac: Any, rows: Rows, i: int) -> Any:
    """Return the Jacobian of one trajectory from that of several; what is no function as it is."""
    if isinstance(jac, Lineariser) or not callable(jac):
        return jac

    def of_one(t: float, y: Array) -> Array:
        told = asarray_like(np.full((1, *(1,) * y.ndim), t), y)
        value = jac(told, y[None, ...], *rows.arguments(np.array([i])))
        return value[0, ...] if is_array(value) and value.ndim else value

    return of_one


def _gathered(found: Sequence[Solution], problem: Trajectories, why: str) -> Solutions:
    """Return the solutions of all trajectories as one."""
    y0, xp = problem.y0, array_namespace(problem.y0)
    ends = [_ending(own, y0[i, ...], float(problem.start[i])) for i, own in enumerate(found)]
    if problem.wanted is not None:
        found = [_as_asked(own, wanted) for own, wanted in zip(found, problem.wanted)]
    first = np.cumsum([0, *(len(own.t) for own in found)])
    t, column = np.concatenate([own.t for own in found]), np.full(int(first[-1]), -1)
    if problem.wanted is not None:
        for i, own in enumerate(found):
            place = {float(at): k for k, at in enumerate(problem.wanted[i])}
            column[first[i] : first[i + 1]] = [place.get(float(at), -1) for at in own.t]
    names = list(vars(found[0].stats))
    stats: Any = {name: np.array([getattr(own.stats, name) for own in found]) for name in names}
    return Solutions(
        np.array([t for t, _ in ends]),
        xp.stack([y for _, y in ends]),
        np.array([int(own.status) for own in found]),
        tuple(own.message for own in found),
        Stats(**stats),
        found[0].method,
        Kept(t, xp.concat([own.y for own in found]), first, column),
        None if problem.wanted is None else problem.wanted[: len(found)],
        tuple(own.sol for own in found) if found[0].sol is not None else None,
        tuple(own.t_events or [] for own in found) if found[0].t_events is not None else None,
        tuple(own.y_events or [] for own in found) if found[0].y_events is not None else None,
        why,
    )
