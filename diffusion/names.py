"""What callers write: names, with a suggestion when one is misspelt."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches

from expint.arguments import seen, text

__all__ = ["fold", "resolve"]

_FEW = 12  # names that fit into a message
_LONGEST = 100  # characters of a name that are looked at


def resolve(name: str, known: Mapping[str, object], aliases: Mapping[str, str], what: str) -> str:
    """Return the canonical name of the ``what`` called ``name``; case does not matter, nor which of "-", "_", " ".

    "++" may stand for "pp", as in DPM-Solver++.

    Raises
    ------
    TypeError
        If ``name`` is not a string.
    ValueError
        If neither ``known`` nor ``aliases`` has it; the message names the nearest one.
    """
    text(f"the name of a {what}", name, next(iter(known)))
    canonical = aliases.get(name, name)
    if canonical in known:
        return canonical
    spellings = {fold(key): key for key in known} | {fold(key): value for key, value in aliases.items()}
    if fold(name) in spellings:
        return spellings[fold(name)]
    if len(name) > _LONGEST:
        raise ValueError(f"expected the name of a {what}; received one of {len(name)} characters, {name[:20]!r} …")
    near = get_close_matches(fold(name), spellings, n=1, cutoff=0.0)[0]
    choice = f"one of {list(known)}" if len(known) <= _FEW else f"one of {len(known)} by name"
    article = "an" if what[0] in "aeiou" else "a"
    raise ValueError(f"expected {article} {what}, {choice}; received {seen(name)}; did you mean {spellings[near]!r}?")


def fold(name: str) -> str:
    """Return the name without what does not distinguish names: case, which of hyphen, underscore, space, ++ or pp."""
    return re.sub(r"[\s_-]+", "-", name.strip().lower().replace("++", "pp"))
