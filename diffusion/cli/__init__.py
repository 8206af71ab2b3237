"""The command line, ``diffusion`` or ``python -m diffusion``; it needs click, which the extra ``cli`` installs."""

from __future__ import annotations

from expint.cli import run_commands

__all__ = ["main"]


def main() -> None:
    """Run the command line.

    Raises
    ------
    SystemExit
        With the exit code: 0 success, 1 a run that failed, 2 arguments that make no sense.
    """
    run_commands("diffusion")
