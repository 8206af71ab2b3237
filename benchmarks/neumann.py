"""Insulated walls: a grid by word beside a cosine transform written by hand, to the same error.

    python -m benchmarks.neumann [--points 256]

Allen–Cahn's equation u_t = ∇²u + u - u³ on a square with ∂u/∂n = 0, by methods of order 4 with four evaluations of N.
"grid" is Krogstad's with ``linear=grid.laplacian`` and states that are values; "by hand, our loop" the same with
``scipy.fft.dctn`` inside N; "by hand, NumPy" the loop of Cox and Matthews' ETDRK4 with coefficients made by contour
integrals (Kassam and Trefethen 2005), which knows nothing of this library; "matrices" Krogstad's with a
``KroneckerSum`` of differentiation matrices. Runs are interleaved, and the shortest of each is taken. All errors are
against a run with a quarter of the step.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.fft import dctn, idctn

import expint
from benchmarks import parser
from expint.operators import Diagonal, KroneckerSum

LENGTH, END, STEP = 50.0, 5.0, 0.125
METHOD = "krogstad4"


def reaction(t: float, u: np.ndarray) -> np.ndarray:
    """Return u - u³."""
    del t
    return u - u**3


def start(grid: expint.Grid) -> np.ndarray:
    """Return a smooth start with insulated walls."""
    p, q = np.pi * grid.x / LENGTH, np.pi * grid.y / LENGTH
    return 0.5 * np.cos(3 * p) * np.cos(2 * q) + 0.2 * np.cos(7 * p + 0 * q) + 0.1 * np.cos(5 * q)


def by_word(n: int, step: float) -> np.ndarray:
    """Solve with the operator of a grid."""
    grid = expint.Grid((n, n), LENGTH, boundary="neumann")
    return expint.solve_ivp(
        reaction, (0, END), start(grid), linear=grid.laplacian, method=METHOD, step=step, t_eval=[END]
    ).y_end


def by_matrices(n: int, step: float) -> np.ndarray:
    """Solve with matrices along the axes, without a fast transform."""
    grid = expint.Grid((n, n), LENGTH, boundary="neumann")
    own = grid.matrix()
    return expint.solve_ivp(
        reaction, (0, END), start(grid), linear=KroneckerSum(own, own), method=METHOD, step=step, t_eval=[END]
    ).y_end


def symbol(n: int) -> np.ndarray:
    """Return -k² of the cosines."""
    k = np.pi / LENGTH * np.arange(n)
    return -(k[:, None] ** 2 + k[None, :] ** 2)


def by_hand(n: int, step: float) -> np.ndarray:
    """Solve for coefficients, with transforms inside N."""
    grid = expint.Grid((n, n), LENGTH, boundary="neumann")
    return idctn(
        expint.solve_ivp(
            lambda t, v: dctn(reaction(t, idctn(v))),
            (0, END),
            dctn(start(grid)),
            linear=Diagonal(symbol(n)),
            method=METHOD,
            step=step,
            t_eval=[END],
        ).y_end
    )


def in_numpy(n: int, step: float) -> np.ndarray:
    """Solve by Cox and Matthews' method in a loop of its own."""
    z = step * symbol(n)
    roots = np.exp(1j * np.pi * (np.arange(32) + 0.5) / 32)
    q, f1, f2, f3 = (np.zeros(z.shape) for _ in range(4))
    for r in roots:
        w = z + r
        q += step * ((np.exp(w / 2) - 1) / w).real / 32
        f1 += step * ((-4 - w + np.exp(w) * (4 - 3 * w + w**2)) / w**3).real / 32
        f2 += step * ((2 + w + np.exp(w) * (w - 2)) / w**3).real / 32
        f3 += step * ((-4 - 3 * w - w**2 + np.exp(w) * (4 - w)) / w**3).real / 32
    full, half = np.exp(z), np.exp(z / 2)
    v = dctn(start(expint.Grid((n, n), LENGTH, boundary="neumann")))

    def slope(v: np.ndarray) -> np.ndarray:
        return dctn(reaction(0.0, idctn(v)))

    for _ in range(round(END / step)):
        n0 = slope(v)
        a = half * v + q * n0
        na = slope(a)
        nb = slope(half * v + q * na)
        nc = slope(half * a + q * (2 * nb - n0))
        v = full * v + n0 * f1 + 2 * (na + nb) * f2 + nc * f3
    return idctn(v)


WAYS: dict[str, Callable[[int, float], np.ndarray]] = {
    "grid": by_word,
    "by hand, our loop": by_hand,
    "by hand, NumPy": in_numpy,
    "matrices": by_matrices,
}


def measure(n: int, repeats: int, step: float) -> dict[str, tuple[float, float]]:
    """Return the shortest time and the relative error of each way."""
    exact = by_hand(n, step / 4)
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    errors: dict[str, float] = {}
    for _ in range(repeats):
        for name, way in WAYS.items():
            began = time.perf_counter()
            found = way(n, step)
            seconds[name].append(time.perf_counter() - began)
            errors[name] = float(np.max(np.abs(found - exact)) / np.max(np.abs(exact)))
    return {name: (min(own), errors[name]) for name, own in seconds.items()}


def table(measured: dict[str, tuple[float, float]]) -> str:
    """Return the table, with times over that of each hand-written transform."""
    lines = [
        "| way | seconds | over by hand, our loop | over by hand, NumPy | relative error |",
        "|---|---|---|---|---|",
    ]
    loop, plain = (measured[name][0] for name in ("by hand, our loop", "by hand, NumPy"))
    for name, (seconds, error) in measured.items():
        lines.append(f"| {name} | {seconds:.3f} | {seconds / loop:.2f} | {seconds / plain:.2f} | {error:.1e} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] = ()) -> None:
    command: Any = parser("benchmarks.neumann", __doc__)
    command.add_argument("--points", type=int, help="points along each side; 256 by default, 32 with --quick")
    options = command.parse_args(arguments)
    n = options.points or (32 if options.quick else 256)
    print(f"{n} × {n} points, steps of {STEP} to {END:g}")
    print(table(measure(n, 2 if options.quick else 5, STEP)))


if __name__ == "__main__":
    main(sys.argv[1:])
