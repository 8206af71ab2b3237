"""Which code is installed, and so known by its name and version, and which is the user's and known by its content."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import sysconfig
import types
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = ["PACKAGES", "is_installed", "is_ours", "made_in", "named", "source", "version", "versions"]

PACKAGES = ("expint", "diffusion")
"""Our own packages: known by name, since every key holds a digest of their files."""


@cache
def source() -> str:
    """Return a digest of the files of our own packages: what any of their functions does."""
    digest = hashlib.sha256()
    root = Path(__file__).parents[2]
    for package in PACKAGES:
        for file in sorted((root / package).rglob("*")):
            if file.is_file() and file.suffix not in (".pyc", ".part"):
                digest.update(f"{file.relative_to(root).as_posix()}\0".encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def is_ours(module: Any) -> bool:
    """Whether a module, given by name, belongs to our own packages."""
    return isinstance(module, str) and module.partition(".")[0] in PACKAGES


def is_installed(module: Any) -> bool:
    """Whether a module, given by name, belongs to the standard library or was installed by a package manager."""
    return isinstance(module, str) and _installed(module.partition(".")[0])


@cache
def _installed(root: str) -> bool:
    if root in ("__main__", "__mp_main__", "") or root in PACKAGES:
        return False
    if root in sys.builtin_module_names or root in sys.stdlib_module_names:
        return True
    try:
        found = sys.modules[root].__spec__ if root in sys.modules else importlib.util.find_spec(root)
    except (ImportError, ValueError, AttributeError):
        return False
    places = [] if found is None else [found.origin, *(found.submodule_search_locations or ())]
    paths = sysconfig.get_paths()
    folders = [Path(paths[key]).resolve() for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    there = any(folder in Path(place).resolve().parents for place in places if place for folder in folders)
    # of what was only put there the content counts, as it has no version; compiled modules may be known by short names
    return there and found is not None and bool(_distribution(found.name.partition(".")[0]))


def version(module: str) -> str:
    """Return the name and the version of the package to which an installed module belongs."""
    root = module.partition(".")[0]
    if root in sys.stdlib_module_names or root in PACKAGES:
        return root  # the versions of Python and of our files are in every key
    return f"{root} {_distribution(root)}"


@cache
def _distribution(root: str) -> str:
    """Return the version under which a top-level module was installed, loaded or not; empty if that is not recorded."""
    try:
        return metadata.version(root)
    except (metadata.PackageNotFoundError, ValueError):
        names = _top_level().get(root, [])
        return " ".join(sorted({metadata.version(name) for name in names}))


@cache
def _top_level() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())


@cache
def versions() -> tuple[str, ...]:
    """Return the versions of Python and of the libraries with which this project computes."""
    found = [f"python {sys.version_info.major}.{sys.version_info.minor}"]
    for name in ("numpy", "scipy", "sympy", "array-api-compat", "torch", "jax"):
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return tuple(found)


def made_in(function: types.FunctionType) -> str:
    """Return the module whose names a function looks up; its ``__module__`` may be copied from what it wraps."""
    module = str(function.__globals__.get("__name__", ""))
    known = getattr(sys.modules.get(module), "__dict__", None) is function.__globals__
    return module if known else ""


def named(value: Any) -> tuple[str, str] | None:
    """Return the module and the name under which installed or our own code keeps ``value``; None if it does not."""
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    module = getattr(value, "__module__", None)
    if not isinstance(name, str):
        return None
    if isinstance(value, types.FunctionType) and not (is_installed(made_in(value)) or is_ours(made_in(value))):
        return None
    if (is_installed(module) or is_ours(module)) and _looked_up(sys.modules.get(str(module)), name) is value:
        return str(module), name
    if not isinstance(value, types.BuiltinFunctionType) and type(value).__name__ != "ufunc":
        return None
    homes = [  # compiled functions that do not say where they live
        key
        for key, home in list(sys.modules.items())
        if is_installed(key) and isinstance(home, types.ModuleType) and vars(home).get(value.__name__) is value
    ]
    return (min(homes), value.__name__) if homes else None


def _looked_up(home: Any, name: str) -> Any:
    for part in name.split("."):
        home = getattr(home, part, None)
    return home
