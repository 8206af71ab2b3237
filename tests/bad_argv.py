"""Odd words for every option and argument of both command lines: each ends in a sentence, or works.

The options are those that the commands have, so that a new one is asked, too. ``python -m tests.bad_argv`` makes all
calls, and lists those that are answered badly; ``test_bad_argv.py`` makes a part of them.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import click
from click.testing import CliRunner

import diffusion.cli.commands
import expint.cli.commands
from tests.bad_calls import HERE, Hang, limited

__all__ = ["GROUPS", "answer", "argvs", "odd_folder"]

GROUPS: dict[str, click.Group] = {
    "expint": expint.cli.commands.commands,
    "diffusion": diffusion.cli.commands.commands,
}
WORDS = [
    *("", " ", "text", "nan", "-nan", "inf", "-inf", "-1", "0", "-0.0", "2.5", "1e400", "1e-400", "9" * 30, "9" * 1500),
    *("null", "true", "[]", "{}", "0x10", "٣", "1,2", ",", "1,,2", "1;2", "a=b", "=", "n=", "=1", "n=[[", "ü"),
    *("-", "--", "-x", "--steps", "--out", ".", "..", "/", "~", "file", "folder.png", "file/inside.png", "no/such.npz"),
    *("file.safetensors", "folder.safetensors", "no.safetensors", "\x00", "a\nb", "a\tb", "%s", "{0}", "$HOME", "*"),
    *("'", '"', "\\", "x" * 1500, "\udcff", "ddim@", "@", "0-", "-5", "5-3", "0-99999999999999", "1-1", "a-b"),
]
"""What is put in place of a good word."""

GOOD: dict[str, list[str]] = {
    "expint solve": ["riccati", "--step", "0.1", "--t-end", "0.2"],
    "expint problems": ["riccati"],
    "expint methods": ["etd2rk"],
    "expint study": ["riccati", "--method", "etd2rk", "--steps", "0.2,0.1"],
    "diffusion sample": ["--model", "ideal-digits", "--sampler", "ddim", "--steps", "1", "--count", "2"],
    "diffusion samplers": ["ddim"],
    "diffusion compare": [
        *("--model", "ideal-digits", "--sampler", "ddim", "--steps", "1", "--count", "2", "--measure", "error"),
    ],
    "diffusion tune": [
        *("--model", "ideal-digits", "--steps", "1", "--what", "rows", "--by", "closed-form", "--count", "4"),
        *("--teacher", "2", "--iterations", "1", "--out", "tuned.safetensors"),
    ],
}
"""A call of each command that works and is short."""


def argvs() -> Iterator[tuple[str, list[str]]]:
    """Yield the group and the words of every call, in a fixed order."""
    for group, commands in GROUPS.items():
        for name, command in commands.commands.items():
            good = GOOD[f"{group} {name}"]
            for parameter in command.params:
                yield from ((group, [name, *changed]) for word in WORDS for changed in _with(good, parameter, word))
        yield from ((group, [word]) for word in WORDS)


def _with(good: list[str], parameter: click.Parameter, word: str) -> Iterator[list[str]]:
    """Yield the ``good`` call with a ``word`` for one parameter."""
    if isinstance(parameter, click.Argument):
        yield [word, *good[1:]]
    elif getattr(parameter, "is_flag", False):
        yield [*good, f"{parameter.opts[0]}={word}"]
    elif parameter.opts[0] in good:
        place = good.index(parameter.opts[0])
        yield [*good[: place + 1], word, *good[place + 2 :]]
    else:
        yield [*good, parameter.opts[0], word]


@contextlib.contextmanager
def odd_folder() -> Iterator[Path]:
    """Work in a folder with files that hold no numbers, and folders called like files; studies start no processes."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for name in ("file", "file.safetensors"):
            (folder / name).write_bytes(b"no numbers")
        for name in ("folder.png", "folder.safetensors"):
            (folder / name).mkdir()
        os.chdir(folder)
        try:
            with mock.patch("expint.study.table.workers", return_value=contextlib.nullcontext(HERE)):
                yield folder
        finally:
            os.chdir(before)


def answer(group: str, words: list[str], seconds: float = 10.0) -> str:
    """Make a call, and return what is wrong with its answer: nothing, if it is right."""
    try:
        with limited(seconds):
            result = CliRunner().invoke(GROUPS[group], words)
    except Hang:
        return f"hangs for {seconds} s"
    return _judged(result)


def _judged(result: Any) -> str:
    if result.exit_code == 0 and result.exception is None:
        return ""
    lines = result.stderr.strip().splitlines() or [""]
    if not isinstance(result.exception, SystemExit):
        return f"depth: {type(result.exception).__name__}: {str(result.exception)[:150]}"
    if result.exit_code != 2:
        return f"exit code {result.exit_code}: {lines[-1][:200]}"
    if not lines[-1].startswith("Error: ") or "Traceback" in result.output or "please report" in lines[-1]:
        return f"no sentence: {lines[-1][:200]}"
    return "" if len(lines[-1]) < 2000 else f"a sentence of {len(lines[-1])} letters"


def main() -> None:
    """Make all calls, and write what is answered badly."""
    found: dict[str, list[str]] = {}
    count = 0
    with odd_folder():
        for group, words in argvs():
            count += 1
            wrong = answer(group, words)
            if wrong:
                found.setdefault(wrong, []).append(" ".join(word[:30] for word in (group, *words)))
    for wrong, calls in found.items():
        sys.stdout.write("\n".join([repr(wrong), *(f"    {call!r}" for call in calls), ""]))
    sys.stdout.write(f"{count} calls, {sum(map(len, found.values()))} answered badly\n")


def sample(count: int, seed: int) -> list[tuple[str, list[str]]]:
    """Return so many calls, drawn by a seed, without folders of studies, in which whole studies are made."""
    quick = [(group, words) for group, words in argvs() if "--cache" not in words]
    return random.Random(seed).sample(quick, count)


if __name__ == "__main__":
    main()
