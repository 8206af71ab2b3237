"""Work and precision on KS, KdV and NLS: a hand-written ETDRK4 loop in NumPy is the unit of time.

    python -m benchmarks.work_precision [relative errors, 1e-4 and 1e-8 by default]

For each problem and each method the cheapest run that reaches the error is looked for, then all of them are timed in
turn, set-up included, several times over; the ratio of medians is printed beside the evaluations of N.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

import expint
from benchmarks import parser
from expint import SemilinearProblem, problems

ROUNDS = 5
PROBLEMS: dict[str, tuple[Callable[[], SemilinearProblem], float]] = {
    "KS, t = 30": (problems.kuramoto_sivashinsky, 30.0),
    "KdV, a tenth of a period": (lambda: problems.korteweg_de_vries(512), 2 * np.pi / 6250),
    "NLS breather, t = 2": (problems.schroedinger_breather, 2.0),
    "Burgers, t = 1": (problems.burgers, 1.0),
}


class Run(NamedTuple):
    """One way to reach the error: what to call, and what it evaluates."""

    label: str
    call: Callable[[], np.ndarray]
    evaluations: int


def etdrk4(problem: SemilinearProblem, t_end: float, steps: int) -> np.ndarray:
    """Run the method of Cox and Matthews as one writes it by hand, coefficients by contour means."""
    h, L, N = t_end / steps, problem.linear, problem.nonlinear
    E, E2 = np.exp(h * L), np.exp(h * L / 2)
    points = np.exp(2j * np.pi * (np.arange(32) + 0.5) / 32)
    z = h * L[:, None] + points
    part: Any = np.real if np.isrealobj(L) else (lambda values: values)
    ez = np.exp(z)
    Q = h * part(np.mean((np.exp(z / 2) - 1) / z, axis=1))
    f1 = h * part(np.mean((-4 - z + ez * (4 - 3 * z + z**2)) / z**3, axis=1))
    f2 = h * part(np.mean((2 + z + ez * (-2 + z)) / z**3, axis=1))
    f3 = h * part(np.mean((-4 - 3 * z - z**2 + ez * (4 - z)) / z**3, axis=1))
    v, t = problem.y0, 0.0
    for n in range(steps):
        t = n * h
        Nv = N(t, v)
        a = E2 * v + Q * Nv
        Na = N(t + h / 2, a)
        b = E2 * v + Q * Na
        Nb = N(t + h / 2, b)
        c = E2 * a + Q * (2 * Nb - Nv)
        Nc = N(t + h, c)
        v = E * v + Nv * f1 + 2 * (Na + Nb) * f2 + Nc * f3
    return v


def by_hand(problem: SemilinearProblem, t_end: float, error: Callable[[Any], float], target: float) -> Run | None:
    steps = 10
    while steps < 200_000:
        with np.errstate(all="ignore"):
            if error(etdrk4(problem, t_end, steps)) <= target:
                return Run(f"ETDRK4 by hand, {steps} steps", partial(etdrk4, problem, t_end, steps), 4 * steps)
        steps = round(1.2 * steps)
    return None


def by_tolerance(
    problem: SemilinearProblem, t_end: float, error: Callable[[Any], float], target: float, method: str
) -> Run | None:
    best: Run | None = None
    for rtol in 10.0 ** -np.arange(2, 12.1, 0.25):
        options: dict[str, Any] = {"t_span": (0, t_end), "rtol": float(rtol), "t_eval": [t_end], "max_steps": 60_000}
        solution = expint.solve(problem, method, **options)
        if solution.success and error(solution.y_end) <= target:
            label = f"expint {method} ({solution.method}), rtol {rtol:.1e}"
            run = Run(label, partial(end_state, problem, method, **options), solution.calls)
            if best is None or run.evaluations < best.evaluations:
                best = run
            break
    return best


def by_steps(problem: SemilinearProblem, t_end: float, steps: int) -> Run:
    call = partial(end_state, problem, "cox-matthews4", t_span=(0, t_end), step=t_end / steps, t_eval=[t_end])
    return Run(f"expint cox-matthews4, {steps} steps", call, 4 * steps)


def end_state(problem: SemilinearProblem, method: str, **options: Any) -> np.ndarray:
    end: np.ndarray = expint.solve(problem, method, **options).y_end
    return end


def distance(problem: SemilinearProblem, truth: Any, y: Any) -> float:
    """Return the largest difference of the values on the grid, relative to the largest value; inf where it is nan."""
    assert problem.physical is not None
    expected = problem.physical(truth)
    difference = float(np.max(np.abs(problem.physical(y) - expected)) / np.max(np.abs(expected)))
    return difference if np.isfinite(difference) else np.inf


def medians(runs: list[Run], rounds: int) -> list[float]:
    """Time all runs in turn, so that what else happens on the machine meets all alike."""
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for run, own in zip(runs, times):
            begun = time.perf_counter()
            run.call()
            own.append(time.perf_counter() - begun)
    return [float(np.median(own)) for own in times]


def main(arguments: Sequence[str] = ()) -> None:
    command = parser("benchmarks.work_precision", __doc__)
    command.add_argument("errors", nargs="*", type=float, help="relative errors; 1e-4 and 1e-8 by default")
    options = command.parse_args(arguments)
    targets = options.errors or ([1e-3] if options.quick else [1e-4, 1e-8])
    titles = list(PROBLEMS)[-1:] if options.quick else list(PROBLEMS)
    for title in titles:
        make, t_end = PROBLEMS[title]
        problem = make()
        if problem.exact is not None:
            truth = problem.exact(t_end)
        else:
            truth = expint.solve(
                problem,
                "luan-ostermann5",
                t_span=(0, t_end),
                step=t_end / (400 if options.quick else 12_000),
                t_eval=[t_end],
            ).y_end
        error = partial(distance, problem, truth)
        for target in targets:
            unit = by_hand(problem, t_end, error, target)
            if unit is None:
                print(f"{title}: {target:.0e} not reached by hand")
                continue
            found = [unit, by_steps(problem, t_end, unit.evaluations // 4)]
            found += [r for m in ("auto", "etd34") if (r := by_tolerance(problem, t_end, error, target, m))]
            times = medians(found, 1 if options.quick else ROUNDS)
            print(f"\n{title}, relative error {target:.0e}")
            for run, seconds in zip(found, times):
                print(
                    f"  {run.label:44s} {seconds / times[0]:6.2f} × {run.evaluations:7d} N  {1e3 * seconds:9.1f} ms",
                    flush=True,
                )


if __name__ == "__main__":
    main(sys.argv[1:])
