"""The key of a result: a digest of everything that it depends on, or a refusal that says what cannot be seen.

The rule is strict. Plain data count by value; functions of the user by their code, defaults, closure and the globals
that the code looks up, nested code included; classes by their attributes and bases; objects by class and attributes.
Functions and classes of installed libraries count by name and version, those of this project by a digest of its files.
Anything else (compiled functions, random generators, what reads files) is refused: a result without a key is computed
anew.
"""

from __future__ import annotations

import builtins
import collections
import datetime
import decimal
import enum
import functools
import hashlib
import inspect
import operator
import re
import sys
import types
import typing
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

import expint
from expint.backend import is_array
from expint.study.code import imports, lookups, outside
from expint.study.installed import is_installed, is_ours, made_in, named, source, version, versions

__all__ = ["NotKeyed", "fingerprint"]

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
    type(collections.namedtuple("_One", "x").x),  # type: ignore[attr-defined]
)
"""Types without attributes whose own account of themselves is complete."""

_DESCRIPTORS = (
    types.WrapperDescriptorType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)
_IDLE = {
    *("__dataclass_fields__", "__dataclass_params__", "__match_args__", "__orig_bases__", "__parameters__"),
    *("__annotate__", "__annotate_func__", "__annotations__", "__annotations_cache__", "__firstlineno__"),
    *("__abstractmethods__", "__dict__", "__doc__", "__module__", "__static_attributes__", "__weakref__", "_abc_impl"),
}
"""Attributes of a class that do not change what its methods do."""


class NotKeyed(ValueError):
    """What a result depends on cannot be seen in full, so that it has no key."""


def fingerprint(value: Any, *, given: tuple[str, ...] | None = None) -> str:
    """Return a digest of ``value``, and of the versions of what it is computed with.

    Parameters
    ----------
    value
        What the result depends on.
    given
        Names that stand for whatever cannot be seen.

    Raises
    ------
    NotKeyed
        If something cannot be seen and nothing is given in its place.
    """
    try:
        return _Walk(given)((expint.__version__, source(), versions(), value))[1:].hex()
    except NotKeyed:
        raise
    except RecursionError:
        raise NotKeyed("expected what can be seen in full, received something nested too deeply") from None
    except Exception as error:  # an object whose attributes raise cannot be seen
        raise NotKeyed(f"expected what can be seen in full, received what raises {type(error).__name__}") from error


def _digest(*parts: bytes | str) -> bytes:
    found = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        found.update(len(data).to_bytes(8, "little"))
        found.update(data)
    return b"#" + found.digest()


def _leaf(value: Any) -> bytes | None:
    """Return the account of plain data, or None for what has parts."""
    kind = type(value)
    if value is None or value is Ellipsis or value is NotImplemented or kind is bool:
        return f"={value}".encode()
    if kind is int:
        return f"i{value:x}".encode()
    if kind is str:
        return b"s" + value.encode("utf-8", "surrogatepass")
    if kind is float:
        return f"f{value.hex()}".encode()
    if kind is complex:
        return f"c{value.real.hex()} {value.imag.hex()}".encode()
    return b"b" + value if kind is bytes else None


