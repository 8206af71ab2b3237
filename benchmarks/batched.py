"""A thousand stiff trajectories, each with its own steps: NumPy and torch, beside diffrax where it is installed.

y_ij' = -λ_ij y_ij + sin y_i,j+1 + 10 cos 3t for 1000 trajectories i of d unknowns, λ from 10 to 10⁴, over a time of 2.
For each solver the loosest tolerance is taken by which no trajectory errs by more than a relative 1e-4; the best time
of some runs in turn counts, with all that is made anew in each: φ-functions and weights here; the compilation of JAX is
told apart.
Run: ``python -m benchmarks.batched``; ``--peers`` runs it in the environment of ``python -m benchmarks.peers``, which
is made if need be.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

import expint
from benchmarks import parser
from benchmarks.machine import describe, load
from benchmarks.peers import environment

ERROR, END = 1e-4, 2.0
TOLERANCES = (1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 1e-6, 1e-7)
METHODS = ("expint43", "etd34")

Solve = Callable[[float], np.ndarray]
"""By a tolerance the states at the end."""


class Task(NamedTuple):
    """Rates and initial states of shape (trajectories, unknowns)."""

    rates: np.ndarray
    y0: np.ndarray


def task(count: int, unknowns: int) -> Task:
    """Return the task of a size; it is the same in every run."""
    rng = np.random.default_rng(19)
    return Task(10.0 ** rng.uniform(1, 4, (count, unknowns)), rng.standard_normal((count, unknowns)))


def ours(given: Task, method: str, library: str) -> Solve:
    """Return a solver of this library in NumPy or torch."""
    if library == "torch":
        xp: Any = importlib.import_module("torch")
        torch_y0 = xp.tensor(given.y0)

        def nonlinear(t: Any, y: Any) -> Any:
            return xp.sin(xp.roll(y, -1, 1)) + 10 * xp.cos(3 * t)

        y0: Any = torch_y0
    else:

        def nonlinear(t: Any, y: Any) -> Any:
            return np.sin(np.roll(y, -1, 1)) + 10 * np.cos(3 * t)

        y0 = given.y0

    def solve(rtol: float) -> np.ndarray:
        options: Any = {"linear": -given.rates, "method": method, "rtol": rtol, "t_eval": [END], "batched": True}
        return np.asarray(expint.solve_ivp(nonlinear, (0.0, END), y0, **options).y_end)

    return solve


def of_diffrax(given: Task) -> Callable[[float], Callable[[], np.ndarray]]:
    """Return diffrax's Kvaerno5 under vmap, compiled for a tolerance."""
    import diffrax
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    term = diffrax.ODETerm(lambda t, y, rate: -rate * y + jnp.sin(jnp.roll(y, -1)) + 10 * jnp.cos(3 * t))

    def compiled(rtol: float) -> Callable[[], np.ndarray]:
        def one(y0: Any, rate: Any) -> Any:
            control = diffrax.PIDController(rtol=rtol, atol=rtol)
            options: Any = {"stepsize_controller": control, "max_steps": 100_000}
            return diffrax.diffeqsolve(term, diffrax.Kvaerno5(), 0.0, END, None, y0, rate, **options).ys[-1]

        run = jax.jit(jax.vmap(one)).lower(given.y0, given.rates).compile()
        return lambda: np.asarray(run(given.y0, given.rates))

    return compiled


def error_of(found: np.ndarray, exact: np.ndarray) -> float:
    """Return the largest relative error of a trajectory."""
    off = np.linalg.norm(found - exact, axis=1) / np.linalg.norm(exact, axis=1)
    return float(np.max(np.where(np.isfinite(off), off, np.inf)))


def measure(solve: Callable[[], np.ndarray], repeats: int) -> float:
    """Return the shortest processor time of some runs."""
    best = np.inf
    for _ in range(repeats):
        start = time.process_time()
        solve()
        best = min(best, time.process_time() - start)
    return best


def row(name: str, prepare: Callable[[float], Callable[[], np.ndarray]], exact: np.ndarray, repeats: int) -> str:
    """Return the row of a solver: the tolerance by which it reaches the error, its time and that of its set-up."""
    for rtol in TOLERANCES:
        start = time.process_time()
        solve = prepare(rtol)
        set_up = time.process_time() - start
        error = error_of(solve(), exact)
        if error <= ERROR:
            return f"| {name} | {rtol:g} | {error:.1e} | {measure(solve, repeats):.3f} | {set_up:.1f} |"
    return f"| {name} | not reached | | | |"


def main(arguments: Sequence[str] = ()) -> None:
    """Print a table for 2 and for 8 unknowns."""
    command = parser("benchmarks.batched", __doc__)
    command.add_argument("--peers", action="store_true", help="run in the environment of the peers")
    options = command.parse_args(arguments)
    if options.peers:
        where = environment.ROOT / "out" / "peers-environment"
        environment.install(where)
        inside = [str(environment.python_of(where)), "-m", "benchmarks.batched", *(["--quick"] * options.quick)]
        sys.exit(subprocess.run(inside, check=False, env=environment.surroundings()).returncode)
    print(f"{describe(('numpy', 'torch', 'jax', 'diffrax'))}; {load()}")
    count, repeats = (20, 1) if options.quick else (1000, 5)
    for unknowns in (2, 8):
        given = task(count, unknowns)
        exact = ours(given, "expint43", "numpy")(1e-9)
        print(f"\n{count} trajectories of {unknowns} unknowns\n")
        print("| solver | rtol | largest relative error | s | set-up apart, s |\n|---|---|---|---|---|")
        for library in ("numpy", "torch"):
            for method in METHODS if importlib.util.find_spec(library) else ():
                solve = ours(given, method, library)
                print(row(f"{method}, {library}", lambda rtol, solve=solve: lambda: solve(rtol), exact, repeats))
        if importlib.util.find_spec("diffrax"):
            print(row("diffrax Kvaerno5, vmap, jit", of_diffrax(given), exact, repeats))


if __name__ == "__main__":
    main(sys.argv[1:])
