"""The catalogue: every method by name. Data only, one file per family; ``expint.derive`` proves what the data claim."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable
from functools import cache, lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, cast, overload

from expint.arguments import seen
from expint.derive.kinds.facts import confirmed
from expint.derive.kinds.stage import Method
from expint.methods.catalogued import CataloguedMethod, SplittingName
from expint.plugins import load as plugin
from expint.plugins import names as plugin_names

if TYPE_CHECKING:
    from expint.derive.kinds.splitting import Splitting

__all__ = ["CataloguedMethod", "families", "generated_names", "method", "method_names"]


_LONGEST = 200
"""Names are shorter, so that a long text is looked up as quickly."""

_HIGHEST = 20

_MODULES = (
    "cox_matthews",
    "fourth_order",
    "hochbruck_ostermann",
    "lie_group",
    "zoto_bowman",
    "expint43",
    "fifth_order",
    "luan",
    "lawson",
    "generalised_lawson",
    "general_linear",
    "rosenbrock",
    "epirk",
    "epirk5",
    "splitting",
    "magnus",
)
"""One file for each family, in the order in which they are listed and searched."""


class _Family(NamedTuple):
    """Methods of any order, found by number; ``listed`` are the orders that are listed by name."""

    name: str
    pattern: str
    make: Callable[[int], Method]
    listed: range


def _adams(order: int) -> Method:
    from expint.derive.kinds.adams import Adams

    return Adams(order)


def _pec(order: int) -> Method:
    from expint.derive.kinds.predictor_corrector import PredictorCorrector

    return PredictorCorrector(order - 1, "PEC")


def _pece(order: int) -> Method:
    from expint.derive.kinds.predictor_corrector import PredictorCorrector

    return PredictorCorrector(order - 1, "PECE")


def _pecece(order: int) -> Method:
    from expint.derive.kinds.general_linear import GeneralLinear

    return GeneralLinear(f"pecece{order}", order - 1, ((1,), (1,)), order, order, order)


def _lawson_adams(order: int) -> Method:
    from expint.derive.kinds.lawson import LawsonAdams

    return LawsonAdams(order)


def _linearised_adams(order: int) -> Method:
    from expint.derive.kinds.linearised_collocation import LinearisedAdams

    return LinearisedAdams(order - 1)


def _bootstrap(order: int) -> Method:
    from expint.derive.kinds.collocation import bootstrap

    return bootstrap(order)


_FAMILIES = (
    _Family("adams", r"(?:adams|ab|etdab|abnorsett|exponentialadams)(\d+)", _adams, range(1, 9)),
    _Family("pec", r"pec(\d)", _pec, range(2, 7)),
    # pec423 and pecec433 have order 4 with 2 and 3 values of N and 3 steps: N at the new value is one of them
    _Family("pece", r"pece(\d)|" + "|".join(f"pec({p})2{p - 1}" for p in range(3, 8)), _pece, range(2, 7)),
    _Family("pecece", r"pecece(\d)|" + "|".join(f"pecec({p})3{p - 1}" for p in range(3, 8)), _pecece, range(3, 7)),
    _Family("lawson-adams", r"(?:lawsonadams|ablawson|lawsonab)(\d+)", _lawson_adams, range(2, 6)),
    _Family("linearised-adams", r"lineari[sz]edadams(\d+)", _linearised_adams, range(3, 7)),
    _Family("bootstrap", r"bootstrap(\d+)", _bootstrap, range(2, 7)),
)


@overload
def method(name: SplittingName) -> Splitting: ...


@overload
def method(name: str) -> CataloguedMethod: ...


def method(name: str) -> CataloguedMethod | Splitting:
    """Return a method by its name or an alias; case, spaces, hyphens, dashes, underscores and accents do not matter.

    Families of any order are found by number: ``adams7``, ``pec4``, ``pece4``, ``bootstrap5``. Names that are not in
    the catalogue are sought among the entry points ``expint.methods`` of other packages.

    Raises
    ------
    ImportError
        If the package that adds the name does not load.
    ValueError
        If no method has the name; the message names the nearest ones.
    TypeError
        If the name is no string.

    Examples
    --------
    >>> import expint
    >>> expint.method("ETDRK4").name, expint.method("adams7").order
    ('cox-matthews4', 7)
    """
    if not isinstance(name, str):
        raise TypeError(f"expected the name of a method, a string, received {name!r} of type {type(name).__name__}")
    found = _named(name[:_LONGEST])
    if found is None:
        found = plugin("expint.methods", name, _key, lambda own: hasattr(own, "error_order"))
        if found is None:
            raise ValueError(_unknown(name, _key(name[:_LONGEST])))
        confirmed(found)
    return cast("CataloguedMethod", found)  # tests/test_types.py holds that all of the catalogue are


@lru_cache(maxsize=256)
def _named(name: str) -> Method | None:
    key = _key(name)
    found = _generate(key)  # first, since it needs no catalogue
    return _find(key) if found is None else found


def method_names() -> list[str]:
    """Return the names of all methods, sorted; of the families of any order only the first members.

    Those that other packages add are among them.

    Examples
    --------
    >>> import expint
    >>> "krogstad4" in expint.method_names()
    True
    """
    own = {entry.name for entry in _catalogue().values()} | set(generated_names())
    return sorted(own | set(plugin_names("expint.methods")))


def generated_names() -> list[str]:
    """Return the names of the listed members of families of any order.

    Examples
    --------
    >>> from expint.methods import generated_names
    >>> "adams4" in generated_names()
    True
    """
    return [f"{family.name}{order}" for family in _FAMILIES for order in family.listed]


def _key(name: str) -> str:
    """Return a name without case, spaces, hyphens, dashes and accents: Nørsett–Euler is norsetteuler."""
    plain = unicodedata.normalize("NFKD", name.lower().replace("ø", "o"))
    return re.sub(r"[\s_\u2010-\u2015\u0300-\u036f-]", "", plain)


def families() -> tuple[tuple[str, tuple[Any, ...]], ...]:
    """Return the catalogued methods by families, each with a title; families of any order are left out.

    Examples
    --------
    >>> from expint.methods import families
    >>> len(families()) > 3
    True
    """
    modules = (import_module(f"{__name__}.{module}") for module in _MODULES)
    return tuple((str(module.__doc__).splitlines()[0], module.METHODS) for module in modules)


def _find(key: str) -> Method | None:
    """Return the catalogued method of a key; later families are not made before they are asked for."""
    return next((found for module in _MODULES if (found := _entries(module).get(key)) is not None), None)


@cache
def _entries(module: str) -> dict[str, Method]:
    """Return the methods of one family by the keys of their names and aliases."""
    entries: dict[str, Method] = {}
    for entry in import_module(f"{__name__}.{module}").METHODS:
        confirmed(entry)
        for name in (entry.name, *entry.aliases):
            if entries.setdefault(_key(name), entry) is not entry:
                raise ValueError(f"expected every name to belong to one method, received {name!r} twice")
    return entries


@cache
def _catalogue() -> dict[str, Method]:
    """Return all catalogued methods by the keys of their names and aliases."""
    catalogue: dict[str, Method] = {}
    for module in _MODULES:
        shared = catalogue.keys() & _entries(module).keys()
        if shared:
            raise ValueError(f"expected every name to belong to one method, received {sorted(shared)} twice")
        catalogue |= _entries(module)
    return catalogue


def _generate(key: str) -> Method | None:
    """Return the member of a family of any order, or None if the key names none.

    Raises
    ------
    ValueError
        If the order is higher than double precision bears.
    """
    for number, family in enumerate(_FAMILIES):
        match = re.fullmatch(family.pattern, key)
        if match:
            digits = next(filter(None, match.groups()))
            if len(digits) > 2 or int(digits) > _HIGHEST:
                raise ValueError(
                    f"expected an order of {family.name} up to {_HIGHEST}, whose weights leave digits in double "
                    f"precision, received {digits[:40]}"
                )
            return _made(number, int(digits))
    return None


@cache
def _made(family: int, order: int) -> Method:
    made: Method = confirmed(_FAMILIES[family].make(order))
    return made


def _unknown(name: str, key: str) -> str:
    if len(key) > _LONGEST:
        return f"expected the name of a method, received one of {len(key)} characters, {name[:20]!r} …"
    names = {_key(known): known for known in method_names()}
    names |= {alias: entry.name for alias, entry in _catalogue().items() if alias not in names}
    near = dict.fromkeys(names[close] for close in difflib.get_close_matches(key, names, n=5, cutoff=0.5))
    hint = f"did you mean {', '.join(list(near)[:3])}?" if near else "expint.method_names() lists them all"
    return f"expected the name of a method, received {seen(name)}; {hint}"
