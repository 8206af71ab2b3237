"""Stability of methods, and methods side by side: orders, stages, error constants, intervals of stability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import expint
from expint.arguments import listed, seen
from expint.arrays import complex_values
from expint.derive import kind_of_method
from expint.study.report import markdown_table, tabular

__all__ = ["MethodTable", "amplification", "compare_methods"]

_LIMIT = 20.0
_TOLERANCE = 1e-13


def amplification(method: Any, points: Any, z: complex = 0.0) -> np.ndarray:
    """Return the factor R by which one step of size 1 multiplies the solution of y' = z y + λ y, N(y) = λ y.

    At z = 0 it is the stability function of the underlying Runge–Kutta method. The region of stability at z is where
    |R| ≤ 1.

    Parameters
    ----------
    method
        A one-step method or its name, of the kinds that treat L by φ-functions and N explicitly.
    points
        The values of λ, real or complex, an array of any shape.
    z
        The value of L.

    Raises
    ------
    ValueError
        If the method is unknown, or of another kind: multistep, linearised, a splitting, for A(t); if a value is not
        finite.
    TypeError
        If an argument is of another kind.

    Notes
    -----
    Cox and Matthews, *Exponential time differencing for stiff systems*, 2002, section 3.

    Examples
    --------
    >>> import numpy as np, expint.study
    >>> expint.study.amplification("etd2rk", np.array([-1.0])).real
    array([0.5])
    """
    own: Any = _found(method)
    if not _has_factor(own):
        raise ValueError(
            f"expected a one-step method with a fixed L and an explicit N, received {own!r}, whose step is no such "
            "factor; look at its behaviour with expint.study.run"
        )
    lam, at = complex_values("points", points) + 0j, complex_values("z", z) + 0j
    if at.ndim or not (np.isfinite(at) and np.isfinite(lam).all()):
        raise ValueError(f"expected finite points and one finite z, received {points!r} and {z!r}")
    flat = lam.ravel()
    linear = expint.operators.Diagonal(np.full(flat.shape, complex(at)))
    run = expint.solve_ivp(lambda _, y: flat * y, (0.0, 1.0), np.ones_like(flat), linear=linear, step=1.0, method=own)
    return np.asarray(run.y_end).reshape(lam.shape)


def _found(entry: Any) -> Any:
    if isinstance(entry, str):
        return expint.method(entry)
    if isinstance(entry, type) or not hasattr(entry, "orders"):
        raise TypeError(f"expected a method or its name, received {seen(entry)}; such as 'krogstad4'")
    return entry


def _has_factor(method: Any) -> bool:
    """Whether a step depends on y_n alone; PEC forms remember one value, too, but that of a predicted state."""
    return kind_of_method(method) == "fixed L" and method.history == 1 and not hasattr(method, "q")


def _extent(method: Any, direction: complex) -> float:
    """Return how far from 0 along a ray |R| ≤ 1 holds at z = 0, to three digits; infinite beyond 20."""
    distances = np.linspace(0.0, _LIMIT, 20_001)
    unstable = np.flatnonzero(np.abs(amplification(method, distances * direction)) > 1 + _TOLERANCE)
    return float(distances[max(unstable[0] - 1, 0)]) if unstable.size else float("inf")


@dataclass(frozen=True)
class MethodTable:
    """Methods side by side: ``rows`` of plain data, as Markdown or LaTeX.

    Each row has the ``name``, ``order``, ``stiff_order``, ``weak_stiff_order``, number of ``stages``,
    ``error_constant`` (None if unknown), and how far |R| ≤ 1 holds along the ``real`` and the ``imaginary`` axis at
    z = 0 (None for multistep methods and those without an explicit N).

    Examples
    --------
    >>> import expint.study
    >>> print(expint.study.compare_methods(["etd2rk", "krogstad4"]).markdown())
    | method | order | stiff order | weak stiff order | evaluations | error constant | real | imaginary |
    | --- | --- | --- | --- | --- | --- | --- | --- |
    | etd2rk | 2 | 2 | 2 | 2 | 0.333 | 2 | 0 |
    | krogstad4 | 4 | 3 | 3 | 4 | 0.0393 | 2.785 | 2.828 |
    """

    rows: tuple[dict[str, Any], ...]

    def markdown(self) -> str:
        """Return a Markdown table."""
        return markdown_table(self._cells())

    def latex(self) -> str:
        """Return a LaTeX table (with booktabs)."""
        return tabular(self._cells()).replace("–", "--")

    def _cells(self) -> list[list[str]]:
        heads = ["order", "stiff order", "weak stiff order", "evaluations", "error constant", "real", "imaginary"]
        return [["method", *heads], *([_written(value) for value in row.values()] for row in self.rows)]


def compare_methods(methods: Sequence[Any]) -> MethodTable:
    """Return a table of methods: proved orders, stages, error constants, intervals of stability.

    Parameters
    ----------
    methods
        Methods or their names, as many as wanted.

    Raises
    ------
    ValueError
        If there is none, or a name is unknown.
    TypeError
        If one is no method.

    Examples
    --------
    >>> import expint.study
    >>> print(expint.study.compare_methods(["etdrk4", "krogstad4"]).markdown().splitlines()[0][:8])
    | method
    """
    found = [_found(entry) for entry in listed("methods", methods, "methods or their names")]
    return MethodTable(tuple(map(_row, found)))


def _row(method: Any) -> dict[str, Any]:
    report = method.orders
    explicit = _has_factor(method)
    return {
        "name": method.name,
        "order": report.order,
        "stiff_order": report.stiff_order,
        "weak_stiff_order": report.weak_stiff_order,
        "stages": method.stages,
        "error_constant": report.error_constant,
        "real": _extent(method, -1.0) if explicit else None,
        "imaginary": _extent(method, 1j) if explicit else None,
    }


def _written(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if value < 1 else f"{value:.4g}"
    return "–" if value is None else str(value)
