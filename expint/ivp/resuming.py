"""Runs that are written down as they go, and go on after they were stopped."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from functools import partial
from importlib import import_module
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from expint.arguments import number, seen
from expint.arrays import check_state
from expint.backend import Array, array_namespace, asarray_like, is_numpy, is_torch, to_numpy
from expint.given import given_span
from expint.ivp.bind import linearises
from expint.ivp.bound import Bound, Problem
from expint.ivp.checkpoint import Checkpoints, read
from expint.methods import method as find_method
from expint.operators import TimeDependent, TimeScaled, as_operator
from expint.problem import SemilinearProblem
from expint.run.control import Controller
from expint.solution import Solution

__all__ = ["Resumed", "Written", "checkpoints_of", "given_every", "resume_by", "written_down"]

EVERY = 60.0
"""So many seconds lie between two checkpoints, if nothing else is said."""

_CLOSE = 1e-8
"""Values of L and N may differ by so much, relatively, from those of the run that was stopped: another machine may
round otherwise."""

_GOLDEN = (math.sqrt(5.0) - 1.0) / 2
"""The part of the span at which functions of time are told apart, beside its start: no period that is likely."""

_SHORT = 1e-3
"""The time, in units of the span, over which flows of splittings are told apart."""

_NOT_WRITTEN = ("callback", "progress", "checkpoint", "checkpoint_every", "gradient", "batched")
"""What is given anew, or is nothing that a run written down may have."""


_AS_BEFORE = ("linear", "jac", "events", "args", "norm", "save")
"""What a run that goes on has only where it had it before it was stopped."""


_SAYS = {
    "linear": ("linear", "L"),
    "nonlinear": ("nonlinear", "N at the start"),
    "here": ("nonlinear", "N where it stood"),
    "jac": ("jac", "the Jacobian"),
}
"""What is told of a problem: the option that it comes from, and what it is."""


class Resumed(NamedTuple):
    """A checkpoint from which a run goes on: the path, and what ``expint.ivp.checkpoint.read`` returned."""

    path: str | os.PathLike[str]
    header: dict[str, Any]
    run: dict[str, Any]


@dataclass(frozen=True)
class Written:
    """How a run is written down, from the door through which it came to those that it is handed on to.

    Attributes
    ----------
    path, every
        The file, and after how many steps, an integer, or seconds, a float, it is due.
    header
        What was given at the door.
    run
        Where the run stood that goes on, None for one that begins.
    before
        The pieces before that which is being solved, of runs with breakpoints.
    records
        Says how far the file of results is written, where there is one.
    """

    path: str | os.PathLike[str]
    every: float
    header: dict[str, Any]
    run: dict[str, Any] | None = None
    before: tuple[Solution, ...] = ()
    records: Callable[[], Any] | None = None

    def piece(self, found: Sequence[Solution]) -> Written:
        """Return how the piece after those ``found`` is written down; it goes on only where the run stood in it."""
        run = self.run if self.run is not None and len(self.run["before"]) == len(found) else None
        return replace(self, run=run, before=tuple(found))


def written_down(asked: Mapping[str, Any], door: str, span: Any, y0: Array) -> Written | None:
    """Return how a run is written down, with all that was given at a ``door``; None where that is not asked for.

    Raises
    ------
    ValueError, TypeError
        If something was given that cannot be written down, or the run is another than that of the file.
    """
    checkpoint, every = asked["checkpoint"], asked["checkpoint_every"]
    if isinstance(checkpoint, Written):
        return checkpoint
    if checkpoint is None:
        if every is not None:
            raise ValueError(f"expected checkpoint= beside checkpoint_every, received {every!r} alone; add it")
        return None
    if asked.get("gradient") is not None:
        raise ValueError(
            f"expected no gradient= beside checkpoint, received {asked['gradient']!r}: what it is computed from is not "
            "written down; leave one of them out"
        )
    y0, (start, end) = check_state(y0), given_span(span)
    xp = array_namespace(y0)
    if not (is_numpy(xp) or is_torch(xp)) or getattr(y0, "requires_grad", False):
        raise TypeError(
            f"expected y0 of NumPy or torch beside checkpoint, without a gradient, received {seen(y0)}; detach it, or "
            "leave checkpoint out"
        )
    header = {"door": door, "span": (start, end), "y0": y0, "every": given_every(every), **_split(asked)}
    header["over time"] = _over_time(asked["linear"], start, start + _GOLDEN * (end - start), y0)
    if not isinstance(checkpoint, Resumed):
        return Written(_path(checkpoint), header["every"], header)
    _check_same(checkpoint.header, header, {"over time": ("linear", "L(t)")}, checkpoint.path)
    return Written(checkpoint.path, header["every"], header, checkpoint.run, tuple(checkpoint.run["before"]))


def given_every(every: Any) -> float:
    """Return after how many steps, an integer, or seconds, a float, a checkpoint is due."""
    if every is None:
        return EVERY
    value = number("checkpoint_every", every)
    if value <= 0:
        raise ValueError(f"expected checkpoint_every to be a number above 0, received {every!r}; 100 is 100 steps")
    return int(every) if isinstance(every, int | np.integer) else value


def checkpoints_of(written: Written | None, problem: Problem, bound: Bound, dense_output: bool) -> Checkpoints | None:
    """Return what writes the run down, and lets it go on where it is resumed; None where this is not asked for.

    Raises
    ------
    ValueError, TypeError
        If the run remembers what cannot be written down, or is another than that of the file.
    """
    if written is None:
        return None
    if dense_output and linearises(bound.method):
        raise ValueError(
            f"expected no dense_output beside checkpoint for {bound.method.name}, received True: its sol(t) holds the "
            "Jacobians of all steps, which are not written down; take t_eval, or a method with a fixed L"
        )
    if bound.lowered is None and not hasattr(getattr(bound.stepper, "inner", bound.stepper), "pack"):
        raise ValueError(
            f"expected a method of expint beside checkpoint, received {bound.method.name}, whose steps remember more "
            "than numbers; give its stepper pack and unpack, or solve piece by piece"
        )
    value = partial(_value, problem, bound)
    told = {
        "method": bound.method.name,
        "linear": _told_by(problem),
        "nonlinear": value(problem.span[0], problem.y0),
        "jac": _told_by_jacobian(problem, bound),
    }
    if written.run is not None:
        stood = written.run["standing"]
        now = {**told, "here": value(stood.t, stood.y)}
        _check_same(written.run["told"], now, _SAYS, written.path)
    return Checkpoints(
        written.path, written.every, written.header, told, value, written.before, written.records, written.run
    )


def resume_by(
    solve: Callable[..., Solution], path: str | os.PathLike[str], nonlinear: Any, given: Mapping[str, Any]
) -> Solution:
    """Go on by ``solve``, or by the door that the file names; ``given`` are the arguments of ``resume``."""
    header, run = read(_path(path))
    try:
        options, again = dict(header["options"]), header["again"]
        door = solve if header["door"] == "solve_ivp" else import_module("expint.ivp.splitting").run_again
        span, y0, every = header["span"], header["y0"], header["every"]
    except KeyError as error:
        raise ValueError(
            f"expected a whole checkpoint, received {str(path)!r} without {error}; solve from the start"
        ) from error
    if isinstance(nonlinear, SemilinearProblem):
        known = {"linear": nonlinear.linear, "jac": nonlinear.jacobian}
        given = {**given, **{name: own for name, own in known.items() if name in again and given[name] is None}}
        nonlinear = nonlinear.nonlinear
    told = {name: value for name, value in given.items() if value is not None and name != "checkpoint_every"}
    if isinstance(given["args"], tuple) and not given["args"]:
        del told["args"]
    missing = [name for name in again if name not in told]
    if missing:
        raise ValueError(
            f"expected {missing[0]}= as the run had it that was stopped, received none: it is not written down; pass it"
        )
    further = [name for name in _AS_BEFORE if name in told and name not in again and options.get(name) is None]
    if further:
        raise ValueError(
            f"expected no {further[0]}=, as in the run that was stopped, received {seen(told[further[0]])}; leave it "
            "out"
        )
    if options.get("controller") is not None:
        options["controller"] = Controller(*options["controller"])
    options |= told
    every = every if given["checkpoint_every"] is None else given["checkpoint_every"]
    return door(nonlinear, span, y0, **options, checkpoint=Resumed(path, header, run), checkpoint_every=every)


def _path(path: Any) -> str | os.PathLike[str]:
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f'expected checkpoint to be the path of a file, received {seen(path)}; "run.npz" is one')
    return path


def _split(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a door that are written down, and the names of those to be given again."""
    options, again = dict[str, Any](), list[str]()
    for name, value in asked.items():
        if name in _NOT_WRITTEN:
            continue
        plain = _plain(_name_of(value) if name == "method" else value)
        if plain is not None or value is None:
            options[name] = plain
        elif not (isinstance(value, tuple) and not value):  # no further arguments
            again.append(name)
    return {"options": options, "again": again}


