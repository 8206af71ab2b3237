"""What a study depends on, as text: two things with the same text give the same result."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import types
from collections.abc import Mapping
from typing import Any

import numpy as np

import expint
from expint.backend import is_array, to_numpy

__all__ = ["content", "fingerprint"]

_PACKAGES = ("expint", "diffusion")  # functions of these are named; their version is part of every key


def fingerprint(value: Any) -> str:
    """Return a hash of the content of ``value`` and of the version of the package."""
    text = json.dumps([expint.__version__, content(value)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def content(value: Any) -> Any:
    """Return what ``value`` is, of text, numbers and lists: exact coefficients, array bytes, the code of functions.

    Functions of this package count by name, other Python functions by their code, their closure, and the global names
    that the code looks up; objects by their type and attributes.
    """
    return _content(value, [])


def _content(value: Any, above: list[int]) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float | complex | np.generic):
        return repr(value)
    if isinstance(value, type | types.ModuleType | types.BuiltinFunctionType | np.ufunc):
        return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', value.__name__)}"
    if id(value) in above:
        return f"as above {len(above) - above.index(id(value))}"
    return _compound(value, [*above, id(value)])


def _compound(value: Any, above: list[int]) -> Any:
    inside = functools.partial(_content, above=above)
    if is_array(value):
        numbers = to_numpy(value)
        return [str(numbers.dtype), list(numbers.shape), hashlib.sha256(numbers.tobytes()).hexdigest()]
    if isinstance(value, Mapping):
        return ["map", sorted(([inside(k), inside(v)] for k, v in value.items()), key=repr)]
    if isinstance(value, list | tuple):
        return [inside(item) for item in value]
    if isinstance(value, set | frozenset):
        return ["set", sorted((inside(item) for item in value), key=repr)]
    if isinstance(value, functools.partial):
        return ["partial", inside(value.func), inside(value.args), inside(value.keywords)]
    if isinstance(value, types.FunctionType):
        return _function(value, inside)
    if isinstance(value, types.MethodType):
        return ["method", inside(value.__func__), inside(value.__self__)]
    if isinstance(value, types.CodeType):
        return [value.co_code.hex(), list(value.co_names), inside(value.co_consts)]
    return [f"{type(value).__module__}.{type(value).__qualname__}", *_attributes(value, inside)]


def _function(value: types.FunctionType, inside: Any) -> list[Any]:
    cells = [inside(cell.cell_contents) for cell in value.__closure__ or ()]
    bound = [cells, inside(value.__defaults__), inside(value.__kwdefaults__)]
    if value.__module__.partition(".")[0] in _PACKAGES:
        return ["function", f"{value.__module__}.{value.__qualname__}", *bound]
    names = [name for name in value.__code__.co_names if name in value.__globals__]
    return ["function", inside(value.__code__), *bound, [[name, inside(value.__globals__[name])] for name in names]]


def _attributes(value: Any, inside: Any) -> list[Any]:
    """Return the attributes of an object, without those kept for speed; failing these, how it writes itself."""
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value) if field.repr]
    elif hasattr(value, "state_dict"):  # a torch module: its weights
        return [inside(value.state_dict())]
    else:
        own = vars(value) if hasattr(value, "__dict__") else {}
        cached = {name for name in own if isinstance(getattr(type(value), name, None), functools.cached_property)}
        slots = [slot for kind in type(value).__mro__ for slot in getattr(kind, "__slots__", ())]
        names = sorted({*own, *slots} - cached - {"__dict__", "__weakref__"})
    if names:
        return [[name, inside(getattr(value, name, None))] for name in names]
    written = repr(value)
    return [written if " at 0x" not in written else ""]
