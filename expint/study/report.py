"""What a study found: cells, fitted slopes with confidence intervals, tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from expint.arguments import choice, instance, integer, listed, number, one_line, text
from expint.arrays import real_values

__all__ = ["Cell", "Slope", "Study", "fit_slope"]


@dataclass(frozen=True)
class Cell:
    """One problem solved by one method with one step size, tolerance or number of steps.

    Attributes
    ----------
    problem, method
        Their names in the study.
    value
        The step size, the tolerance or the number of steps.
    error
        What was measured; nan where the cell failed.
    calls, steps, seconds
        Evaluations of N, accepted steps, and wall time; the time is what it was when the cell was computed.
    failure
        Empty, or the sentence that says why the cell failed.

    Examples
    --------
    >>> from expint.study import Cell
    >>> Cell("burgers", "etdrk4", 0.1, error=1e-6, calls=40, steps=10)
    Cell(problem='burgers', method='etdrk4', value=0.1, error=1e-06, calls=40, steps=10, seconds=nan, failure='')
    """

    problem: str
    method: str
    value: float
    error: float = math.nan
    calls: int = 0
    steps: int = 0
    seconds: float = math.nan
    failure: str = ""

    def __post_init__(self) -> None:
        for name in ("problem", "method", "failure"):
            text(name, getattr(self, name))
        for name in ("value", "error", "seconds"):
            number(name, getattr(self, name), finite=False)
        for name in ("calls", "steps"):
            integer(name, getattr(self, name), least=0)


class Slope(NamedTuple):
    """The slope of log error over log value by least squares, with its 95 % confidence interval.

    The interval is that of Student's t; with fewer than three points it is not known, and nan.

    Examples
    --------
    >>> from expint.study import Cell, Study
    >>> cells = [Cell("burgers", "etdrk4", h, error=h**4, calls=round(4 / h)) for h in (0.1, 0.05, 0.025)]
    >>> study = Study(tuple(cells), "step")
    >>> (slope,) = study.slopes()
    >>> slope.method, round(slope.slope, 6), slope.points
    ('etdrk4', 4.0, 3)
    """

    problem: str
    method: str
    slope: float
    low: float
    high: float
    points: int


def fit_slope(x: Sequence[float], y: Sequence[float], confidence: float = 0.95) -> tuple[float, float, float]:
    """Return the slope of log y over log x and the ends of its confidence interval; nan for too few points.

    Raises
    ------
    ValueError
        If a value is not positive, the lists are of different lengths, or the confidence is not between 0 and 1.
    TypeError
        If they are no numbers.

    Examples
    --------
    >>> from expint.study import fit_slope
    >>> round(fit_slope([0.1, 0.05, 0.025], [1e-2, 2.5e-3, 6.25e-4])[0], 6)
    2.0
    """
    confidence = number("confidence", confidence, above=0, below=1)
    x, y = real_values("x", x, ndim=1).tolist(), real_values("y", y, ndim=1).tolist()
    if len(x) != len(y):
        raise ValueError(f"expected as many values y as x, received {len(y)} and {len(x)}")
    if not all(0 < value < math.inf for value in (*x, *y)):
        raise ValueError("expected finite positive values for a fit in logarithms, received others; leave them out")
    if len(set(x)) < 2:
        return math.nan, math.nan, math.nan
    from scipy import stats

    fit = stats.linregress(np.log(x), np.log(y))
    if len(x) < 3:
        return float(fit.slope), math.nan, math.nan
    half = float(stats.t.ppf((1 + confidence) / 2, len(x) - 2) * fit.stderr)
    return float(fit.slope), float(fit.slope) - half, float(fit.slope) + half


@dataclass(frozen=True, repr=False)
class Study:
    """The result of a study.

    Attributes
    ----------
    cells
        All cells, in the order problems, methods, values.
    parameter
        What the values are: "step", "rtol", "steps".
    measure
        What was measured: "error", "Fréchet distance".
    remarks
        What else there is to say: how many results come from a cache and from when, and which are not kept in it.

    Examples
    --------
    >>> from expint.study import Cell, Study
    >>> cells = [Cell("burgers", "etdrk4", h, error=h**4, calls=round(4 / h)) for h in (0.1, 0.05, 0.025)]
    >>> study = Study(tuple(cells), "step")
    >>> study
    Study (error over step): 1 problems × 1 methods, 3 cells
    >>> study.curve("burgers", "etdrk4", over="calls")[0]
    [40.0, 80.0, 160.0]
    """

    cells: tuple[Cell, ...]
    parameter: str
    measure: str = "error"
    remarks: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        cells = listed("cells", self.cells, "cells", least=0)
        object.__setattr__(self, "cells", tuple(instance("every cell of a study", cell, Cell) for cell in cells))
        for name in ("parameter", "measure"):
            text(name, getattr(self, name))
        object.__setattr__(self, "remarks", tuple(listed("remarks", self.remarks, "sentences", least=0)))

    def __repr__(self) -> str:
        failed = f", {len(self.failures)} failed" if self.failures else ""
        counts = f"{len(self.problems())} problems × {len(self.methods())} methods, {len(self.cells)} cells{failed}"
        return f"Study ({self.measure} over {self.parameter}): {counts}"

    @property
    def failures(self) -> tuple[Cell, ...]:
        """The cells that failed."""
        return tuple(cell for cell in self.cells if cell.failure)

    def problems(self) -> list[str]:
        """Return the names of the problems."""
        return list(dict.fromkeys(cell.problem for cell in self.cells))

    def methods(self) -> list[str]:
        """Return the names of the methods."""
        return list(dict.fromkeys(cell.method for cell in self.cells))

    def records(self) -> list[dict[str, Any]]:
        """Return one flat mapping for each cell, as ``pandas.DataFrame`` takes them."""
        return [
            {self.parameter if key == "value" else key: v for key, v in asdict(cell).items()} for cell in self.cells
        ]

    def curve(
        self, problem: str, method: str, over: Literal["value", "calls", "seconds", "steps"] = "value"
    ) -> tuple[list[float], list[float]]:
        """Return the abscissae ("value", "calls", "seconds") and the errors of the cells that succeeded.

        Raises
        ------
        ValueError
            If the study has no such problem or method, or the abscissa is not one of these.
        """
        choice("problem", problem, self.problems())
        choice("method", method, self.methods())
        choice("over", over, ("value", "calls", "seconds", "steps"))
        cells = [c for c in self.cells if (c.problem, c.method) == (problem, method) and not c.failure]
        return [float(getattr(cell, over)) for cell in cells], [cell.error for cell in cells]

    def slopes(self, floor: float = 1e-11, confidence: float = 0.95) -> list[Slope]:
        """Return the slope of each method on each problem.

        Parameters
        ----------
        floor
            Errors below it are rounding, and left out.
        confidence
            Of the interval.
        """
        floor = number("floor", floor)
        found = []
        for problem in self.problems():
            for method in self.methods():
                pairs = [(x, y) for x, y in zip(*self.curve(problem, method)) if floor < y < math.inf]
                x, y = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
                found.append(Slope(problem, method, *fit_slope(x, y, confidence), len(pairs)))
        return found

    def markdown(self) -> str:
        """Return the errors and slopes as Markdown tables, one for each problem, and the failures below."""
        parts = []
        for problem in self.problems():
            header, *rows = self._table(problem, "±", "failed")
            parts.append(f"**{one_line(problem)}**\n\n" + markdown_table([header, *rows]))
        if self.failures:
            failed = [f"- failed: {_where(self, cell)}: {cell.failure}" for cell in self.failures]
            parts.append("\n".join(map(one_line, failed)))
        if self.remarks:
            parts.append("\n".join(f"- {one_line(remark)}" for remark in self.remarks))
        return "\n\n".join(parts)

    def latex(self) -> str:
        r"""Return the errors and slopes as LaTeX tables (with booktabs), one for each problem."""
        tables = [self._tabular(problem) for problem in self.problems()]
        return "\n\n".join([*tables, *(f"% {one_line(remark)}" for remark in self.remarks)])

    def _tabular(self, problem: str) -> str:
        return f"% {one_line(problem)}\n{tabular(self._table(problem, '±', '--'))}"

    def _table(self, problem: str, plus_minus: str, failed: str) -> list[list[str]]:
        values = list(dict.fromkeys(cell.value for cell in self.cells))
        slopes = {slope.method: slope for slope in self.slopes() if slope.problem == problem}
        at = {(cell.method, cell.value): cell for cell in self.cells if cell.problem == problem}
        rows = [["method", *(f"{self.parameter} {value:.4g}" for value in values), "slope"]]
        for method in self.methods():
            cells = [at.get((method, value)) for value in values]
            if not any(cells):
                continue  # of another problem
            errors = ["" if cell is None else failed if cell.failure else f"{cell.error:.2e}" for cell in cells]
            rows.append([method, *errors, _written(slopes[method], plus_minus)])
        return rows


def _written(slope: Slope, plus_minus: str) -> str:
    if math.isnan(slope.slope):
        return ""
    interval = "" if math.isnan(slope.low) else f" {plus_minus} {(slope.high - slope.low) / 2:.2f}"
    return f"{slope.slope:.2f}{interval}"


def _where(study: Study, cell: Cell) -> str:
    return f"{cell.problem}, {cell.method}, {study.parameter} = {cell.value:g}"


def markdown_table(table: Sequence[Sequence[str]]) -> str:
    """Return rows of cells, of which the first is the head, as a Markdown table."""
    header, *rows = table
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(_in_cell, cells)) + " |" for cells in lines)


def tabular(table: Sequence[Sequence[str]]) -> str:
    r"""Return rows of cells, of which the first is the head, as a LaTeX table (with booktabs)."""
    body = [r" & ".join(map(_escaped, cells)) + r" \\" for cells in table]
    columns = "l" + "r" * (len(table[0]) - 1)
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", body[0], r"\midrule", *body[1:], r"\bottomrule"]
    return "\n".join([*lines, r"\end{tabular}"])


def _in_cell(text: str) -> str:
    """Return a text that stays within its cell of a Markdown table."""
    return one_line(text).replace("|", r"\|")


_LATEX = {c: f"\\{c}" for c in "&%#_{}$"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
}


def _escaped(text: str) -> str:
    """Return a text that LaTeX writes as it is."""
    return "".join(_LATEX.get(c, c) for c in one_line(text))
