"""What may be kept: results of values that cannot change, and of nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from fractions import Fraction
from functools import cache, lru_cache, wraps
from itertools import repeat
from types import FunctionType, NoneType
from typing import Any, TypeVar

from expint import Plan
from expint.derive import PhiSum

__all__ = ["is_value", "kept_of_values"]

_FIXED = frozenset({int, float, bool, str, bytes, complex, Fraction, NoneType, PhiSum, Plan})
_OURS = ("diffusion.", "expint.")

Function = TypeVar("Function", bound=Callable[..., Any])


def is_value(thing: Any) -> bool:
    """Whether ``thing`` cannot change: numbers, names, and what this library freezes, down to its last part.

    A class or function of the caller's own may do what it likes between two runs, and its hash may not tell. The grid
    rule of a sampler does not count: it makes times, and these are given separately.
    """
    kind: Any = type(thing)
    if kind in _FIXED:
        return True
    if isinstance(thing, tuple):
        return (kind is tuple or _is_ours(kind)) and all(map(is_value, thing))
    if kind is FunctionType or isinstance(thing, type):
        return _is_ours(thing)
    parts = _parts(kind) if _is_ours(kind) else None
    return parts is not None and all(map(is_value, map(getattr, repeat(thing), parts)))


@cache
def _parts(kind: Any) -> tuple[str, ...] | None:
    """Return the names of what an object of a class of ours consists of; None where it may change."""
    if "_never_changes" in kind.__dict__:  # asked of the class itself: heirs may change
        return ()
    if not is_dataclass(kind) or not getattr(kind, "__dataclass_params__").frozen:  # noqa: B009  # mypy knows no such attribute
        return None
    return tuple(part.name for part in fields(kind) if part.compare and part.name != "grid")


def kept_of_values(maxsize: int) -> Callable[[Function], Function]:
    """Return the decorator of a function that keeps its last results, those of arguments that cannot change.

    As with ``functools.lru_cache``, ``cache_clear`` of the function forgets them.
    """

    def decorate(make: Function) -> Function:
        kept = lru_cache(maxsize, typed=True)(make)

        @wraps(make)
        def call(*args: Any) -> Any:
            return (kept if all(map(is_value, args)) else make)(*args)

        call.cache_clear = kept.cache_clear  # type: ignore[attr-defined]  # as lru_cache has it
        return call  # type: ignore[return-value]  # the same signature

    return decorate


def _is_ours(thing: Any) -> bool:
    return str(thing.__module__).startswith(_OURS)
