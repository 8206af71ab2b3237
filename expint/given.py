"""What is given at a door, made plain: states are arrays of floating-point numbers, times and tolerances are numbers.

A number whose gradient is asked for is refused: steps, times and tolerances are constants of a run.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from functools import wraps
from numbers import Number
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np

from expint.backend import Array, all_finite, array_namespace, is_array, is_complex, is_numpy, is_torch, to_numpy
from expint.exchange import ask, lent, refuse_masked

__all__ = [
    "Times",
    "check_state",
    "given_callback",
    "given_grid",
    "given_number",
    "given_times",
    "is_traced",
    "refuse_each_gradient",
    "refuse_gradients",
    "with_known_values",
]

P = ParamSpec("P")
T = TypeVar("T")

_MOST_STEPS = 10_000_000
"""The most steps of a run whose steps are given: a plan of so many takes some GiB."""


class Times(NamedTuple):
    """What a door is told of times, as plain numbers: ``step``, ``first`` and ``largest`` have the sign of the run."""

    span: tuple[float, float]
    step: float | None
    grid: Any
    t_eval: Any
    first: float | None
    largest: float
    most: int


def given_times(
    t_span: Any, step: Any, grid: Any, t_eval: Any, first_step: Any, max_step: Any, max_steps: Any
) -> Times:
    """Return the times of a door as plain numbers, or say which of them is none.

    Steps without a sign go from the first of the times in ``t_span`` to the second.

    Raises
    ------
    TypeError, ValueError
        If one of them is no number, is differentiated or traced, or if more steps are asked for than can be made.
    """
    if isinstance(t_span, (dict, set, frozenset, str, bytes)) or np.ma.is_masked(t_span):
        raise ValueError(f"expected t_span = (start, end), received {t_span!r}")
    try:
        one, other = t_span
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected t_span = (start, end), received {t_span!r}") from error
    refuse_gradients("t_span", one)
    refuse_gradients("t_span", other)
    try:
        start, end = given_number("t_span", one), given_number("t_span", other)
    except TypeError as error:
        raise ValueError(f"expected t_span = (start, end), received {t_span!r}") from error
    step, first = _optional("step", step), _optional("first_step", first_step)
    largest, most = given_number("max_step", max_step), given_number("max_steps", max_steps)
    if math.isnan(most) or (math.isfinite(most) and most != int(most)):
        raise ValueError(f"expected max_steps to be a whole number, received {max_steps!r}")
    if end < start:
        step, first = (None if h is None else math.copysign(h, -1.0) for h in (step, first))
        largest = math.copysign(largest, -1.0)
    if step and math.isfinite(start) and math.isfinite(end):
        _check_number_of_steps(start, end, step)
    most = int(min(most, sys.maxsize))
    return Times((start, end), step, _several("grid", grid), _several("t_eval", t_eval), first, largest, most)


def _check_number_of_steps(start: float, end: float, step: float) -> None:
    """Refuse steps so short that no run of them ends."""
    span = abs(end - start)
    if step and span > abs(step) * _MOST_STEPS:
        raise ValueError(
            f"expected at most {_MOST_STEPS} steps, received step = {step} for t_span = ({start}, {end}), which are "
            f"{span / abs(step):.3g}; take a step of at least {span / _MOST_STEPS:.3g}, or solve piece by piece"
        )


def refuse_each_gradient(name: str, values: Any) -> None:
    """Refuse numbers of a list or tuple whose gradient is asked for."""
    for value in values if isinstance(values, list | tuple) else ():
        refuse_gradients(name, value)


def given_number(name: str, value: Any) -> float:
    """Return a real number, or say why ``value`` is none.

    Raises
    ------
    TypeError
        If it is text, a truth value, complex, an array with axes, or differentiated or traced.
    """
    refuse_gradients(name, value)
    other = isinstance(value, (bool, np.bool_, str, bytes, bytearray)) or is_complex(value) or np.ma.is_masked(value)
    wrong = TypeError(f"expected {name} to be a real number, received {value!r}")
    if other or getattr(value, "shape", ()) != ():
        raise wrong
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise wrong from error


def given_grid(values: Any, name: str = "grid") -> np.ndarray:
    """Return a grid as an array of plain numbers."""
    grid = _several(name, values)
    if grid is None:
        raise TypeError(f"expected {name} to be a sequence of times, received None")
    return grid


def _optional(name: str, value: Any) -> float | None:
    return None if value is None else given_number(name, value)


def _several(name: str, values: Any) -> np.ndarray | None:
    """Return times as an array; what else is wrong with them is said where they are laid out."""
    if values is None:
        return None
    refuse_gradients(name, values)
    refuse_masked(name, values)
    if isinstance(values, (str, bytes, bytearray, dict, set, frozenset)):
        raise TypeError(f"expected {name} to be a sequence of times, received {values!r}")
    if isinstance(values, (list, tuple)):
        for value in values:
            refuse_gradients(name, value)
    try:
        host = np.asarray(to_numpy(values))
        if host.dtype.kind == "O":
            host = host.astype(np.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise TypeError(f"expected {name} to be a sequence of times, received {values!r}") from error
    if host.dtype.kind not in "fiu":
        raise TypeError(f"expected {name} to be a sequence of times, received {values!r}")
    return host.astype(np.float64)


def refuse_gradients(name: str, value: Any) -> None:
    """Refuse a number of a run by which torch is to differentiate, or that JAX traces.

    Raises
    ------
    TypeError
        If it is one; under ``torch.no_grad()`` nothing is lost, and tensors are taken as the numbers that they are.
    """
    if getattr(value, "requires_grad", False) and _torch_records():
        raise TypeError(
            f"expected {name} without a gradient, received a tensor that requires one: times, steps and tolerances are "
            f"constants of a run, and the gradient would be lost; detach it, and let nonlinear hold what is learned "
            "(dy/dt is the right-hand side: L y + N(t, y) is the derivative of y(t) by t)"
        )
    if is_traced(value):
        raise TypeError(
            f"expected {name} as a number that is known, received an array that JAX traces: times, steps and "
            "tolerances are constants of a run; leave it out of what is traced (jax.jit: static_argnames), and let "
            "nonlinear hold what is differentiated"
        )


def is_traced(value: Any) -> bool:
    """Whether JAX traces the value, told without importing JAX."""
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(value, jax.core.Tracer)


def _torch_records() -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and bool(torch.is_grad_enabled())


def check_state(y0: Any) -> Array:
    """Return the initial state as an array of floating-point numbers in memory of its own, unless JAX made it.

    Numbers, lists and integer arrays of NumPy become arrays of double precision, as in SciPy, and bytes are put into
    the order of the machine.

    Raises
    ------
    TypeError
        If it holds no real or complex numbers of at most double precision.
    ValueError
        If it is not finite.
    """
    y0 = _numbers(y0)
    xp = array_namespace(y0)
    if xp.finfo(y0.dtype).bits > 64:  # of a complex number: of its parts
        raise TypeError(
            f"expected a state of at most double precision, as φ-functions are, received dtype {y0.dtype}; convert it "
            "to float64 or complex128"
        )
    if not all_finite(y0):
        raise ValueError("expected a finite initial state, received inf or nan in y0; check how it was made")
    return y0


def _numbers(y0: Any) -> Array:
    """Return the initial state as an array of floating-point numbers, whatever they are."""
    refuse_masked("y0", y0)
    if is_array(y0) and not is_numpy(array_namespace(y0)):
        return _foreign(y0)
    if not is_array(y0):
        _refuse_no_state(y0)
    try:
        host = np.array(y0, subok=False)
        if host.dtype.kind == "O" and all(isinstance(entry, Number) for entry in host.flat):
            host = host.astype(complex if any(isinstance(entry, complex) for entry in host.flat) else float)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise TypeError(
            f"expected y0 to be an array of numbers, received {type(y0).__name__} that makes none: {error}; lists must "
            "have one shape, and tensors be stacked"
        ) from error
    if host.dtype.kind in "iu":
        host = host.astype(np.float64)
    if host.dtype.kind not in "fc":
        raise TypeError(
            f"expected a floating-point or complex state, received dtype {host.dtype}"
            + ("; convert it: 1.0 * y0" if host.dtype.kind == "b" else "; make an array of numbers of it")
        )
    return host if host.dtype.isnative else host.astype(host.dtype.newbyteorder("="))


def _refuse_no_state(y0: Any) -> None:
    """Refuse what NumPy would make something of that nobody meant."""
    if y0 is None or isinstance(y0, (str, bytes, bytearray, dict, set, frozenset)) or callable(y0):
        what = "None" if y0 is None else type(y0).__name__
        raise TypeError(f"expected y0 to be an array of numbers, received {what}; pass a number, a list or an array")
    if isinstance(y0, (list, tuple)) and any(
        is_array(entry) and not isinstance(entry, np.ndarray | np.generic) for entry in y0
    ):
        raise TypeError(
            f"expected y0 to be one array, received a {type(y0).__name__} of arrays of another library; stack them, "
            "for example torch.stack(y0)"
        )


def _foreign(y0: Array) -> Array:
    """Return an array of another library than NumPy's as a state of its own."""
    xp = array_namespace(y0)
    if not xp.isdtype(y0.dtype, ("real floating", "complex floating")):
        raise TypeError(f"expected a floating-point or complex state, received dtype {y0.dtype}; convert it: 1.0 * y0")
    if is_torch(xp):
        if y0.device.type == "meta":
            raise TypeError("expected a state with values, received a tensor on the meta device, which has none")
        if "strided" not in str(y0.layout):
            raise TypeError(f"expected a dense state, received a tensor of layout {y0.layout}; take y0.to_dense()")
    return lent(y0)


def given_callback(callback: Any) -> Callable[[float, Array], Any] | None:
    """Return the callback, to which states are lent.

    Raises
    ------
    TypeError
        If it is no function.
    """
    if callback is None:
        return None
    if not callable(callback):
        raise TypeError(f"expected callback to be a function (t, y), received {callback!r}")
    return lambda t, y: ask(callback, t, lent(y))


def with_known_values(solve: Callable[P, T]) -> Callable[P, T]:
    """Let ``solve`` say, where JAX raises since it only traces a value that a run needs, what needs it.

    Raises
    ------
    TypeError
        In place of the error of JAX.
    """

    @wraps(solve)
    def explained(*args: P.args, **options: P.kwargs) -> T:
        try:
            return solve(*args, **options)
        except TypeError as error:
            jax = sys.modules.get("jax")
            if jax is None or not isinstance(error, jax.errors.JAXTypeError):
                raise
            raise TypeError(
                "expected values that are known, received an array that JAX traces (in jit, grad or vmap): steps to a "
                "tolerance, events and methods that linearise depend on values; take fixed steps (step=, grid=) of a "
                "method with a fixed L, or solve outside"
            ) from error

    return explained
