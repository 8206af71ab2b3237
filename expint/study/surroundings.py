"""What no argument holds and results depend on all the same: settings of libraries, and what a user put into them."""

from __future__ import annotations

import ast
import decimal
import functools
import math
import os
import re
import sys
import types
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from expint.study.installed import PACKAGES, is_installed, is_ours, made_in

__all__ = ["is_theirs", "put_in", "surroundings"]

_WRAPPERS = (property, functools.partial, functools.cached_property, staticmethod, classmethod, types.MethodType)
_PLAIN = (str, int, float, complex, bytes, bool, type(None), types.ModuleType)
_COMPUTING = {
    *("builtins", "math", "cmath", "operator", "functools", "itertools", "fractions", "decimal", "statistics"),
    *("numpy", "scipy", "sympy", "mpmath", "array_api_compat", "torch", "jax", "einops", *PACKAGES),
}
"""Packages with which one computes; what a user puts into others is seen where it is looked up."""


def surroundings() -> list[Any]:
    """Return what is not as it was installed: settings of libraries, and functions that a user put into modules.

    Each is told with its name. In a fresh process there are none.
    """
    return [*_settings(), *_put_into_modules(), *_constants_changed()]


def _settings() -> Iterator[tuple[str, Any]]:
    """Yield the settings that change numbers, where they are not those that a library has from the start."""
    context = decimal.getcontext()
    found: list[tuple[str, Any, Any]] = [
        ("decimal", (context.prec, context.rounding), (28, "ROUND_HALF_EVEN")),
        ("jax_enable_x64", _of_jax("jax_enable_x64", "JAX_ENABLE_X64"), False),
        ("jax_default_matmul_precision", _of_jax("jax_default_matmul_precision"), None),
    ]
    if (mpmath := sys.modules.get("mpmath")) is not None:
        found.append(("mpmath", (mpmath.mp.prec, mpmath.iv.prec), (53, 53)))
    if (torch := sys.modules.get("torch")) is not None:
        hooks = {name: dict(value) for name, value in vars(torch.nn.modules.module).items() if name.endswith("_hooks")}
        found += [
            ("torch dtype", str(torch.get_default_dtype()), "torch.float32"),
            ("torch device", str(torch.get_default_device()), "cpu"),
            ("torch matmul", torch.get_float32_matmul_precision(), "highest"),
            ("torch deterministic", torch.are_deterministic_algorithms_enabled(), False),
            ("torch autocast", (torch.is_autocast_enabled("cpu"), torch.is_autocast_enabled("cuda")), (False, False)),
            ("torch hooks", {name: value for name, value in hooks.items() if value}, {}),
        ]
    for name, value, usual in found:
        if value != usual:
            yield name, value


def _of_jax(name: str, variable: str = "") -> Any:
    """Return a setting of JAX, or what it will be once JAX is there."""
    jax = sys.modules.get("jax")
    if jax is None or not hasattr(jax, "config"):
        return os.environ.get(variable, "0").lower() in ("1", "true", "yes", "on") if variable else None
    return getattr(jax.config, name)


def _put_into_modules() -> Iterator[tuple[str, Any]]:
    """Yield what a user put into modules of libraries and of ours, by name."""
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0] in _COMPUTING and isinstance(module, types.ModuleType):
            yield from put_in(module)


def put_in(module: types.ModuleType) -> Iterator[tuple[str, Any]]:
    """Yield what a user put into a module, and into the classes of one of ours, by name."""
    ours = is_ours(module.__name__)
    for key, item in list(vars(module).items()):
        if issubclass(type(item), _PLAIN):
            continue
        if not (key.startswith("__") and key.endswith("__")) and is_theirs(item):
            yield f"{module.__name__}.{key}", item
        elif ours and isinstance(item, type) and item.__module__ == module.__name__:
            for name, part in list(vars(item).items()):
                if is_theirs(part):
                    yield f"{module.__name__}.{key}.{name}", part


def is_theirs(item: Any) -> bool:
    """Whether a user made a function, a class or an object, or what it wraps."""
    kind = type(item)  # not as ``isinstance`` asks: objects of libraries may warn when they are looked into
    if issubclass(kind, _WRAPPERS):
        return any(is_theirs(f) for a in ("fget", "func", "__func__") if (f := getattr(item, a, None)) is not None)
    if issubclass(kind, types.FunctionType):
        home = made_in(item)
        from_text = not home and (str(item.__module__).startswith("namedtuple_") or _is_known(item.__module__))
        return _is_users(home) and not from_text  # a library makes functions from text, too
    home = item.__module__ if issubclass(kind, type) else kind.__module__
    known = home in sys.modules and not home.startswith("_cython")  # what compiled code makes may be of no module
    return known and _is_users(home)


def _is_known(module: Any) -> bool:
    return module != "builtins" and not _is_users(module)


def _is_users(module: Any) -> bool:
    return isinstance(module, str) and not (is_installed(module) or is_ours(module))


def _constants_changed() -> Iterator[tuple[str, Any]]:
    """Yield the constants of our modules that are not those of the files."""
    for name, (constant, value) in _constants():
        module = sys.modules.get(name)
        now = getattr(module, constant, value)
        if module is not None and (type(now) is not type(value) or (now != value and not _both_nan(now, value))):
            yield f"{name}.{constant}", now


def _both_nan(first: Any, second: Any) -> bool:
    return all(isinstance(value, float) and math.isnan(value) for value in (first, second))


@cache
def _constants() -> list[tuple[str, tuple[str, Any]]]:
    """Return the plain constants that our files write in capital letters, by module."""
    found = []
    root = Path(__file__).parents[2]
    for package in PACKAGES:
        for file in sorted((root / package).rglob("*.py")):
            module = ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
            for constant, text in re.findall(r"^([A-Z_]\w*)(?:: [^=\n]+)? = ([^#\n]+)", file.read_text("utf-8"), re.M):
                try:
                    found.append((module, (constant, ast.literal_eval(text.strip()))))
                except (ValueError, SyntaxError):
                    continue  # no plain constant
    return found
