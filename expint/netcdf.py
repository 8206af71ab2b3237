"""NetCDF files that grow record by record, so that they hold what a run has reached and memory holds one state.

The classic format with 64-bit offsets, which every reader of NetCDF knows: a header, then records of equal size, and
at byte 4 how many there are. See the NetCDF Classic Format Specification of Unidata.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO, NamedTuple

import numpy as np

__all__ = ["Records"]

_DIMENSION, _VARIABLE, _ATTRIBUTE, _TEXT = 10, 11, 12, 2

_FORMS = {"i1": 1, "i4": 4, "f4": 5, "f8": 6}
"""The numbers of the format, big-endian: bytes, integers, single and double precision."""

_LARGEST = 2**32 - 4
"""So many bytes may the values of one name have in a record."""


class _Named(NamedTuple):
    """What a record holds of one name: its axes, its shape and the form of its numbers."""

    axes: tuple[str, ...]
    shape: tuple[int, ...]
    form: str

    @property
    def size(self) -> int:
        """How many bytes it takes."""
        return _padded(math.prod(self.shape) * int(self.form[1]))


class Records:
    """A NetCDF file to which records are added, each whole or not at all.

    The file is made when its first record is known. A record counts once it is written, so that a process that is
    killed, or a disk that fills, leaves a whole file of those before.

    Parameters
    ----------
    path
        The file.
    title
        What it says of itself.
    count
        How many records of a file that is there are kept; None for a new file, in place of one that may be there.

    Attributes
    ----------
    count
        How many records there are.
    """

    def __init__(self, path: str | os.PathLike[str], title: str, count: int | None = None) -> None:
        self.path, self.count = os.fspath(path), count or 0
        self._title, self._goes_on = title, bool(count)
        self._file: BinaryIO | None = None
        self._named: dict[str, _Named] = {}
        self._start = 0

    def add(self, t: float, values: Mapping[str, Any]) -> None:
        """Add a record: a time, and arrays by name, equal in shape and kind to those of the first record.

        Raises
        ------
        OSError
            If it cannot be written; the records before stay.
        ValueError
            If it is too large, differs in shape from the first, has a name that the format does not know, or the file
            is not that of the run that goes on.
        """
        plain, named = {"t": np.asarray(t, dtype="f8")}, {"t": _Named((), (), "f8")}
        for key, value in values.items():
            for name, own in _plain(key, np.asarray(value)).items():
                if name in named or 0 in own.shape or not _is_name(name):
                    raise ValueError(
                        f"expected values by names of NetCDF, each once and with entries, received {name!r} of shape "
                        f"{own.shape}; rename or leave it out"
                    )
                axes = tuple(f"{'axis' if key == 'y' else key}_{k}" for k in range(own.ndim))
                plain[name], named[name] = own, _Named(axes, own.shape, own.dtype.str[1:])
        if self._file is None:
            self._open(named)
        elif named != self._named:
            raise ValueError(f"expected records of {self._named} as the first, received {named}; save equal shapes")
        size = sum(own.size for own in named.values())
        record = b"".join(_filled(own.astype(own.dtype.newbyteorder(">")).tobytes()) for own in plain.values())
        self._write(self._start + self.count * size, record)
        self._write(4, struct.pack(">I", self.count + 1))
        self.count += 1

    def flush(self) -> None:
        """Bring what is written to the disk."""
        if self._file is not None:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """End the file after its last record."""
        if self._file is not None:
            size = sum(own.size for own in self._named.values())
            self._file.truncate(self._start + self.count * size)
            self.flush()
            self._file.close()
            self._file = None

    def _open(self, named: dict[str, _Named]) -> None:
        large = [name for name, own in named.items() if own.size > _LARGEST]
        if large:
            raise ValueError(
                f"expected at most {_LARGEST} bytes of each name in a record, received {named[large[0]].size} of "
                f"{large[0]!r}; save a part of the state"
            )
        header = _header(named, self._title)
        self._named, self._start = named, len(header)
        self._file = open(self.path, "r+b" if self._goes_on else "wb", buffering=0)  # noqa: SIM115  # until close
        if not self._goes_on:
            self._write(0, header)
            return
        there = self._file.read(len(header))
        if (there[:4], there[8:]) != (header[:4], header[8:]):
            raise ValueError(
                f"expected the file of the run that goes on, received {self.path!r} with other names or shapes; take "
                "the file that it wrote"
            )

    def _write(self, at: int, content: bytes) -> None:
        assert self._file is not None  # it is open
        self._file.seek(at)
        left = memoryview(content)
        while left:
            left = left[self._file.write(left) :]


def _plain(name: str, values: np.ndarray) -> dict[str, np.ndarray]:
    """Return values in forms that the file knows: complex ones as two, integers that are long in double precision."""
    kind, bits = values.dtype.kind, values.dtype.itemsize
    if kind == "c":
        return {f"{name}_real": values.real, f"{name}_imag": values.imag}
    if kind == "b":
        return {name: values.astype("i1")}
    if kind in "iu":
        return {name: values.astype("i4" if bits < 4 or (kind == "i" and bits == 4) else "f8")}
    return {name: values.astype("f4" if bits < 8 else "f8")}


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and name != "" and name.isprintable() and "/" not in name and name == name.strip()


def _header(named: Mapping[str, _Named], title: str) -> bytes:
    """Return the header of a file of no records yet, whose names all are over t, which grows."""
    axes = {"t": 0} | {axis: n for own in named.values() for axis, n in zip(own.axes, own.shape)}
    places, pack = {axis: place for place, axis in enumerate(axes)}, struct.pack
    parts = [b"CDF\x02", pack(">I", 0), pack(">II", _DIMENSION, len(axes))]
    parts += [_text(axis) + pack(">I", n) for axis, n in axes.items()]
    parts += [pack(">II", _ATTRIBUTE, 1), _text("title"), pack(">I", _TEXT), _text(title)]
    parts += [pack(">II", _VARIABLE, len(named))]
    heads = []
    for name, own in named.items():
        over = [places[axis] for axis in ("t", *own.axes)]
        heads.append(_text(name) + pack(f">{len(over) + 1}I", len(over), *over) + pack(">II", 0, 0))
    begin = sum(map(len, parts)) + sum(len(head) + 16 for head in heads)  # a form, a size and a place come after each
    for head, own in zip(heads, named.values()):
        parts += [head, pack(">IIQ", _FORMS[own.form], own.size, begin)]
        begin += own.size
    return b"".join(parts)


def _text(text: str) -> bytes:
    content = text.encode()
    return struct.pack(">I", len(content)) + _filled(content)


def _padded(size: int) -> int:
    return -(-size // 4) * 4


def _filled(content: bytes) -> bytes:
    return content + bytes(_padded(len(content)) - len(content))
