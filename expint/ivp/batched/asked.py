"""What is asked of a batch, checked: its trajectories, their linear parts and times, and the options."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from expint.arguments import flag, number, seen
from expint.backend import Array, is_array
from expint.derive.kinds.stage import Method
from expint.given import given_sequence, given_span
from expint.ivp.bind import check_method
from expint.ivp.checks import check_controller, check_estimate
from expint.ivp.times import StepLimits, lay_out_stops
from expint.operators import Dense, Operator, as_operator
from expint.operators.coerce import coerce
from expint.run.batch.linear import EachLinear, each_linear
from expint.run.batch.norm import EachNorm
from expint.run.control import Controller
from expint.run.control.many import EachPolicy

__all__ = ["Inner", "Options", "Trajectories", "check_args", "linear_of", "options_of", "trajectories_of"]


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


def options_of(asked: dict[str, Any]) -> Options:
    """Return the options of ``solve_ivp`` as they are meant."""
    check_estimate(asked["error"])
    check_controller(asked["controller"])
    check_method(asked["method"])
    first = None if asked["first_step"] is None else number("first_step", asked["first_step"], above=0.0)
    largest = number("max_step", asked["max_step"], above=0.0, finite=False)
    most = number("max_steps", asked["max_steps"], finite=False)
    if not most >= 1 or (math.isfinite(most) and most != int(most)):
        raise ValueError(f"expected max_steps to be a whole number of at least 1, received {asked['max_steps']!r}")
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
        int(min(most, 2**62)),
        flag("land", asked["land"]),
        flag("dense_output", asked["dense_output"]),
        asked["events"],
        tuple(args),
        asked["jac"],
    )


def check_args(args: tuple[Any, ...], count: int) -> None:
    """Refuse arrays among the further arguments without one row for each trajectory."""
    for k, own in enumerate(args):
        if is_array(own) and own.ndim and own.shape[0] != count:
            raise ValueError(
                f"expected arrays in args with a row for each of the {count} trajectories, since N is told the rows of "
                f"those that run, received args[{k}] of shape {tuple(own.shape)}; let nonlinear hold what is common to "
                "all"
            )


def trajectories_of(t_span: Any, y0: Array, linear: Any, t_eval: Any, options: Options) -> Trajectories:
    """Return what is solved, laid out for each trajectory."""
    count = y0.shape[0]
    start, end = _spans(t_span, count)
    given = None if t_eval is None else given_sequence("t_eval", t_eval)
    if given is not None and (given.ndim not in (1, 2) or (given.ndim == 2 and given.shape[0] != count)):
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
    return Trajectories(y0, start, end, wanted, laid, *linear_of(linear, y0))


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


def linear_of(linear: Any, y0: Array) -> tuple[EachLinear | None, Callable[[int], Any]]:
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
