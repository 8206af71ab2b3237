"""What the code of a function looks up: the names of globals with the attributes asked of them, and imports."""

from __future__ import annotations

import dis
import types
from collections.abc import Iterator
from typing import Any, TypeAlias

__all__ = ["Import", "draws", "draws_in_place", "imports", "lookups", "outside", "reads"]

_READS = {
    *("FileIO", "File", "fromfile", "genfromtxt", "getline", "getlines", "glob", "imread", "iterdir", "listdir"),
    *("load", "load_file", "loadmat", "loadtxt", "memmap", "open", "open_memmap", "read_bytes", "read_text", "rglob"),
    *("read_csv", "read_excel", "read_hdf", "read_json", "read_parquet", "read_pickle", "read_sql", "read_table"),
    *("safe_open", "scandir", "urlopen", "getatime", "getctime", "getmtime", "getsize", "is_dir", "is_file", "lexists"),
    *("exists", "stat"),
}
"""Names of what reads files, or looks at them."""

_LOOKS = {
    *("environ", "environb", "getenv", "import_module", "urandom", "token_bytes", "token_hex", "getrandbits"),
    *("_current_frames", "_getframe", "currentframe", "f_back", "f_globals", "f_locals", "get_objects"),
    *("__globals__", "get_referrers", "now", "today", "utcnow"),
}
"""Names of what looks at settings, clocks, frames and other names."""

_BUILTIN = {"__import__", "breakpoint", "compile", "eval", "exec", "globals", "input"}
_CLOCKS = {"monotonic", "perf_counter", "process_time", "thread_time", "time", "time_ns"}
_OS = {"fstat", "lstat", "popen", "read", "system", "walk"}
_BEYOND = {"dbm", "http", "requests", "shelve", "shutil", "socket", "sqlite3", "subprocess", "urllib"}
"""Packages of which every function reaches out of the program."""

_DRAWS = {
    *("rand", "randn", "randint", "randperm", "rand_like", "randn_like", "randint_like", "bernoulli", "multinomial"),
    *("normal", "poisson", "dropout", "alpha_dropout", "feature_dropout"),
}
_DRAWS_IN_PLACE = {
    *("bernoulli_", "cauchy_", "exponential_", "geometric_", "log_normal_", "normal_", "random_", "uniform_"),
}
"""Names of what draws from the common generator of torch."""

_GLOBAL = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}
_ATTRIBUTE = {"LOAD_ATTR", "LOAD_METHOD"}
_BETWEEN = {"EXTENDED_ARG", "CACHE", "NOP", "PUSH_NULL"}

Import: TypeAlias = tuple[str, int, tuple[str, ...]]
"""An import: the name of a module, how many folders above, and the names taken from it."""


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
    chains = lookups(code)
    found = (asked | {name for chain in chains for name in chain}) & (_READS | _LOOKS)
    found |= {chain[0] for chain in chains} & _BUILTIN | {
        "modules" for chain in chains if chain[:2] == ("sys", "modules")
    }
    return sorted(found)


def reads(module: str, name: str) -> bool:
    """Whether a function of a library, given by its module and name, reads what is not seen.

    Files, clocks, frames, or other names: whatever it is called in the code that calls it.
    """
    root, last = module.partition(".")[0], name.rpartition(".")[2]
    return (
        last in _READS | _LOOKS
        or root in _BEYOND
        or (root == "builtins" and last in _BUILTIN)
        or (root == "time" and last in _CLOCKS)
        or (root in ("os", "posix", "nt", "posixpath", "ntpath", "genericpath") and last in _OS)
        or (root == "uuid" and last in ("uuid1", "uuid4"))
    )


def draws(module: str, name: str) -> bool:
    """Whether a function of a library, given by its module and name, draws from a common random generator.

    Packages that wrap torch, as array_api_compat.torch, hand its functions on.
    """
    return "torch" in module.split(".") and name.rpartition(".")[2] in _DRAWS


def draws_in_place(code: types.CodeType) -> list[str]:
    """Return the methods by which ``code`` and the code inside it fill tensors with random numbers."""
    asked = {str(s.argval) for part in _parts(code) for s in dis.get_instructions(part) if s.opname in _ATTRIBUTE}
    return sorted(asked & _DRAWS_IN_PLACE)


def imports(code: types.CodeType) -> list[Import]:
    """Return the modules that ``code`` and the code inside it import when they run."""
    found: dict[Import, None] = {}
    for part in _parts(code):
        before: list[Any] = []  # what the instructions so far work on
        for step in dis.get_instructions(part):
            if step.opname == "IMPORT_NAME":
                above, names = before[-2:]
                found[str(step.argval), int(above), tuple(names or ())] = None
            if step.opname not in _BETWEEN:
                before.append(step.argval)
    return sorted(found)


def _parts(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _parts(constant)
