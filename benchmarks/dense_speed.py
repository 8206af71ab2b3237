"""Total time of an Allen–Cahn solve on an 80-point Chebyshev grid, set-up included, beside implicit methods.

u_t = 0.001 u_xx + u - u³ with u(±1, t) = ±1: L is dense, non-normal and has eigenvalues down to -2000. Errors are
relative, in the maximum norm at the end, against a solution with 4000 steps. Every solve assembles its problem anew and
forms its φ-functions; processor times, the best of several.
Run: ``python -m benchmarks.dense_speed``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from scipy.integrate import solve_ivp

import expint
from benchmarks import parser
from expint.problems import allen_cahn_chebyshev

DEGREE = 79
"""80 points."""


def exponential(t_end: float, method: str, **options: float) -> np.ndarray:
    """Solve with an exponential integrator."""
    return expint.solve(allen_cahn_chebyshev(DEGREE, t_end=t_end), method, t_eval=[t_end], **options).y_end


def implicit(t_end: float, method: str, rtol: float) -> np.ndarray:
    """Solve with an implicit method of SciPy and the exact Jacobian."""
    problem = allen_cahn_chebyshev(DEGREE, t_end=t_end)
    matrix, shift = problem.linear.matrix, problem.x[1:-1]
    solution = solve_ivp(
        lambda t, w: matrix @ w + problem.nonlinear(t, w),
        problem.t_span,
        problem.y0,
        method=method,
        jac=lambda _, w: matrix + np.diag(1 - 3 * (w + shift) ** 2),
        t_eval=[t_end],
        rtol=rtol,
        atol=rtol,
    )
    return solution.y[:, -1]


def runs(t_end: float) -> dict[str, Callable[[], np.ndarray]]:
    """Return the solves that are timed."""
    chosen: dict[str, Callable[[], np.ndarray]] = {}
    for steps in (100,) if t_end > 10 else (20, 100):
        for method in ("krogstad4", "hochbruck-ostermann4"):
            chosen[f"{method}, {steps} steps"] = partial(exponential, t_end, method, step=t_end / steps)
    for rtol in (1e-4, 1e-6):
        for method in ("expint43", "auto"):
            chosen[f"{method}, rtol {rtol:.0e}"] = partial(exponential, t_end, method, rtol=rtol)
    for rtol in (1e-4, 1e-6):
        for method in ("BDF", "Radau"):
            chosen[f"SciPy {method}, rtol {rtol:.0e}"] = partial(implicit, t_end, method, rtol)
    return chosen


def milliseconds(run: Callable[[], np.ndarray], repeats: int) -> float:
    """Return the least processor time of several calls."""
    best = np.inf
    for _ in range(repeats):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    return 1e3 * best


def main(arguments: Sequence[str] = ()) -> None:
    """Print one table for each length of time."""
    quick = parser("benchmarks.dense_speed", __doc__).parse_args(arguments).quick
    for t_end in (3.0,) if quick else (3.0, 70.0):
        reference = exponential(t_end, "luan-ostermann5", step=t_end / (200 if quick else 4000))
        print(f"\nto t = {t_end:g}\n{'':36s}{'error':>9s}{'time':>12s}")
        for name, run in runs(t_end).items():
            error = float(np.max(np.abs(run() - reference)) / np.max(np.abs(reference)))
            print(f"{name:36s}{error:9.1e}{milliseconds(run, 1 if quick else 7):9.1f} ms")


if __name__ == "__main__":
    main(sys.argv[1:])
