"""Plain values and arrays in a file, of which every bit counts: it is read whole and unharmed, or refused."""

from __future__ import annotations

import json
import math
import os
import zipfile
from collections.abc import Sequence
from hashlib import sha256
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np

from expint.files import content

__all__ = ["load", "save"]

_LARGEST = 2**36
"""A file of more bytes is no checkpoint: it is refused before it is read."""

_BROKEN = (
    AttributeError,
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
)
"""What is raised by content that is no archive, or is cut, or means nothing."""


def save(file: BinaryIO, tree: Any, arrays: Sequence[np.ndarray]) -> None:
    """Write plain values in the form of JSON, and arrays, to an open file."""
    text = json.dumps(tree)
    named: dict[str, Any] = {f"a{i}": own for i, own in enumerate(arrays)}
    np.savez(file, tree=np.array(text), digest=np.array(_digest(text, arrays)), **named)


def load(path: str | os.PathLike[str]) -> tuple[Any, list[np.ndarray]]:
    """Return what ``save`` has written.

    Nothing is executed, and no more memory is asked for than the file has bytes.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is a folder, a pipe or a device, or no archive of this kind, or one in which a bit has changed.
    """
    found = content(path, _LARGEST)
    try:
        with zipfile.ZipFile(BytesIO(found)) as archive:
            members = {own.filename: own for own in archive.infolist()}
            text, digest = (str(_member(archive, members[f"{name}.npy"])) for name in ("tree", "digest"))
            arrays = [_member(archive, members[f"a{i}.npy"]) for i in range(len(members) - 2)]
        _same(digest, _digest(text, arrays))
        return json.loads(text), arrays
    except _BROKEN as error:
        raise ValueError(
            f"expected a checkpoint of expint, received {str(path)!r}, which is none or is damaged ({error}); solve "
            "from the start, or take an earlier copy"
        ) from error


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """Return an array of an archive, whose size is what its header says."""
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError("expected arrays as they are, received compressed ones; take the file as it was written")
    file = BytesIO(archive.read(member))
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(
            f"expected an array of version 1.0 or 2.0, received {version}; take the file as it was written"
        )
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, kind = header(file)
    if kind.hasobject or math.prod(shape) * kind.itemsize != file.getbuffer().nbytes - file.tell():
        raise ValueError(
            f"expected an array of shape {shape} and type {kind}, as it says, received one of another size; take the "
            "file as it was written"
        )
    file.seek(0)
    read: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
    return read


def _same(said: str, found: str) -> None:
    if said != found:
        raise ValueError(f"expected the digest {said[:12]}, received {found[:12]}: a bit has changed; take a copy")


def _digest(text: str, arrays: Sequence[np.ndarray]) -> str:
    """Return what tells one content from another."""
    told = sha256(text.encode())
    for own in arrays:
        told.update(f"{own.dtype.str}{own.shape}".encode())
        told.update(np.ascontiguousarray(own).view(np.uint8).data if own.size else b"")
    return told.hexdigest()
