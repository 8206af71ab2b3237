"""Work and precision on an advection–diffusion–reaction equation: exponential integrators beside IMEX and BDF.

u_t = ε ∇²u + a (u_x + u_y) + γ u (1 − u) on the unit square, u = 0 on its boundary, ε = 1, a = 10, γ = 100, T = 0.1,
5-point differences on n × n inner points, u(0) = (16 x (1−x) y (1−y))².

Each solver is run with smaller and smaller steps (or tolerances) until the relative error falls below the target; the
processor time of that run, set-up included, is what is compared. All run in one process, one after the other.
Run: ``python -m benchmarks.adr_grids 100 200``.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.integrate import solve_ivp
from scipy.sparse.linalg import splu

import expint
from benchmarks import parser
from expint.operators import KroneckerSum, Sparse

DIFFUSION, ADVECTION, REACTION, END = 1.0, 10.0, 100.0, 0.1
TARGETS = (1e-4, 1e-8)
PATIENCE = 30.0
"""Seconds after which a solver is not tried with smaller steps."""


class Problem(NamedTuple):
    """The differences along one axis, and the initial state."""

    axis: sparse.csr_array
    start: np.ndarray

    @property
    def matrix(self) -> sparse.csr_array:
        """L as one sparse matrix."""
        return sparse.csr_array(sparse.kronsum(self.axis, self.axis, format="csr"))


def problem(n: int) -> Problem:
    """Return the problem on n × n inner points."""
    h = 1.0 / (n + 1)
    x = h * np.arange(1, n + 1)
    second, first = DIFFUSION / h**2, ADVECTION / (2 * h)
    axis = sparse.diags_array([second - first, -2 * second, second + first], offsets=[-1, 0, 1], shape=(n, n))
    return Problem(axis.tocsr(), (16 * np.outer(x * (1 - x), x * (1 - x))) ** 2)


def react(t: float, u: np.ndarray) -> np.ndarray:
    """Return γ u (1 − u)."""
    del t
    return REACTION * u * (1 - u)


def kronecker(given: Problem, method: str, steps: int) -> np.ndarray:
    """Solve with ``KroneckerSum``."""
    operator = KroneckerSum(given.axis, given.axis)
    return expint.solve_ivp(
        react, (0, END), given.start, linear=operator, method=method, step=END / steps, t_eval=[END]
    ).y_end


def general(given: Problem, method: str, steps: int, tolerance: float) -> np.ndarray:
    """Solve with ``Sparse``, knowing nothing of the grid."""
    operator = Sparse(given.matrix, tolerance=tolerance)
    return expint.solve_ivp(
        react, (0, END), given.start, linear=operator, method=method, step=END / steps, t_eval=[END]
    ).y_end


def imex(given: Problem, steps: int) -> np.ndarray:
    """Solve by Crank–Nicolson for L and Adams–Bashforth 2 for the reaction, with one factorisation."""
    h, matrix, u = END / steps, given.matrix, given.start.ravel()
    identity = sparse.eye_array(len(u), format="csr")
    factors, explicit = splu((identity - h / 2 * matrix).tocsc()), identity + h / 2 * matrix
    before = react(0.0, u)
    u = factors.solve(explicit @ u + h * before)
    for _ in range(steps - 1):
        now = react(0.0, u)
        u = factors.solve(explicit @ u + h * (1.5 * now - 0.5 * before))
        before = now
    return u.reshape(given.start.shape)


def bdf(given: Problem, rtol: float) -> np.ndarray:
    """Solve by SciPy's BDF with the exact sparse Jacobian."""
    matrix = given.matrix

    def jacobian(t: float, u: np.ndarray) -> sparse.csc_matrix:
        del t
        return sparse.csc_matrix(matrix + sparse.diags_array(REACTION * (1 - 2 * u)))

    solution = solve_ivp(
        lambda t, u: matrix @ u + react(t, u),
        (0, END),
        given.start.ravel(),
        method="BDF",
        jac=jacobian,
        rtol=rtol,
        atol=rtol * 1e-2,
        t_eval=[END],
    )
    return solution.y[:, -1].reshape(given.start.shape)


Run = Callable[[Problem], np.ndarray]


