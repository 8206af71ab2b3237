"""The accounts of functions, code and modules for a key."""

from __future__ import annotations

import builtins
import inspect
import operator
import sys
import types
from typing import Any

from expint.study.code import imports, lookups, outside
from expint.study.installed import is_installed, is_ours, made_in, named, version
from expint.study.walk import Account, Walk

__all__ = ["bound_to", "of_builtin", "of_code", "of_function", "of_module"]


def of_function(walk: Walk, value: types.FunctionType) -> Account:
    """Return the account of a function: by name where it is known, else by its code and what that looks up."""
    home = named(value)
    bound = [walk(part) for part in (value.__defaults__, value.__kwdefaults__, vars(value))]
    if home is not None:
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


def _looked_up(walk: Walk, function: types.FunctionType) -> list[bytes | str]:
    """Return the account of the globals that a function looks up."""
    found: list[bytes | str] = []
    read = outside(function.__code__)
    if read:
        raise walk.refuse(f"a function that may read what is not seen by {read[0]!r}")
    for chain in lookups(function.__code__):
        found += [".".join(chain), _resolved(walk, function, chain)]
    for name in imports(function.__code__):
        if not is_installed(name) and not is_ours(name):
            if name not in sys.modules:
                raise walk.refuse(f"a function that imports {name!r} when it runs")
            found += [name, walk(sys.modules[name])]
        else:
            found += [name, version(name) if is_installed(name) else ""]
    return found


def _resolved(walk: Walk, function: types.FunctionType, chain: tuple[str, ...]) -> bytes:
    """Return the account of a global, or of the attribute that is asked of it if it is a module."""
    absent = inspect.Parameter.empty
    value = function.__globals__.get(chain[0], vars(builtins).get(chain[0], absent))
    for attribute in chain[1:]:
        if not isinstance(value, types.ModuleType):
            break
        value = getattr(value, attribute, absent)
    walk.trail.append(".".join(chain))
    found = b"absent" if value is absent else walk(value)
    walk.trail.pop()
    return found


def of_module(walk: Walk, value: types.ModuleType) -> Account:
    """Return the account of a module: by its version, or by its names."""
    if is_installed(value.__name__) or is_ours(value.__name__):
        known = sys.modules.get(value.__name__) is value
        return ["module", value.__name__, version(value.__name__) if known else _of_names(walk, value)]
    return ["module", _of_names(walk, value)]


def _of_names(walk: Walk, value: types.ModuleType) -> bytes:
    own = {name: item for name, item in vars(value).items() if not name.startswith("__")}
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
