"""Pictures of states: functions of x and t, of x and y, and films of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from expint.arguments import checked, function, listed, number, seen
from expint.arrays import real_values
from expint.backend import Array
from expint.plot.figure import axes, pyplot
from expint.plot.own import Drawn, Part, colours, drawn, given_units, label
from expint.problem import SemilinearProblem
from expint.solution import Solution

__all__ = ["animation", "field", "space_time"]


@checked(ax=axes, units=given_units)
def space_time(
    solution: Solution,
    problem: Any,
    ax: Any = None,
    *,
    component: int | None = None,
    part: Part | None = None,
    units: Mapping[str, str] | None = None,
    name: str = "u",
    **options: Any,
) -> Any:
    """Draw u(x, t) in one space dimension, x to the right and t upwards, and return the axes.

    Parameters
    ----------
    solution
        A solution.
    problem
        The problem, whose ``physical`` maps states to values on its grid ``x``; for an equation of your own the
        ``expint.Grid``, or the coordinates {"x": x}.
    ax
        Axes to draw on; new ones by default.
    component, part
        Which component of a field with several; "real", "imag", "abs" or "angle" of complex values.
    units
        {"x": "mm", "t": "s", "u": "K"}: what stands behind the names of axes.
    name
        Of what is drawn.
    options
        Passed to ``pcolormesh``.

    Raises
    ------
    ValueError
        If there is no one-dimensional grid, or the solution has no states on it.
    TypeError
        If an argument is of another kind.

    Examples
    --------
    >>> import expint, expint.plot
    >>> problem = expint.problems.make("burgers", n=32)
    >>> ax = expint.plot.space_time(expint.solve(problem, "etdrk4", step=problem.t_span[1] / 20), problem)
    >>> ax.get_xlabel()
    'x'
    """
    shown = drawn(solution, problem, component, part)
    if len(shown.coords) != 1:
        raise ValueError(
            f"expected a grid of one dimension, received {len(shown.coords)}; expint.plot.field and movie draw planes"
        )
    if ax is None:
        _, ax = pyplot().subplots(figsize=(6, 5), layout="constrained")
    ((axis, x),) = shown.coords.items()
    if isinstance(problem, SemilinearProblem):  # on a scale about zero, whatever the signs of u
        bound = float(np.max(np.abs(shown.values)))
        scale: dict[str, Any] = {"cmap": "RdBu_r", "vmin": -bound, "vmax": bound}
    else:
        scale = colours(shown.values)
    options = scale | {"shading": "nearest", "rasterized": True} | options
    mesh = ax.pcolormesh(x, shown.times, shown.values, **options)
    ax.figure.colorbar(mesh, ax=ax, label=label(name, units))
    ax.set(xlabel=label(axis, units), ylabel=label("t", units), title=getattr(problem, "name", ""))
    return ax


@checked(ax=axes, units=given_units)
def field(
    values: Any,
    ax: Any = None,
    title: str = "",
    *,
    where: Any = None,
    at: float | None = None,
    component: int | None = None,
    part: Part | None = None,
    units: Mapping[str, str] | None = None,
    name: str = "u",
    **options: Any,
) -> Any:
    """Draw a function of two variables, and return the axes.

    Parameters
    ----------
    values
        Real values of shape (rows, columns), drawn as they are, the first axis upwards. Or a solution with ``where``,
        drawn over its coordinates, the first one to the right.
    ax
        Axes to draw on; new ones by default.
    title
        Title of the picture; of a solution the time, by default.
    where
        Of a solution: the ``expint.Grid``, or the coordinates {"x": x, "y": y}.
    at
        Of a solution: the time, of which the nearest one kept is drawn; the last one by default. Colours are those of
        all times.
    component, part, units, name
        Of a solution, as in ``space_time``.
    options
        Passed to ``imshow``, of a solution to ``pcolormesh``.

    Raises
    ------
    ValueError
        If the array does not have two axes, or has no entries; if the solution does not fit the grid.
    TypeError
        If it is none of real numbers, or an argument is of another kind.

    Examples
    --------
    >>> import numpy as np, expint.plot
    >>> type(expint.plot.field(np.outer(np.arange(3.0), np.arange(4.0)))).__name__
    'Axes'
    """
    if isinstance(values, Solution):
        shown = drawn(values, where, component, part)
        return _of_solution(shown, ax, title, shown.near(at), label(name, units), units, options)
    for said, value in {"where": where, "at": at, "component": component, "part": part, "units": units}.items():
        if value is not None:
            raise TypeError(f"expected a solution beside {said}=, received {seen(values)}")
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


def _of_solution(
    shown: Drawn, ax: Any, title: str, which: int, what: str, units: Mapping[str, str] | None, options: dict[str, Any]
) -> Any:
    """Draw the state at one time over its two coordinates."""
    if len(shown.coords) != 2:
        raise ValueError(f"expected a grid of two dimensions, received {len(shown.coords)}")
    if ax is None:
        _, ax = pyplot().subplots(figsize=(5.6, 4.2), layout="compressed")
    (first, x), (second, y) = shown.coords.items()
    scale = colours(shown.values) | {"shading": "nearest", "rasterized": True}
    mesh = ax.pcolormesh(x, y, shown.values[which].T, **(scale | options))
    ax.figure.colorbar(mesh, ax=ax, label=what)
    unit = f" {units['t']}" if units and "t" in units else ""
    ax.set(xlabel=label(first, units), ylabel=label(second, units), aspect="equal")
    ax.set_title(title or f"t = {shown.times[which]:.4g}{unit}")
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
