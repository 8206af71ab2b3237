"""The accounts of classes and objects for a key."""

from __future__ import annotations

import collections
import functools
import sys
import types
from typing import Any

from expint.backend import is_array
from expint.study.installed import is_installed, is_ours, made_in, named, version
from expint.study.key_of_arrays import of_array
from expint.study.walk import Account, Walk, leaf

__all__ = ["of_class", "of_object"]

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
            function = next((f for a in ("fget", "func", "__func__") if (f := getattr(item, a, None))), item)
            if isinstance(function, types.FunctionType):
                home = made_in(function)
                if not (is_installed(home) or is_ours(home)):
                    found += [base.__qualname__, name, walk(item)]
            elif not name.startswith("__") and (plain := leaf(item)) is not None:
                found += [base.__qualname__, name, plain]
    return found


def of_object(walk: Walk, value: Any) -> Account:
    """Return the account of an object: its class, what it is of built-in kind, its attributes."""
    kind = type(value)
    if kind.__module__.partition(".")[0] == "sympy" and hasattr(value, "free_symbols"):
        sympy = sys.modules["sympy"]  # loaded, as there is an expression
        return ["sympy", sympy.srepr(value)]
    if is_array(value):
        return of_array(walk, value)
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
    """Return what an object of a subclass of a built-in type holds, as that type."""
    if base is collections.defaultdict:
        return value.default_factory, dict(value.items())
    return dict(value.items()) if issubclass(base, dict) else base(value)
