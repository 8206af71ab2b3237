"""What there is to draw of a solution: values at times on a grid, with the names and units of their axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from expint.arguments import instance, integer, number, seen, text
from expint.arrays import real_values
from expint.backend import to_numpy
from expint.problem import SemilinearProblem
from expint.solution import Solution

__all__ = ["PARTS", "Drawn", "Part", "colours", "drawn", "given_units", "label"]

Part = Literal["real", "imag", "abs", "angle"]

PARTS: dict[str, Callable[[Any], Any]] = {"real": np.real, "imag": np.imag, "abs": np.abs, "angle": np.angle}
"""What is drawn of complex values."""


class Drawn(NamedTuple):
    """Times, real values of shape (times, *grid), and the coordinates along each axis by name."""

    times: np.ndarray
    values: np.ndarray
    coords: dict[str, np.ndarray]

    def near(self, t: float | None) -> int:
        """Return which of the times is nearest to t, the last one for None."""
        return len(self.times) - 1 if t is None else int(np.argmin(np.abs(self.times - number("t", t))))


def drawn(solution: Any, where: Any, component: int | None = None, part: str | None = None) -> Drawn:
    """Return what there is to draw of a solution.

    Parameters
    ----------
    solution
        A solution whose states are values on a grid, or what ``where`` makes values of.
    where
        The ``expint.Grid``, the problem, or the coordinates along each axis: {"x": array, "y": array}.
    component
        Which component of a field with several, the first axis of its states.
    part
        "real", "imag", "abs" or "angle" of complex values; "abs" by default.

    Raises
    ------
    ValueError
        If the states do not have the shape of the grid, or there are none.
    TypeError
        If the arguments are of another kind.
    """
    instance("solution", solution, Solution)
    values, coords = _on_grid(solution, where)
    shape = tuple(len(own) for own in coords.values())
    before = values.shape[1 : values.ndim - len(shape)]
    if component is not None and len(before) == 1:
        most = before[0] - 1
        values = values[:, integer("component", component, least=0, most=most)]
    elif component is not None or before:
        said = "none" if component is None else f"component={component}"
        raise ValueError(
            f"expected component= for fields with several components, and only there, received {said} for states of "
            f"shape {values.shape[1:]}"
        )
    if values.shape[1:] != shape or not len(values) or len(solution.t) != len(values):
        raise ValueError(
            f"expected states of shape (…, {', '.join(map(str, shape))}) at all times, received shape "
            f"{values.shape[1:]} at {len(values)} times"
        )
    if np.iscomplexobj(values) or part is not None:
        chosen = "abs" if part is None else part
        if chosen not in PARTS:
            raise ValueError(f"expected part to be one of {list(PARTS)}, received {seen(part)}")
        values = PARTS[chosen](values)
    if not np.all(np.isfinite(values)):
        raise ValueError(f"expected finite values to draw, received {int(np.sum(~np.isfinite(values)))} that are not")
    return Drawn(np.asarray(solution.t, dtype=np.float64), values, coords)


def _on_grid(solution: Solution, where: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the values of all states, and the coordinates along each axis."""
    if isinstance(where, Mapping):
        if not where:
            raise ValueError("expected the coordinates along each axis, received none")
        return to_numpy(solution.y), {str(name): real_values(str(name), own, ndim=1) for name, own in where.items()}
    if isinstance(where, SemilinearProblem):
        if where.x is None or where.x.ndim != 1:
            raise ValueError(
                f"expected a problem with a one-dimensional grid x, received {where.name or 'one'} without; pass the "
                "coordinates: {'x': x, 'y': y}"
            )
        if tuple(solution.y.shape[1:]) != tuple(where.y0.shape) or not len(solution.t):
            raise ValueError(
                f"expected a solution with states of shape {tuple(where.y0.shape)}, those of the problem, received "
                f"shape {tuple(solution.y.shape[1:])} at {len(solution.t)} times"
            )
        values = to_numpy(solution.y if where.physical is None else where.physical(solution.y))
        return values.real, {"x": to_numpy(where.x)}
    if not hasattr(where, "coords") or not hasattr(where, "backward"):
        raise TypeError(f"expected a grid, a problem, or coordinates such as {{'x': x}}, received {seen(where)}")
    shape, modes = where.shape, where.modes
    given = tuple(solution.y.shape)[1:]
    coefficients = given[len(given) - len(shape) :] != shape and given[len(given) - len(modes) :] == modes
    return to_numpy(where.backward(solution.y) if coefficients else solution.y), where.coords


def given_units(name: str, value: Any) -> dict[str, str]:
    """Return the units of axes by name.

    Raises
    ------
    TypeError
        If they are no mapping of texts.
    """
    instance(name, value, Mapping, "the units of axes, such as {'x': 'mm', 't': 's'}")
    return {text("an axis", axis): text(f"the unit of {axis}", unit) for axis, unit in value.items()}


def label(name: str, units: Mapping[str, str] | None) -> str:
    """Return the name of an axis with its unit."""
    return f"{name} ({units[name]})" if units and name in units else name


def colours(values: np.ndarray) -> dict[str, Any]:
    """Return one colour scale for all values: symmetric about zero where they have both signs."""
    low, high = float(np.min(values)), float(np.max(values))
    if low < 0 < high:
        bound = max(-low, high)
        return {"cmap": "RdBu_r", "vmin": -bound, "vmax": bound}
    return {"cmap": "viridis", "vmin": low, "vmax": high}