def ladders(target: float) -> dict[str, Iterator[Run]]:
    """Return for each solver its runs in order of cost."""
    counts = [10 * 2**i for i in range(12)]
    tolerances = 10.0 ** -np.arange(3.0, 13.0)
    accuracy = 0.03 * target
    return {
        "KroneckerSum, krogstad4": (partial(kronecker, method="krogstad4", steps=k) for k in counts),
        "KroneckerSum, luan-ostermann5": (partial(kronecker, method="luan-ostermann5", steps=k) for k in counts),
        "Sparse, krogstad4": (partial(general, method="krogstad4", steps=k, tolerance=accuracy) for k in counts),
        "Sparse, adams4": (partial(general, method="adams4", steps=2 * k, tolerance=accuracy) for k in counts),
        "Sparse, adams6": (partial(general, method="adams6", steps=4 * k, tolerance=accuracy) for k in counts),
        "IMEX CN–AB2, sparse LU": (partial(imex, steps=4 * k) for k in counts),
        "BDF, sparse Jacobian": (partial(bdf, rtol=float(r)) for r in tolerances),
    }


def measure(
    given: Problem, runs: Iterator[Run], reference: np.ndarray, target: float, patience: float
) -> tuple[float, float]:
    """Return the time and the error of the first run that is accurate enough, or the last one."""
    begin, seconds, error = time.process_time(), np.inf, np.inf
    for run in runs:
        start = time.process_time()
        u = run(given)
        seconds = time.process_time() - start
        for _ in range(2 if seconds < 1 else 0):  # short runs three times, the best counts
            start = time.process_time()
            run(given)
            seconds = min(seconds, time.process_time() - start)
        error = float(np.linalg.norm(u - reference) / np.linalg.norm(reference))
        if error <= target or time.process_time() - begin + 1.5 * seconds > patience:
            break
    return (seconds, error) if error <= target else (np.inf, error)


MEMORY: dict[str, Run] = {
    "KroneckerSum": partial(kronecker, method="krogstad4", steps=10),
    "Sparse": partial(general, method="adams4", steps=20, tolerance=3e-6),
    "IMEX": partial(imex, steps=40),
    "BDF": partial(bdf, rtol=1e-3),
}
"""Solvers whose memory is measured."""


def peak(n: int, name: str) -> str:
    """Return the largest resident memory of a process of its own that does one solve, beyond that of one that idles."""
    context = get_context("spawn")
    with ProcessPoolExecutor(1, context) as process:
        before, after = process.submit(_resident, 4, name).result(), process.submit(_resident, n, name).result()
    return f"{name} {(after - before) / 2**10:.0f} MiB"


def _resident(n: int, name: str) -> int:
    MEMORY[name](problem(n))
    status = Path("/proc/self/status")
    if status.exists():  # where Linux lets ru_maxrss begin with that of the parent process
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(arguments: Sequence[str] = ()) -> None:
    """Print one table for each grid and each target."""
    command = parser("benchmarks.adr_grids", __doc__)
    command.add_argument("sizes", nargs="*", type=int, help="points along each side; 100 and 200 by default")
    options = command.parse_args(arguments)
    targets, patience = ((1e-3,), 0.1) if options.quick else (TARGETS, PATIENCE)
    for n in options.sizes or ([12] if options.quick else [100, 200]):
        given = problem(n)
        reference = kronecker(given, "luan-ostermann5", 320)
        check = kronecker(given, "hochbruck-ostermann4", 640)
        agreement = np.linalg.norm(check - reference) / np.linalg.norm(reference)
        print(f"\n{n} × {n}; two reference solutions agree to {agreement:.1e}")
        for target in targets:
            print(f"  relative error {target:.0e}")
            measured = {
                name: measure(given, runs, reference, target, patience) for name, runs in ladders(target).items()
            }
            best = min(seconds for name, (seconds, _) in measured.items() if name.startswith(("IMEX", "BDF")))
            for name, (seconds, error) in measured.items():
                ratio = f"{best / seconds:7.2f} times as fast as the best of IMEX and BDF" if best < np.inf else ""
                reached = f"{seconds:8.3f} s" if seconds < np.inf else f"not in {patience:.1f} s"
                print(f"    {name:32s}{reached}  error {error:.1e}  {ratio if seconds < np.inf else ''}")
        if not options.quick:
            print("  memory of a process that solves to 1e-4: " + ", ".join(map(partial(peak, n), MEMORY)))


if __name__ == "__main__":
    main(sys.argv[1:])
