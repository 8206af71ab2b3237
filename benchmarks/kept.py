"""Results of long benchmarks, kept in out/kept under what they depend on, so that a run that is stopped goes on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

import expint
from expint.study import Cache

__all__ = ["Results", "digest", "form_of"]

FOLDER = Path(__file__).parents[1] / "out" / "kept"


def form_of(plan: expint.Plan) -> tuple[np.ndarray, ...]:
    """Return the numbers of a plan, rounded: of two plans they are equal where their runs are."""
    form = plan.canonical()
    return tuple(np.round(np.asarray(part, dtype=np.float64), 9) + 0.0 for part in (form.times, form.c, form.D))


def digest(parts: Iterable[Any]) -> str:
    """Return a key of arrays, numbers and texts."""
    found = hashlib.sha256()
    for part in parts:
        array = isinstance(part, np.ndarray)
        found.update(f"{part.shape}:".encode() + part.tobytes() if array else f"{part!r};".encode())
    return found.hexdigest()


class Results:
    """Arrays of results, computed where they are not kept.

    Parameters
    ----------
    fresh
        Whether all are computed anew; they are kept all the same.
    folder
        Where; None keeps nothing.
    """

    def __init__(self, fresh: bool = False, folder: Path | None = FOLDER) -> None:
        self.cache, self.fresh = Cache(folder), fresh

    def __call__(self, make: Callable[[], np.ndarray], *parts: Any) -> np.ndarray:
        """Return what ``make`` makes, which depends on the ``parts`` and on nothing else that changes."""
        key = digest(parts)
        found = None if self.fresh else self.cache.get(key)
        if found is None:
            values = make()
            self.cache.put(key, {"of": [repr(part)[:80] for part in parts], "values": _text(values)})
            return values
        return np.array([float(value) for value in found["values"]["flat"]]).reshape(found["values"]["shape"])


def _text(values: np.ndarray) -> dict[str, Any]:
    """Return an array as what JSON can hold, infinities among it, to the last bit."""
    return {"shape": list(values.shape), "flat": [repr(float(value)) for value in values.ravel()]}
