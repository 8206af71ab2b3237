"""Make the stored solutions of the problems that have no exact one, each by two independent methods.

    python -m benchmarks.reference_solutions [--folder FOLDER] [names]

PDEs are solved by a fifth-order one-step method with fixed steps and by a predictor–corrector pair to a tolerance,
small systems by two solvers of SciPy. The file keeps the values of the first and the digits to which the second agrees.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.integrate

import expint
from benchmarks import parser
from expint import SemilinearProblem, problems
from expint.derive.kinds.predictor_corrector import PredictorCorrector
from expint.problems.reference import FOLDER, sample

ONE_STEP = "luan-ostermann5"

# the time of the reference and the number of fixed steps
RUNS: dict[str, tuple[float, int]] = {
    "advection_diffusion_reaction": (0.08, 400),
    "allen_cahn": (30.0, 6000),
    "allen_cahn_chebyshev": (3.0, 1500),
    "brusselator": (10.0, 20000),
    "burgers": (1.0, 4000),
    "burgers_shock": (1.0, 4000),
    "cahn_hilliard": (2.0, 4000),
    "double_shear_layer": (2.0, 1000),
    "fitzhugh_nagumo": (50.0, 4000),
    "ginzburg_landau_plane": (5.0, 400),
    "gray_scott": (100.0, 2000),
    "gray_scott_plane": (200.0, 400),
    "kolmogorov_flow": (2.0, 1000),
    "kuramoto_sivashinsky": (30.0, 12000),
    "nikolaevskiy": (20.0, 4000),
    "schnakenberg": (1.0, 4000),
    "schroedinger_breather": (2.0, 10000),
    "schroedinger_potential": (1.0, 10000),
    "swift_hohenberg": (5.0, 500),
    "two_solitons": (0.006, 20000),
}
CONFIRM: dict[str, int] = {"two_solitons": 80000}
"""Where the pair would be ten times less accurate than the first method: steps of Krogstad's method, in its place."""

SYSTEMS: dict[str, float] = {"hires": 321.8122, "robertson": 40.0, "van_der_pol": 2000.0}


def by_steps(problem: SemilinearProblem, t: float, steps: int, method: str = ONE_STEP) -> Any:
    return expint.solve(problem, method, t_span=(0, t), step=t / steps, t_eval=[t]).y_end


def by_tolerance(problem: SemilinearProblem, t: float, rtol: float) -> Any:
    solution = expint.solve(
        problem, PredictorCorrector(4, mode="PECE", ramp=True), t_span=(0, t), rtol=rtol, t_eval=[t]
    )
    print(f"    {solution.stats} {solution.message}")
    return solution.y_end


def by_scipy(problem: SemilinearProblem, t: float, method: str, rtol: float) -> Any:
    solution = scipy.integrate.solve_ivp(
        problem.nonlinear,
        (0, t),
        problem.y0,
        method=method,
        jac=problem.jacobian,
        rtol=rtol,
        atol=1e-6 * rtol,
        t_eval=[t],
    )
    return solution.y[:, -1]


def main(arguments: Sequence[str] = ()) -> None:
    command = parser("benchmarks.reference_solutions", __doc__)
    command.add_argument("names", nargs="*", metavar="NAME", help="problems; all without an exact solution by default")
    command.add_argument("--folder", type=Path, default=FOLDER, help="where to write; that of the library by default")
    options = command.parse_args(arguments)
    options.folder.mkdir(exist_ok=True)
    for name in options.names or (["burgers"] if options.quick else [*RUNS, *SYSTEMS]):
        problem, begun = problems.make(name), time.perf_counter()
        if name in RUNS:
            (t, steps), rtol = RUNS[name], 1e-12
            steps, rtol = (steps // 20, 1e-9) if options.quick else (steps, rtol)
            methods = (f"{ONE_STEP}, {steps} steps", f"pece5, rtol {rtol:.0e}")
            if name in CONFIRM:
                methods = (methods[0], f"krogstad4, {CONFIRM[name]} steps")
                states = by_steps(problem, t, steps), by_steps(problem, t, CONFIRM[name], "krogstad4")
            else:
                states = by_steps(problem, t, steps), by_tolerance(problem, t, rtol)
        else:
            t, methods = SYSTEMS[name], ("Radau, rtol 1e-12", "LSODA, rtol 1e-13")
            states = by_scipy(problem, t, "Radau", 1e-12), by_scipy(problem, t, "LSODA", 1e-13)
        first, second = (sample(problem, y) for y in states)
        scale = np.abs(first) if name in SYSTEMS else np.max(np.abs(first))
        digits = -np.log10(max(float(np.max(np.abs(first - second) / scale)), 1e-15))
        print(f"{name:32s} t = {t:<9g} {digits:5.1f} digits  {time.perf_counter() - begun:6.1f} s", flush=True)
        np.savez(options.folder / f"{name}.npz", t=t, values=first, digits=np.floor(10 * digits) / 10, methods=methods)


if __name__ == "__main__":
    main(sys.argv[1:])
