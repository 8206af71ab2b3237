"""Look-up of names, with a suggestion when one is misspelt."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

__all__ = ["resolve"]


def resolve(name: str, known: Mapping[str, object], aliases: Mapping[str, str], what: str) -> str:
    """Return the canonical name of the ``what`` called ``name``.

    Raises
    ------
    TypeError
        If ``name`` is not a string.
    ValueError
        If neither ``known`` nor ``aliases`` has it; the message names the nearest one.
    """
    if not isinstance(name, str):
        raise TypeError(
            f"expected the name of a {what}, a string; received {type(name).__name__}; use one of {list(known)}"
        )
    canonical = aliases.get(name, name)
    if canonical in known:
        return canonical
    near = get_close_matches(name, [*known, *aliases], n=1, cutoff=0.0)[0]
    raise ValueError(f"expected a {what}, one of {list(known)}; received {name!r}; did you mean {near!r}?")
