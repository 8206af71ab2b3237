"""Modules that only parts of this package need."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

__all__ = ["require"]


def require(module: str, install: str = "expint[diffusion]") -> ModuleType:
    """Import an optional module; ``install`` is what pip installs it by.

    Raises
    ------
    ImportError
        With the line that installs it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ImportError(f'this needs {error.name}, which is not installed; run: pip install "{install}"') from error
