"""Files of numbers: arrays in the safetensors format, and facts as JSON beside them; nothing is unpickled."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from diffusion.optional import require
from expint.arguments import path as checked_path
from expint.arguments import seen
from expint.files import content, whole_file

__all__ = ["read_numbers", "refused", "write_numbers"]

_KEY = "diffusion-sampler"
_VERSION = 1
_LARGEST = 2**28  # bytes of a file; weights per band of a large image are some megabytes


def write_numbers(path: str | os.PathLike[str], facts: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write ``facts`` and ``arrays`` to a file, with a checksum.

    Raises
    ------
    OSError
        If the file cannot be written.
    ValueError
        If the facts are none of JSON: finite numbers, words, lists and mappings.
    """
    place = checked_path("path", path)
    try:
        said = _dumped({"version": _VERSION, **facts})
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"expected facts as finite numbers, words, lists and mappings, received others ({error}); keep such things "
            "elsewhere"
        ) from None
    metadata = {_KEY: _dumped({"sum": _sum(said, arrays), "sampler": said})}  # one entry: the order of several varies
    written = require("safetensors.numpy").save(
        {name: np.ascontiguousarray(array) for name, array in arrays.items()}, metadata=metadata
    )
    with whole_file(place) as file:
        file.write(written)


def read_numbers(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the facts and arrays of a file that `write_numbers` wrote.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no whole file of that kind, of another version, or was changed.
    """
    place = Path(checked_path("path", path))
    raw = content(place, _LARGEST)
    library = require("safetensors")
    try:
        arrays = require("safetensors.numpy").load(raw)
        header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    except (library.SafetensorError, ValueError, KeyError, TypeError) as error:
        raise refused(
            place,
            "a whole file in the safetensors format",
            f"{len(raw)} bytes ({error})",
            "it is cut off, damaged, or another kind of file",
        ) from None
    held = header.get("__metadata__", {}).get(_KEY)
    if held is None:
        raise refused(
            place,
            "a sampler, saved by FittedSampler.save",
            f"a file with the entries {seen(sorted(arrays))}",
            "pass another file",
        )
    try:
        whole = json.loads(held)
        said, total = whole["sampler"], whole["sum"]
        version = json.loads(said)["version"]
    except (ValueError, KeyError, TypeError):
        raise refused(place, "what the sampler is, as JSON", seen(held), "it is damaged") from None
    if version != _VERSION:
        raise refused(
            place,
            f"version {_VERSION} of the format",
            f"version {seen(version)}",
            "read it with the version of this library that wrote it, or a later one",
        )
    if total != _sum(said, arrays):
        raise refused(place, "content with the checksum that it was saved with", "another", "it was changed or damaged")
    facts: dict[str, Any] = json.loads(said)
    return facts, arrays


def _dumped(value: Any) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False, ensure_ascii=False)


def _sum(said: str, arrays: Mapping[str, np.ndarray]) -> str:
    """Return the checksum of what is said and of all arrays."""
    digest = hashlib.sha256(said.encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode() + array.tobytes())
    return digest.hexdigest()


def refused(place: object, expected: str, received: str, remedy: str) -> ValueError:
    """Return the error that says what is wrong with a file."""
    return ValueError(f"{place}: expected {expected}, received {received}; {remedy}")
