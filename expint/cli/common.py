"""What both command lines share: names with a nearest choice, lists of numbers, files, errors of one sentence."""

from __future__ import annotations

import difflib
import functools
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import click

import expint.plot
from expint.arguments import seen
from expint.files import whole_file
from expint.study import NotKeptWarning, Study

__all__ = [
    "PICTURES",
    "Commands",
    "Folder",
    "Known",
    "Numbers",
    "Setting",
    "out_file",
    "refusing",
    "report",
    "save_figure",
    "shown",
    "write_json",
]

PICTURES = (".png", ".pdf", ".svg")


class Commands(click.Group):
    """A group of commands that names the nearest one where a name is misspelt."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Return the command that is asked for."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            near = difflib.get_close_matches(name, self.list_commands(ctx), n=1, cutoff=0.0)[0]
            ctx.fail(f"expected a command, received {name!r}; did you mean {near}?")
        return super().resolve_command(ctx, args)


class Known(click.ParamType):
    """A name that ``find`` accepts; the ValueError of others becomes the message."""

    def __init__(self, name: str, find: Callable[[str], Any]) -> None:
        self.name, self._find = name, find

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the name as it was given."""
        try:
            self._find(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return value


class Numbers(click.ParamType):
    """Positive numbers with commas between them, such as 0.1,0.05."""

    def __init__(self, kind: type = float) -> None:
        self.name, self._kind = "numbers", kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[float]:
        """Return the numbers."""
        if isinstance(value, list):
            return value
        what = "integers such as 5,10,20" if self._kind is int else "numbers such as 0.1,0.05"
        try:
            numbers = [self._kind(part) for part in value.split(",")]
        except ValueError:
            self.fail(f"expected {what}, received {seen(value)}", param, ctx)
        if not all(0 < number < float("inf") for number in numbers):
            self.fail(f"expected positive {what}, received {seen(value)}", param, ctx)
        return numbers


class Folder(click.Path):
    """The path of a folder, which may be made."""

    def __init__(self) -> None:
        super().__init__(file_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        if isinstance(value, str) and not value.isprintable():
            self.fail(f"expected the path of a folder, received {seen(value)}", param, ctx)
        return super().convert(value, param, ctx)


class Setting(click.ParamType):
    """A parameter with its value, such as n=64."""

    name = "name=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        """Return the name and the value: a number where it is one, else text."""
        if isinstance(value, tuple):
            return value
        key, equals, text = value.partition("=")
        if not (equals and key):
            self.fail(f"expected name=value such as n=64, received {value!r}", param, ctx)
        try:
            number = json.loads(text)
        except (ValueError, RecursionError):
            return key, text
        whole = isinstance(number, float) and number.is_integer() and abs(number) < 1 << 53
        return key, int(number) if whole else number  # 1e3 is an integer, too


@contextmanager
def refusing() -> Iterator[None]:
    """Turn what the library refuses into one sentence and exit code 2, what fails on the way into exit code 1."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotKeptWarning)  # the table says it
            yield
    except click.ClickException:
        raise
    except (ValueError, TypeError) as error:
        raise click.UsageError(_sentence(error)) from None
    except MemoryError as error:
        raise click.ClickException(f"expected a run that fits into memory ({_sentence(error)}); take less") from None
    except (ImportError, ArithmeticError, RuntimeError, OSError) as error:
        raise click.ClickException(_sentence(error)) from None
    except Exception as error:  # a fault of ours: a sentence all the same
        raise click.ClickException(f"{type(error).__name__}: {_sentence(error)}; please report this") from error


def out_file(suffixes: tuple[str, ...], folder_with: str = "") -> Callable[..., Path | None]:
    """Return a callback that checks the ending of an output file, and that its folder is there and can be written to.

    With the option ``folder_with``, which has to be eager, the output is a folder, which may be made.
    """

    def check(ctx: click.Context, param: click.Parameter, value: str | None) -> Path | None:
        if value is None:
            return None
        path = Path(value)
        if not value.isprintable():
            raise click.BadParameter(f"expected the path of a file, received {value!r}", ctx, param)
        folder = bool(ctx.params.get(folder_with))
        if not folder and path.suffix.lower() not in suffixes:
            near = difflib.get_close_matches(path.suffix, suffixes, n=1, cutoff=0.0)[0]
            message = f"expected a file that ends in one of {', '.join(suffixes)}, received {value!r}; try {near}"
            raise click.BadParameter(message, ctx, param)
        if not path.absolute().parent.is_dir():
            raise click.BadParameter(f"expected a folder that exists, received {str(path.parent)!r}", ctx, param)
        if path.exists() and not (path.is_dir() if folder else path.is_file()):
            what = "folder" if folder else "file"
            raise click.BadParameter(f"expected the path of a {what}, received {value!r}, which is none", ctx, param)
        written_to = path if path.is_dir() else path.absolute().parent
        if not os.access(written_to, os.W_OK):
            raise click.BadParameter(f"expected a folder to write to, received {str(written_to)!r}", ctx, param)
        if path.suffix.lower() in PICTURES and find_spec("matplotlib") is None:
            raise click.BadParameter('a picture needs matplotlib: pip install "matplotlib>=3.8,<4"', ctx, param)
        return path

    return check


def shown(as_json: bool) -> bool:
    """Whether a progress bar is of use: on a terminal, and with tqdm installed."""
    if as_json or not sys.stderr.isatty():
        return False
    return find_spec("tqdm") is not None


def save_figure(draw: Callable[[], Any], path: Path) -> None:
    """Draw axes without a display and save their figure."""
    plt = expint.plot.pyplot()
    plt.switch_backend("Agg")
    figure = draw().figure
    try:
        with whole_file(path) as file:
            figure.savefig(file, dpi=150, format=path.suffix[1:].lower())
    finally:
        plt.close(figure)


def write_json(value: Any) -> None:
    """Write JSON to standard output; numbers that are not finite become null."""

    def plain(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: plain(inner) for key, inner in item.items()}
        if isinstance(item, list | tuple):
            return [plain(inner) for inner in item]
        return None if isinstance(item, float) and not abs(item) < float("inf") else item

    click.echo(json.dumps(plain(value), indent=1, ensure_ascii=False))


def report(study: Study, form: str, out: Path | None) -> None:
    """Write a study as table or JSON, draw its problems to a file, and exit with 1 if a cell failed."""
    if form == "json":
        slopes = [slope._asdict() for slope in study.slopes()]
        facts = {"parameter": study.parameter, "measure": study.measure, "cells": study.records(), "slopes": slopes}
        write_json(facts | {"remarks": list(study.remarks)})
    else:
        click.echo(study.latex() if form == "latex" else study.markdown())
    if out is not None:
        over: Literal["value", "calls"] = "value" if study.parameter == "step" else "calls"
        save_figure(functools.partial(_panels, study, over), out)
    if study.failures:
        failed = f"{len(study.failures)} of {len(study.cells)} cells failed; the first: {study.failures[0].failure}"
        raise click.ClickException(failed)


def _panels(study: Study, over: Literal["value", "calls"]) -> Any:
    """Draw the problems of a study side by side, those of which something can be drawn, and return the last axes."""
    drawn = [name for name in study.problems() if any(c.problem == name and c.error > 0 for c in study.cells)]
    if not drawn:
        raise ArithmeticError("expected a cell with a positive error to be drawn, received none")
    _, panels = expint.plot.pyplot().subplots(
        1, len(drawn), figsize=(6 * len(drawn), 4.5), layout="constrained", squeeze=False
    )
    for name, ax in zip(drawn, panels[0], strict=True):
        expint.plot.study(study, name, ax, over=over)
    return panels[0][-1]


def _sentence(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
