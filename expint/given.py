"""The times of a run and what watches it, as they are given at a door."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np

from expint.arguments import NO_LISTS, function, number, refuse_gradients, refuse_masked
from expint.arrays import real_values
from expint.backend import Array, copied, is_array
from expint.exchange import ask, lent

__all__ = [
    "Times",
    "given_callback",
    "given_moments",
    "given_save",
    "given_sequence",
    "given_span",
    "given_times",
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
    start, end = given_span(t_span)
    step, first = _size("step", step), _size("first_step", first_step)
    largest, most = number("max_step", max_step, finite=False), number("max_steps", max_steps, finite=False)
    if math.isnan(most) or (math.isfinite(most) and most != int(most)):
        raise ValueError(f"expected max_steps to be a whole number, received {max_steps!r}")
    if end < start:
        step, first = (None if h is None else math.copysign(h, -1.0) for h in (step, first))
        largest = math.copysign(largest, -1.0)
    if step and math.isfinite(start) and math.isfinite(end):
        _check_number_of_steps(start, end, step)
    most = int(min(max(most, -sys.maxsize), sys.maxsize))
    on_grid, asked = (
        None if t is None else given_sequence(name, t) for name, t in (("grid", grid), ("t_eval", t_eval))
    )
    return Times((start, end), step, on_grid, asked, first, largest, most)


def given_span(t_span: Any) -> tuple[float, float]:
    """Return the ends of the interval of a run.

    Raises
    ------
    ValueError, TypeError
        If they are no two numbers, or differentiated or traced.
    """
    wrong = ValueError(f"expected t_span = (start, end), received {t_span!r}")
    if isinstance(t_span, NO_LISTS) or np.ma.is_masked(t_span):
        raise wrong
    try:
        start, end = t_span
    except (TypeError, ValueError) as error:
        raise wrong from error
    refuse_gradients("t_span", [start, end])
    try:
        return number("t_span", start, finite=False), number("t_span", end, finite=False)
    except TypeError as error:
        raise wrong from error


def given_moments(t: Any) -> np.ndarray:
    """Return the time, or the sequence of times, at which a continuous solution is asked for.

    Raises
    ------
    ValueError, TypeError
        If it is neither, or masked, differentiated or traced.
    """
    moments = given_sequence("the time t of sol(t)", t)
    if moments.ndim > 1:
        raise ValueError(f"expected a time or a sequence of times, received an array of shape {moments.shape}")
    return moments


def _size(name: str, value: Any) -> float | None:
    return None if value is None else number(name, value, finite=False)


def _check_number_of_steps(start: float, end: float, step: float) -> None:
    """Refuse steps so short that no run of them ends."""
    span = abs(end - start)
    if step and span > abs(step) * _MOST_STEPS:
        raise ValueError(
            f"expected at most {_MOST_STEPS} steps, received step = {step} for t_span = ({start}, {end}), which are "
            f"{span / abs(step):.3g}; take a step of at least {span / _MOST_STEPS:.3g}, or solve piece by piece"
        )


def given_sequence(name: str, values: Any) -> np.ndarray:
    """Return times as an array; what else is wrong with them is said where they are laid out.

    Raises
    ------
    TypeError
        If they are no real numbers, or masked, differentiated or traced.
    """
    refuse_gradients(name, values)
    refuse_masked(name, values)
    return real_values(name, values, what="a sequence of times")


def given_callback(callback: Any) -> Callable[[float, Array], Any] | None:
    """Return the callback, to which states are lent.

    Raises
    ------
    TypeError
        If it is no function.
    """
    if callback is None:
        return None
    function("callback", callback, "(t, y)")
    return lambda t, y: ask(callback, t, lent(y))


def given_save(save: Any) -> Callable[[float, Array], Any] | None:
    """Return the function that says what is kept of a state, to which states are lent, and whose values are ours.

    Raises
    ------
    TypeError
        If it is no function.
    """
    if save is None:
        return None
    function("save", save, "(t, y)")

    def saved(t: float, y: Array) -> Any:
        value = ask(save, t, lent(y))
        return (
            {name: copied(own) if is_array(own) else own for name, own in value.items()}
            if isinstance(value, Mapping)
            else value
        )

    return saved


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
