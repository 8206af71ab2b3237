"""The sources of the methods, as BibTeX: the entries of ``sources.bib``."""

from __future__ import annotations

import difflib
import re
from functools import cache
from importlib.resources import files

__all__ = ["bibtex", "citation_keys", "label"]


def citation_keys() -> list[str]:
    """Return the keys of all sources, sorted."""
    return sorted(_entries())


def bibtex(key: str) -> str:
    """Return the BibTeX entry of a source, in Unicode.

    Raises
    ------
    ValueError
        If the key is unknown.
    """
    known = _entries()
    if key not in known:
        near = difflib.get_close_matches(key, known, n=3, cutoff=0.4)
        hint = f"; nearest: {', '.join(near)}" if near else ""
        raise ValueError(f"expected the key of a source, received {key!r}{hint}")
    return known[key]


def label(key: str) -> str:
    """Return a source as it is named in running text, such as "Cox and Matthews (2002)".

    Raises
    ------
    ValueError
        If the key is unknown.
    """
    fields = dict(re.findall(r"^  (author|year) = \{(.*)\},?$", bibtex(key), flags=re.MULTILINE))
    *others, last = [author.split(",")[0] for author in fields["author"].split(" and ")]
    return f"{', '.join(others)} and {last} ({fields['year']})" if others else f"{last} ({fields['year']})"


@cache
def _entries() -> dict[str, str]:
    """Return the entries by key; between two of them stands an empty line."""
    text = (files("expint.methods") / "sources.bib").read_text(encoding="utf-8")
    return {entry.partition("{")[2].partition(",")[0]: entry for entry in text.strip().split("\n\n")}
