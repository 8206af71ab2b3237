"""Films of solutions."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from expint.arguments import checked, number
from expint.arguments import path as given_path
from expint.files import whole_file
from expint.plot.figure import pyplot
from expint.plot.own import Drawn, Part, colours, drawn, given_units, label

__all__ = ["movie"]

_WRITERS = {".gif": "pillow", ".mp4": "ffmpeg"}


@checked(fps=partial(number, above=0.0), units=given_units)
def movie(
    solution: Any,
    where: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    fps: float = 15.0,
    component: int | None = None,
    part: Part | None = None,
    units: Mapping[str, str] | None = None,
    name: str = "u",
    **options: Any,
) -> Any:
    """Draw a solution on a line or a plane as a film with one scale for all frames, and return the animation.

    Parameters
    ----------
    solution
        A solution; each of its times is a frame.
    where
        The ``expint.Grid``, or the coordinates along each axis: {"x": x, "y": y}.
    path
        Where to write it: a name that ends in .gif, or in .mp4, for which ffmpeg has to be installed. None writes none;
        ``.to_jshtml()`` of the animation shows it in a notebook.
    fps
        Frames per second.
    component, part
        Which component of a field with several; "real", "imag", "abs" or "angle" of complex values.
    units
        {"x": "mm", "t": "s", "u": "K"}: what stands behind the names of axes.
    name
        Of what is drawn.
    options
        Passed to ``plot`` or ``pcolormesh``.

    Raises
    ------
    ValueError
        If the solution does not fit the grid, that has more than two axes, or the name ends in something else.
    TypeError
        If arguments are of another kind.
    ImportError
        If matplotlib, or ffmpeg for .mp4, is not installed.

    Examples
    --------
    >>> import numpy as np, expint, expint.plot
    >>> grid = expint.Grid(16, length=1.0, boundary="neumann")
    >>> heat = expint.solve_ivp(None, (0, 1), np.cos(np.pi * grid.x), linear=grid.laplacian, step=0.5)
    >>> film = expint.plot.movie(heat, grid)
    >>> _ = film.to_jshtml()
    """
    shown = drawn(solution, where, component, part)
    if len(shown.coords) > 2:
        raise ValueError(f"expected one or two space dimensions, received {len(shown.coords)}; take a slice")
    target = None if path is None else Path(given_path("path", path))
    if target is not None:
        _check_writer(target)
    plt = pyplot()
    figure, ax = plt.subplots(figsize=(5.6, 4.2), layout="compressed")
    paint = (_line if len(shown.coords) == 1 else _plane)(ax, shown, label(name, units), units, options)
    from matplotlib.animation import FuncAnimation

    def show(frame: int) -> list[Any]:
        ax.set_title(_moment(shown.times[frame], units), loc="left")
        return [paint(frame)]

    film = FuncAnimation(figure, show, frames=len(shown.times), interval=1000 / fps, blit=False)
    if target is not None:
        _write(film, target, fps)
    else:
        figure.canvas.draw()  # the first frame; matplotlib warns of films that are dropped without one
    return film


def _moment(t: float, units: Mapping[str, str] | None) -> str:
    unit = f" {units['t']}" if units and "t" in units else ""
    return f"t = {t:.4g}{unit}"


def _line(ax: Any, shown: Drawn, what: str, units: Any, options: dict[str, Any]) -> Any:
    ((axis, x),) = shown.coords.items()
    (line,) = ax.plot(x, shown.values[0], **options)
    low, high = float(np.min(shown.values)), float(np.max(shown.values))
    margin = 0.05 * (high - low) or 1.0
    ax.set(xlabel=label(axis, units), ylabel=what, xlim=(x[0], x[-1]), ylim=(low - margin, high + margin))

    def paint(frame: int) -> Any:
        line.set_ydata(shown.values[frame])
        return line

    return paint


def _plane(ax: Any, shown: Drawn, what: str, units: Any, options: dict[str, Any]) -> Any:
    (first, x), (second, y) = shown.coords.items()
    mesh = ax.pcolormesh(
        x, y, shown.values[0].T, **(colours(shown.values) | {"shading": "nearest", "rasterized": True} | options)
    )
    ax.figure.colorbar(mesh, ax=ax, label=what)
    ax.set(xlabel=label(first, units), ylabel=label(second, units), aspect="equal")

    def paint(frame: int) -> Any:
        mesh.set_array(shown.values[frame].T)
        return mesh

    return paint


def _check_writer(target: Path) -> None:
    """Refuse a film that cannot be written, before it is drawn."""
    if target.suffix.lower() not in _WRITERS:
        raise ValueError(f"expected the name of a film to end in .gif or .mp4, received {target.name!r}")
    if target.suffix.lower() == ".mp4" and shutil.which("ffmpeg") is None:
        raise ImportError("films in .mp4 need ffmpeg: apt install ffmpeg, or conda install ffmpeg; .gif needs none")


def _write(film: Any, target: Path, fps: float) -> None:
    """Write a film, whole or not at all."""
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / f"film{target.suffix.lower()}"
        film.save(part, writer=_WRITERS[target.suffix.lower()], fps=fps, dpi=110)
        with whole_file(target) as file, open(part, "rb") as made:
            shutil.copyfileobj(made, file)
