"""The accounts of classes and objects for a key."""

from __future__ import annotations

import collections
import functools
import sys
import types
from typing import Any

import numpy as np

from expint.backend import is_array
from expint.study.installed import is_installed, is_ours, named, version
from expint.study.key_of_arrays import of_array
from expint.study.surroundings import is_theirs
from expint.study.walk import Account, Walk, leaf

__all__ = ["beyond", "of_class", "of_object"]

_BASES = (
    collections.OrderedDict,
    collections.defaultdict,
    dict,
    list,
    tuple,
    set,
    frozenset,
    str,
    bytes,
    int,
    float,
    complex,
    object,
)
_IDLE = {
    *("__dataclass_fields__", "__dataclass_params__", "__match_args__", "__orig_bases__", "__parameters__"),
    *("__annotate__", "__annotate_func__", "__annotations__", "__annotations_cache__", "__firstlineno__"),
    *("__abstractmethods__", "__dict__", "__doc__", "__module__", "__static_attributes__", "__weakref__", "_abc_impl"),
}
"""Attributes of a class that do not change what its methods do."""


def of_class(walk: Walk, value: type) -> Account:
    """Return the account of a class: by name where it is known, else by its attributes and bases."""
    if named(value) is not None:
        module = value.__module__
        return [
            "class",
            module,
            value.__qualname__,
            version(module) if is_installed(module) else "",
            *_changed(walk, value),
        ]
    walk.trail.append(value.__qualname__)
    account: list[bytes | str] = ["user class", value.__qualname__, walk(value.__bases__)]
    account += [] if type(value) is type else [walk(type(value))]
    for name, item in sorted(vars(value).items()):
        if name in _IDLE or isinstance(item, types.MemberDescriptorType | types.GetSetDescriptorType):
            continue
        account += [name, walk(item)]
    walk.trail.pop()
    return account


def _changed(walk: Walk, value: type) -> list[bytes | str]:
    """Return the account of what a user put into a class that is known by its name, and of its plain data."""
    found: list[bytes | str] = []
    for base in value.__mro__:
        if base.__flags__ & 1 << 8:  # immutable
            continue
        for name, item in sorted(vars(base).items()):
            if name.startswith("__") and not isinstance(item, types.FunctionType | staticmethod | classmethod):
                continue
            if is_theirs(item) or _is_plain(item) or _of_another(item, base):
                found += [base.__qualname__, name, walk(item)]
    return found


def _is_plain(item: Any) -> bool:
    """Whether something is plain data, or an array or a collection of some."""
    if leaf(item) is not None or (type(item) is np.ndarray and item.dtype.kind in "biufcSU"):
        return True
    parts = [*item, *item.values()] if type(item) is dict else item if type(item) in (list, tuple, set) else None
    return parts is not None and all(leaf(part) is not None for part in parts)


def _of_another(item: Any, owner: type) -> bool:
    """Whether a compiled function stands in a class that Python made, where a method is expected."""
    return isinstance(item, types.BuiltinFunctionType) and not owner.__module__.startswith("_")


def of_object(walk: Walk, value: Any) -> Account:
    """Return the account of an object: its class, what it is of built-in kind, its attributes."""
    kind = type(value)
    if (sympy := sys.modules.get("sympy")) is not None and isinstance(value, sympy.Basic | sympy.MatrixBase):
        return _of_expression(walk, value)
    if is_array(value):
        return of_array(walk, value)
    if kind.__module__ == "torch" and kind.__qualname__ in ("device", "dtype", "layout", "memory_format", "Size"):
        return ["torch", kind.__qualname__, str(value)]
    base = next(base for base in _BASES if isinstance(value, base))
    slots = [
        (name, member)
        for parent in kind.__mro__
        if not base.__mro__.count(parent)
        for name, member in vars(parent).items()
        if isinstance(member, types.MemberDescriptorType)
    ]
    hidden = kind.__basicsize__ - base.__basicsize__ - 8 * len(slots)
    spare = 8 * (bool(kind.__dictoffset__) + bool(kind.__weakrefoffset__))
    if (kind.__flags__ & 1 << 8 and kind is not base) or not 0 <= hidden <= spare:
        raise walk.refuse(f"an object of type {kind.__module__}.{kind.__qualname__}")
    walk.trail.append(kind.__qualname__)
    content = [] if base is object else [walk(_as(base, value))]
    attributes = [(name, member.__get__(value)) for name, member in slots if _has(value, member)]
    attributes += sorted(_own_attributes(value).items())
    parts = (walk(part) for item in attributes for part in item)
    account: list[bytes | str] = ["object", walk(kind), *content, *parts]
    walk.trail.pop()
    return account


def _of_expression(walk: Walk, value: Any) -> Account:
    """Return the account of an expression of SymPy: as it writes itself, with functions of the user inside."""
    sympy = sys.modules["sympy"]  # loaded, as there is an expression
    kinds = {type(part): None for part in sympy.preorder_traversal(value)}
    own = [kind for kind in kinds if not is_installed(kind.__module__) and kind.__module__ is not None]
    implemented = [(kind.__name__, made) for kind in kinds if (made := getattr(kind, "_imp_", None)) is not None]
    return ["sympy", sympy.srepr(value), *map(walk, own), *map(walk, implemented)]


def beyond(walk: Walk, value: Any) -> list[bytes]:
    """Return the account of what a class of the user adds to a value of a known type: itself, and attributes."""
    kind = type(value)
    compiled = not kind.__flags__ & 1 << 9  # no heap type
    if compiled or (is_installed(kind.__module__) and named(kind) is not None):
        return []
    slots = [(name, member.__get__(value)) for name, member in _slots(kind, object) if _has(value, member)]
    return [walk(kind), *map(walk, slots), *map(walk, sorted(getattr(value, "__dict__", {}).items()))]


def _slots(kind: type, base: type) -> list[tuple[str, types.MemberDescriptorType]]:
    """Return the slots of a class, but for those of a base."""
    return [
        (name, member)
        for parent in kind.__mro__
        if parent not in base.__mro__ and not is_installed(parent.__module__)
        for name, member in vars(parent).items()
        if isinstance(member, types.MemberDescriptorType)
    ]


def _own_attributes(value: Any) -> dict[str, Any]:
    """Return the attributes of an object; of ours, without those that are kept for speed."""
    own = dict(getattr(value, "__dict__", {}))
    if not is_ours(type(value).__module__):
        return own
    state = getattr(type(value), "__getstate__", object.__getstate__)
    if state is not object.__getstate__:
        kept = state(value)
        own = dict(kept) if isinstance(kept, dict) else {"state": kept}
    kept_for_speed = functools.cached_property
    return {k: v for k, v in own.items() if not isinstance(getattr(type(value), k, None), kept_for_speed)}


def _has(value: Any, member: types.MemberDescriptorType) -> bool:
    try:
        member.__get__(value)
    except AttributeError:
        return False
    return True


def _as(base: Any, value: Any) -> Any:
    """Return what an object of a subclass of a built-in type holds, as that type, whatever its own methods say."""
    if base is collections.defaultdict:
        return value.default_factory, dict(dict.items(value))
    if issubclass(base, dict):
        return dict(base.items(value))
    if issubclass(base, int | float | complex):
        return base.__pos__(value)
    if base is str:
        return str.__str__(value)
    return b"".join((value,)) if base is bytes else base(base.__iter__(value))