def _name_of(method: Any) -> Any:
    """Return the name by which a method is found in the catalogue, others as they are."""
    name = getattr(method, "name", None)
    try:
        return name if isinstance(name, str) and find_method(name) == method else method
    except ValueError:
        return method


def _plain(value: Any) -> Any:
    """Return what is written down of a value, None where it is nothing plain."""
    if isinstance(value, Controller):
        return astuple(value)
    if isinstance(value, bool | int | float | complex | str | np.generic | np.ndarray) or hasattr(value, "detach"):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Real):
        return float(value)
    if not (isinstance(value, Sequence) and len(value)) and not hasattr(value, "__array__"):
        return None
    try:
        found = np.asarray(value)
    except (TypeError, ValueError):
        return None
    return None if found.dtype.kind not in "biufc" else tuple(value) if isinstance(value, tuple) else found


def _probe(y0: Array) -> Array:
    """Return a fixed vector, by whose products operators are told apart."""
    size = int(np.prod(y0.shape))
    values = asarray_like(np.cos(np.arange(1.0, size + 1)).reshape(tuple(y0.shape)), y0)
    return values + array_namespace(y0).zeros_like(y0)  # complex where states are


def _product(linear: Any, y0: Array) -> np.ndarray:
    return to_numpy(as_operator(linear, y0, whole=True).product(y0)(_probe(y0)))


