"""Whether what a checkpoint says can be: numbers are numbers, counts are counts, states are states of the problem."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from expint.backend import is_array, to_numpy
from expint.run.control.orders import Orders
from expint.run.control.steps import Steps
from expint.run.dense.halved import Halves
from expint.run.keeping import form_of
from expint.run.standing import Standing

__all__ = ["check"]

_MODEST = 64
"""No method is of a higher order, and no number of a controller is larger."""

Form = Callable[[Any], bool]
"""Whether a value has a form."""


def check(header: Mapping[str, Any], run: Mapping[str, Any]) -> None:
    """Raise ValueError, or what a missing entry raises, unless a run can go on from what a file says.

    Parameters
    ----------
    header, run
        What it says of the problem and of the run; see ``expint.ivp.checkpoint``.
    """
    _has(header, _HEADER)
    plain = header["door"] == "solve_ivp" and header["over time"] is None and run["told"]["jac"] is None
    state = _array(header["y0"]) if plain else _of_shape(tuple(header["y0"].shape))  # L(t) may make them complex
    real = _array(header["y0"], real=True)

    def whole(value: Any) -> bool:  # values of N may be real beside complex states
        return state(value) and (not plain or value.dtype == header["y0"].dtype)

    low, high = sorted(header["span"])

    def time(t: Any) -> bool:
        return _number(t) and (low <= t <= high or not plain)  # g(t) L runs in a clock of its own

    columns, places, known = _each(state), _each(_either(_number, _nothing)), _either(state, _nothing)
    stacked = _record(_count, _array(header["y0"], rows=True))
    steps = _record(_positive, _order, _number, _record(_number, _number, _number))
    orders = _record(_positive, _positive, _order, _number, _count, _flag, _positive, _positive)
    memory: Form
    policy: Form
    rest: Form
    if not plain:  # what is remembered of a Jacobian, of L(t) and of flows has many forms: unpacking judges them
        memory, policy, rest = _any, _any, _any
    elif isinstance(run["standing"], Standing) and isinstance(run["standing"].state, Steps | Orders):
        memory = _either(_record(columns, places, columns), _record(_either(columns, stacked), _each(_number), state))
        policy, rest = _either(steps, orders), _record(real, known, _any_number, _flag, _flag, _count)
    else:
        memory = _each(_either(state, _number))
        policy, rest = _record(_count, _count), _record(known)
    standing = _record(time, whole, _count, _count, memory, policy, rest)
    halves = _either(_nothing, lambda value: isinstance(value, Halves))
    reached = _record(time, whole, _count, _count, known, known, halves if plain else _any)
    sample = _record(time, lambda value: isinstance(value, tuple) and all(_any_number(own) for own in value))
    events = _record(_list(_list(time)), _list(_list(state)), known, _list(sample))
    watch = _either(_nothing, _record(_count, _count, _list(reached), events))
    kept = _record(_list(time), _list(whole), _saved)
    _has(run, {"steps": _count, "standing": standing, "kept": kept, "watch": watch, "told": _told, "before": _is_list})
    times, states, values = run["kept"]
    written = run["records"] is not None and not values  # in a file of their own
    if (not written and len(times) != len(values or states)) or len(states) > len(times):
        raise ValueError(f"expected a state for each time that is kept, received {len(states)} for {len(times)}")


def _has(found: Mapping[str, Any], forms: Mapping[str, Form]) -> None:
    for name, form in forms.items():
        if not form(found[name]):
            raise ValueError(f"expected {name!r} as runs write it, received something else")


def _number(value: Any) -> bool:
    return _any_number(value) and math.isfinite(value)


def _any_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _positive(value: Any) -> bool:
    return _number(value) and value > 0


def _count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _modest(value: Any) -> bool:
    return _number(value) and abs(value) <= _MODEST


def _order(value: Any) -> bool:
    return _count(value) and value <= _MODEST


def _flag(value: Any) -> bool:
    return isinstance(value, bool | np.bool)


def _any(value: Any) -> bool:
    del value
    return True


def _told(value: Any) -> bool:
    return _mapping(value, _any) and _text(value["method"]) and is_array(value["nonlinear"]) and is_array(value["here"])


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _nothing(value: Any) -> bool:
    return value is None


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _array(like: Any, real: bool = False, rows: bool = False) -> Form:
    """Return the form of finite arrays of the shape of ``like`` and its type, or the real one.

    Of several rows, of which some may not have been written yet, where that is asked for.
    """
    kinds = {like.real.dtype} if real else {like.dtype, like.real.dtype}

    def form(value: Any) -> bool:
        if not is_array(value) or isinstance(value, np.ndarray | np.generic) != isinstance(like, np.ndarray):
            return False
        shape = tuple(value.shape[1:] if rows else value.shape)
        good = shape == tuple(like.shape) and value.dtype in kinds
        return good and (rows or bool(np.isfinite(to_numpy(value)).all()))

    return form


def _of_shape(shape: tuple[int, ...]) -> Form:
    return lambda value: is_array(value) and tuple(value.shape) == shape and bool(np.isfinite(to_numpy(value)).all())


def _either(*forms: Form) -> Form:
    return lambda value: any(form(value) for form in forms)


def _record(*forms: Form) -> Form:
    """Return the form of tuples whose entries have these forms, one by one."""

    def form(value: Any) -> bool:
        return isinstance(value, tuple) and len(value) == len(forms) and all(own(v) for own, v in zip(forms, value))

    return form


def _each(entry: Form) -> Form:
    """Return the form of tuples, not empty, all of whose entries have one."""
    return lambda value: isinstance(value, tuple) and bool(value) and all(entry(own) for own in value)


def _list(entry: Form) -> Form:
    return lambda value: isinstance(value, list) and all(entry(own) for own in value)


def _saved(value: Any) -> bool:
    """Whether it is a list of arrays of one shape, or of mappings from equal names to such arrays."""
    plain = isinstance(value, list) and all(is_array(own) or _mapping(own, is_array) for own in value)
    return plain and all(form_of(own) == form_of(value[0]) for own in value)


def _mapping(value: Any, entry: Form) -> bool:
    return isinstance(value, dict) and all(_text(name) and entry(own) for name, own in value.items())


def _options(value: Any) -> bool:
    """Whether it is a mapping of names; the door judges the values, but for a controller, which is made of them."""
    controller = _record(_record(_modest, _modest, _modest), _number, _number, _any_number)
    return _mapping(value, lambda _: True) and _either(_nothing, controller)(value.get("controller"))


_HEADER: dict[str, Form] = {
    "span": _record(_number, _number),
    "y0": lambda value: is_array(value) and not (isinstance(value, np.ndarray) and value.dtype.kind not in "fc"),
    "door": _text,
    "every": _positive,
    "options": _options,
    "again": _list(_text),
}
"""By the names of what is said of a problem, its form."""
