"""The comparison itself, run in the environment of the peers: tables, and a picture for each task."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import parser
from benchmarks.contest import PATIENCE, Solver, plot
from benchmarks.machine import describe, load
from benchmarks.work_precision import PROBLEMS, contest, ours, task
from expint import SemilinearProblem

PACKAGES = ("scipy", "rkstiff", "exponax", "diffrax")
OURS = ("auto", "etd34")
DOCS = Path(__file__).parents[2] / "docs" / "benchmarks.md"

PAGE = """# Beside other solvers

Written by `python -m benchmarks.peers --page`, which installs the peers into an environment of its own and runs all in
one process, one thread each: {machine}.

For every solver the cheapest setting is looked for that reaches the relative error (in the maximum norm of the values
at the end, against an exact solution or one of order five with 12 000 steps); then all are run in turn, several times
over, and the shortest time of each counts: that of the processor, all threads together. *Time* is it in units of an
ETDRK4 loop written by hand in NumPy with its coefficients precomputed; *with set-up* adds what is done once for a
problem and a setting: coefficients of the loop, compilation by JAX. This library makes its coefficients anew in every
solve, so that its time holds them. Evaluations are those of N, or of the right-hand side where there is no N, with
the number of Jacobians; of an implicit JAX solver they are not known. "not reached": no setting reached the error, or
none in {patience:.0f} seconds of search.

* **ETDRK4 by hand**: Cox and Matthews' method, diagonal L. **expint cox-matthews4**: the same with as many steps.
* **expint auto**: the default. **expint etd34**: the embedded pair of rkstiff's family.
* **SciPy LSODA**: `odeint` with the exact dense Jacobian, or a band. **BDF, Radau**: `solve_ivp`, exact Jacobians.
* **rkstiff**: adaptive ETD35 and IF45DP. **exponax**: compiled ETDRK4 with fixed steps; it takes the real part of
  complex coefficients, which costs the dispersive KdV its order; no complex fields. **diffrax**: compiled Kvaerno5,
  where dense Newton iterations on real states make sense.

{tables}
"""


def available() -> tuple[list[str], list[str]]:
    """Return the peers that can be imported here, and those that cannot with the reason."""
    found, missing = [], []
    for package in PACKAGES:
        try:
            importlib.import_module(package)
            found.append(package)
        except ImportError as error:
            missing.append(f"{package} is left out: {error}")
    return found, missing


def peers(found: Sequence[str], title: str, problem: SemilinearProblem, t_end: float) -> list[Solver]:
    """Return all solvers of a task that are not ours."""
    modules = [importlib.import_module(f"benchmarks.peers.{package}_solvers") for package in found]
    return [solver for module in modules for solver in module.solvers(title, problem, t_end)]


def main(arguments: Sequence[str] = ()) -> None:
    command = parser("benchmarks.peers.side_by_side", __doc__)
    command.add_argument("--folder", type=Path, default=Path("out") / "peers", help="where tables and pictures go")
    command.add_argument("--errors", nargs="*", type=float, help="relative errors; 1e-4 and 1e-8 by default")
    command.add_argument("--tasks", nargs="*", metavar="TASK", help="beginnings of titles; all by default")
    command.add_argument("--page", action="store_true", help="write docs/benchmarks.md anew")
    options = command.parse_args(arguments)
    errors = options.errors or ([1e-3] if options.quick else [1e-4, 1e-8])
    wanted = tuple(options.tasks or (["Burgers"] if options.quick else [""]))
    options.folder.mkdir(parents=True, exist_ok=True)
    found, missing = available()
    before = f"{describe(('numpy', *found, 'jax'))}; one thread; {load()} at the start"
    print("\n".join([before, *missing]), flush=True)
    pages = []
    for title in (title for title in PROBLEMS if title.startswith(wanted)):
        given, problem, t_end = task(title, 400 if options.quick else 12_000)
        solvers = [ours(problem, t_end, method) for method in OURS] + peers(found, title, problem, t_end)
        walks, tables = contest(title, problem, t_end, given, errors, solvers)
        pages += tables
        ax = plot(title, walks)
        ax.figure.savefig(options.folder / f"{title.replace(',', '').replace(' ', '_')}.png", dpi=110)
    text = "\n\n".join([*missing, *pages])
    (options.folder / "tables.md").write_text(f"{before}, {load()} at the end.\n\n{text}\n", encoding="utf-8")
    if options.page:
        page = PAGE.format(machine=f"{before}, {load()} at the end", patience=PATIENCE, tables=text)
        DOCS.write_text(page, encoding="utf-8")
    print(f"tables and pictures in {options.folder.absolute()}")


if __name__ == "__main__":
    main(sys.argv[1:])
