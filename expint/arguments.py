"""Arguments as they are meant, or a sentence that says what is not: the one vocabulary of checks at every door.

Each check takes the name of an argument and its value, and returns the value made plain: ``number("step", step)``.
Arrays are checked in ``expint.arrays``, times of a run in ``expint.given``.
"""

from __future__ import annotations

import inspect
import math
import operator
import os
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import fields
from functools import partial, wraps
from typing import Any, TypeVar, cast

import numpy as np

from expint.backend import is_array

__all__ = [
    "checked",
    "choice",
    "flag",
    "function",
    "instance",
    "integer",
    "is_traced",
    "listed",
    "number",
    "numbers",
    "one_line",
    "path",
    "plain_fields",
    "refuse_gradients",
    "refuse_masked",
    "seen",
    "text",
]

_NUMBERS = (float, np.float64, int)
_NO_NUMBERS = (bool, np.bool_, str, bytes, bytearray, complex, np.complexfloating)
NO_LISTS = (str, bytes, bytearray, Mapping, set, frozenset, type)
"""What can be gone through, and is no list of anything."""


def seen(value: Any, length: int = 80) -> str:
    """Return how a value looks, in one line that fits into a sentence; of arrays the shape."""
    if isinstance(value, type) or callable(value):
        return f"{'the class' if isinstance(value, type) else 'a function'} {getattr(value, '__qualname__', value)}"
    if is_array(value) and value.ndim:
        return f"an array of shape {tuple(value.shape)} and dtype {value.dtype}"
    try:
        written = one_line(repr(value))
    except Exception:  # an object that cannot write itself
        written = f"an object of type {type(value).__name__}"
    return written if len(written) <= length else f"{written[:length]}… of type {type(value).__name__}"


