"""The parameters of the problems: sizes, positive times, finite numbers, arrays to be like."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from expint.arguments import checked, integer, number, template

__all__ = ["parameters", "square_parameters"]

F = TypeVar("F", bound=Callable[..., Any])

_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "n": partial(integer, least=4, most=1 << 22),
    "length": partial(number, above=0.0),
    "waves": partial(integer, least=0, most=1 << 22),
    "seed": partial(integer, least=0, most=(1 << 63) - 1),
    "t_end": partial(number, above=0.0),
    "like": template,
}
"""Checks of parameters by name, the same in all problems; others are finite numbers."""


def parameters(maker: F) -> F:
    """Check the parameters of a function that makes a problem before it runs."""
    return checked(**{name: _CHECKS[name] for name in inspect.signature(maker).parameters if name in _CHECKS})(maker)


def square_parameters(maker: F) -> F:
    """Check the parameters of a function that makes a problem of n² numbers, a plane or a full matrix."""
    small = {"n": partial(integer, least=4, most=1 << 12)}
    return checked(
        **{name: (_CHECKS | small)[name] for name in inspect.signature(maker).parameters if name in _CHECKS}
    )(maker)
