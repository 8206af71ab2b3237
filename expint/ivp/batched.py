"""Many trajectories in one call: what is asked of each is settled, then all run side by side, or one by one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

from expint.arguments import choice, flag, integer, number, seen
from expint.arrays import check_state
from expint.backend import Array, array_namespace, asarray_like, device, is_array, to_numpy
from expint.derive.kinds.stage import Method
from expint.given import given_sequence, given_span
from expint.ivp.bind import blind_spot
from expint.ivp.checks import check_controller, check_estimate, check_function, check_tolerance, no_force
from expint.ivp.runner import RUNNERS
from expint.ivp.times import StepLimits, lay_out_stops
from expint.methods import method as find_method
from expint.operators import Dense, Operator, as_operator
from expint.operators.coerce import coerce
from expint.run.batch.events import Watched
from expint.run.batch.linear import EachLinear, each_linear
from expint.run.batch.norm import EachNorm
from expint.run.batch.record import Asked, Recorded, alone, run_each
from expint.run.batch.rows import Rows
from expint.run.batch.running import EachControl
from expint.run.batch.trees import beside, picked, sum_of_each
from expint.run.control import Controller
from expint.run.control.many import EachPolicy
from expint.run.control.rest import longest_at_rest, widest_gap
from expint.run.events import check_events
from expint.run.loops import each_to_tolerance
from expint.run.steppers.batched import Batched, is_batched
from expint.solution import Solution, Stats
from expint.solutions import Kept, Solutions

__all__ = ["Inner", "solve_batched"]

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
    "callback": "no time is common to the trajectories; take t_eval, or events, which are looked at for each",
    "checkpoint": "solve parts of the batch, each with a call of its own: no trajectory depends on another",
    "checkpoint_every": "it goes with checkpoint=, which batches do not have",
    "breakpoints": "solve piece by piece, from the states y_end of the piece before",
    "progress": "leave it out; solve parts of the batch to see how it goes",
    "gradient": "solve with fixed steps, step=, where L and N broadcast over the first axis, without batched=True",
}


class Inner(NamedTuple):
    """What only a caller inside the house says of a problem.

    Attributes
    ----------
    on_host
        Whether N is told times on the host, in double precision, of shape (b,).
    looks
        Whether steps are bounded while N rests.
    unit
        By times how large a state is there that ``atol`` is meant for; see ``EachNorm``.
    norm, policy
        Return what takes the place of the norm and the policy.
    """

    on_host: bool = False
    looks: bool = True
    unit: Callable[[np.ndarray], np.ndarray] | None = None
    norm: Callable[[EachNorm], EachNorm] = lambda own: own
    policy: Callable[[EachPolicy], EachPolicy] = lambda own: own


class Trajectories(NamedTuple):
    """What is solved, trajectory by trajectory.

    Attributes
    ----------
    y0, start, end
        The initial states, and the ends of the runs, of shape (B,).
    wanted
        The times at which states are wanted, of shape (B, m), None for those of all steps.
    stops
        The times to land on, of shape (B, k), the end last.
    linear
        L of each where that is vectorised, else None.
    linear_of
        By the number of a trajectory what its ``linear`` is for ``solve_ivp``.
    """

    y0: Array
    start: np.ndarray
    end: np.ndarray
    wanted: np.ndarray | None
    stops: np.ndarray
    linear: EachLinear | None
    linear_of: Callable[[int], Any]


@dataclass(frozen=True)
class Options:
    """The options of ``solve_ivp`` that batches heed, checked."""

    method: str | Method
    rtol: Any
    atol: Any
    norm: Any
    error: str | None
    controller: Controller | None
    first: float | None
    largest: float
    most: int
    land: bool
    dense_output: bool
    events: Any
    args: tuple[Any, ...]
    jac: Any


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
    options = _options(asked)
    _check_args(options.args, y0.shape[0])
    problem = _trajectories(t_span, y0, linear, t_eval, options)
    if not y0.shape[0]:
        return _of_none(problem)
    method, why = _method(options, linear)
    reason = _why_apart(method, problem, options, linear)
    if reason:
        return _one_by_one(solve, nonlinear, problem, options, method, f"{why} {reason}".lstrip())
    return _side_by_side(nonlinear, problem, options, method, why, inner)


def _options(asked: dict[str, Any]) -> Options:
    """Return the options of ``solve_ivp`` as they are meant."""
    check_estimate(asked["error"])
    check_controller(asked["controller"])
    first = None if asked["first_step"] is None else number("first_step", asked["first_step"], above=0.0)
    largest = number("max_step", asked["max_step"], above=0.0, finite=False)
    most = asked["max_steps"] if asked["max_steps"] != math.inf else 2**62
    args = asked["args"]
    if not isinstance(args, tuple | list):
        raise TypeError(
            f"expected args to be a tuple of further arguments, received {seen(args)}; args=(value,) passes one"
        )
    return Options(
        asked["method"],
        asked["rtol"],
        asked["atol"],
        asked["norm"],
        asked["error"],
        asked["controller"],
        first,
        largest,
        integer("max_steps", int(most) if most == int(most) else most),
        flag("land", asked["land"]),
        flag("dense_output", asked["dense_output"]),
        asked["events"],
        tuple(args),
        asked["jac"],
    )


def _check_args(args: tuple[Any, ...], count: int) -> None:
    """Refuse arrays among the further arguments without one row for each trajectory."""
    for k, own in enumerate(args):
        if is_array(own) and own.ndim and own.shape[0] != count:
            raise ValueError(
                f"expected arrays in args with a row for each of the {count} trajectories, since N is told the rows of "
                f"those that run, received args[{k}] of shape {tuple(own.shape)}; let nonlinear hold what is common to "
                "all"
            )


def _trajectories(t_span: Any, y0: Array, linear: Any, t_eval: Any, options: Options) -> Trajectories:
    """Return what is solved, laid out for each trajectory."""
    count = y0.shape[0]
    start, end = _spans(t_span, count)
    given = None if t_eval is None else given_sequence("t_eval", t_eval)
    if given is not None and (given.ndim > 2 or (given.ndim == 2 and given.shape[0] != count)):
        raise ValueError(
            f"expected t_eval of shape (m,), or ({count}, m) with a row for each trajectory, received {given.shape}"
        )
    alike = given is None or given.ndim == 1
    rows = [0] if alike and count and np.all(start == start[0]) and np.all(end == end[0]) else range(count)
    limits, stops = StepLimits(options.first, options.largest, options.most), list[list[float]]()
    for i in rows:
        own = None if given is None else given if given.ndim == 1 else given[i]
        stops.append(_stops(float(start[i]), float(end[i]), own, limits, i if len(rows) > 1 else None))
    longest = max(map(len, stops), default=1)
    padded = np.array([own + own[-1:] * (longest - len(own)) for own in stops]).reshape(-1, longest)
    laid = np.broadcast_to(padded if options.land else padded[:, -1:], (count, longest if options.land else 1))
    wanted = None if given is None else np.array(np.broadcast_to(given, (count, given.shape[-1])))
    return Trajectories(y0, start, end, wanted, laid, *_linear(linear, y0))


def _spans(t_span: Any, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the interval of each trajectory."""
    try:
        start, end = t_span
    except (TypeError, ValueError):
        given_span(t_span)
        raise
    found = []
    for name, own in (("start", start), ("end", end)):
        given = given_sequence(f"the {name} of t_span", own)
        if given.ndim > 1 or (given.ndim == 1 and len(given) != count):
            raise ValueError(
                f"expected the {name} of t_span to be a number, or an array with a number for each of the {count} "
                f"trajectories, received one of shape {given.shape}"
            )
        found.append(np.array(np.broadcast_to(given, (count,))))
    return found[0], found[1]


