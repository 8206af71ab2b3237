"""What a ladder of step sizes saves: evaluations of N, φ-functions, rows and time for ladders of several fineness.

    python -m benchmarks.step_ladder [--errors 1e-4 1e-8] [--tasks "KdV" …]

Steps are the span over 2^{j/rungs}. With one rung to a power of two φ-functions and rows repeat most often, with many
steps are as good as free. For each ladder the loosest tolerance that reaches the error is taken; time is that of the
processor, the least of several runs in turn, in units of the first ladder.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple
from unittest import mock

import numpy as np

import expint
from benchmarks import parser
from benchmarks.machine import describe, load
from benchmarks.work_precision import PROBLEMS, Task, task, values
from expint import SemilinearProblem
from expint.lower.pair import AdamsCache
from expint.run.control import orders

LADDERS = (1, 2, 4, 8, 10_000)
TOLERANCES = tuple(10.0 ** -np.arange(2, 12.1, 0.25))
ROUNDS = 7


class Cost(NamedTuple):
    """What a run takes besides its evaluations: φ-functions and rows that are made."""

    tables: int
    rows: int


@contextmanager
def rungs(count: int) -> Iterator[list[str]]:
    """Let runs use a ladder of so many rungs, and yield a list to which each making of φ-functions or rows is added."""
    made: list[str] = []

    def counting(name: str) -> Callable[..., object]:
        original = getattr(AdamsCache, name)

        def counted(self: AdamsCache, *arguments: object) -> object:
            known = len(self._tables)
            result = original(self, *arguments)
            made.extend([name] * (1 if name == "_make" else len(self._tables) - known))
            return result

        return counted

    with (
        mock.patch.object(orders, "_RUNGS", count),
        mock.patch.object(orders, "_HOLD", (0.95, max(1.2, 0.95 * 2 ** (1 / count)))),
        mock.patch.object(AdamsCache, "_make", counting("_make")),
        mock.patch.object(AdamsCache, "_table", counting("_table")),
    ):
        yield made


def loosest(given: Task, problem: SemilinearProblem, t_end: float, error: float) -> float | None:
    """Return the loosest tolerance that reaches the error, None if there is none."""
    for rtol in TOLERANCES:
        solution = expint.solve(problem, t_span=(0, t_end), rtol=rtol, t_eval=[t_end])
        if solution.success and given.error(values(problem, solution.y_end)) <= error:
            return rtol
    return None


def compare(title: str, errors: Sequence[float], ladders: Sequence[int], steps: int) -> None:
    """Print a table for each error."""
    given, problem, t_end = task(title, steps)
    for error in errors:
        found = {}
        for count in ladders:
            with rungs(count):
                rtol = loosest(given, problem, t_end, error)
            if rtol is not None:
                found[count] = rtol
        print(f"\n**{title}, relative error {error:.0e}**\n")
        print("| rungs | rtol | N | φ | rows | time |\n|---|---|---|---|---|---|")
        least = dict.fromkeys(found, np.inf)
        counts = {}
        for _ in range(ROUNDS):
            for count, rtol in found.items():
                with rungs(count) as made:
                    begun = time.process_time()
                    solution = expint.solve(problem, t_span=(0, t_end), rtol=rtol, t_eval=[t_end])
                    least[count] = min(least[count], time.process_time() - begun)
                counts[count] = (solution.calls, made.count("_table"), made.count("_make"))
        for count, rtol in found.items():
            calls, tables, rows = counts[count]
            ratio = least[count] / next(iter(least.values()))
            print(f"| {count} | {rtol:.1e} | {calls} | {tables} | {rows} | {ratio:.2f} |", flush=True)


def main(arguments: Sequence[str] = ()) -> None:
    command = parser("benchmarks.step_ladder", __doc__)
    command.add_argument("--errors", nargs="*", type=float, help="relative errors; 1e-4 and 1e-8 by default")
    command.add_argument("--tasks", nargs="*", metavar="TASK", help="beginnings of titles; KS, KdV and NLS by default")
    options = command.parse_args(arguments)
    wanted = options.tasks or (["Burgers"] if options.quick else ["KS, t = 30", "KdV", "NLS"])
    errors = options.errors or ([1e-3] if options.quick else [1e-4, 1e-8])
    print(f"{describe()}; {load()}")
    for title in (title for title in PROBLEMS if title.startswith(tuple(wanted))):
        compare(title, errors, LADDERS[:2] if options.quick else LADDERS, 400 if options.quick else 12_000)


if __name__ == "__main__":
    main(sys.argv[1:])
