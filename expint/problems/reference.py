"""Stored solutions of problems without an exact one, each confirmed by two independent methods."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from expint.backend import Array, to_numpy
from expint.problem import SemilinearProblem

__all__ = ["FOLDER", "Reference", "reference", "sample"]

FOLDER = Path(__file__).parent / "references"
_MOST = 64


class Reference(NamedTuple):
    """Values of a solution at one time.

    Attributes
    ----------
    t
        The time.
    values
        What ``sample`` takes of the state there: at most 64 numbers.
    digits
        To how many digits, relative to the largest value, the two methods agreed.
    methods
        The two methods.
    """

    t: float
    values: np.ndarray
    digits: float
    methods: tuple[str, str]


def reference(name: str) -> Reference:
    """Return the stored solution of the problem ``name`` with its default parameters.

    Raises
    ------
    ValueError
        If none is stored; problems with an exact solution need none.
    """
    path = FOLDER / f"{name}.npz"
    if not path.is_file():
        stored = ", ".join(sorted(p.stem for p in FOLDER.glob("*.npz")))
        raise ValueError(f"expected the name of a problem with a stored solution, received {name!r}; stored: {stored}")
    with np.load(path, allow_pickle=False) as data:
        first, second = (str(m) for m in data["methods"])
        return Reference(float(data["t"]), data["values"], float(data["digits"]), (first, second))


def sample(problem: SemilinearProblem, y: Array) -> np.ndarray:
    """Return evenly spread values of the state ``y`` on the grid of its problem, at most 64 of them."""
    values = to_numpy(y if problem.physical is None else problem.physical(y)).ravel()
    stride = -(-values.size // _MOST) | 1  # odd, so that it runs across the columns of a plane
    return values[::stride].copy()
