"""The rows of a tableau: completed by their sums, and checked so that no other file meets one that makes no sense."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

from expint.arguments import one_line
from expint.derive.algebra.phisum import Exact, PhiSum, as_phisum

__all__ = ["REST", "check_consistency", "check_rows", "check_shape", "completed"]


class _Rest:
    """The entry that completes a row of a tableau; see ``REST``."""

    def __repr__(self) -> str:
        return "REST"


REST: Any = _Rest()
"""Stands for the first entry of a row where the row sums give it: Σ_j a_ij = c_i φ_1(c_i z), Σ_i b_i = φ_1(z)."""


def completed(row: Sequence[Any], total: PhiSum, label: str) -> tuple[PhiSum, ...]:
    """Turn a row into PhiSums, a leading ``REST`` into what the others leave of ``total``.

    Raises
    ------
    ValueError, TypeError
        If ``REST`` stands elsewhere, or an entry is not exact.
    """
    try:
        if any(entry is REST for entry in row[1:]):
            raise ValueError(f"expected REST only as the first entry of {label}, received it as a later one")
        if row and row[0] is REST:
            others = tuple(as_phisum(entry) for entry in row[1:])
            return (total - sum(others, PhiSum()), *others)
        return tuple(as_phisum(entry) for entry in row)
    except TypeError as error:
        raise TypeError(f"{label}: {error}") from error


def check_rows(name: str, a: Any, **rows: Any) -> None:
    """Raise TypeError unless rows are sequences: (x) is a number where (x,) was meant.

    Raises
    ------
    TypeError
        Naming the row that is no sequence.
    """
    _check_sequence(name, "a", a)
    for label, row in [*((f"row {i + 1} of a", row) for i, row in enumerate(a)), *rows.items()]:
        _check_sequence(name, label, row)


def _check_sequence(name: str, label: str, row: Any) -> None:
    if not isinstance(row, list | tuple):
        raise TypeError(
            f"{name}: expected {label} to be a tuple, received {one_line(row)[:80]}; one entry alone is written (x,)"
        )


def check_shape(
    name: str, c: Sequence[Exact], a: Sequence[Sequence[Any]], b: Sequence[Any], embedded: Sequence[Any] | None
) -> None:
    """Raise ValueError, naming the row, unless the arrays form an explicit tableau."""
    s = len(c)
    if s == 0 or c[0] != 0:
        nodes = ", ".join(map(str, c))
        raise ValueError(f"{name}: expected the first node c_1 to be 0 (explicit method), received c = ({nodes})")
    if len(a) != s or len(b) != s:
        raise ValueError(f"{name}: expected {s} rows in a and {s} weights in b, received {len(a)} and {len(b)}")
    for i, row in enumerate(a):
        if len(row) != i:
            kind = "implicit or too long" if len(row) > i else "too short"
            raise ValueError(f"{name}: expected row {i + 1} of a to have {i} entries, received {len(row)}: {kind}")
    if embedded is not None and len(embedded) not in (s, s + 1):
        raise ValueError(f"{name}: expected {s} or {s + 1} embedded weights, received {len(embedded)}")


def check_consistency(name: str, rows: Iterable[tuple[str, Sequence[PhiSum], Exact]]) -> None:
    """Raise ValueError naming the row unless the method is consistent at L = 0: each row has its label and its sum."""
    for label, row, expected in rows:
        total = PhiSum({(0, 0): sum((entry.at_zero() for entry in row), Fraction(0))}).at_zero()
        if total != PhiSum({(0, 0): expected}).at_zero():
            entries = ", ".join(str(entry) for entry in row)
            raise ValueError(
                f"{name}: expected {label} to sum to {expected} at L = 0, received {total} from ({entries})"
            )
