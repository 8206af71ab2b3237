"""Pictures of states: functions of x and t, of x and y, and films of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from expint.arguments import checked, function, instance, listed, number
from expint.arrays import real_values
from expint.backend import Array, to_numpy
from expint.plot.figure import axes, pyplot
from expint.problem import SemilinearProblem
from expint.solution import Solution

__all__ = ["animation", "field", "space_time"]


@checked(ax=axes)
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
        If the problem has no one-dimensional grid, or the solution no states on it.
    TypeError
        If one of them is of another kind.

    Examples
    --------
    >>> import expint, expint.plot
    >>> problem = expint.problems.make("burgers", n=32)
    >>> ax = expint.plot.space_time(expint.solve(problem, "etdrk4", step=problem.t_span[1] / 20), problem)
    >>> ax.get_xlabel()
    'x'
    """
    instance("solution", solution, Solution)
    instance("problem", problem, SemilinearProblem)
    if problem.x is None or problem.x.ndim != 1:
        raise ValueError(f"expected a problem with a one-dimensional grid x, received {problem.name or 'one'} without")
    if tuple(solution.y.shape[1:]) != tuple(problem.y0.shape) or not len(solution.t):
        raise ValueError(
            f"expected a solution with states of shape {tuple(problem.y0.shape)}, those of the problem, received shape "
            f"{tuple(solution.y.shape[1:])} at {len(solution.t)} times"
        )
    values = to_numpy(solution.y if problem.physical is None else problem.physical(solution.y))
    if ax is None:
        _, ax = pyplot().subplots(figsize=(6, 5), layout="constrained")
    bound = float(np.max(np.abs(values)))
    options = {"cmap": "RdBu_r", "vmin": -bound, "vmax": bound, "shading": "nearest", "rasterized": True} | options
    mesh = ax.pcolormesh(to_numpy(problem.x), solution.t, values.real, **options)
    ax.figure.colorbar(mesh, ax=ax, label="u")
    ax.set(xlabel="x", ylabel="t", title=problem.name)
    return ax


@checked(ax=axes)
def field(values: Array, ax: Any = None, title: str = "", **options: Any) -> Any:
    """Draw a function of two variables, the first axis upwards, and return the axes.

    Parameters
    ----------
    values
        Real values of shape (rows, columns).
    ax
        Axes to draw on; new ones by default.
    title
        Title of the picture.
    options
        Passed to ``imshow``.

    Raises
    ------
    ValueError
        If the array does not have two axes, or has no entries.
    TypeError
        If it is none of real numbers, or the axes no axes.

    Examples
    --------
    >>> import numpy as np, expint.plot
    >>> type(expint.plot.field(np.outer(np.arange(3.0), np.arange(4.0)))).__name__
    'Axes'
    """
    pixels = real_values("values", values)
    if not pixels.size:
        raise ValueError(f"expected values to draw, received shape {pixels.shape}")
    if pixels.ndim != 2:
        raise ValueError(f"expected values of shape (rows, columns), received shape {pixels.shape}; take one component")
    if ax is None:
        _, ax = pyplot().subplots(figsize=(4, 4), layout="constrained")
    ax.imshow(pixels, **({"origin": "lower", "cmap": "viridis", "interpolation": "bilinear"} | options))
    ax.set(xticks=[], yticks=[], title=title)
    return ax


@checked(ax=axes, fps=partial(number, finite=False))
def animation(frames: Sequence[Array], draw: Callable[[Array, Any], Any], fps: float = 20.0, ax: Any = None) -> Any:
    """Return a matplotlib animation: ``draw(frame, ax)`` for each frame, on cleared axes.

    ``.save("film.gif", writer="pillow")`` writes it, ``.to_jshtml()`` shows it in a notebook.

    Parameters
    ----------
    frames
        What is drawn, one after the other.
    draw
        Draws one of them on the axes, for example ``expint.plot.field``.
    fps
        Frames per second.
    ax
        Axes to draw on; new ones by default.

    Raises
    ------
    ValueError
        If there are no frames or the rate is not positive.
    TypeError
        If ``frames`` is no sequence, ``draw`` no function, or the axes no axes.

    Examples
    --------
    >>> import numpy as np, pathlib, tempfile, expint.plot
    >>> folder = tempfile.TemporaryDirectory()
    >>> frames = [np.zeros((4, 4)), np.ones((4, 4))]
    >>> film = expint.plot.animation(frames, lambda frame, ax: expint.plot.field(frame, ax))
    >>> film.save(pathlib.Path(folder.name) / "film.gif", writer="pillow")
    >>> [file.name for file in pathlib.Path(folder.name).iterdir()]
    ['film.gif']
    >>> folder.cleanup()
    """
    frames = listed("frames", frames, "frames", least=0)
    function("draw", draw, "(frame, ax)")
    if not len(frames) or not 0 < fps < np.inf:
        raise ValueError(f"expected at least one frame and fps > 0, received {len(frames)} frames and fps = {fps}")
    if ax is None:
        _, ax = pyplot().subplots(figsize=(4, 4), layout="constrained")
    from matplotlib.animation import FuncAnimation

    def show(index: int) -> list[Any]:
        ax.clear()
        draw(frames[index], ax)
        return [ax]

    return FuncAnimation(ax.figure, show, frames=len(frames), interval=1000 / fps, blit=False)
