"""The key of a result: a digest of everything that it depends on, or a refusal that says what cannot be seen.

The rule is strict. Plain data count by value; functions of the user by their code, defaults, closure and the globals
that the code looks up, nested code included; classes by their attributes and bases; objects by class and attributes.
Functions and classes of installed libraries count by name and version, those of this project by a digest of its files.
Settings of libraries and what a user put into them count, too. Anything else (compiled functions, random generators,
what reads files or clocks) is refused: a result without a key is computed anew.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import functools
import operator
import re
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import expint
from expint.study.installed import named, source, version, versions
from expint.study.key_of_arrays import of_ndarray, of_numpy
from expint.study.key_of_code import bound_to, check_reads, of_builtin, of_code, of_function, of_module
from expint.study.key_of_objects import beyond, of_class, of_object
from expint.study.surroundings import surroundings
from expint.study.walk import Account, NotKeyed, Walk

__all__ = ["NotKeyed", "fingerprint"]

_REDUCED = (
    range,
    slice,
    operator.itemgetter,
    operator.attrgetter,
    operator.methodcaller,
    decimal.Decimal,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    type(collections.namedtuple("_One", "x").x),  # type: ignore[attr-defined]  # a descriptor without a name
)
"""Types without attributes whose own account of themselves is complete."""

_DESCRIPTORS = (
    types.WrapperDescriptorType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)


def fingerprint(value: Any, *, given: tuple[str, ...] | None = None, around: Sequence[Any] | None = None) -> str:
    """Return a digest of ``value``, and of the versions of what it is computed with.

    Parameters
    ----------
    value
        What the result depends on.
    given
        Names that stand for whatever cannot be seen.
    around
        What ``surroundings()`` returned, where keys of many values are asked for at one time.

    Raises
    ------
    NotKeyed
        If something cannot be seen and nothing is given in its place.

    Examples
    --------
    >>> from expint.study import fingerprint
    >>> fingerprint([1, 2.0, "three"]) == fingerprint([1, 2.0, "three"])
    True
    """
    try:
        around = surroundings() if around is None else list(around)
        return Walk(_account, given)((expint.__version__, source(), versions(), around, value))[1:].hex()
    except NotKeyed:
        raise
    except RecursionError:
        raise NotKeyed("expected what can be seen in full, received something nested too deeply") from None
    except Exception as error:  # an object whose attributes raise cannot be seen
        raise NotKeyed(f"expected what can be seen in full, received what raises {type(error).__name__}") from error


def _told(names: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes that are not those of the language."""
    return {name: item for name, item in names.items() if not name.startswith("__")}


def _account(walk: Walk, value: Any) -> Account:
    """Return the account of something with parts."""
    kind = type(value)
    if kind in (list, tuple):
        return [kind.__name__, *map(walk, value)]
    if kind in (dict, types.MappingProxyType):
        return ["dict", *(walk(part) for item in value.items() for part in item)]
    if kind in (set, frozenset):
        return [kind.__name__, *sorted(map(walk, value))]
    if isinstance(value, type):
        return of_class(walk, value)
    home = named(value)
    if home is not None and not isinstance(value, types.FunctionType):
        check_reads(walk, home)
        return ["named", version(home[0]), *home, *bound_to(walk, value)]
    for types_, account in _KINDS:
        if isinstance(value, types_):
            return [*account(walk, value), *beyond(walk, value)]
    return of_object(walk, value)


_KINDS: tuple[tuple[Any, Callable[[Walk, Any], Account]], ...] = (
    (types.FunctionType, of_function),
    (types.CodeType, of_code),
    (types.ModuleType, of_module),
    (types.MethodType, lambda walk, m: ["method", walk(m.__func__), walk(m.__self__)]),
    (types.BuiltinFunctionType | types.MethodWrapperType, of_builtin),
    (_DESCRIPTORS, lambda walk, d: ["descriptor", walk(d.__objclass__), d.__name__]),
    (functools.partial, lambda walk, p: ["partial", *map(walk, (type(p), p.func, p.args, p.keywords, vars(p)))]),
    (staticmethod | classmethod, lambda walk, w: [type(w).__name__, walk(w.__func__), walk(_told(vars(w)))]),
    (property, lambda walk, p: ["property", *map(walk, (p.fget, p.fset, p.fdel))]),
    (functools.cached_property, lambda walk, p: ["cached_property", walk(p.func)]),
    (types.GenericAlias | types.UnionType, lambda walk, a: ["alias", *map(walk, (typing.get_origin(a), a.__args__))]),
    (typing.TypeVar, lambda _, v: ["type variable", v.__name__]),
    (re.Pattern, lambda walk, p: ["pattern", *map(walk, (p.pattern, p.flags))]),
    (types.SimpleNamespace, lambda walk, n: ["namespace", walk(vars(n))]),
    (enum.Enum, lambda walk, e: ["enum", walk(type(e)), e.name, walk(e.value)]),
    (collections.deque, lambda walk, d: ["deque", walk(list(d)), str(d.maxlen)]),
    (_REDUCED, lambda walk, r: ["reduced", *map(walk, r.__reduce__()[:2])]),
    (np.dtype, lambda _, d: ["dtype", repr(d)]),
    (np.generic, lambda walk, n: ["number", *of_numpy(walk, np.asarray(n))]),
    (np.ndarray, of_ndarray),
)
"""What gives account of which types; the first that fits is taken."""
