"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

__all__ = ["content", "read_whole", "whole_file"]


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Yield a file to be written, which takes the place of ``path`` once it is complete.

    It is written in the same folder and renamed. If anything fails (a full disk, an interrupt), what was there
    before stays as it was. A link stays a link; its target is replaced. The file has the permissions of the one that it
    replaces, or those of any new file.

    Raises
    ------
    OSError
        If ``path`` is there and no file, or cannot be written.
    """
    target = Path(os.path.realpath(path))
    there = target.exists()
    if there and not target.is_file():
        kind = "a folder" if target.is_dir() else "no regular file"
        raise OSError(f"expected the path of a file, received {str(path)!r}, which is {kind}; choose another")
    part = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with open(part, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if there:
            part.chmod(stat.S_IMODE(target.stat().st_mode))
        part.replace(target)
    finally:
        with suppress(OSError):
            part.unlink()


def content(path: str | os.PathLike[str], limit: int) -> bytes:
    """Return the content of a regular file of at most ``limit`` bytes.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is a folder, a pipe or a device, or larger.
    """
    facts = os.stat(path)
    found = read_whole(path, limit)
    if found is not None:
        return found
    if not stat.S_ISREG(facts.st_mode):
        kind = "a folder" if stat.S_ISDIR(facts.st_mode) else "no regular file"
        raise ValueError(f"expected the path of a file, received {os.fspath(path)!r}, which is {kind}; choose another")
    if facts.st_size > limit:
        raise ValueError(
            f"expected a file of at most {limit} bytes, received {os.fspath(path)!r} of {facts.st_size}; it is none of "
            "this library"
        )
    with open(path, "rb") as file:  # raises what stands in the way
        return file.read(min(limit, facts.st_size))


def read_whole(path: str | os.PathLike[str], limit: int) -> bytes | None:
    """Return the content of a regular file of at most ``limit`` bytes; None, at once, for anything else."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError):
        return None
    try:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > limit:
            return None
        with open(handle, "rb", closefd=False) as file:
            return file.read(min(limit, facts.st_size))  # a buffer of so many bytes is made beforehand
    except OSError:
        return None
    finally:
        os.close(handle)
