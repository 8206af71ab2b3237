"""Error achieved over the whole zoo for rtol = 1e-3 … 1e-10; writes docs/tolerances.md when all problems are run.

    python -m benchmarks.tolerances [--folder FOLDER] [problems]

Every problem is solved by the default method to every tolerance; what its error at the end is in units of the tolerance
is set beside what one error of the size that is allowed to a step grows to by then.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import expint
from benchmarks import parser
from benchmarks.machine import describe
from expint import SemilinearProblem, problems

DOCS = Path(__file__).parent.parent / "docs"
TOLERANCES = tuple(10.0**-k for k in range(3, 11))
FACTOR = 10.0
"""How far the error may be from the tolerance."""

PARAMETERS: dict[str, dict[str, Any]] = {
    "hochbruck_ostermann": {"term": "local"},
    "korteweg_de_vries": {"n": 512},  # on 256 points the soliton is exact to 1e-7 only
    "prescribed_spectrum": {"symbol": [-1.0, 2.0, -5.0]},
    "sine_gordon": {"n": 512, "length": 80.0},  # in a period of 40 the breather is exact to 1e-7 only
}
ATOL = {"hires": 1e-4, "robertson": 1e-6, "van_der_pol": 1.0}
"""atol in units of rtol where the components differ in size, as Hairer and Wanner (1996), section IV.10, take it."""

MOST_STEPS = 60_000
TIMES = (0.0, 0.25, 0.5, 0.75)
"""When errors are made of which the growth is measured, in units of the time of the solution."""


class Case(NamedTuple):
    """A problem and its solution at one time.

    Attributes
    ----------
    name, problem
        The problem.
    t_end
        The time of the solution.
    expected
        Its values, all of them or a sample.
    digits
        To how many digits they are known; inf for an exact solution.
    values
        From a state to the values that ``expected`` has.
    """

    name: str
    problem: SemilinearProblem
    t_end: float
    expected: np.ndarray
    digits: float
    values: Callable[[Any], np.ndarray]

    def error(self, y: Any) -> float:
        """Return the relative error in the 2-norm of the values; for unlike components, in the norm of the tolerance.

        The latter is the root mean square of e_i / (|y_i| + atol/rtol).
        """
        difference = np.abs(self.values(y) - self.expected)
        if self.name in ATOL:
            return float(np.sqrt(np.mean((difference / (np.abs(self.expected) + ATOL[self.name])) ** 2)))
        return float(np.linalg.norm(difference) / np.linalg.norm(self.expected))

    def tolerances(self, rtol: float) -> dict[str, Any]:
        """Return the arguments rtol and atol, the latter only where the default is not what is meant."""
        return {"rtol": rtol} | ({"atol": rtol * ATOL[self.name]} if self.name in ATOL else {})


class Cell(NamedTuple):
    """One run: its error, its evaluations of N, and how it ended; the error is nan where it did not reach the end."""

    error: float
    evaluations: int
    status: str


class Row(NamedTuple):
    """All runs on one problem, and how errors grow in it."""

    case: Case
    growth: float
    cells: list[Cell]


def case(name: str) -> Case:
    """Return the problem ``name`` with its exact solution at the end, or its stored one."""
    problem = problems.make(name, **PARAMETERS.get(name, {}))
    physical = problem.physical or (lambda y: y)

    def everything(y: Any) -> np.ndarray:
        return np.asarray(physical(y)).ravel()

    if problem.exact is not None:
        t = problem.t_span[1]
        return Case(name, problem, t, everything(problem.exact(t)), np.inf, everything)
    stored = problems.reference(name)
    return Case(name, problem, stored.t, stored.values, stored.digits, lambda y: problems.sample(problem, y))


def run(given: Case, rtol: float) -> Cell:
    """Solve to a tolerance."""
    solution = expint.solve(
        given.problem,
        t_span=(0.0, given.t_end),
        t_eval=[given.t_end],
        max_steps=MOST_STEPS,
        **given.tolerances(rtol),
    )
    error = given.error(solution.y_end) if solution.success else np.nan
    return Cell(error, solution.calls, solution.status.name.lower().replace("_", " "))


def growth(given: Case, rtol: float = 1e-7, times: Sequence[float] = TIMES) -> float:
    """Return the largest error at the end due to one error as large as a step may make, in units of the tolerance.

    The error is made once, at each of ``times``: every component is changed by rtol times itself, with random signs (or
    phases), and, in another run, all with the same. 1 means that errors are kept, less that they decay; the sum over
    many steps may still be more than one of them. nan where the solver fails.
    """
    problem, t_end, size = given.problem, given.t_end, 1e2 * rtol
    rng = np.random.default_rng(0)
    options = given.tolerances(rtol) | {"max_steps": MOST_STEPS}
    starts = [part * t_end for part in times]
    plain = expint.solve(problem, t_span=(0.0, t_end), t_eval=[*starts, t_end], **options)
    if not plain.success:
        return np.nan
    unchanged = given._replace(expected=given.values(plain.y_end))
    largest = 0.0
    for t, y in zip(starts, plain.y):
        signs = np.exp(2j * np.pi * rng.uniform(size=y.shape)) if np.iscomplexobj(y) else rng.choice([-1, 1], y.shape)
        for change in (signs * y, y):
            disturbed = replace(problem, y0=y + size * change, t_span=(t, t_end))
            changed = expint.solve(disturbed, t_eval=[t_end], **options)
            if not changed.success:
                return np.nan
            largest = max(largest, unchanged.error(changed.y_end) / size)
    return largest


def measure(name: str, tolerances: Sequence[float]) -> Row:
    """Return the row of one problem."""
    given = case(name)
    return Row(given, growth(given), [run(given, rtol) for rtol in tolerances])


def within(row: Row, cell: Cell, rtol: float) -> bool:
    """Return whether the error is at most ten times the tolerance, or ten times what one step's error grows to."""
    return bool(cell.error <= FACTOR * rtol * max(1.0, row.growth))


