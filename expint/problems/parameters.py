"""The parameters of the problems: sizes, positive times, finite numbers, arrays to be like."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, TypeVar, cast

from expint.arguments import checked, integer, number
from expint.arrays import template
from expint.problem import SemilinearProblem, made_by

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
    """Check the parameters of a function that makes a problem, and let the problem know by what it was made."""
    return _known(maker, _CHECKS)


def square_parameters(maker: F) -> F:
    """Do the same for problems of n² numbers, a plane or a full matrix."""
    return _known(maker, _CHECKS | {"n": partial(integer, least=4, most=1 << 12)})


def _known(maker: F, checks: dict[str, Callable[[str, Any], Any]]) -> F:
    signature = inspect.signature(maker)

    @wraps(maker)
    def made(*args: Any, **kwargs: Any) -> SemilinearProblem:
        given = signature.bind(*args, **kwargs).arguments
        return made_by(door, given, maker(*args, **kwargs))

    door = checked(**{name: checks[name] for name in signature.parameters if name in checks})(cast(F, made))
    return door
