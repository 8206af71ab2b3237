"""The reference of every public name: a page for each face, written from the faces themselves."""

import inspect
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

import plain_docstrings
from sphinx.pycode import ModuleAnalyzer

EXPINT = (
    "expint",
    "expint.derive",
    "expint.jacobian",
    "expint.methods",
    "expint.operators",
    "expint.phi",
    "expint.plot",
    "expint.problems",
    "expint.scipy",
    "expint.spectral",
    "expint.study",
)
DIFFUSION = (
    "diffusion",
    "diffusion.adapters",
    "diffusion.bands",
    "diffusion.chains",
    "diffusion.clock",
    "diffusion.editing",
    "diffusion.gauge",
    "diffusion.grids",
    "diffusion.guidance",
    "diffusion.models",
    "diffusion.noise",
    "diffusion.plot",
    "diffusion.study",
    "diffusion.training",
)
FACES = (*EXPINT, *DIFFUSION)
"""The names by which users reach the modules."""


def face(name: str) -> ModuleType:
    """Return the module that users reach by a name; some are attributes of their package."""
    package, _, attribute = name.partition(".")
    found = getattr(import_module(package), attribute, None) if attribute else import_module(package)
    return found if isinstance(found, ModuleType) else import_module(name)


def public(name: str) -> dict[str, Any]:
    """Return the public names of a face with their values; modules have pages of their own."""
    module = face(name)
    values = {own: getattr(module, own) for own in getattr(module, "__all__", ())}
    return {own: value for own, value in values.items() if not inspect.ismodule(value)}


def pages() -> dict[str, str]:
    """Return every page of the reference, by its name; an object is described at the first face that shows it."""
    first: dict[int, str] = {}
    written = {}
    for name in FACES:
        said = (inspect.getdoc(face(name)) or "").splitlines()  # automodule would put its module before the names below
        lines = [line if line.startswith(">>>") else plain_docstrings.escaped(line) for line in said]
        entries = ["\n".join([name, "=" * len(name), "", *lines, ""])]
        for own, value in public(name).items():
            where = first.setdefault(id(value), f"{name}.{own}") if callable(value) else f"{name}.{own}"
            entries.append(_entry(face(name).__name__, f"{name}.{own}", where, value))
        written[name] = "\n".join(entries)
    return written


def _entry(module: str, name: str, where: str, value: Any) -> str:
    if where != name:
        return f".. py:data:: {name}\n   :no-typesetting:\n\n``{name}`` is :py:obj:`{where}`.\n"
    target = name if module == name.rpartition(".")[0] else f"{module}.{name.rpartition('.')[2]}"
    alias = "" if target == name else f".. py:data:: {name}\n   :no-typesetting:\n\n"
    if inspect.isclass(value):
        return f"{alias}.. autoclass:: {target}\n   :members:\n"
    if inspect.isroutine(value):
        return f"{alias}.. autofunction:: {target}\n"
    text = "\n   ".join(plain_docstrings.escaped(line) for line in _said_beside(name.rpartition(".")[2], value))
    return f".. py:data:: {name}\n   :type: {type(value).__name__}\n\n   {text}\n"


def _said_beside(own: str, value: Any) -> list[str]:
    """Return the string below the assignment of a constant, in whichever module that stands."""
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0] in ("expint", "diffusion") and vars(module).get(own) is value:
            found = ModuleAnalyzer.for_module(name).find_attr_docs().get(("", own))
            if found:
                return found
    return [f"``{value!r}``"]
