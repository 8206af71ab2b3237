"""Arrays as they are meant: real or complex numbers on the host, states and templates of any library, and what fits."""

from __future__ import annotations

import os
from numbers import Number
from typing import Any

import numpy as np

from expint.arguments import NO_LISTS, is_traced, number, refuse_masked, seen
from expint.backend import (
    Array,
    all_finite,
    array_namespace,
    asarray_like,
    copied,
    has_values,
    is_array,
    is_complex,
    is_dense,
    is_jax,
    is_numpy,
    is_sparse,
    to_numpy,
)

__all__ = [
    "affordable",
    "as_numbers",
    "check_constant",
    "check_dtype",
    "check_state",
    "complex_values",
    "floating",
    "host_numbers",
    "numeric",
    "random_like",
    "real_values",
    "template",
    "together",
]

NOTHING_MADE = (TypeError, ValueError, RuntimeError, OverflowError)
"""What NumPy raises where it makes no array."""


def as_numbers(values: Any) -> np.ndarray:
    """Return values as an array of their own on the host; Python's numbers and integers in double precision.

    Raises
    ------
    TypeError, ValueError, RuntimeError, OverflowError
        If NumPy makes no array of them.
    """
    host = np.array(to_numpy(values), subok=False)
    if host.dtype.kind == "O" and all(isinstance(entry, Number) and not isinstance(entry, bool) for entry in host.flat):
        return host.astype(complex if any(isinstance(entry, complex) for entry in host.flat) else float)
    return host.astype(np.float64) if host.dtype.kind in "iu" else host


def real_values(
    name: str, value: Any, *, ndim: int | None = None, what: str = "an array of real numbers"
) -> np.ndarray:
    """Return numbers as an array of float64 with so many axes; they may be inf or nan.

    Raises
    ------
    TypeError
        If they are no real numbers.
    ValueError
        If the array has another number of axes.
    """
    found = _values(name, value, what, "f").astype(np.float64, copy=False)
    if ndim is not None and found.ndim != ndim:
        raise ValueError(f"expected {name} with {ndim} axes, received shape {found.shape}")
    return found


def complex_values(name: str, value: Any) -> np.ndarray:
    """Return real or complex numbers as an array of double precision.

    Raises
    ------
    TypeError
        If they are no numbers.
    """
    found = _values(name, value, "an array of numbers", "fc")
    return found.astype(np.complex128 if found.dtype.kind == "c" else np.float64, copy=False)


def numeric(name: str, value: Any) -> Any:
    """Return a real number, or an array of numbers of any library as it is: it may ask for a gradient.

    Raises
    ------
    TypeError
        If it is neither, or a masked array. Arrays that hold shapes alone pass: formulas of them do.
    """
    if not is_array(value) or isinstance(value, np.generic):
        return number(name, value, finite=False)
    if not array_namespace(value).isdtype(value.dtype, "numeric") or np.ma.is_masked(value) or not is_dense(value):
        raise TypeError(f"expected {name} to be a number or an array of numbers, received {seen(value)}")
    return value


def together(names: str, *values: Any) -> tuple[int, ...]:
    """Return the shape to which numbers and arrays broadcast.

    Raises
    ------
    ValueError
        If there is none.
    """
    shapes = [tuple(getattr(value, "shape", ())) for value in values]
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ValueError(f"expected {names} to be of shapes that broadcast, received {shapes}") from None


def _values(name: str, value: Any, what: str, kinds: str) -> np.ndarray:
    try:
        if isinstance(value, (bool, *NO_LISTS)) or np.ma.is_masked(value):
            raise TypeError
        found = as_numbers(value)
        if found.dtype.kind not in kinds:
            raise TypeError
    except NOTHING_MADE:
        raise TypeError(f"expected {name} to be {what}, received {seen(value)}") from None
    return found


def check_state(y0: Any) -> Array:
    """Return the initial state as an array of floating-point numbers in memory of its own, unless JAX made it.

    Numbers, lists and integer arrays become arrays of double precision, as in SciPy, and bytes of NumPy are put into
    the order of the machine.

    Raises
    ------
    TypeError
        If it holds no real or complex numbers of at most double precision.
    ValueError
        If it is not finite.
    """
    refuse_masked("y0", y0)
    y0 = copied(_with_values(y0)) if is_array(y0) and not is_numpy(array_namespace(y0)) else _of_numpy(y0)
    xp = array_namespace(y0)
    if xp.isdtype(y0.dtype, "integral"):
        y0 = 1.0 * y0 if is_jax(xp) else xp.astype(y0, xp.float64)  # JAX has it only where it is switched on
    if not xp.isdtype(y0.dtype, ("real floating", "complex floating")):
        remedy = "1.0 * y0" if xp.isdtype(y0.dtype, "bool") else "make numbers of it"
        raise TypeError(f"expected a floating-point or complex state, received dtype {y0.dtype}; convert it: {remedy}")
    if xp.finfo(y0.dtype).bits > 64:  # of a complex number: of its parts
        raise TypeError(
            f"expected a state of at most double precision, as φ-functions are, received dtype {y0.dtype}; convert it "
            "to float64 or complex128"
        )
    if not all_finite(y0):
        raise ValueError("expected a finite initial state, received inf or nan in y0; check how it was made")
    return y0


