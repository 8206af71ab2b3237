"""Results on disk, one file for each key, believed only if nothing about the file is amiss."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

from expint.arguments import seen, text
from expint.files import read_whole, whole_file

__all__ = ["Cache", "Kept"]

_LIMIT = 1 << 28
"""Bytes of the largest file that is written or read."""


class Kept(NamedTuple):
    """A result that was found in a cache, and when it was computed (ISO 8601, UTC)."""

    result: dict[str, Any]
    computed: str


class Cache:
    """Results on disk, one file for each key.

    A file that is half-written, changed, from elsewhere or for another key is no result: it is computed again and
    replaced. Every file holds a checksum; nothing but JSON is read.

    Parameters
    ----------
    folder
        Where the files lie; made if need be. None keeps nothing.

    Raises
    ------
    TypeError
        If the folder is no path.
    ValueError
        If it is no folder, and cannot be made one.

    Examples
    --------
    >>> import tempfile
    >>> from expint.study import Cache
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cache = Cache(folder)
    ...     cache.put("key", {"error": 1e-6})
    ...     kept, other = cache.get("key"), cache.get("other")
    >>> kept, other
    ({'error': 1e-06}, None)
    """

    def __init__(self, folder: str | os.PathLike[str] | None) -> None:
        if folder is not None and not (isinstance(folder, str | os.PathLike) and isinstance(os.fspath(folder), str)):
            raise TypeError(
                f"expected cache as the path of a folder, received {type(folder).__name__}; pass text, a Path or None"
            )
        self.folder = None if folder is None else Path(folder)
        if self.folder is None:
            return
        if not os.fspath(folder or ""):
            raise ValueError("expected cache as the path of a folder, received an empty text; '.' is the current one")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:
            raise ValueError(
                f"expected cache as a folder that is there or can be made, received {str(folder)!r} ({error}); "
                "choose another, or pass cache=None to keep nothing"
            ) from error

    def get(self, key: str) -> dict[str, Any] | None:
        """Return the stored result of a key, or None."""
        kept = self.find(key)
        return None if kept is None else kept.result

    def find(self, key: str) -> Kept | None:
        """Return the stored result of a key with the time at which it was computed, or None."""
        if self.folder is None:
            return None
        text = read_whole(self._file(key), _LIMIT)
        try:
            kept = json.loads(text or b"")
            result, computed = kept["result"], kept["computed"]
            if kept["key"] != key or kept["checksum"] != _checksum(key, computed, result):
                return None
            datetime.datetime.fromisoformat(computed)
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
        return Kept(result, computed) if isinstance(result, dict) else None

    def put(self, key: str, result: dict[str, Any]) -> None:
        """Keep a result; the file appears complete or not at all.

        Raises
        ------
        OSError
            If it cannot be written.
        ValueError
            If it is too large, or holds what JSON cannot.
        """
        if self.folder is None:
            return
        computed = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        kept = {"key": key, "computed": computed, "result": result, "checksum": _checksum(key, computed, result)}
        text = json.dumps(kept, allow_nan=False).encode()
        if len(text) > _LIMIT:
            raise ValueError(f"expected a result of at most {_LIMIT} bytes, received {len(text)}")
        with whole_file(self._file(key)) as file:
            file.write(text)

    def _file(self, key: str) -> Path:
        assert self.folder is not None
        if not re.fullmatch(r"[\w-]{1,200}", text("key", key)):
            raise ValueError(f"expected a key of letters and digits, received {seen(key)}")
        return self.folder / f"{key}.json"


def _checksum(key: str, computed: str, result: Any) -> str:
    text = json.dumps([key, computed, result], sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