def _stops(start: float, end: float, wanted: Any, limits: StepLimits, i: int | None) -> list[float]:
    """Return the times on which one trajectory may land, or say what is wrong with its times."""
    backwards = end < start
    signed = StepLimits(
        None if limits.first is None else math.copysign(limits.first, -1.0 if backwards else 1.0),
        -limits.largest if backwards else limits.largest,
        limits.most,
    )
    try:
        return lay_out_stops((start, end), wanted, signed)
    except ValueError as error:
        if i is not None:
            error.add_note(f"in trajectory {i} of the batch")
        raise


def _linear(linear: Any, y0: Array) -> tuple[EachLinear | None, Callable[[int], Any]]:
    """Return L of each trajectory where it is vectorised, and by the number of a trajectory its L in any case."""
    if linear is None or getattr(linear, "depends_on_time", False):
        return None, lambda _: linear
    shape = tuple(y0.shape)
    if isinstance(linear, list | tuple) and linear and isinstance(linear[0], Operator):
        if len(linear) != shape[0] or not all(isinstance(own, Operator) for own in linear):
            raise ValueError(
                f"expected a list of one operator for each of the {shape[0]} trajectories, received {len(linear)} "
                "entries; one operator alone serves all"
            )
        own = [as_operator(one, y0[i, ...]) for i, one in enumerate(linear)]
        return each_linear(own, shape), own.__getitem__
    operator = as_operator(linear, y0) if shape[0] else coerce(linear, shape)
    each = each_linear(operator, shape)
    if each is not None:
        return each, each.operator
    if isinstance(operator, Dense) and operator.matrix.ndim == len(shape) + 1:
        return None, lambda i: Dense(operator.matrix[i])
    if shape[0]:
        operator.check(y0[0, ...])
    return None, lambda _: operator


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
    norm = inner.norm(replace(_each_norm(method, problem, options, rows), unit=inner.unit))
    watched = options.events is not None
    span = np.abs(problem.end - problem.start)
    first = None if options.first is None else np.full(len(span), options.first)
    control = EachControl(norm, first, options.largest, options.most, forced, not watched)
    rest = longest_at_rest(1.0, forced, widest_gap(stepper.places)) * span
    controller = options.controller or Controller()
    policy = inner.policy(EachPolicy(controller, stepper.order, span, linear.rungs, options.largest, rest))
    asked = Asked(problem.end, problem.wanted, options.dense_output)
    made = stepper, rows, y0, problem.start, norm, asked
    record = Watched(*made, partial(_events, options, rows)) if watched else Recorded(*made)
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