def table(rows: Sequence[Row], tolerances: Sequence[float]) -> str:
    """Return the rows as a Markdown table."""
    lines = [
        f"| problem | t | growth | digits | {' | '.join(f'{rtol:.0e}' for rtol in tolerances)} |",
        f"|---|---|---|---|{'---|' * len(tolerances)}",
    ]
    for row in rows:
        digits = "exact" if np.isinf(row.case.digits) else f"{row.case.digits:.1f}"
        cells = [_shown(row, cell, rtol) for cell, rtol in zip(row.cells, tolerances)]
        lines.append(f"| {row.case.name} | {row.case.t_end:.3g} | {row.growth:.2g} | {digits} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _shown(row: Row, cell: Cell, rtol: float) -> str:
    if not np.isfinite(cell.error):
        return f"**{cell.status}**"
    known = "≲ " if cell.error < 2 * 10.0**-row.case.digits else ""
    ratio = f"{known}{cell.error / rtol:.2g}"
    return f"{ratio if within(row, cell, rtol) else f'**{ratio}**'} ({cell.evaluations})"


def summary(rows: Sequence[Row], tolerances: Sequence[float]) -> str:
    """Return how many runs are within a factor 10 of the tolerance, above it and below it."""
    pairs = [(row, cell, rtol) for row in rows for cell, rtol in zip(row.cells, tolerances)]
    ratios = np.array([cell.error / rtol for _, cell, rtol in pairs])
    kept = sum(within(*pair) for pair in pairs)
    return (
        f"Of {len(pairs)} runs {int(np.sum(np.isnan(ratios)))} did not reach the end; "
        f"{int(np.sum(ratios <= FACTOR))} have an error of at most ten times the tolerance, {kept} one of at most ten "
        f"times the tolerance or its growth, {int(np.sum(ratios < 1 / FACTOR))} one of less than a tenth of the "
        "tolerance."
    )


PAGE = """# Errors achieved

Written by `python -m benchmarks.tolerances`; {machine}.

Every problem of `expint.problems`, solved by `expint.solve(problem, rtol=…)` with the default method and the default
absolute tolerance (for hires, robertson and van_der_pol 1e-4, 1e-6 and 1 times rtol). A cell shows **the error at t in
units of the tolerance, and in parentheses the evaluations of N**: 1 is what was asked for, 10 ten times as much, 0.1
more caution than needed. Errors are relative, in the 2-norm of the values on the grid; for the three systems just named
the root mean square of e_i / (|y_i| + atol/rtol).

*Growth* tells how well the problem is posed: what one relative error of the size of the tolerance, made at 0, ¼, ½ or ¾
of the time, has become at the end, in units of the tolerance. No solver that controls the errors of its steps can do
better than that on a problem that amplifies them. *Digits*: how many of the stored solution are confirmed by two
methods; "≲" marks errors that are not told from its own. Bold: an error of more than ten times the tolerance and more
than ten times its growth, or a run that did not reach the end.

{summary}

{table}
"""


def main(arguments: Sequence[str] = ()) -> None:
    command = parser("benchmarks.tolerances", __doc__)
    command.add_argument("names", nargs="*", metavar="NAME", help="problems; all by default")
    command.add_argument("--folder", type=Path, help="where to write; docs by default if all problems are run")
    options = command.parse_args(arguments)
    names = options.names or (["riccati", "hochbruck_ostermann", "burgers"] if options.quick else problems.names())
    tolerances = TOLERANCES[:5:2] if options.quick else TOLERANCES
    rows = []
    for name in names:
        rows.append(measure(name, tolerances))
        print(table(rows[-1:], tolerances).splitlines()[-1], flush=True)
    print(summary(rows, tolerances))
    folder = options.folder or (DOCS if not options.names and not options.quick else None)
    if folder is not None:
        page = PAGE.format(machine=describe(), summary=summary(rows, tolerances), table=table(rows, tolerances))
        (folder / "tolerances.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
