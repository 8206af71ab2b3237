"""The command line, ``expint`` or ``python -m expint``; it needs click, which the extra ``cli`` installs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from expint.cli.common import (
        PICTURES,
        Commands,
        Folder,
        Known,
        Numbers,
        Setting,
        out_file,
        refusing,
        report,
        save_figure,
        shown,
        write_json,
    )

__all__ = [
    "PICTURES",
    "Commands",
    "Folder",
    "Known",
    "Numbers",
    "Setting",
    "main",
    "out_file",
    "refusing",
    "report",
    "save_figure",
    "shown",
    "write_json",
]


def __getattr__(name: str) -> Any:  # the parts that need click are loaded when they are asked for
    if name in __all__:
        return getattr(import_module("expint.cli.common"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def main() -> None:
    """Run the command line.

    Raises
    ------
    SystemExit
        With the exit code: 0 success, 1 a run that failed, 2 arguments that make no sense.
    """
    run_commands("expint")


def run_commands(package: str) -> None:
    """Run the commands of a package, if click is there."""
    try:
        import click  # noqa: F401  # asked whether it is there
    except ImportError:
        raise SystemExit("the command line needs click: pip install click matplotlib") from None
    import_module(f"{package}.cli.commands").commands(prog_name=package)