def _with_values(y0: Array) -> Array:
    if not has_values(y0):
        raise TypeError(
            f"expected a dense state with values, received {seen(y0)} of layout {getattr(y0, 'layout', None)} on the "
            f"device {y0.device}; take y0.to_dense(), where its values are"
        )
    return y0


def _of_numpy(y0: Any) -> np.ndarray:
    """Return numbers, lists and arrays of NumPy as an array; what it would make of anything else nobody meant."""
    if y0 is None or isinstance(y0, NO_LISTS) or callable(y0):
        what = "None" if y0 is None else type(y0).__name__
        raise TypeError(f"expected y0 to be an array of numbers, received {what}; pass a number, a list or an array")
    if isinstance(y0, (list, tuple)) and any(
        is_array(entry) and not isinstance(entry, np.ndarray | np.generic) for entry in y0
    ):
        raise TypeError(
            f"expected y0 to be one array, received a {type(y0).__name__} of arrays of another library; stack them, "
            "for example torch.stack(y0)"
        )
    try:
        host = as_numbers(y0)
    except NOTHING_MADE as error:
        raise TypeError(
            f"expected y0 to be an array of numbers, received {type(y0).__name__} that makes none: {error}; lists must "
            "have one shape, and tensors be stacked"
        ) from error
    return host if host.dtype.isnative else host.astype(host.dtype.newbyteorder("="))


def affordable(what: str, size: float) -> None:
    """Refuse what needs more bytes than this machine has.

    Raises
    ------
    ValueError
        If it does.
    """
    known = hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if known else 1 << 40
    if size > memory:
        raise ValueError(
            f"expected {what} to fit into the {memory / 2**30:.3g} GiB of this machine, received a request for "
            f"{size / 2**30:.3g} GiB; take less at once"
        )


def template(name: str, value: Any) -> Any:
    """Return an array whose library, precision and device others are to take: one of floating-point numbers.

    Raises
    ------
    TypeError
        If it is none.
    """
    kind = str(getattr(value, "dtype", "")).rpartition(".")[2]
    known = kind in ("float32", "float64", "complex64", "complex128")
    if not is_array(value) or np.ma.isMaskedArray(value) or not known or not has_values(value):
        raise TypeError(f"expected {name} to be an array of single or double precision, received {seen(value)}")
    return value


def check_dtype(linear_is_complex: bool, y0: Array) -> None:
    """Refuse a complex L on a real state, which would lose imaginary parts silently."""
    if linear_is_complex and not is_complex(y0):
        raise TypeError(
            f"expected a complex state for a complex linear operator, received y0 of dtype {y0.dtype}; "
            "pass y0 as a complex array (y0 + 0j), or a real operator"
        )


def check_constant(coefficients: Any) -> None:
    """Refuse coefficients of L that torch differentiates, whose gradient would be lost, and those that JAX traces."""
    what = "a tensor that requires a gradient" if getattr(coefficients, "requires_grad", False) else ""
    if is_traced(coefficients):
        what = "an array that is traced by JAX"
    if what:
        raise TypeError(
            f"expected a linear operator without parameters to differentiate or compile for, received {what}: "
            "φ-functions of L are computed beforehand, on the host; make it a constant (torch: detach it), or let "
            "nonlinear hold the part that is learned; solve_ivp(…, linear=tensor, gradient='adjoint') learns L of torch"
        )


def floating(u: Array) -> Array:
    """Return a state of floating-point numbers; integers of NumPy become double precision, as solve_ivp takes them.

    Raises
    ------
    TypeError
        If it is of another kind, to which the entries of L would be rounded.
    """
    if isinstance(u, np.ndarray) and u.dtype.kind in "iu":
        return u.astype(np.float64)
    if not array_namespace(u).isdtype(u.dtype, ("real floating", "complex floating")):
        raise TypeError(f"expected an array of floating-point numbers, received dtype {u.dtype}; convert it")
    return u


def host_numbers(coefficients: Any) -> np.ndarray:
    """Return coefficients of L as an array of the host in double precision, or refuse what is no array of numbers.

    Raises
    ------
    TypeError
        If they are none, truth values, masked, or differentiated or traced.
    """
    check_constant(coefficients)
    host = to_numpy(coefficients) if not is_sparse(coefficients) else np.empty((), dtype=object)
    if host.dtype.kind not in "iufc" or np.ma.is_masked(coefficients):
        dtype = getattr(coefficients, "dtype", "none")
        what = "a masked array" if np.ma.is_masked(coefficients) else f"{type(coefficients).__name__} of dtype {dtype}"
        raise TypeError(f"expected an array of numbers as coefficients of a linear operator, received {what}")
    if host.dtype.kind in "fc" and np.finfo(host.dtype).bits > 64:
        raise TypeError(
            f"expected coefficients of at most double precision, as φ-functions are, received dtype {host.dtype}; "
            "convert them to float64 or complex128"
        )
    numbers = host.astype(np.complex128 if np.iscomplexobj(host) else np.float64)
    numbers.flags.writeable = False  # forms made of them, on other devices too, would not follow
    return numbers


def random_like(like: Array, seed: int = 20) -> Array:
    """Return a random array like ``like``, the same in every run."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(tuple(like.shape))
    return asarray_like(values + 1j * rng.standard_normal(values.shape) if is_complex(like) else values, like)
