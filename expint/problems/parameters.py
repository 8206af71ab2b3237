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


_WORDS = {
    "t_end": "End of the time interval.",
    "like": "An array whose namespace, precision and device are used; NumPy in double precision by default.",
}
"""What docstrings say of parameters that all problems have, where they say nothing else."""


def parameters(maker: F) -> F:
    """Check the parameters of a function that makes a problem, and let the problem know by what it was made.

    Its docstring gets the paragraphs on the last parameters, which are those of every problem.
    """
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

    made.__doc__ = _completed(inspect.getdoc(maker) or "", [name for name in signature.parameters if name in _WORDS])
    door = checked(**{name: checks[name] for name in signature.parameters if name in checks})(cast(F, made))
    return door


def _completed(text: str, names: list[str]) -> str:
    """Return a docstring with paragraphs on the parameters ``names`` at the end of its list of parameters."""
    before, title, after = text.partition("Parameters\n----------\n")
    own, gap, further = after.partition("\n\n")
    missing = [name for name in names if f"\n{name}\n" not in f"\n{own}"]
    said = [own, *[f"{name}\n    {_WORDS[name]}" for name in missing]]
    return before + title + "\n".join(said).lstrip("\n") + gap + further if title else text
