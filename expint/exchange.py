"""Arrays that go to a user's function and come back: states are lent, values are ours alone.

A run remembers states and slopes. A function that writes into its argument, or that returns the same memory again and
again, would change them behind its back.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Mapping
from numbers import Number
from sys import getrefcount
from typing import Any

import numpy as np

from expint.arguments import refuse_masked
from expint.arrays import NOTHING_MADE, as_numbers
from expint.backend import Array, Namespace, array_namespace, asarray_like, copied, device, is_array, is_numpy

__all__ = ["as_state", "ask", "asking", "guarded", "lent", "like_state", "noticing"]

_READ_ONLY = (
    "arguments are read only, so that no function can change what the run remembers: work on a copy, y = y.copy(), and "
    "return a new array"
)


def lent(y: Array) -> Array:
    """Return ``y`` as a user's function gets it: read only in NumPy, a copy in libraries that know no such thing.

    Arrays of JAX cannot be written to, and are lent as they are.
    """
    if type(y) is np.ndarray:
        view = y.view()  # of the attribute, of a keyword and of this the last is fastest: evaluations are many
        view.setflags(False)  # type: ignore[call-arg]  # NumPy takes it by position
        return view
    return y if isinstance(y, np.generic) else copied(y)


def ask(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Return what a user's function returns; arrays in memory that nobody else holds.

    An array of NumPy that owns its memory, and to which no other reference is left, is new and not copied: a view of it
    would hold a reference, and so would a function that keeps it for its next call. Arrays of other libraries are
    copied, but for those of JAX, which cannot be written to; so are sparse matrices of SciPy.
    """
    try:
        value = function(*arguments, **options)
    except ValueError as error:
        _explain(error)
        raise
    if type(value) is np.ndarray:
        return value if getrefcount(value) <= _NEW and value.flags.owndata else value.copy()
    return _ours(value)


def asking(
    function: Callable[..., Any], args: tuple[Any, ...], y0: Array, what: str
) -> Callable[[float, Array], Array]:
    """Return (t, y) ↦ what ``function``, ``what`` in messages, returns at (t, y, *args), as a state like ``y0``.

    States are lent to it and its values are ours, as in ``ask``; they are checked by ``as_state``, the first and where
    their kind changes. This is called at every evaluation, and written for few calls.
    """
    known: Any = object()
    shape = y0.shape

    def asked(t: float, y: Array) -> Array:
        nonlocal known
        if type(y) is np.ndarray:
            seen = y.view()
            seen.setflags(False)  # type: ignore[call-arg]  # NumPy takes it by position
        else:
            seen = lent(y)
        try:
            value = function(t, seen, *args) if args else function(t, seen)
        except ValueError as error:
            _explain(error)
            raise
        if type(value) is np.ndarray:
            if getrefcount(value) > _NEW or not value.flags.owndata:
                value = value.copy()
            if value.dtype is known and value.shape == shape:
                return value
        else:
            value = _ours(value)
            if getattr(value, "dtype", None) is known and value.shape == shape:
                return value
        value = as_state(value, y0, what)
        known = value.dtype
        return value

    asked.made_of = function, args, y0, what  # type: ignore[attr-defined]  # for copies, which are made by ``asking``
    return asked


def _explain(error: ValueError) -> None:
    """Add a note to the error of a function that has written into what was lent to it."""
    if "read-only" in str(error):
        error.add_note(_READ_ONLY)


def _ours(value: Any) -> Any:
    """Return what a function returned, but for arrays of NumPy, in memory that nobody else holds."""
    if hasattr(value, "tocsr"):
        return value.copy()
    return copied(value) if is_array(value) and not isinstance(value, np.generic) else value


