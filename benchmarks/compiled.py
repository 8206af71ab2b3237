"""Compiled runs beside an ETDRK4 loop written by hand: JAX with fixed steps and to a tolerance, kernels, exponax.

    python -m benchmarks.compiled [--tasks KS …] [--errors 1e-4 1e-8] [--peers] [--quick]

The time to compile is told for 100 and for 10 000 steps; ``--peers`` runs all in the environment of the peers, where
exponax is. Ratios are of the shortest times of one process, one thread.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import expint
from benchmarks import parser
from benchmarks.contest import Answer, Choice, Solver, Task, choose, table, time_in_turn, walk
from benchmarks.machine import describe, load
from benchmarks.peers.environment import ROOT, install, python_of, surroundings
from benchmarks.work_precision import PROBLEMS, STEPS, TOLERANCES, by_hand, etdrk4, ours, solve, task, values
from expint import SemilinearProblem

TASKS = ("KS, t = 30", "Burgers, t = 1", "KdV, 512 points, a tenth of a period", "NLS, breather, t = 2")
PAIRS = ("etd34", "etd35")
PLANE = 128
"""Points along each axis of the two-dimensional problem."""


def scanned(problem: SemilinearProblem, t_end: float) -> Solver:
    """Return the method of the loop by hand as one scan, compiled beforehand."""

    def prepare(setting: float) -> Callable[[], Answer]:
        run = expint.scan(problem, method="cox-matthews4", step=t_end / setting, t_span=(0.0, t_end))
        run().block_until_ready()
        return lambda: Answer(values(problem, run().block_until_ready()), int(4 * setting))

    return Solver("expint.scan cox-matthews4", "steps", STEPS, prepare)


def adaptive(problem: SemilinearProblem, t_end: float, method: str) -> Solver:
    """Return a pair to a tolerance as one loop, compiled beforehand."""
    run = expint.scan(problem, method=method, rtol=1e-3, t_span=(0.0, t_end), max_steps=100_000)

    def prepare(setting: float) -> Callable[[], Answer]:
        run.reached(rtol=setting).y.block_until_ready()  # type: ignore[union-attr]  # of runs to a tolerance

        def call() -> Answer:
            found = run.reached(rtol=setting)  # type: ignore[union-attr]  # of runs to a tolerance
            return Answer(values(problem, found.y.block_until_ready()), int(found.evaluations))

        return call

    return Solver(f"expint.scan {method}", "rtol", TOLERANCES, prepare)


def by_kernels(problem: SemilinearProblem, t_end: float, method: str) -> Solver:
    """Return a method of the library on arrays of NumPy, by kernels."""

    def prepare(setting: float) -> Callable[[], Answer]:
        options = {"rtol": setting, "t_eval": [t_end], "max_steps": 100_000, "runner": "kernels"}
        return partial(solve, problem, method, t_span=(0, t_end), **options)

    return Solver(f"expint {method}, kernels", "rtol", TOLERANCES, prepare)


def exponax(title: str, problem: SemilinearProblem, t_end: float) -> list[Solver]:
    """Return the solver of exponax where it is installed and knows the equation."""
    with suppress(ImportError):
        return list(importlib.import_module("benchmarks.peers.exponax_solvers").solvers(title, problem, t_end))
    return []


def contest(title: str, errors: Sequence[float], quick: bool) -> None:
    """Print a table of one task for each error."""
    import jax.numpy as jnp

    given, problem, t_end = task(title, 400 if quick else 12_000)
    traced = PROBLEMS[title][0](like=jnp.zeros(1))
    solvers = [by_hand(problem, t_end), ours(problem, t_end, "auto"), scanned(traced, t_end)]
    solvers += [adaptive(traced, t_end, pair) for pair in PAIRS[: 1 if quick else None]]
    solvers += [by_kernels(problem, t_end, "auto")] if _has_numba() else []
    solvers += exponax(title, problem, t_end)
    walks = {solver.name: walk(solver, given, errors) for solver in solvers}
    for error in errors:
        choices = [choose(solver, walks[solver.name], error, given) for solver in solvers]
        choices += _fixed(problem, t_end, choices[0], given)
        time_in_turn(choices)
        print(f"\n**{title}, relative error {error:.0e}**\n\n{table(choices)}", flush=True)


def _fixed(problem: SemilinearProblem, t_end: float, hand: Choice, given: Task) -> list[Choice]:
    """Return the library's own loop with the steps of the loop by hand, plain and by kernels."""
    if hand.point is None:
        return []
    found, steps = [], hand.point.setting
    for runner in ("plain", "kernels") if _has_numba() else ("plain",):
        options = {"step": t_end / steps, "t_eval": [t_end], "runner": runner}
        run = partial(solve, problem, "cox-matthews4", t_span=(0, t_end), **options)
        solver = Solver(f"expint cox-matthews4, {runner}", "steps", (steps,), lambda _, run=run: run)  # type: ignore[misc]  # of runs to a tolerance
        found.append(choose(solver, walk(solver, given, [2 * hand.point.error]), 2 * hand.point.error, given))
    return found


