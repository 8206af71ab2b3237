"""The walk through what a result depends on: a digest of every part, each visited once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

__all__ = ["Account", "NotKeyed", "Walk", "digest", "leaf"]

Account: TypeAlias = Iterable[bytes | str]
"""The account of a value: texts, and digests of its parts."""


class NotKeyed(ValueError):
    """What a result depends on cannot be seen in full, so that it has no key."""


def digest(*parts: bytes | str) -> bytes:
    """Return a digest of parts, each with its length."""
    found = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        found.update(len(data).to_bytes(8, "little"))
        found.update(data)
    return b"#" + found.digest()


def leaf(value: Any) -> bytes | None:
    """Return the account of plain data, or None for what has parts."""
    kind = type(value)
    if value is None or value is Ellipsis or value is NotImplemented or kind is bool:
        return f"={value}".encode()
    if kind is int:
        return f"i{value:x}".encode()
    if kind is str:
        return b"s" + value.encode("utf-8", "surrogatepass")
    if kind is float:
        return f"f{value.hex()}".encode()
    if kind is complex:
        return f"c{value.real.hex()} {value.imag.hex()}".encode()
    return b"b" + value if kind is bytes else None


class Walk:
    """One walk through what a result depends on; every object is visited once, so that its time is linear.

    Objects that contain themselves are numbered in the order in which they are met again.

    Parameters
    ----------
    account
        Gives the account of something with parts: texts, and what the walk returns for each part.
    given
        Names that stand for whatever cannot be seen; None where that is refused.
    """

    def __init__(self, account: Callable[[Walk, Any], Account], given: tuple[str, ...] | None) -> None:
        self.account, self.given, self.standing = account, given, 0
        self.met: dict[int, tuple[Any, bytes]] = {}  # the object, too: its id stays its own
        self.inside: dict[int, int | None] = {}
        self.loops = 0
        self.trail: list[str] = []

    def __call__(self, value: Any) -> bytes:
        """Return plain data as they are, and of what has parts a digest."""
        plain = leaf(value)
        if plain is not None:
            return plain
        place = id(value)
        if place in self.met:
            return self.met[place][1]
        if place in self.inside:
            number = self.inside[place]
            if number is None:
                number = self.inside[place] = self.loops
                self.loops += 1
            return digest("again", str(number))
        self.inside[place] = None
        try:
            found = digest(*self.account(self, value))
        except NotKeyed:
            if self.given is None:
                raise
            found = digest("given", *self.given, str(self.standing))
            self.standing += 1
        number = self.inside.pop(place)
        if number is not None:
            found = digest("first", str(number), found)
        self.met[place] = value, found
        return found

    def refuse(self, what: str) -> NotKeyed:
        """Return the refusal of something that cannot be seen."""
        where = f" ({' → '.join(self.trail[-3:])})" if self.trail else ""
        return NotKeyed(f"expected what can be seen in full, received {what}{where}")