def guarded(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Return a function of one array whose argument is lent and whose value is ours."""
    return lambda v: ask(function, lent(v))


def noticing(function: Callable[..., Any], what: str, told: Mapping[Any, Array] | None = None) -> Callable[..., Any]:
    """Return a function of two arrays, ``what`` in messages, that is not let write to them.

    Of tensors, which are large where networks take them, no copies are made: it is noticed that they changed. With
    ``told`` the second argument is a key of it, for which the function is given the array there.
    """

    def noticed(x: Array, t: Any, **condition: Any) -> Any:
        t = t if told is None else told[t]
        try:
            of_x, of_t = x._version, t._version
        except (AttributeError, RuntimeError):  # no tensors, or tensors of inference mode, which count no versions
            return function(lent(x), lent(t), **condition)
        value = function(x, t, **condition) if condition else function(x, t)
        if x._version != of_x or t._version != of_t:
            raise ValueError(
                f"expected {what} to leave its arguments as they are, received "
                f"{'the state' if x._version != of_x else 'the times'} changed in place, which the sampler still "
                "needs; work on a copy: x = x.clone(), t = 1000 * t"
            )
        return value

    return noticed


def like_state(value: Any, y: Array) -> Array:
    """Return a value of N as an array: lists and numbers beside states of NumPy become some."""
    if is_array(value) and value.shape == y.shape:
        return value
    return _as_array(value, y, "nonlinear(t, y)") if not is_array(value) else value


def as_state(value: Any, y0: Array, what: str) -> Array:
    """Return a value of N as an array like the state, or say why it is none."""
    xp = array_namespace(y0)
    refuse_masked(f"{what} to return an array", value)
    slope = value if is_array(value) and not isinstance(value, Number) else _as_array(value, y0, what)
    shape = tuple(slope.shape)
    if shape != tuple(y0.shape):
        raise ValueError(f"expected {what} to return shape {tuple(y0.shape)}, that of y0, received shape {shape}")
    _check_home(slope, y0, xp, what)
    if isinstance(slope, np.ndarray) and not slope.dtype.isnative:
        slope = slope.astype(slope.dtype.newbyteorder("="))
    if xp.isdtype(slope.dtype, ("integral", "bool")):
        return xp.astype(slope, y0.dtype)
    if xp.result_type(slope.dtype, y0.dtype) != y0.dtype:
        raise TypeError(
            f"expected {what} to return dtype {y0.dtype}, that of y0, received {slope.dtype}; convert y0 or the "
            "result, so that no step changes the dtype silently"
        )
    return slope


def _as_array(value: Any, y0: Array, what: str) -> Array:
    """Return a number, or for states of NumPy a list or a buffer, as an array; a number stands for one entry."""
    xp = array_namespace(y0)
    number = isinstance(value, Number) and math.prod(y0.shape) <= 1
    if number or (is_numpy(xp) and isinstance(value, (list, tuple, memoryview, array))):
        try:
            host = as_numbers(value)
        except NOTHING_MADE as error:
            raise TypeError(
                f"expected {what} to return an array like y0, received {type(value).__name__} of which none can be "
                f"made: {error}"
            ) from error
        if host.dtype.kind in "fcb":
            made = asarray_like(host, y0)
            return xp.reshape(made, y0.shape if number else host.shape)
    raise TypeError(
        f"expected {what} to return an array like y0, received {type(value).__name__}; return one of shape "
        f"{tuple(y0.shape)}"
    )


def _check_home(slope: Array, y0: Array, xp: Namespace, what: str) -> None:
    """Refuse slopes of another array library or on another device."""
    if array_namespace(slope) is not xp:
        raise TypeError(
            f"expected {what} to return an array of {type(y0).__module__}, as y0 is one, received one of "
            f"{type(slope).__module__}; convert y0 or the result"
        )
    if device(slope) != device(y0) and device(slope) is not None:  # JAX knows no device of what it traces
        raise TypeError(f"expected {what} to stay on device {device(y0)}, received one on {device(slope)}")


def _references_to_a_new_array() -> int:
    """Return how many references ``ask`` counts to an array that it alone holds: versions of Python differ."""
    value = np.empty(1)
    return getrefcount(value)


_NEW = _references_to_a_new_array()
