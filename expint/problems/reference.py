"""Stored solutions of problems without an exact one, each confirmed by two independent methods."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from expint.arguments import instance, seen, text
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

    Examples
    --------
    >>> import numpy as np
    >>> from expint.problems import Reference
    >>> known = Reference(t=1.0, values=np.array([0.5]), digits=12.0, methods=("etd34", "pece5"))
    >>> known.digits
    12.0
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
    TypeError
        If the name is no text.
    """
    stored = {path.stem: path for path in FOLDER.glob("*.npz")}
    if text("the name of a problem", name, "burgers") not in stored:
        raise ValueError(
            f"expected the name of a problem with a stored solution, received {seen(name)}; stored: "
            f"{', '.join(sorted(stored))}"
        )
    with np.load(stored[name], allow_pickle=False) as data:
        first, second = (str(m) for m in data["methods"])
        return Reference(float(data["t"]), data["values"], float(data["digits"]), (first, second))


def sample(problem: SemilinearProblem, y: Array) -> np.ndarray:
    """Return evenly spread values of the state ``y`` on the grid of its problem, at most 64 of them.

    Raises
    ------
    TypeError
        If ``problem`` is no problem, or ``y`` no array.
    ValueError
        If ``y`` has another shape than the states of the problem.

    Examples
    --------
    >>> import expint
    >>> problem = expint.problems.make("burgers", n=32)
    >>> expint.problems.sample(problem, problem.y0).shape
    (32,)
    """
    instance("problem", problem, SemilinearProblem)
    if tuple(getattr(y, "shape", ())) != tuple(problem.y0.shape):
        raise ValueError(f"expected a state of shape {tuple(problem.y0.shape)}, received {seen(y)}")
    values = to_numpy(y if problem.physical is None else problem.physical(y)).ravel()
    stride = -(-values.size // _MOST) | 1  # odd, so that it runs across the columns of a plane
    return values[::stride].copy()