def one_line(value: object) -> str:
    """Return a text without line breaks and control characters, so that it cannot leave its row, cell or comment."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())


def number(
    name: str,
    value: Any,
    *,
    above: float = -math.inf,
    least: float = -math.inf,
    below: float = math.inf,
    most: float = math.inf,
    finite: bool = True,
) -> float:
    """Return a real number within bounds, finite if it has to be; ``above`` and ``below`` are not reached.

    Raises
    ------
    TypeError
        If it is no real number: text, truth values, complex numbers and arrays are none. Or if it is one by which torch
        or JAX is to differentiate; see ``refuse_gradients``.
    ValueError
        If it is not finite or out of bounds.
    """
    if type(value) not in _NUMBERS:  # most are, and all times of a grid
        refuse_gradients(name, value)
    try:
        if type(value) not in _NUMBERS and _is_no_number(value):
            raise TypeError
        found = float(value)
    except OverflowError:
        raise ValueError(f"expected {name} to be a finite number, received {seen(value)}") from None
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"expected {name} to be a real number, received {seen(value)}") from None
    if not finite and not math.isfinite(found):
        return found
    if not (math.isfinite(found) and above < found < below and least <= found <= most):
        bounds = {"> ": (above, -math.inf), "≥ ": (least, -math.inf), "< ": (below, math.inf), "≤ ": (most, math.inf)}
        said = " and ".join(f"{sign}{bound:g}" for sign, (bound, none) in bounds.items() if bound != none)
        raise ValueError(f"expected {name} {said or 'to be a finite number'}, received {found}")
    return found


def _is_no_number(value: Any) -> bool:
    """Whether a value that ``float`` may take is no real number."""
    if isinstance(value, _NO_NUMBERS) or np.ma.is_masked(value) or getattr(value, "shape", ()) != ():
        return True
    return str(getattr(value, "dtype", "")).rpartition(".")[2].startswith(("complex", "bool"))


def integer(name: str, value: Any, *, least: int | None = 1, most: int | None = None) -> int:
    """Return an integer within bounds, of any integer type.

    Raises
    ------
    TypeError
        If it is no integer; truth values are none.
    ValueError
        If it is out of bounds.
    """
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        found = operator.index(value)
    except (TypeError, RuntimeError):
        raise TypeError(f"expected {name} to be an integer, received {seen(value)}") from None
    if (least is not None and found < least) or (most is not None and found > most):
        missed = f"≥ {least}" if least is not None and found < least else f"≤ {most}"
        raise ValueError(f"expected {name} to be an integer {missed}, received {seen(found, 40)}")
    return found


def text(name: str, value: Any, example: str = "") -> str:
    """Return a text.

    Raises
    ------
    TypeError
        If it is none.
    """
    if not isinstance(value, str):
        hint = f" such as {example!r}" if example else ""
        raise TypeError(f"expected {name} to be text{hint}, received {seen(value)}")
    return value


def choice(name: str, value: Any, options: Collection[str]) -> str:
    """Return one of the ``options``.

    Raises
    ------
    TypeError
        If the value is no text.
    ValueError
        If it is none of them.
    """
    if text(name, value) not in options:
        raise ValueError(f"expected {name} to be one of {', '.join(map(repr, options))}, received {seen(value)}")
    return str(value)


def function(name: str, value: Any, signature: str = "", remedy: str = "") -> Callable[..., Any]:
    """Return a function.

    Raises
    ------
    TypeError
        If the value cannot be called.
    """
    if not callable(value):
        raise TypeError(f"expected {name} to be {f'a function {signature}'.rstrip()}, received {_seen(value, remedy)}")
    return cast(Callable[..., Any], value)


def instance(name: str, value: Any, kinds: Any, what: str = "", remedy: str = "") -> Any:
    """Return an object of one of some kinds.

    Raises
    ------
    TypeError
        If it is of another.
    """
    if not isinstance(value, kinds):
        said = what or " or ".join(kind.__name__ for kind in (kinds if isinstance(kinds, tuple) else (kinds,)))
        raise TypeError(f"expected {name} to be {said}, received {_seen(value, remedy)}")
    return value


def _seen(value: Any, remedy: str) -> str:
    kind = "" if callable(value) else f" of type {type(value).__name__}"
    return f"{seen(value).removesuffix(kind)}{kind}" + (f"; {remedy}" if remedy else "")


def listed(name: str, value: Any, what: str, *, least: int = 1) -> list[Any]:
    """Return the entries of a sequence, at least so many; text, sets and mappings are no sequences.

    Raises
    ------
    TypeError
        If it is none.
    ValueError
        If it has fewer entries.
    """
    try:
        if isinstance(value, NO_LISTS) or not isinstance(value, Iterable):
            raise TypeError
        entries = list(value)
    except TypeError:
        raise TypeError(f"expected {name} to be a list of {what}, received {seen(value)}") from None
    if len(entries) < least:
        raise ValueError(f"expected {name} to be a list of at least {least} {what}, received {len(entries)}")
    return entries


def numbers(name: str, value: Any, *, least: int = 0, above: float = -math.inf) -> list[float]:
    """Return a list of finite real numbers; see `number` and `listed`."""
    return [
        number(f"every entry of {name}", entry, above=above) for entry in listed(name, value, "numbers", least=least)
    ]


def refuse_gradients(name: str, value: Any) -> None:
    """Refuse a number of a run, or one of a list of them, by which torch is to differentiate, or that JAX traces.

    Raises
    ------
    TypeError
        If it is one; under ``torch.no_grad()`` nothing is lost, and tensors are taken as the numbers that they are.
    """
    torch = sys.modules.get("torch")
    for one in value if isinstance(value, list | tuple) else (value,):
        if torch is not None and getattr(one, "requires_grad", False) and torch.is_grad_enabled():
            raise TypeError(
                f"expected {name} without a gradient, received a tensor that requires one: times, steps and tolerances "
                "are constants of a run, and the gradient would be lost; detach it, and let nonlinear hold what is "
                "learned (dy/dt is the right-hand side: L y + N(t, y) is the derivative of y(t) by t), or "
                "differentiate by the ends of t_span: solve_ivp(…, gradient='adjoint')"
            )
        if is_traced(one):
            raise TypeError(
                f"expected {name} as a number that is known, received an array that JAX traces: times, steps and "
                "tolerances are constants of a run; leave it out of what is traced (jax.jit: static_argnames), and let "
                "nonlinear hold what is differentiated"
            )


def is_traced(value: Any) -> bool:
    """Whether JAX traces the value, told without importing JAX."""
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(value, jax.core.Tracer)


def refuse_masked(name: str, value: Any) -> None:
    """Refuse masked arrays, whose mask a run would drop."""
    if np.ma.is_masked(value):
        raise TypeError(
            f"expected {name} without a mask, received a masked array with {int(np.ma.count_masked(value))} masked "
            "entries, which a run would take for values; fill them: array.filled(0.0)"
        )


def path(name: str, value: Any) -> str:
    """Return a path as text.

    Raises
    ------
    TypeError
        If it is none.
    """
    if not isinstance(value, str | os.PathLike) or not isinstance(os.fspath(value), str):
        raise TypeError(f"expected {name} to be a path, received {seen(value)}")
    return os.fspath(value)


def flag(name: str, value: Any) -> bool:
    """Return a truth value.

    Raises
    ------
    TypeError
        If it is none; 0 and 1 are taken for what they are meant.
    """
    if not isinstance(value, bool | np.bool_) and not (isinstance(value, int) and value in (0, 1)):
        raise TypeError(f"expected {name} to be True or False, received {seen(value)}")
    return bool(value)


_PLAIN: dict[str, Callable[[str, Any], Any]] = {
    "int": partial(integer, least=-(1 << 63), most=(1 << 63) - 1),
    "float": number,
    "str": text,
    "bool": flag,
}
"""The checks of plain annotations."""

F = TypeVar("F", bound=Callable[..., Any])


def checked(**checks: Callable[[str, Any], Any]) -> Callable[[F], F]:
    """Return a decorator that checks the arguments of a function before it runs, and makes them plain.

    Arguments annotated as int, float, str or bool are checked as such; ``checks`` are further ones by name: functions
    (name, value) ↦ value, such as those of this module. Where None is the default or allowed, it is let through.
    """

    def decorate(function: F) -> F:
        signature = inspect.signature(function)
        chosen: dict[str, tuple[Callable[[str, Any], Any], bool]] = {}
        for name, parameter in signature.parameters.items():
            annotation = str(parameter.annotation)
            check = checks.get(name) or _PLAIN.get(annotation.removesuffix(" | None"))
            if check is not None:
                chosen[name] = check, parameter.default is None or annotation.endswith("| None")

        @wraps(function)
        def door(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs)
            for name, (check, optional) in chosen.items():
                if name in bound.arguments and not (optional and bound.arguments[name] is None):
                    bound.arguments[name] = check(name, bound.arguments[name])
            return function(*bound.args, **bound.kwargs)

        return cast(F, door)

    return decorate


def plain_fields(record: Any) -> None:
    """Check the fields of a frozen dataclass that are annotated as int, float, str or bool, and make them plain.

    Raises
    ------
    TypeError, ValueError
        As the checks of `checked`.
    """
    for field in fields(record):
        annotation, value = str(field.type), getattr(record, field.name)
        check = _PLAIN.get(annotation.removesuffix(" | None"))
        if check is not None and not (value is None and annotation.endswith(" | None")):
            object.__setattr__(record, field.name, check(field.name, value))