def compile_times(title: str, counts: Sequence[int]) -> str:
    """Return a line of a table: how long the first call of a run takes beside the second, for some numbers of steps."""
    import jax.numpy as jnp

    make, t_end = PROBLEMS[title]
    problem, told = make(like=jnp.zeros(1)), []
    for method in ("cox-matthews4", "adams4"):
        for count in counts:
            run = expint.scan(problem, method=method, step=t_end / count / 10, t_span=(0.0, t_end / 10))
            begun = time.perf_counter()
            run().block_until_ready()
            first = time.perf_counter()
            run().block_until_ready()
            told.append(f"{first - begun - (time.perf_counter() - first):.2f}")
    run = expint.scan(problem, method="etd34", rtol=1e-4, t_span=(0.0, t_end / 10))
    begun = time.perf_counter()
    run().block_until_ready()
    told.append(f"{time.perf_counter() - begun:.2f}")
    return f"| {title} | {' | '.join(told)} |"


def plane(points: int, steps: int) -> str:
    """Return a line on Gray–Scott in the plane with fixed steps: by hand, plain, by kernels, as one scan."""
    import jax.numpy as jnp

    runs: dict[str, Callable[[], Any]] = {}
    flat = expint.problems.gray_scott_plane(points)
    symbol = expint.operators.Diagonal(np.broadcast_to(getattr(flat.linear, "symbol", flat.linear), flat.y0.shape))
    runs["by hand"] = etdrk4_in_plane(flat, symbol.symbol, steps)
    for runner in ("plain", "kernels") if _has_numba() else ("plain",):
        given = {"linear": symbol, "method": "cox-matthews4", "step": 1.0, "t_eval": [steps], "runner": runner}
        runs[runner] = partial(expint.solve_ivp, flat.nonlinear, (0.0, float(steps)), flat.y0, **given)
    traced = expint.problems.gray_scott_plane(points, like=jnp.zeros(1))
    scanned = expint.scan(traced, method="cox-matthews4", step=1.0, t_span=(0.0, float(steps)))
    scanned().block_until_ready()
    runs["expint.scan"] = lambda: scanned().block_until_ready()
    best = dict.fromkeys(runs, np.inf)
    for _ in range(3):
        for name, run in runs.items():
            begun = time.process_time()
            run()
            best[name] = min(best[name], time.process_time() - begun)
    told = ", ".join(f"{name} {seconds / best['by hand']:.2f}" for name, seconds in best.items())
    return f"Gray–Scott {points}², {steps} steps, {1e3 * best['by hand'] / steps:.2f} ms a step by hand: {told}"


def etdrk4_in_plane(problem: SemilinearProblem, symbol: np.ndarray, steps: int) -> Callable[[], Any]:
    """Return the loop by hand for a symbol of the shape of the state, with steps of length 1."""
    shape, start = problem.y0.shape, problem.y0.reshape(-1)

    def nonlinear(t: float, v: np.ndarray) -> np.ndarray:
        return np.asarray(problem.nonlinear(t, v.reshape(shape))).reshape(-1)

    return etdrk4(symbol.reshape(-1), nonlinear, start, float(steps), steps)


def _has_numba() -> bool:
    return importlib.util.find_spec("numba") is not None


def in_environment(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    """Install the peers apart, with numba, and run there."""
    installed, failed = install(options.environment)
    for peer in failed:
        print(f"{peer} could not be installed and is left out")
    print(f"beside: {', '.join(installed) or 'nobody'}", flush=True)
    python, rest = str(python_of(options.environment)), [own for own in arguments if own != "--peers"]
    subprocess.run([python, "-m", "pip", "install", "--quiet", "numba"], check=False)
    return subprocess.run([python, "-m", "benchmarks.compiled", *rest], check=False, env=surroundings()).returncode


def main(arguments: Sequence[str] = ()) -> None:
    command = parser("benchmarks.compiled", __doc__)
    command.add_argument("--errors", nargs="*", type=float, help="relative errors; 1e-4 and 1e-8 by default")
    command.add_argument("--tasks", nargs="*", metavar="TASK", help="beginnings of titles; all by default")
    command.add_argument("--peers", action="store_true", help="run in the environment of the peers, with exponax")
    command.add_argument("--environment", type=Path, default=ROOT / "out" / "peers-environment", metavar="FOLDER")
    options = command.parse_args(arguments)
    if options.peers:
        sys.exit(in_environment(options, arguments))
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
    import jax

    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        print(f"{describe(('numpy', 'jax', 'numba', 'exponax'))}; {load()}")
        wanted = tuple(options.tasks or (["Burgers"] if options.quick else [""]))
        titles, counts = (
            [title for title in TASKS if title.startswith(wanted)],
            (10, 50) if options.quick else (100, 10_000),
        )
        heads = [f"{method}, {count}" for method in ("cox-matthews4", "adams4") for count in counts]
        print(f"\nSeconds to compile, by the number of steps; to a tolerance\n\n| task | {' | '.join(heads)} | etd34 |")
        print("|---|---|---|---|---|---|")
        for title in titles:
            print(compile_times(title, counts), flush=True)
        for title in titles:
            contest(title, options.errors or ([1e-3] if options.quick else [1e-4, 1e-8]), options.quick)
        print(f"\n{plane(16 if options.quick else PLANE, 3 if options.quick else 40)}")
    finally:
        jax.config.update("jax_enable_x64", before)


if __name__ == "__main__":
    main(sys.argv[1:])
