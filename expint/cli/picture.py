"""The picture of a solution of any problem: space–time in 1-D, the last state in 2-D, lines without a grid."""

from __future__ import annotations

from typing import Any

import numpy as np

import expint
import expint.plot
from expint.backend import to_numpy

__all__ = ["draw", "try_out", "values"]


def values(solution: expint.Solution, problem: expint.SemilinearProblem) -> np.ndarray:
    """Return the values at all times, on the grid of the problem if it has one; (times, [components,] …)."""
    return np.asarray(to_numpy(solution.y if problem.physical is None else problem.physical(solution.y)))


def try_out(problem: expint.SemilinearProblem) -> None:
    """Draw the initial state, so that what stands in the way of a picture is known before the run is spent."""
    plt = expint.plot.pyplot()
    plt.switch_backend("Agg")
    y0 = to_numpy(problem.y0)
    nothing = expint.Solution(np.asarray(problem.t_span), np.stack([y0, y0]), expint.Status.SUCCESS, "")
    plt.close(draw(nothing, problem).figure)


def draw(solution: expint.Solution, problem: expint.SemilinearProblem) -> Any:
    """Draw a solution, a panel for each component, and return the last axes."""
    found = values(solution, problem)
    dims = _dimensions(found[0], problem.x)
    if dims not in (0, 1, 2) or found.ndim - 1 - dims > 1:
        raise ValueError(
            f"expected a field in one or two dimensions to draw, received states of shape {found.shape[1:]}; write "
            "states to a .npz file"
        )
    if dims == 0:
        return _lines(np.asarray(solution.t), found)
    parts = found[:, None] if found.ndim - 1 == dims else found
    count = parts.shape[1]
    _, panels = expint.plot.pyplot().subplots(1, count, figsize=(5.5 * count, 4.2), layout="compressed", squeeze=False)
    for number, ax in enumerate(panels[0]):
        name = "u" if count == 1 else f"u_{number + 1}"
        one = expint.Solution(solution.t, parts[:, number], solution.status, "")
        where = _coordinates(problem.x, dims, parts.shape[2:])
        if dims == 1:
            expint.plot.space_time(one, where, ax, name=name)
        else:
            expint.plot.field(one, ax, where=where, name=name)
    return panels[0][-1]


def _dimensions(state: np.ndarray, x: Any) -> int:
    """Return how many of the last axes of a state are those of the grid; a square with one axis given has two."""
    if x is None:
        return 0
    square = x.ndim == 1 and state.shape == (len(x), len(x))
    return 2 if square else int(x.ndim)


def _coordinates(x: Any, dims: int, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Return the coordinates along each axis; of a plane whose grid is no tensor of axes the numbers of the points."""
    own = to_numpy(x)
    if own.ndim == 1:
        return dict.fromkeys(("x", "y")[:dims], own)
    return {f"point in {name}": np.arange(float(count)) for name, count in zip(("x", "y"), shape, strict=True)}


def _lines(t: np.ndarray, found: np.ndarray) -> Any:
    """Draw the components of a system without a grid over time."""
    _, ax = expint.plot.pyplot().subplots(figsize=(6, 4), layout="constrained")
    flat = np.abs(found) if np.iscomplexobj(found) else found
    for number, line in enumerate(flat.reshape(len(t), -1).T[:20]):
        ax.plot(t, line, marker=".", label=f"y_{number + 1}")
    ax.set(xlabel="t", ylabel="|y|" if np.iscomplexobj(found) else "y")
    ax.legend()
    return ax