class _Walk:
    """One walk through what a result depends on; every object is visited once, so that its time is linear.

    Objects that contain themselves are told by number: the order in which they were met again.
    """

    def __init__(self, given: tuple[str, ...] | None) -> None:
        self.given, self.standing = given, 0
        self.met: dict[int, tuple[Any, bytes]] = {}  # the object, too: its id stays its own
        self.inside: dict[int, int | None] = {}
        self.loops = 0
        self.trail: list[str] = []

    def __call__(self, value: Any) -> bytes:
        leaf = _leaf(value)
        if leaf is not None:
            return leaf
        place = id(value)
        if place in self.met:
            return self.met[place][1]
        if place in self.inside:
            number = self.inside[place]
            if number is None:
                number = self.inside[place] = self.loops
                self.loops += 1
            return _digest("again", str(number))
        self.inside[place] = None
        try:
            found = _digest(*self.parts(value))
        except NotKeyed:
            if self.given is None:
                raise
            found = _digest("given", *self.given, str(self.standing))
            self.standing += 1
        number = self.inside.pop(place)
        if number is not None:
            found = _digest("first", str(number), found)
        self.met[place] = value, found
        return found

    def refuse(self, what: str) -> NotKeyed:
        """Return the refusal of something that cannot be seen."""
        where = f" ({' → '.join(self.trail[-3:])})" if self.trail else ""
        return NotKeyed(f"expected what can be seen in full, received {what}{where}")

    def parts(self, value: Any) -> Iterable[bytes | str]:
        """Return the account of something with parts."""
        kind = type(value)
        if kind in (list, tuple):
            return [kind.__name__, *map(self, value)]
        if kind in (dict, types.MappingProxyType):
            return ["dict", *(self(part) for item in value.items() for part in item)]
        if kind in (set, frozenset):
            return [kind.__name__, *sorted(map(self, value))]
        if isinstance(value, type):
            return self.of_class(value)
        home = named(value)
        if home is not None and not isinstance(value, types.FunctionType):
            return ["named", version(home[0]), *home, *self.bound_to(value)]
        for types_, account in self.accounts():
            if isinstance(value, types_):
                return account(value)
        return self.of_object(value)

    def accounts(self) -> tuple[tuple[Any, Callable[[Any], Iterable[bytes | str]]], ...]:
        """Return what gives account of which types; the first that fits is taken."""
        return (
            (types.FunctionType, self.of_function),
            (types.CodeType, self.of_code),
            (types.ModuleType, self.of_module),
            (types.MethodType, lambda m: ["method", self(m.__func__), self(m.__self__)]),
            (types.BuiltinFunctionType | types.MethodWrapperType, self.of_builtin),
            (_DESCRIPTORS, lambda d: ["descriptor", self(d.__objclass__), d.__name__]),
            (functools.partial, lambda p: ["partial", *map(self, (type(p), p.func, p.args, p.keywords, vars(p)))]),
            (staticmethod | classmethod, lambda w: [type(w).__name__, self(w.__func__)]),
            (property, lambda p: ["property", *map(self, (p.fget, p.fset, p.fdel))]),
            (functools.cached_property, lambda p: ["cached_property", self(p.func)]),
            (types.GenericAlias | types.UnionType, lambda a: ["alias", *map(self, (typing.get_origin(a), a.__args__))]),
            (typing.TypeVar, lambda v: ["type variable", v.__name__]),
            (re.Pattern, lambda p: ["pattern", *map(self, (p.pattern, p.flags))]),
            (types.SimpleNamespace, lambda n: ["namespace", self(vars(n))]),
            (enum.Enum, lambda e: ["enum", self(type(e)), e.name, self(e.value)]),
            (collections.deque, lambda d: ["deque", self(list(d)), str(d.maxlen)]),
            (_REDUCED, lambda r: ["reduced", *map(self, r.__reduce__()[:2])]),
            (np.dtype, lambda d: ["dtype", repr(d)]),
            (np.generic, lambda n: ["number", *self.of_numpy(np.asarray(n))]),
            (np.ndarray, self.of_ndarray),
        )

    # ---------------------------------------------------------------- code

    def of_function(self, value: types.FunctionType) -> Iterable[bytes | str]:
        home = named(value)
        bound = [self(part) for part in (value.__defaults__, value.__kwdefaults__, vars(value))]
        if home is not None:
            return ["function", version(home[0]) if is_installed(home[0]) else "", *home, *bound]
        self.trail.append(value.__qualname__)
        cells = [_cell(cell) for cell in value.__closure__ or ()]
        account: list[bytes | str] = ["code", self(value.__code__), *bound, *map(self, cells)]
        if not is_ours(made_in(value)):  # ours look up what the digest of our files knows
            account += self.looked_up(value)
        self.trail.pop()
        return account

    def of_code(self, code: types.CodeType) -> Iterable[bytes | str]:
        counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        return ["code", code.co_code, code.co_exceptiontable, *map(self, (counts, names, code.co_consts))]

    def looked_up(self, function: types.FunctionType) -> list[bytes | str]:
        """Return the account of the globals that a function looks up."""
        found: list[bytes | str] = []
        read = outside(function.__code__)
        if read:
            raise self.refuse(f"a function that may read what is not seen by {read[0]!r}")
        for chain in lookups(function.__code__):
            found += [".".join(chain), self.resolved(function, chain)]
        for name in imports(function.__code__):
            if not is_installed(name) and not is_ours(name):
                if name not in sys.modules:
                    raise self.refuse(f"a function that imports {name!r} when it runs")
                found += [name, self(sys.modules[name])]
            else:
                found += [name, version(name) if is_installed(name) else ""]
        return found

    def resolved(self, function: types.FunctionType, chain: tuple[str, ...]) -> bytes:
        """Return the account of a global, or of the attribute that is asked of it if it is a module."""
        absent = inspect.Parameter.empty
        value = function.__globals__.get(chain[0], vars(builtins).get(chain[0], absent))
        for attribute in chain[1:]:
            if not isinstance(value, types.ModuleType):
                break
            value = getattr(value, attribute, absent)
        self.trail.append(".".join(chain))
        found = b"absent" if value is absent else self(value)
        self.trail.pop()
        return found

    def of_module(self, value: types.ModuleType) -> Iterable[bytes | str]:
        if is_installed(value.__name__) or is_ours(value.__name__):
            known = sys.modules.get(value.__name__) is value
            return ["module", value.__name__, version(value.__name__) if known else self.of_names(value)]
        return ["module", self.of_names(value)]

    def of_names(self, value: types.ModuleType) -> bytes:
        own = {name: item for name, item in vars(value).items() if not name.startswith("__")}
        return self(sorted(own.items(), key=operator.itemgetter(0)))

    def of_builtin(self, value: Any) -> Iterable[bytes | str]:
        bound = self.bound_to(value)
        if not bound:
            raise self.refuse(f"the compiled function {value.__name__}")
        return ["builtin", value.__name__, *bound]

    def bound_to(self, value: Any) -> list[bytes]:
        """Return the account of what a compiled method is bound to."""
        compiled = isinstance(value, types.BuiltinFunctionType | types.MethodWrapperType)
        owner = value.__self__ if compiled else None
        return [] if owner is None or isinstance(owner, types.ModuleType) else [self(owner)]

    # ---------------------------------------------------------------- classes and objects

    def of_class(self, value: type) -> Iterable[bytes | str]:
        if named(value) is not None:
            module = value.__module__
            return [
                "class",
                module,
                value.__qualname__,
                version(module) if is_installed(module) else "",
                *self.changed(value),
            ]
        self.trail.append(value.__qualname__)
        account: list[bytes | str] = ["user class", value.__qualname__, self(value.__bases__)]
        account += [] if type(value) is type else [self(type(value))]
        for name, item in sorted(vars(value).items()):
            if name in _IDLE or isinstance(item, types.MemberDescriptorType | types.GetSetDescriptorType):
                continue
            account += [name, self(item)]
        self.trail.pop()
        return account

    def changed(self, value: type) -> list[bytes | str]:
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
                        found += [base.__qualname__, name, self(item)]
                elif not name.startswith("__") and (leaf := _leaf(item)) is not None:
                    found += [base.__qualname__, name, leaf]
        return found

    def of_object(self, value: Any) -> Iterable[bytes | str]:
        """Return the account of an object: its class, what it is of built-in kind, its attributes."""
        kind = type(value)
        if kind.__module__.partition(".")[0] == "sympy" and hasattr(value, "free_symbols"):
            sympy = sys.modules["sympy"]  # loaded, as there is an expression
            return ["sympy", sympy.srepr(value)]
        if is_array(value):
            return self.of_array(value)
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
            raise self.refuse(f"an object of type {kind.__module__}.{kind.__qualname__}")
        self.trail.append(kind.__qualname__)
        content = [] if base is object else [self(_as(base, value))]
        attributes = [(name, member.__get__(value)) for name, member in slots if _has(value, member)]
        attributes += sorted(self.own_attributes(value).items())
        parts = (self(part) for item in attributes for part in item)
        account: list[bytes | str] = ["object", self(kind), *content, *parts]
        self.trail.pop()
        return account

    def own_attributes(self, value: Any) -> dict[str, Any]:
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

    # ---------------------------------------------------------------- arrays

    def of_ndarray(self, value: np.ndarray) -> Iterable[bytes | str]:
        if type(value) is np.ma.MaskedArray:
            return ["masked", *map(self, (value.data, np.ma.getmaskarray(value), value.fill_value))]
        if type(value) is not np.ndarray:
            raise self.refuse(f"an array of type {type(value).__qualname__}")
        if value.dtype == object:
            return ["objects", self(value.shape), *map(self, value.ravel().tolist())]
        return self.of_numpy(value)

    def of_numpy(self, value: np.ndarray) -> list[bytes | str]:
        if value.dtype.hasobject:
            raise self.refuse(f"an array of dtype {value.dtype}")
        return ["array", repr(value.dtype), self(value.shape), hashlib.sha256(value.tobytes()).digest()]

    def of_array(self, value: Any) -> Iterable[bytes | str]:
        """Return the account of an array of another library."""
        if not hasattr(value, "detach"):
            return ["array of", self(type(value)), str(value.dtype), *self.of_numpy(np.asarray(value))]
        torch = sys.modules["torch"]  # loaded, as there is a tensor
        plain = value.layout == torch.strided and not value.is_quantized and value.device.type != "meta"
        if not plain:
            raise self.refuse(f"a tensor of layout {value.layout} on {value.device.type}")
        data = value.detach().cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
        numbers = data.view(torch.uint8).numpy()
        facts = (str(value.dtype), tuple(value.shape), value.device.type, value.requires_grad, vars(value))
        return ["tensor", self(type(value)), *map(self, facts), hashlib.sha256(numbers).digest()]


def _cell(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return NotImplemented  # empty: filled later


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
