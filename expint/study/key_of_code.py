"""The accounts of functions, code and modules for a key."""

from __future__ import annotations

import builtins
import importlib.util
import inspect
import operator
import re
import sys
import types
from typing import Any

from expint.study.code import draws, draws_in_place, imports, lookups, outside, reads
from expint.study.installed import is_installed, is_ours, made_in, named, version
from expint.study.surroundings import put_in
from expint.study.walk import Account, Walk

__all__ = ["bound_to", "check_reads", "of_builtin", "of_code", "of_function", "of_module"]


def of_function(walk: Walk, value: types.FunctionType) -> Account:
    """Return the account of a function: by name where it is known, else by its code and what that looks up."""
    home = named(value)
    bound = [walk(part) for part in (value.__defaults__, value.__kwdefaults__, vars(value))]
    if home is not None:
        check_reads(walk, home)
        return ["function", version(home[0]) if is_installed(home[0]) else "", *home, *bound]
    walk.trail.append(value.__qualname__)
    cells = [_cell(cell) for cell in value.__closure__ or ()]
    account: list[bytes | str] = ["code", walk(value.__code__), *bound, *map(walk, cells)]
    if not is_ours(made_in(value)):  # ours look up what the digest of our files knows
        account += _looked_up(walk, value)
    walk.trail.pop()
    return account


def of_code(walk: Walk, code: types.CodeType) -> Account:
    """Return the account of compiled code."""
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    return ["code", code.co_code, code.co_exceptiontable, *map(walk, (counts, names, code.co_consts))]


_MAKERS = ("__init__", "__new__", "reset_parameters", "init", "_init", "_reset_parameters")
"""How functions begin that make a network: what they draw is there already, and seen."""


def _looked_up(walk: Walk, function: types.FunctionType) -> list[bytes | str]:
    """Return the account of the globals that a function looks up."""
    found: list[bytes | str] = []
    read = outside(function.__code__)
    if read:
        raise walk.refuse(f"a function that may read what is not seen by {read[0]!r}")
    makes = function.__name__.startswith(_MAKERS)
    if not makes and (drawn := draws_in_place(function.__code__)):
        raise walk.refuse(f"a function that draws random numbers by {drawn[0]!r}")
    for chain in lookups(function.__code__):
        value = _resolved(function, chain)
        if not makes and (home := named(value)) is not None and draws(*home):
            raise walk.refuse(f"a function that draws random numbers by {'.'.join(chain)!r}")
        walk.trail.append(".".join(chain))
        found += [".".join(chain), b"absent" if value is _ABSENT else walk(value)]
        walk.trail.pop()
    for name, above, names in imports(function.__code__):
        found += _imported(walk, function, name, above, names)
    return found


_ABSENT = inspect.Parameter.empty


def _resolved(function: types.FunctionType, chain: tuple[str, ...]) -> Any:
    """Return a global, or the attribute that is asked of it if it is a module."""
    value = function.__globals__.get(chain[0], vars(builtins).get(chain[0], _ABSENT))
    for attribute in chain[1:]:
        if not isinstance(value, types.ModuleType):
            break
        value = getattr(value, attribute, _ABSENT)
    return value


def _imported(
    walk: Walk, function: types.FunctionType, name: str, above: int, names: tuple[str, ...]
) -> list[bytes | str]:
    """Return the account of an import within a function: the module, those that hold it, and what is taken."""
    if above:
        package = str(function.__globals__.get("__package__") or "")
        try:
            name = importlib.util.resolve_name("." * above + name, package)
        except ImportError:
            raise walk.refuse(f"a function that imports from {'.' * above + name!r} when it runs") from None
    if is_installed(name):
        for own in ("", *names):
            check_reads(walk, (name, own))
        loaded = sys.modules.get(name)
        return [name, version(name), *map(walk, () if loaded is None else put_in(loaded))]
    if is_ours(name):
        return [name]
    within = [name[: match.start()] for match in re.finditer(r"\.|$", name)]
    unseen = [module for module in within if module not in sys.modules]
    if not unseen:
        unseen = [f"{name}.{part}" for part in names if not hasattr(sys.modules[name], part)]
    if unseen:
        raise walk.refuse(f"a function that imports {unseen[0]!r} when it runs")
    return [name, *(walk(sys.modules[module]) for module in within)]


def check_reads(walk: Walk, home: tuple[str, str]) -> None:
    """Refuse a function of a library, given by module and name, that reads files or the like."""
    if is_installed(home[0]) and reads(*home):
        raise walk.refuse(f"{home[0]}.{home[1]}, which reads what is not seen".replace("., ", ", "))


_OF_MODULES = {
    *("__builtins__", "__cached__", "__doc__", "__file__", "__loader__", "__name__", "__package__", "__path__"),
    *("__spec__", "__warningregistry__", "__annotations__"),
}


def of_module(walk: Walk, value: types.ModuleType) -> Account:
    """Return the account of a module: by its version and what a user put into it, or by its names."""
    if is_installed(value.__name__) or is_ours(value.__name__):
        if sys.modules.get(value.__name__) is value:
            return ["module", value.__name__, version(value.__name__), *map(walk, put_in(value))]
        return ["module", value.__name__, _of_names(walk, value)]
    return ["module", _of_names(walk, value)]


def _of_names(walk: Walk, value: types.ModuleType) -> bytes:
    own = {name: item for name, item in vars(value).items() if name not in _OF_MODULES}
    return walk(sorted(own.items(), key=operator.itemgetter(0)))


def of_builtin(walk: Walk, value: Any) -> Account:
    """Return the account of a compiled method by what it is bound to."""
    bound = bound_to(walk, value)
    if not bound:
        raise walk.refuse(f"the compiled function {value.__name__}")
    return ["builtin", value.__name__, *bound]


def bound_to(walk: Walk, value: Any) -> list[bytes]:
    """Return the account of what a compiled method is bound to."""
    compiled = isinstance(value, types.BuiltinFunctionType | types.MethodWrapperType)
    owner = value.__self__ if compiled else None
    return [] if owner is None or isinstance(owner, types.ModuleType) else [walk(owner)]


def _cell(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return NotImplemented  # empty: filled later
