"""Many trajectories in one call: what is asked of each is settled, then all run side by side, or one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from expint.arguments import choice, seen
from expint.arrays import check_state
from expint.backend import Array, array_namespace, asarray_like, device, to_numpy
from expint.derive.orders.forcing import follows_flow
from expint.ivp.batched.asked import Inner, Options, Trajectories, check_args, options_of, trajectories_of
from expint.ivp.batched.one_by_one import of_none, one_by_one
from expint.ivp.bind import blind_spot
from expint.ivp.checks import check_function, check_tolerance, no_force
from expint.ivp.runner import RUNNERS
from expint.methods import method as find_method
from expint.run.batch.events import Watched
from expint.run.batch.loop import each_to_tolerance
from expint.run.batch.norm import EachNorm
from expint.run.batch.record import Asked, Recorded, run_each
from expint.run.batch.rows import Rows
from expint.run.batch.running import EachControl
from expint.run.batch.trees import beside, picked, sum_of_each
from expint.run.control import Controller
from expint.run.control.many import EachPolicy
from expint.run.control.rest import longest_at_rest, widest_gap
from expint.run.events import check_events
from expint.run.steppers.batched import Batched, is_batched
from expint.solutions import Solutions

__all__ = ["solve_batched"]

_MOST_BYTES = 2**30
"""The most memory for the weights of all trajectories."""

_LOOKS = 16
"""At so many times N is looked at where a state is zero at the start, to see what it may lead to."""

_AUTO = "expint43"
"""The method of batches if none is asked for."""

_REFUSED = {
    "step": "all trajectories then share their steps: leave batched=True out, L and N broadcast over the first axis",
    "grid": "all trajectories then share their steps: leave batched=True out, L and N broadcast over the first axis",
    "save": "take the states of t_eval, or of dense_output=True, and work on them",
    "save_to": "write what the run returns, or solve without it in parts",
    "callback": "no time is common to the trajectories; take t_eval, or events, which are looked at for each",
    "checkpoint": "solve parts of the batch, each with a call of its own: no trajectory depends on another",
    "checkpoint_every": "it goes with checkpoint=, which batches do not have",
    "breakpoints": "solve piece by piece, from the states y_end of the piece before",
    "progress": "leave it out; solve parts of the batch to see how it goes",
    "gradient": "solve with fixed steps, step=, where L and N broadcast over the first axis, without batched=True",
}


def solve_batched(
    solve: Callable[..., Any],
    nonlinear: Any,
    t_span: Any,
    y0: Any,
    *,
    linear: Any,
    t_eval: Any,
    inner: Inner = Inner(),  # noqa: B008  (a value)
    **asked: Any,
) -> Solutions:
    """Solve y_i' = L_i y_i + N(t, y_i), each trajectory i with steps of its own; see ``solve_ivp``.

    Raises
    ------
    ValueError, TypeError
        For options that batches do not have, shapes that contradict each other, and as ``solve_ivp``.
    """
    for name, remedy in _REFUSED.items():
        if asked[name] is not None and asked[name] is not False:
            raise ValueError(f"expected no {name} beside batched=True, received {seen(asked[name])}; {remedy}")
    if choice("runner", asked["runner"], RUNNERS) == "kernels":
        raise ValueError("expected runner='auto' or 'plain' beside batched=True, received 'kernels'; leave it out")
    y0 = check_state(y0)
    if not y0.ndim:
        raise ValueError(
            "expected y0 whose first axis counts the trajectories for batched=True, received a single number; pass "
            "y0 of shape (B,) for B trajectories of one unknown"
        )
    options = options_of(asked)
    check_args(options.args, y0.shape[0])
    problem = trajectories_of(t_span, y0, linear, t_eval, options)
    if not y0.shape[0]:
        return of_none(problem)
    method, why = _method(options, linear)
    reason = _why_apart(method, problem, options, linear)
    if reason:
        return one_by_one(solve, nonlinear, problem, options, method, f"{why} {reason}".lstrip())
    return _side_by_side(nonlinear, problem, options, method, why, inner)


def _method(options: Options, linear: Any) -> tuple[Any, str]:
    """Return the method, or "auto", and why it was chosen."""
    fixed = options.jac is None and linear is not None and not getattr(linear, "depends_on_time", False)
    if options.method == "auto" and fixed and options.error != "doubling":
        why = f"Method {_AUTO} was chosen: trajectories run side by side by one-step pairs, and its estimate sees all."
        return find_method(_AUTO), why
    named = isinstance(options.method, str) and options.method != "auto"
    return find_method(options.method) if named else options.method, ""  # type: ignore[arg-type]  # names are str


def _why_apart(method: Any, problem: Trajectories, options: Options, linear: Any) -> str:
    """Return why trajectories cannot run side by side, nothing if they can."""
    what = ""
    if linear is None or options.jac is not None or method == "auto":
        what = "without a fixed L"
    elif not is_batched(method):
        what = f"by {method.name}, which is no one-step pair of exponential Runge–Kutta or Lawson type"
    elif options.error == "doubling":
        what = "with errors by doubling"
    elif problem.linear is None:
        what = "with operators that are no numbers, symbols, matrices or blocks"
    elif Batched(method, problem.linear).count * problem.linear.size * 8 * problem.y0.shape[0] > _MOST_BYTES:
        what = f"with weights of more than {_MOST_BYTES / 2**30:.0f} GiB for all of them"
    return what and f"Trajectories were run one after the other, as they are {what}."


def _side_by_side(
    nonlinear: Any, problem: Trajectories, options: Options, method: Any, why: str, inner: Inner
) -> Solutions:
    """Run all trajectories in one loop."""
    forced, linear, y0 = nonlinear is not None and inner.looks, problem.linear, problem.y0
    assert linear is not None  # it was asked whether they can
    nonlinear = no_force if nonlinear is None else nonlinear
    check_function(nonlinear, options.args, "nonlinear(t, y)")
    stepper, rows = Batched(method, linear), Rows(nonlinear, options.args, y0.shape[0], inner.on_host)
    spans = problem.end - problem.start
    forgets = linear.damps(np.arange(len(spans)), spans) if follows_flow(method) else None
    norm = inner.norm(replace(_each_norm(method, problem, options, rows), unit=inner.unit, forgets=forgets))
    watched = options.events is not None
    span = np.abs(spans)
    first = None if options.first is None else np.full(len(span), options.first)
    control = EachControl(norm, first, options.largest, options.most, forced, not watched)
    rest = longest_at_rest(1.0, forced, widest_gap(stepper.places)) * span
    controller = options.controller or Controller()
    policy = inner.policy(EachPolicy(controller, stepper.order, span, linear.rungs, options.largest, rest))
    asked = Asked(problem.end, problem.wanted, options.dense_output)
    made = stepper, rows, y0, problem.start, norm, asked
    alone = watched or (problem.wanted is not None and follows_flow(method))  # whose rule inside steps turns, too
    record = Watched(*made, partial(_events, options, rows)) if alone else Recorded(*made)
    states = each_to_tolerance(stepper, policy, rows, y0, problem.start, problem.stops, control)
    return run_each(states, record, f"{why} {blind_spot(method)}".strip())


def _events(options: Options, rows: Rows, i: int) -> Sequence[Any]:
    """Return the events of one trajectory, with its row of the further arguments."""
    return check_events(options.events, rows.of(i))


def _each_norm(method: Any, problem: Trajectories, options: Options, rows: Rows) -> EachNorm:
    """Return the norm of the errors of each trajectory."""
    y0 = problem.y0
    found, xp = check_tolerance(method, options.rtol, options.atol, options.norm, y0), array_namespace(y0)
    by_largest = isinstance(options.norm, str)
    rtol, count = _rows_of(found.rtol, y0), y0.shape[0]
    if options.atol is not None:
        return EachNorm(rtol, _rows_of(found.atol, y0), np.zeros(count, dtype=bool), found.norm, by_largest)
    sizes = np.abs(to_numpy(y0)).astype(np.float64).reshape(count, -1)
    largest = np.max(sizes, axis=1)
    unit = np.where(largest > 0, largest, 1.0)
    mean = unit * np.sqrt(sum_of_each((sizes / unit[:, None]) ** 2) / sizes.shape[1])
    grows, least = mean == 0, np.full(count, float(xp.finfo(y0.dtype).smallest_normal))
    if grows.any():
        least[grows] = np.maximum(least[grows], _reached(rows, problem, np.flatnonzero(grows), found.tightest[0]))
    atol = rtol * asarray_like(beside(mean, y0), y0)
    atol = xp.where(xp.asarray(beside(grows, y0), device=device(y0)), asarray_like(beside(least, y0), y0), atol)
    return EachNorm(rtol, atol, grows, found.norm, by_largest)


def _reached(rows: Rows, problem: Trajectories, which: np.ndarray, rtol: float) -> np.ndarray:
    """Return what N lets states that begin at zero reach, times rounding: they may err by that at least."""
    start, end, y = problem.start[which], problem.end[which], picked(problem.y0, which)
    size = np.zeros(len(which))
    for k in range(1, _LOOKS + 1):
        at = end if k == _LOOKS else start + (end - start) * k / _LOOKS
        values = np.abs(to_numpy(rows(which, at, y))).astype(np.float64).reshape(len(which), -1)
        size = np.maximum(size, np.where(np.isfinite(values).all(axis=1), values.max(axis=1), 0.0))
    return np.finfo(np.float64).eps * rtol * size * np.abs(end - start)


def _rows_of(tolerance: Any, y0: Array) -> Array:
    """Return a tolerance with a row for each trajectory, as an array that multiplies states."""
    count, axes = y0.shape[0], y0.ndim
    if isinstance(tolerance, float):
        return asarray_like(np.full((count, *(1,) * (axes - 1)), tolerance), y0)
    xp = array_namespace(y0)
    whole = xp.reshape(tolerance, (*(1,) * (axes - tolerance.ndim), *tolerance.shape))
    return xp.broadcast_to(whole, (count, *whole.shape[1:]))
