"""What the code of a function looks up: the names of globals with the attributes asked of them, and imports."""

from __future__ import annotations

import dis
import types
from collections.abc import Iterator

__all__ = ["imports", "lookups", "outside"]

_FILES = {"fromfile", "genfromtxt", "load_file", "loadtxt", "memmap", "read_bytes", "read_csv", "read_text", "urlopen"}
_NAMES = {"__import__", "eval", "exec", "globals", "import_module", "modules"}
_OUTSIDE = {*_FILES, *_NAMES, "breakpoint", "compile", "environ", "getenv", "input", "load", "open", "safe_open"}
"""Names by which code reads files, settings or other names: what it finds there is not seen."""

_GLOBAL = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}
_ATTRIBUTE = {"LOAD_ATTR", "LOAD_METHOD"}
_BETWEEN = {"EXTENDED_ARG", "CACHE", "NOP", "PUSH_NULL"}


def lookups(code: types.CodeType) -> list[tuple[str, ...]]:
    """Return the global names that ``code`` and the code inside it look up, each with the attributes that follow.

    ``np.fft.fft(v)`` gives ("np", "fft", "fft"). Comprehensions and nested functions are code inside.
    """
    found: dict[tuple[str, ...], None] = {}
    for part in _parts(code):
        chain: list[str] = []
        for step in dis.get_instructions(part):
            if step.opname in _BETWEEN:
                continue
            if chain and step.opname in _ATTRIBUTE:
                chain.append(str(step.argval))
                continue
            if chain:
                found[tuple(chain)] = None
            chain = [str(step.argval)] if step.opname in _GLOBAL else []
        if chain:
            found[tuple(chain)] = None
    return sorted(found)


def outside(code: types.CodeType) -> list[str]:
    """Return the names by which ``code`` and the code inside it read files, settings or names that are not seen."""
    asked = {str(s.argval) for part in _parts(code) for s in dis.get_instructions(part) if s.opname in _ATTRIBUTE}
    return sorted(asked & _FILES | {name for chain in lookups(code) for name in chain} & _OUTSIDE)


def imports(code: types.CodeType) -> list[str]:
    """Return the modules that ``code`` and the code inside it import when they run."""
    return sorted(
        {str(s.argval) for part in _parts(code) for s in dis.get_instructions(part) if s.opname == "IMPORT_NAME"}
    )


def _parts(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _parts(constant)
