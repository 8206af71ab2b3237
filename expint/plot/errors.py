"""Errors over step, tolerance or work in doubly logarithmic axes, with triangles that show orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np

from expint.arguments import checked, instance, listed, number, numbers
from expint.arrays import real_values
from expint.plot.figure import axes, pyplot
from expint.plot.triangles import Place, place_below

__all__ = ["curves", "order_triangle", "study"]

_POSITIVE = partial(number, above=0.0)


@checked(ax=axes, orders=numbers)
def curves(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    ax: Any = None,
    *,
    orders: Sequence[float] = (),
    xlabel: str = "step",
    ylabel: str = "error",
    title: str = "",
) -> Any:
    """Draw curves in doubly logarithmic axes, with triangles that show the slopes ``orders``, and return the axes.

    Parameters
    ----------
    series
        For each label the abscissae and the ordinates; values that are not positive and finite are left out.
    ax
        Axes to draw on; new ones by default.
    orders
        Slopes to be shown, each below the curve whose slope is nearest, where no curve is covered.
    xlabel, ylabel, title
        Labels.

    Raises
    ------
    ValueError
        If no curve has a point to draw, or has lists of different lengths.
    TypeError
        If the series are no mapping of pairs of lists of numbers, or the axes no axes.

    Examples
    --------
    >>> import expint.plot
    >>> ax = expint.plot.curves({"of order 2": ([0.1, 0.05], [1e-2, 2.5e-3])}, orders=[2])
    >>> ax.get_xscale()
    'log'
    """
    instance("series", series, Mapping, "a mapping {label: (abscissae, ordinates)}")
    drawn = {str(label): kept for label, pair in series.items() if (kept := _drawable(label, pair))[0].size}
    if not drawn:
        raise ValueError(f"expected a curve with positive finite points, received {len(series)} without")
    if ax is None:
        _, ax = pyplot().subplots(figsize=(6, 4.5), layout="constrained")
    from matplotlib.ticker import FuncFormatter

    for (label, (x, y)), marker in zip(drawn.items(), "osv^D<>pPX*hdH8" * len(drawn)):
        ax.loglog(x, y, marker=marker, markersize=4.5, linewidth=1.3, label=label)
    taken = list[tuple[float, Place]]()
    for order in orders:
        nearest = min(drawn.values(), key=lambda pair: abs(_slope(*pair) - order))
        place = place_below(order, nearest, list(drawn.values()), taken)
        order_triangle(ax, order, *place)
        taken.append((order, place))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(FuncFormatter(partial(_power, axis)))
        axis.set_minor_formatter(FuncFormatter(partial(_two_and_five, axis)))
    ax.grid(True, which="major", color="0.9", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title)
    ax.legend(fontsize="small", frameon=False)
    return ax


@checked(ax=axes, left=_POSITIVE, right=_POSITIVE, start=_POSITIVE)
def order_triangle(ax: Any, order: float, left: float, right: float, start: float) -> None:
    """Draw the triangle of slope ``order`` between two abscissae of doubly logarithmic axes.

    Parameters
    ----------
    ax
        Axes to draw on.
    order
        The slope.
    left, right
        The abscissae of its corners, different.
    start
        The ordinate at ``left`` of the side that has the slope.

    Raises
    ------
    ValueError
        If an abscissa or the ordinate is not positive, or the abscissae are the same.
    TypeError
        If they are no numbers, or the axes no axes.

    Examples
    --------
    >>> import expint.plot
    >>> ax = expint.plot.pyplot().figure().subplots()
    >>> before = len(ax.get_children())
    >>> expint.plot.order_triangle(ax, 2.0, 0.2, 0.4, 0.02)
    >>> len(ax.get_children()) > before
    True
    """
    if left == right:
        raise ValueError(f"expected two different abscissae left and right, received {left} twice")
    left, right = sorted((left, right))
    end = start * float(np.float64(right / left) ** order)
    if not 0 < end < np.inf:
        raise ValueError(f"expected an order whose triangle can be drawn, received {order:g}")
    corner = right if end > start else left  # the right angle lies below
    style = {"facecolor": "0.92", "edgecolor": "0.35", "linewidth": 0.8, "zorder": 0.8}
    ax.fill([left, right, corner], [start, end, min(start, end)], **style)
    away, side = ((3, 0), "left") if corner == right else ((-3, 0), "right")
    middle = (corner, np.sqrt(start * end))
    ax.annotate(f"{order:g}", middle, away, textcoords="offset points", ha=side, va="center", size=8)


@checked(ax=axes, orders=numbers)
def study(
    result: Any,
    problem: str,
    ax: Any = None,
    *,
    over: Literal["value", "calls", "seconds"] = "value",
    orders: Sequence[float] = (),
) -> Any:
    """Draw a study: for each method the error over step, tolerance or work, and return the axes.

    Parameters
    ----------
    result
        What ``expint.study.run`` or ``diffusion.study.run`` returned.
    problem
        The name of one of its problems.
    ax
        Axes to draw on; new ones by default.
    over
        The abscissa: "value" (the parameter of the study), "calls" or "seconds".
    orders
        Slopes to be shown by triangles.

    Raises
    ------
    ValueError
        If the study has no such problem, or the abscissa is not one of these.
    TypeError
        If ``result`` is no study, or the axes no axes.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> import expint.plot, expint.study
    >>> threads = ThreadPoolExecutor(1)
    >>> found = expint.study.run([expint.problems.riccati], ["etdrk4"], steps=[0.1, 0.05], executor=threads)
    >>> expint.plot.study(found, "riccati").get_xscale()
    'log'
    """
    from expint.study.report import Study  # which draws nothing, and imports what runs studies

    instance("result", result, Study)
    labels = {"value": result.parameter, "calls": "evaluations", "seconds": "seconds"}
    if over not in labels:
        raise ValueError(f"expected over to be one of {list(labels)}, received {over!r}")
    if problem not in result.problems():
        raise ValueError(f"expected the name of one of the problems {result.problems()}, received {problem!r}")
    drawn = {method: result.curve(problem, method, over) for method in result.methods()}
    return curves(drawn, ax, orders=orders, xlabel=labels[over], ylabel=result.measure, title=problem)


def _short(axis: Any) -> bool:
    """Whether an axis shows so little that ticks between powers of ten are named; then all are plain numbers."""
    low, high = sorted(axis.get_view_interval())
    return bool(high < 100 * low)


def _power(axis: Any, value: float, position: int) -> str:
    """Return the label of a tick at a power of ten."""
    del position
    if value <= 0:
        return ""
    return f"{value:g}" if _short(axis) else f"$10^{{{round(np.log10(value))}}}$"


def _two_and_five(axis: Any, value: float, position: int) -> str:
    """Return the label of a tick between powers of ten: those at 2 and 5 get one, where there is room."""
    del position
    if not _short(axis) or value <= 0:
        return ""
    return f"{value:g}" if round(value / 10 ** np.floor(np.log10(value))) in (2, 5) else ""


def _drawable(label: Any, pair: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the points that logarithmic axes can show, in ascending order of x."""
    x, y = listed(f"the series {label!r}", pair, "abscissae and ordinates", least=2)[:2]
    xs, ys = (
        real_values(f"the abscissae of {label!r}", x, ndim=1),
        real_values(f"the ordinates of {label!r}", y, ndim=1),
    )
    if len(xs) != len(ys):
        raise ValueError(f"expected as many ordinates as abscissae of {label!r}, received {len(ys)} and {len(xs)}")
    kept = np.isfinite(xs) & np.isfinite(ys) & (xs > 0) & (ys > 0)
    order = np.argsort(xs[kept])
    return xs[kept][order], ys[kept][order]


def _slope(x: np.ndarray, y: np.ndarray) -> float:
    """Return the slope of the middle of a curve in doubly logarithmic axes."""
    if len(x) < 2:
        return np.inf
    middle = max(len(x) // 2, 1)
    return float(np.log(y[middle] / y[middle - 1]) / np.log(x[middle] / x[middle - 1]))
