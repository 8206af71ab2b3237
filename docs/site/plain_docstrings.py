"""Docstrings are plain text for the terminal; what reStructuredText would take for markup in them is escaped."""

import re
from typing import Any

_KEPT = re.compile(r"``.+?``|:\w+(?::\w+)?:`[^`]+`|`[^`]+`|\*\*?[^\s*][^*]*[^\s*]\*\*?(?!\w)")
"""Code, roles, and titles of books in asterisks."""

_MARKUP = re.compile(r"[*|\\]|(?<=\w)_(?!\w)")


def process(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Escape asterisks, bars and trailing underscores of a docstring, in place, outside code and examples."""
    if what in ("attribute", "property") and lines and not lines[0].startswith(":"):
        lines[0] = f": {lines[0]}"  # napoleon takes what stands before the first colon for a type
    lines[:] = [line if line.lstrip().startswith((">>>", "...")) else escaped(line) for line in lines]


def escaped(line: str) -> str:
    """Return a line in which only code, roles and titles are markup."""
    kept = list(_KEPT.finditer(line))
    ends = [0, *(match.end() for match in kept)]
    starts = [*(match.start() for match in kept), len(line)]
    between = [_MARKUP.sub(r"\\\g<0>", line[a:b]) for a, b in zip(ends, starts, strict=True)]
    return "".join(part for pair in zip(between, [*(m.group() for m in kept), ""], strict=True) for part in pair)


def skipped(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Leave out what Python says of the fields of a named tuple: "Alias for field number 0"."""
    return True if str(getattr(obj, "__doc__", "")).startswith("Alias for field number") else None
