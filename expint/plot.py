"""Pictures of solutions (needs matplotlib)."""

from __future__ import annotations

from typing import Any

import numpy as np

from expint.backend import to_numpy
from expint.problem import SemilinearProblem
from expint.solution import Solution

__all__ = ["pyplot", "space_time"]


def pyplot() -> Any:
    """Return matplotlib.pyplot.

    Raises
    ------
    ImportError
        If matplotlib is not installed; the message names the install line.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError('plots need matplotlib: pip install "expint[plot]"') from error
    return plt


def space_time(solution: Solution, problem: SemilinearProblem, ax: Any = None, **options: Any) -> Any:
    """Draw u(x, t) of a problem in one space dimension, x to the right and t upwards, and return the axes.

    Parameters
    ----------
    solution
        A solution of ``problem``, whose states are mapped to values by ``problem.physical``.
    problem
        The problem, with its grid ``x``.
    ax
        Axes to draw on; new ones by default.
    options
        Passed to ``pcolormesh``.

    Raises
    ------
    ValueError
        If the problem has no one-dimensional grid.
    """
    if problem.x is None or problem.x.ndim != 1:
        raise ValueError(f"expected a problem with a one-dimensional grid x, received {problem.name or 'one'} without")
    values = to_numpy(solution.y if problem.physical is None else problem.physical(solution.y))
    if ax is None:
        _, ax = pyplot().subplots(figsize=(6, 5), layout="constrained")
    bound = float(np.max(np.abs(values)))
    options = {"cmap": "RdBu_r", "vmin": -bound, "vmax": bound, "shading": "nearest", "rasterized": True} | options
    mesh = ax.pcolormesh(to_numpy(problem.x), solution.t, values.real, **options)
    ax.figure.colorbar(mesh, ax=ax, label="u")
    ax.set(xlabel="x", ylabel="t", title=problem.name)
    return ax
