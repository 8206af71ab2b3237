"""The door: states, slopes and tolerances are checked before any work is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from expint.arguments import choice, function, instance, refuse_gradients, refuse_masked
from expint.arrays import check_state
from expint.backend import Array, array_namespace, asarray_like, to_numpy
from expint.derive.kinds.stage import Method
from expint.exchange import asking
from expint.run.control import Controller
from expint.run.tolerance import ErrorNorm

__all__ = [
    "check_controller",
    "check_estimate",
    "check_function",
    "check_slopes",
    "check_state",
    "check_tolerance",
    "default_atol",
    "no_force",
    "refuse_tolerances",
]


def check_slopes(
    nonlinear: Callable[..., Array], args: tuple[Any, ...], y0: Array, what: str = "nonlinear(t, y)"
) -> Callable[[float, Array], Array]:
    """Return N(t, y) with ``args`` bound; values are checked against the state, the first and where their kind changes.

    In messages the function is called ``what``. States are lent to it, and its values are ours; see
    ``expint.exchange``. For states of NumPy it may also return a list or a number.
    """
    check_function(nonlinear, args, what)
    return asking(nonlinear, args, y0, what)


def check_function(given: Any, args: Any, what: str) -> None:
    """Refuse what cannot be called, and further arguments that are no tuple."""
    function(what, given)
    instance("args", args, (tuple, list), f"a tuple of further arguments of {what}", "args=(value,) passes one")


def no_force(t: float, y: Array, *args: Any) -> Array:
    """Return N = 0."""
    del t, args
    return array_namespace(y).zeros_like(y)


def check_tolerance(
    method: Method,
    rtol: float | Array | None,
    atol: float | Array | None,
    norm: Callable[[Array], float] | Literal["max"] | None,
    y0: Array,
    doubling: bool = False,
) -> ErrorNorm:
    """Return the error norm for the tolerances, or say why they cannot be kept."""
    if doubling and method.history > 1:
        raise ValueError(
            f"expected a one-step method for error='doubling', received {method.name}, which looks at {method.history} "
            "values of N; take a predictor–corrector pair such as 'pec5', which estimates its own error"
        )
    if method.error_order is None and not doubling:
        raise ValueError(
            f"expected a method with an error estimate to choose steps, received {method.name}, which has none; pass "
            "step= or grid=, take a method such as 'expint43', 'zoto-bowman43' or 'lawson-dormand-prince54', or "
            "error='doubling' for a one-step method"
        )
    if 0 in y0.shape:
        raise ValueError(f"expected a state with entries to measure errors of, received y0 of shape {tuple(y0.shape)}")
    if isinstance(norm, str) and norm == "max":
        norm = array_namespace(y0).max
    if norm is not None:
        norm = function("norm", norm, "of the scaled error, or 'max'", "pass one such as np.max")
    rtol, xp = check_rtol(rtol, y0), array_namespace(y0)
    if atol is None:
        if np.any(_on_host(rtol) == 0):
            raise ValueError(f"expected tolerances ≥ 0, not both 0, received rtol = {rtol} and no atol; pass atol=")
        atol = default_atol(rtol, y0)
        if not np.any(_on_host(atol)):  # y_0 = 0 has no size
            return ErrorNorm(rtol, float(xp.finfo(y0.dtype).smallest_normal), norm, grows=True)
    atol = _beside("atol", atol, y0)
    absolute, relative = _on_host(atol), _on_host(rtol)
    smallest, neither = float(np.min(absolute)), np.any(absolute + relative == 0)
    if not (smallest >= 0 and np.all(np.isfinite(absolute))) or neither:
        raise ValueError(f"expected tolerances ≥ 0, not both 0, received rtol = {rtol} and atol = {atol}")
    if smallest == 0:  # a component that stays zero has no error, not 0/0
        atol = atol + float(xp.finfo(y0.dtype).smallest_normal) ** 0.5
    return ErrorNorm(rtol, atol, norm)


def default_atol(rtol: float | Array, y0: Array) -> float | Array:
    """Return rtol times the root mean square of y_0, of which no square overflows or vanishes."""
    sizes = np.abs(_on_host(y0))
    unit = float(np.max(sizes)) or 1.0
    return rtol * (unit * float(np.sqrt(np.mean((sizes / unit) ** 2))))


def check_controller(controller: Any) -> None:
    """Refuse what is neither a controller nor None."""
    remedy = "Controller((1, 0, 0)) is I, (0.7, -0.4, 0) PI, (0.49, -0.34, 0.1) PID"
    instance("controller", controller, Controller | None, "an expint.run.Controller", remedy)


def check_estimate(error: str | None) -> bool:
    """Return whether errors are to be estimated by step doubling."""
    return error is not None and choice("error", error, ("embedded", "doubling")) == "doubling"


def check_rtol(rtol: Any, y0: Array) -> float | Array:
    """Return the relative tolerance: a number, or an array beside the state that broadcasts to it.

    By default it is 1e-6, or a hundred times the precision of the state where that is more: 1.2e-5 in single precision.
    In half precision, where that would be no tolerance, it is twenty times the precision.
    """
    precision = float(array_namespace(y0).finfo(y0.dtype).eps)
    default = max(1e-6, (100 if precision < 1e-4 else 20) * precision)
    rtol = _beside("rtol", default if rtol is None else rtol, y0)
    host, least = _on_host(rtol), 10 * precision
    if not (np.all(np.isfinite(host)) and np.all(host >= 0)):
        raise ValueError(f"expected rtol to be a number ≥ 0, received {rtol}")
    if np.any((host > 0) & (host < least)):
        raise ValueError(
            f"expected rtol of at least {least:.2g}, ten times the precision of {y0.dtype}, received {rtol}; raise it "
            "or solve in higher precision"
        )
    return rtol


def _on_host(values: Any) -> np.ndarray:
    """Return numbers on the host in double precision: squares overflow in half."""
    host = to_numpy(values)
    return host.astype(np.complex128 if np.iscomplexobj(host) else np.float64)


def _beside(name: str, tolerance: Any, y0: Array) -> float | Array:
    """Return a number, or an array beside the state that broadcasts to it."""
    refuse_gradients(name, tolerance)
    refuse_masked(name, tolerance)
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
