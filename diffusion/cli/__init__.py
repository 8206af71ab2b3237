"""The command line, ``diffusion`` or ``python -m diffusion``; it needs click, which the extra ``cli`` installs."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line.

    Raises
    ------
    SystemExit
        With the exit code: 0 success, 1 a run that failed, 2 arguments that make no sense.
    """
    try:
        import click  # noqa: F401  # asked whether it is there
    except ImportError:
        raise SystemExit("the command line needs click: pip install click matplotlib") from None
    from diffusion.cli.commands import commands

    commands(prog_name="diffusion")
