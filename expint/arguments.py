"""Arguments as they are meant: numbers, names, functions, lists and arrays, or a sentence that says what is not."""

from __future__ import annotations

import inspect
import math
import operator
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import fields
from functools import partial, wraps
from typing import Any, TypeVar, cast

import numpy as np

from expint.backend import Array, is_array, to_numpy

__all__ = [
    "affordable",
    "axes",
    "checked",
    "choice",
    "complex_values",
    "flag",
    "floating",
    "function",
    "instance",
    "integer",
    "listed",
    "number",
    "numbers",
    "one_line",
    "path",
    "plain_fields",
    "real_values",
    "seen",
    "template",
    "text",
]

_NO_NUMBERS = (bool, np.bool_, str, bytes, bytearray)
_NO_LISTS = (str, bytes, bytearray, Mapping, set, frozenset)


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
        If it is no real number: text, truth values, complex numbers and arrays are none.
    ValueError
        If it is not finite or out of bounds.
    """
    try:
        if isinstance(value, (*_NO_NUMBERS, complex, np.complexfloating)) or np.ma.is_masked(value):
            raise TypeError
        if getattr(value, "shape", ()) != () or "complex" in str(getattr(value, "dtype", "")):
            raise TypeError
        if getattr(value, "requires_grad", False):
            raise TypeError  # whose gradient would be lost
        found = float(value)
    except OverflowError:
        raise ValueError(f"expected {name} as a finite number, received {seen(value)}") from None
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"expected {name} as a real number, received {seen(value)}") from None
    if not finite and not math.isfinite(found):
        return found
    if not (math.isfinite(found) and above < found < below and least <= found <= most):
        bounds = {"> ": (above, -math.inf), "≥ ": (least, -math.inf), "< ": (below, math.inf), "≤ ": (most, math.inf)}
        said = " and ".join(f"{sign}{bound:g}" for sign, (bound, none) in bounds.items() if bound != none)
        raise ValueError(f"expected {name} as a finite number{' ' * bool(said)}{said}, received {found}")
    return found


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
        raise TypeError(f"expected {name} as an integer, received {seen(value)}") from None
    if (least is not None and found < least) or (most is not None and found > most):
        bounds = [f"{word} {bound}" for word, bound in (("at least", least), ("at most", most)) if bound is not None]
        raise ValueError(f"expected {name} as an integer of {' and '.join(bounds)}, received {seen(found, 40)}")
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
        raise TypeError(f"expected {name} as text{hint}, received {seen(value)}")
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


def function(name: str, value: Any, signature: str) -> Callable[..., Any]:
    """Return a function.

    Raises
    ------
    TypeError
        If the value cannot be called.
    """
    if not callable(value):
        raise TypeError(f"expected {name} as a function {signature}, received {seen(value)}")
    found: Callable[..., Any] = value
    return found


def instance(name: str, value: Any, kinds: type | tuple[type, ...], what: str = "") -> Any:
    """Return an object of one of some kinds.

    Raises
    ------
    TypeError
        If it is of another.
    """
    if not isinstance(value, kinds):
        said = what or " or ".join(kind.__name__ for kind in (kinds if isinstance(kinds, tuple) else (kinds,)))
        raise TypeError(f"expected {name} as {said}, received {seen(value)}")
    return value


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
        if isinstance(value, (*_NO_LISTS, type)) or not isinstance(value, Iterable):
            raise TypeError
        entries = list(value)
    except TypeError:
        raise TypeError(f"expected {name} as a list of {what}, received {seen(value)}") from None
    if len(entries) < least:
        raise ValueError(f"expected {name} as a list of at least {least} {what}, received {len(entries)}")
    return entries


def numbers(name: str, value: Any, *, least: int = 0, above: float = -math.inf) -> list[float]:
    """Return a list of finite real numbers; see `number` and `listed`."""
    return [
        number(f"every entry of {name}", entry, above=above) for entry in listed(name, value, "numbers", least=least)
    ]


def real_values(name: str, value: Any, *, ndim: int | None = None) -> np.ndarray:
    """Return numbers as an array of float64 with so many axes; they may be inf or nan.

    Raises
    ------
    TypeError
        If they are no real numbers.
    ValueError
        If the array has another number of axes.
    """
    try:
        if isinstance(value, (*_NO_NUMBERS, *_NO_LISTS)) or np.ma.is_masked(value):
            raise TypeError
        found = to_numpy(value)
        if found.dtype.kind not in "fiu":
            raise TypeError
        found = found.astype(np.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise TypeError(f"expected {name} as an array of real numbers, received {seen(value)}") from None
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
    kind = "complex" if "complex" in str(getattr(value, "dtype", "")) else "real"
    if kind == "real":
        return real_values(name, value)
    return np.asarray(to_numpy(value), dtype=np.complex128)


def floating(name: str, value: Any) -> Array:
    """Return a state: an array of floating-point numbers as it is, numbers and lists as one of double precision.

    Raises
    ------
    TypeError
        If it is none.
    """
    if is_array(value) and not isinstance(value, np.generic):
        return template(name, value)
    return complex_values(
        name, value if isinstance(value, np.generic) else np.asarray(value) if _is_complex(value) else value
    )


def _is_complex(value: Any) -> bool:
    return isinstance(value, complex) or (isinstance(value, list | tuple) and any(map(_is_complex, value)))


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


def path(name: str, value: Any) -> str:
    """Return a path as text.

    Raises
    ------
    TypeError
        If it is none.
    """
    if not isinstance(value, str | os.PathLike) or not isinstance(os.fspath(value), str):
        raise TypeError(f"expected {name} as a path, received {seen(value)}")
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


_FLOATING = {"float32", "float64", "complex64", "complex128"}


def template(name: str, value: Any) -> Any:
    """Return an array whose library, precision and device others are to take: one of floating-point numbers.

    Raises
    ------
    TypeError
        If it is none.
    """
    kind = str(getattr(value, "dtype", "")).rpartition(".")[2]
    held = str(getattr(value, "layout", "strided")).endswith("strided") and "meta" not in str(
        getattr(value, "device", "")
    )
    if not is_array(value) or np.ma.isMaskedArray(value) or kind not in _FLOATING or not held:
        raise TypeError(f"expected {name} as an array of single or double precision, received {seen(value)}")
    return value


def axes(name: str, value: Any) -> Any:
    """Return axes of matplotlib.

    Raises
    ------
    TypeError
        If they are none.
    """
    if not all(hasattr(value, wanted) for wanted in ("figure", "plot", "set")) or isinstance(value, type):
        raise TypeError(f"expected {name} as axes of matplotlib, received {seen(value)}")
    return value


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