def _told_by(problem: Problem) -> np.ndarray | None:
    """Return L v for a fixed vector v, None where L is none or depends on time."""
    over_time = isinstance(problem.linear, TimeScaled | TimeDependent)
    return None if problem.linear is None or over_time else _product(problem.linear, problem.y0)


def _over_time(linear: Any, start: float, inside: float, y0: Array) -> Any:
    """Return what tells L(t) apart from others: where it is made of functions g(t), their values; else L(t) v."""
    if isinstance(linear, TimeScaled):
        rates = [float(part.rate(t)) for part in linear.parts for t in (start, inside)]
        return np.concatenate([np.array(rates), *(np.ravel(_product(own.operator, y0)) for own in linear.parts)])
    if isinstance(linear, TimeDependent):
        return np.stack([_product(linear.operator(t), y0) for t in (start, inside)])
    return None


def _value(problem: Problem, bound: Bound, t: float, y: Array) -> Array:
    """Return N(t, y); of a splitting the state a short time later by its flow."""
    start, end = problem.span
    return bound.slope(t, y) if problem.flow is None else problem.flow(t, _SHORT * (end - start), y)


def _told_by_jacobian(problem: Problem, bound: Bound) -> Any:
    """Return what tells Jacobians apart, None for methods with a fixed L."""
    if not linearises(bound.method):
        return None
    stepper: Any = getattr(bound.stepper, "inner", bound.stepper)
    return stepper.linearise.told_apart(
        problem.span[0], problem.y0, _value(problem, bound, problem.span[0], problem.y0), _probe(problem.y0)
    )


def _check_same(
    before: Mapping[str, Any], now: Mapping[str, Any], says: Mapping[str, tuple[str, str]], path: Any
) -> None:
    """Refuse to go on with another problem than that of the file: what each entry tells of is in ``says``."""
    if now.get("method") != before.get("method"):
        raise ValueError(
            f"expected the method of the run that was stopped, {before['method']}, received {now['method']}; pass "
            "that one, or solve from the state reached"
        )
    for name, (option, told) in says.items():
        if not _alike(before[name], now[name]):
            raise ValueError(
                f"expected the {option} of the run that was stopped, received another: {told} differs from what "
                f"{str(path)!r} says; pass that one, or solve from the start"
            )


def _alike(before: Any, now: Any) -> bool:
    """Whether two values that tell of a problem are the same, to what another machine may round."""
    if before is None or now is None or isinstance(before, str) or isinstance(now, str):
        return type(before) is type(now) and before == now
    old, new = to_numpy(before), to_numpy(now)
    return old.shape == new.shape and np.allclose(
        old, new, rtol=_CLOSE, atol=_CLOSE * float(np.max(abs(old), initial=0)), equal_nan=True
    )
