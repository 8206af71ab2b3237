"""The door: states, slopes and tolerances are checked before any work is done."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from expint.backend import Array, Namespace, all_finite, array_namespace, asarray_like, device, is_array, to_numpy
from expint.derive.adams import Adams
from expint.derive.predictor_corrector import PredictorCorrector
from expint.derive.stage import Method
from expint.run.tolerance import ErrorNorm

__all__ = [
    "check_estimate",
    "check_slopes",
    "check_state",
    "check_tolerance",
    "climbing",
    "default_atol",
    "no_force",
    "refuse_tolerances",
]


def check_state(y0: Any) -> Array:
    """Return the initial state as an array, refusing integers and non-finite values."""
    y0 = y0 if is_array(y0) else np.asarray(y0, dtype=complex if np.iscomplexobj(y0) else float)
    xp = array_namespace(y0)
    if not xp.isdtype(y0.dtype, ("real floating", "complex floating")):
        raise TypeError(f"expected a floating-point or complex state, received dtype {y0.dtype}; convert it: 1.0 * y0")
    if xp.finfo(y0.dtype).bits > 64:  # of a complex number: of its parts
        raise TypeError(
            f"expected a state of at most double precision, as φ-functions are, received dtype {y0.dtype}; convert it "
            "to float64 or complex128"
        )
    if not all_finite(y0):
        raise ValueError("expected a finite initial state, received inf or nan in y0; check how it was made")
    return y0


def check_slopes(
    nonlinear: Callable[..., Array], args: tuple[Any, ...], y0: Array, what: str = "nonlinear(t, y)"
) -> Callable[[float, Array], Array]:
    """Return N(t, y) with ``args`` bound; values are checked against the state, the first and where their kind changes.

    In messages the function is called ``what``. A function may write all its values into one array: values that lie
    where the last ones lay are copied, and so are the first.
    """
    if not callable(nonlinear):
        raise TypeError(f"expected {what} to be a function, received {type(nonlinear).__name__}")
    if not isinstance(args, (tuple, list)):
        raise TypeError(
            f"expected args to be a tuple of further arguments of {what}, received {type(args).__name__}; one argument "
            "is passed as args=(value,)"
        )
    known: Any = object()
    shape = y0.shape
    place: int | None = None

    def checked(t: float, y: Array) -> Array:
        nonlocal known, place
        slope = nonlinear(t, y, *args) if args else nonlinear(t, y)
        base = getattr(slope, "base", None)
        before, place = place, id(slope if base is None else base)
        if before is None or getattr(slope, "dtype", None) is not known or slope.shape != shape:
            _check_slope(slope, y0, what)
            known = getattr(slope, "dtype", known)
        elif before != place:
            return slope
        return 1 * slope  # what lies where the last one lay may be written over

    return checked


def no_force(t: float, y: Array, *args: Any) -> Array:
    """Return N = 0."""
    del t, args
    return array_namespace(y).zeros_like(y)


def _check_slope(slope: Any, y0: Array, what: str) -> None:
    if not is_array(slope) and not np.isscalar(slope):
        raise TypeError(f"expected {what} to return an array like y0, received {type(slope).__name__}")
    shape = tuple(getattr(slope, "shape", ()))
    if shape != tuple(y0.shape):
        raise ValueError(f"expected {what} to return shape {tuple(y0.shape)}, that of y0, received shape {shape}")
    xp = array_namespace(y0)
    if is_array(slope):
        _check_home(slope, y0, xp, what)
    dtype = slope.dtype if is_array(slope) else xp.result_type(y0.dtype, slope)
    if xp.result_type(dtype, y0.dtype) != y0.dtype:
        raise TypeError(
            f"expected {what} to return dtype {y0.dtype}, that of y0, received {dtype}; convert y0 or the "
            "result of nonlinear, so that no step changes the dtype silently"
        )


def _check_home(slope: Array, y0: Array, xp: Namespace, what: str) -> None:
    """Refuse slopes of another array library or on another device."""
    if array_namespace(slope) is not xp:
        raise TypeError(
            f"expected {what} to return an array of {type(y0).__module__}, as y0 is one, received one of "
            f"{type(slope).__module__}; convert y0 or the result of nonlinear"
        )
    if device(slope) != device(y0) and device(slope) is not None:  # JAX knows no device of what it traces
        raise TypeError(f"expected {what} to stay on device {device(y0)}, received one on {device(slope)}")


def check_tolerance(
    method: Method,
    rtol: float | Array | None,
    atol: float | Array | None,
    norm: Callable[[Array], float] | None,
    y0: Array,
    doubling: bool = False,
) -> ErrorNorm:
    """Return the error norm for the tolerances, or say why they cannot be kept."""
    if doubling and method.history > 1:
        raise ValueError(
            f"expected a one-step method for error='doubling', received {method.name}, which looks at {method.history} "
            "slopes; take a predictor–corrector pair such as 'pec5', which estimates its own error"
        )
    if method.error_order is None and not doubling:
        raise ValueError(
            f"{method.name} has no error estimate and cannot choose its steps; expected step= or grid=, or a method "
            "with an embedded error estimate such as 'expint43', 'zoto-bowman43' or 'lawson-dormand-prince54', or "
            "error='doubling' for a one-step method"
        )
    if 0 in y0.shape:
        raise ValueError(f"expected a state with entries to measure errors of, received y0 of shape {tuple(y0.shape)}")
    if norm is not None and not callable(norm):
        raise TypeError(
            f"expected norm to be a function of the scaled error, received {norm!r}; pass one such as np.max"
        )
    rtol, xp = check_rtol(rtol, y0), array_namespace(y0)
    if atol is None:
        atol = default_atol(rtol, y0)
    atol = _beside("atol", atol, y0)
    smallest = float(np.min(to_numpy(atol)))
    neither = np.any(to_numpy(atol) + to_numpy(rtol) == 0)
    if not (smallest >= 0 and np.all(np.isfinite(to_numpy(atol)))) or neither:
        raise ValueError(f"expected tolerances ≥ 0, not both 0, received rtol = {rtol} and atol = {atol}")
    if smallest == 0:  # a component that stays zero has no error, not 0/0
        atol = atol + float(xp.finfo(y0.dtype).smallest_normal) ** 0.5
    return ErrorNorm(rtol, atol, norm)


def default_atol(rtol: float | Array, y0: Array) -> float | Array:
    """Return rtol times the root mean square of y_0, or times 1 where that is zero."""
    size = math.sqrt(float(to_numpy(array_namespace(y0).mean(array_namespace(y0).abs(y0) ** 2))))
    return rtol * (size if size > 0 else 1.0)


def climbing(method: Method) -> Method:
    """Return the method as runs to a tolerance begin it: the one-step methods of other starts estimate no error."""
    return replace(method, ramp=True) if isinstance(method, Adams | PredictorCorrector) else method


def check_estimate(error: str | None) -> bool:
    """Return whether errors are to be estimated by step doubling."""
    if error not in (None, "embedded", "doubling"):
        raise ValueError(f"expected error to be 'embedded' or 'doubling', received {error!r}")
    return error == "doubling"


def check_rtol(rtol: Any, y0: Array) -> float | Array:
    """Return the relative tolerance, 1e-6 by default: a number, or an array beside the state that broadcasts to it."""
    rtol = _beside("rtol", 1e-6 if rtol is None else rtol, y0)
    host, least = to_numpy(rtol), 10 * float(array_namespace(y0).finfo(y0.dtype).eps)
    if not (np.all(np.isfinite(host)) and np.all(host >= 0)):
        raise ValueError(f"expected rtol to be a number ≥ 0, received {rtol}")
    if np.any((host > 0) & (host < least)):
        raise ValueError(
            f"expected rtol of at least {least:.2g}, ten times the precision of {y0.dtype}, received {rtol}; raise it "
            "or solve in higher precision"
        )
    return rtol


def _beside(name: str, tolerance: Any, y0: Array) -> float | Array:
    """Return a number, or an array beside the state that broadcasts to it."""
    host = to_numpy(tolerance)
    if host.dtype.kind not in "fiu":
        raise TypeError(f"expected {name} to be a real number or an array of them, received {tolerance!r}")
    if host.ndim == 0:
        return float(host)
    try:
        fits = np.broadcast_shapes(host.shape, tuple(y0.shape)) == tuple(y0.shape)
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"expected {name} to be a number, or to broadcast to y0 of shape {tuple(y0.shape)}, received one of shape "
            f"{host.shape}"
        )
    return asarray_like(host.astype(np.float64), y0)


def refuse_tolerances(**given: object) -> None:
    """Refuse tolerances and the like where the steps are fixed: they would be ignored."""
    names = [name for name, value in given.items() if value is not None]
    if names:
        raise ValueError(
            f"expected either fixed steps (step=, grid=) or a tolerance, received {', '.join(names)} beside fixed "
            "steps, which "
            "would have no effect; leave one of them out"
        )
