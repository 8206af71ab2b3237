"""Modules that only parts of this package need."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

__all__ = ["require"]


def require(module: str, install: str | None = None) -> ModuleType:
    """Import an optional module; ``install`` is what pip installs it by, where that is not its name.

    Raises
    ------
    ImportError
        With the line that installs it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        wanted = install or module.partition(".")[0]
        raise ImportError(
            f"this needs {error.name}, which is not installed: expected the module {module}, received none of this "
            f'name; run: pip install "{wanted}"'
        ) from error
