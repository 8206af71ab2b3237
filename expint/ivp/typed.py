"""What checkers of types know of the doors: a batch gives several solutions, all else one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, ParamSpec, Protocol, cast, overload

from expint.solution import Solution
from expint.solutions import Solutions

__all__ = ["Door", "door"]

P = ParamSpec("P")


class Door(Protocol[P]):
    """A function that solves, of which ``batched`` is false; with ``batched=True`` for each trajectory."""

    __name__: str

    @overload
    def __call__(self, *args: P.args, **options: P.kwargs) -> Solution: ...
    @overload
    def __call__(self, *args: Any, batched: Literal[True], **options: Any) -> Solutions: ...
    @overload
    def __call__(self, *args: Any, batched: bool, **options: Any) -> Solution | Solutions: ...


def door(solve: Callable[P, Solution]) -> Door[P]:
    """Return a function as it is, and tell what it returns."""
    return cast("Door[P]", solve)
