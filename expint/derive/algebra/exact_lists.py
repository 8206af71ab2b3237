"""Lists of exact numbers, of indices and of φ-functions, as they are given to derivations."""

from __future__ import annotations

from typing import Any

from expint.arguments import integer, listed
from expint.derive.algebra.phisum import Exact, exact

__all__ = ["exact_list", "functions_list", "indices"]


def exact_list(name: str, values: Any) -> list[Exact]:
    """Return exact numbers; raise TypeError unless they form a sequence."""
    entries = values if isinstance(values, list | tuple) else listed(name, values, "exact numbers", least=0)
    return [exact(entry) for entry in entries]


def indices(name: str, values: Any, most: int = 1000) -> list[int]:
    """Return numbers that count from 0."""
    return [integer(f"every entry of {name}", n, least=0, most=most) for n in listed(name, values, "integers", least=0)]


def functions_list(name: str, values: Any) -> list[tuple[int, Exact]]:
    """Return pairs (k, c) of φ_k(cz)."""
    pairs = [
        listed(f"every entry of {name}", pair, "k and c of φ_k(cz)")
        for pair in listed(name, values, "pairs (k, c)", least=0)
    ]
    for pair in pairs:
        if len(pair) != 2:
            raise ValueError(f"expected {name} as pairs (k, c), received an entry of {len(pair)}")
    return [(integer(f"k of {name}", k, least=0, most=170), exact(c)) for k, c in pairs]