def _of_none(problem: Trajectories) -> Solutions:
    """Return the solutions of a batch of none."""
    nothing = np.empty(0, dtype=np.int64)
    stats = Stats(nothing, nothing, nothing, nothing, nothing, nothing)  # type: ignore[arg-type]  # arrays, one entry for each
    kept = Kept(np.empty(0), problem.y0, np.zeros(1, dtype=np.int64), nothing)
    return Solutions(problem.end, problem.y0, nothing, (), stats, "", kept, problem.wanted)


def _one_by_one(
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
            "t_eval": None if problem.wanted is None else problem.wanted[i],
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
            raised.add_note(f"in trajectory {i} of the batch")
            raise
    return _gathered(found, problem, why)


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
    if not isinstance(jac, FunctionType):
        return jac

    def of_one(t: float, y: Array) -> Array:
        return jac(asarray_like(np.full((1, *(1,) * y.ndim), t), y), y[None, ...], *rows.arguments(np.array([i])))[
            0, ...
        ]

    return of_one


def _gathered(found: Sequence[Solution], problem: Trajectories, why: str) -> Solutions:
    """Return the solutions of all trajectories as one."""
    y0, xp = problem.y0, array_namespace(problem.y0)
    first = np.cumsum([0, *(len(own.t) for own in found)])
    t, column = np.concatenate([own.t for own in found]), np.full(int(first[-1]), -1)
    if problem.wanted is not None:
        for i, own in enumerate(found):
            place = {float(at): k for k, at in enumerate(problem.wanted[i])}
            column[first[i] : first[i + 1]] = [place.get(float(at), -1) for at in own.t]
    names = list(vars(found[0].stats))
    stats: Any = {name: np.array([getattr(own.stats, name) for own in found]) for name in names}
    ends = [own.y[-1, ...] if len(own.t) else y0[i, ...] for i, own in enumerate(found)]
    return Solutions(
        np.array([float(own.t[-1]) if len(own.t) else math.nan for own in found]),
        xp.stack(ends),
        np.array([int(own.status) for own in found]),
        tuple(own.message for own in found),
        Stats(**stats),
        found[0].method,
        Kept(t, xp.concat([own.y for own in found]), first, column),
        problem.wanted,
        tuple(own.sol for own in found) if found[0].sol is not None else None,
        tuple(own.t_events or [] for own in found) if found[0].t_events is not None else None,
        tuple(own.y_events or [] for own in found) if found[0].y_events is not None else None,
        why,
    )
