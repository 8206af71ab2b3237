"""Time and evaluations to reach an error; a hand-written ETDRK4 loop in NumPy is the unit of time.

    python -m benchmarks.work_precision [--errors 1e-4 1e-8] [--tasks "KdV" …]

For each problem and each method the cheapest run that reaches the error is looked for, then all of them are timed in
turn, set-up included. ``benchmarks.peers`` sets other people's solvers beside them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

import expint
from benchmarks import parser
from benchmarks.contest import Answer, Choice, Point, Solver, Task, choose, table, time_in_turn, walk
from benchmarks.machine import describe, load
from expint import SemilinearProblem, problems
from expint.operators import Dense

STEPS = tuple(2**k for k in range(3, 18))
TOLERANCES = tuple(10.0**-k for k in range(2, 13))

PROBLEMS: dict[str, tuple[Callable[[], SemilinearProblem], float]] = {
    "KS, t = 30": (problems.kuramoto_sivashinsky, 30.0),
    "KS, t = 60": (problems.kuramoto_sivashinsky, 60.0),
    "KdV, 512 points, a tenth of a period": (partial(problems.korteweg_de_vries, 512), 2 * np.pi / 6250),
    "NLS, breather, t = 2": (problems.schroedinger_breather, 2.0),
    "Allen–Cahn, t = 30": (problems.allen_cahn, 30.0),
    "Brusselator, 200 unknowns, t = 10": (problems.brusselator, 10.0),
    "Burgers, t = 1": (problems.burgers, 1.0),
}


def values(problem: SemilinearProblem, y: Any) -> np.ndarray:
    """Return the values on the grid."""
    return np.asarray(y if problem.physical is None else problem.physical(y))


def task(title: str, steps: int = 12_000) -> tuple[Task, SemilinearProblem, float]:
    """Return a task with its solution, exact or by small steps of order five, its problem and its end."""
    make, t_end = PROBLEMS[title]
    problem = make()
    if problem.exact is not None:
        truth = problem.exact(t_end)
    else:
        truth = expint.solve(problem, "luan-ostermann5", t_span=(0, t_end), step=t_end / steps, t_eval=[t_end]).y_end
    return Task(title, values(problem, truth)), problem, t_end


def by_hand(problem: SemilinearProblem, t_end: float) -> Solver:
    """Return the method of Cox and Matthews as one writes it by hand, its coefficients made beforehand."""
    L, N, y0, back = diagonal(problem)

    def prepare(setting: float) -> Callable[[], Answer]:
        steps = int(setting)
        loop = etdrk4(L, N, y0, t_end, steps)
        return lambda: Answer(values(problem, back(loop())), 4 * steps)

    return Solver("ETDRK4 by hand (NumPy)", "steps", STEPS, prepare)


Slope = Callable[[float, np.ndarray], np.ndarray]


def diagonal(problem: SemilinearProblem) -> tuple[np.ndarray, Slope, np.ndarray, Callable[[Any], Any]]:
    """Return L, N and y_0 in a space where L is diagonal, and the way back from it; a matrix must be symmetric."""
    if not isinstance(problem.linear, Dense):
        return problem.linear, problem.nonlinear, problem.y0, lambda y: y
    eigenvalues, basis = np.linalg.eigh(problem.linear.matrix)
    return (
        eigenvalues,
        lambda t, y: problem.nonlinear(t, y @ basis.T) @ basis,
        problem.y0 @ basis,
        lambda y: y @ basis.T,
    )


def etdrk4(L: np.ndarray, N: Slope, y0: np.ndarray, t_end: float, steps: int) -> Callable[[], np.ndarray]:
    """Return the loop, with coefficients by means over a contour."""
    h = t_end / steps
    E, E2 = np.exp(h * L), np.exp(h * L / 2)
    points = np.exp(2j * np.pi * (np.arange(32) + 0.5) / 32)
    z = h * L[:, None] + points
    part: Any = np.real if np.isrealobj(L) else (lambda numbers: numbers)
    ez = np.exp(z)
    Q = h * part(np.mean((np.exp(z / 2) - 1) / z, axis=1))
    f1 = h * part(np.mean((-4 - z + ez * (4 - 3 * z + z**2)) / z**3, axis=1))
    f2 = h * part(np.mean((2 + z + ez * (-2 + z)) / z**3, axis=1))
    f3 = h * part(np.mean((-4 - 3 * z - z**2 + ez * (4 - z)) / z**3, axis=1))

    def loop() -> np.ndarray:
        v = y0
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

    return loop


def ours(problem: SemilinearProblem, t_end: float, method: str) -> Solver:
    """Return a method of the library, to a tolerance; its set-up is part of every run."""

    def prepare(setting: float) -> Callable[[], Answer]:
        return partial(solve, problem, method, t_span=(0, t_end), rtol=setting, t_eval=[t_end], max_steps=100_000)

    return Solver(f"expint {method}", "rtol", TOLERANCES, prepare)


def fixed(problem: SemilinearProblem, t_end: float, steps: float) -> Solver:
    """Return the same method as the loop by hand, with as many steps: what the library's own loop costs."""

    def prepare(setting: float) -> Callable[[], Answer]:
        return partial(solve, problem, "cox-matthews4", t_span=(0, t_end), step=t_end / setting, t_eval=[t_end])

    return Solver("expint cox-matthews4", "steps", (steps,), prepare)


def solve(problem: SemilinearProblem, method: str, **options: Any) -> Answer:
    """Solve and return the values at the end."""
    solution = expint.solve(problem, method, **options)
    if not solution.success:
        raise ArithmeticError(solution.message)
    return Answer(values(problem, solution.y_end), solution.calls)


def contest(
    title: str,
    problem: SemilinearProblem,
    t_end: float,
    given: Task,
    errors: Sequence[float],
    solvers: Sequence[Solver],
) -> tuple[dict[str, list[Point]], list[str]]:
    """Print a table for each error, and return all that was tried and the tables."""
    unit = by_hand(problem, t_end)
    walks = {solver.name: walk(solver, given, errors) for solver in (unit, *solvers)}
    tables = []
    for error in errors:
        hand = choose(unit, walks[unit.name], error, given)
        choices: list[Choice] = [hand]
        if hand.point is not None:
            same = fixed(problem, t_end, hand.point.setting)
            choices.append(choose(same, walk(same, given, [1.5 * error]), 1.5 * error, given))
        choices += [choose(solver, walks[solver.name], error, given) for solver in solvers]
        time_in_turn(choices)
        tables.append(f"**{title}, relative error {error:.0e}**\n\n{table(choices)}")
        print(f"\n{tables[-1]}", flush=True)
    return walks, tables


def main(arguments: Sequence[str] = ()) -> None:
    command = parser("benchmarks.work_precision", __doc__)
    command.add_argument("--errors", nargs="*", type=float, help="relative errors; 1e-4 and 1e-8 by default")
    command.add_argument("--tasks", nargs="*", metavar="TASK", help="beginnings of titles; all by default")
    options = command.parse_args(arguments)
    wanted = options.tasks or (["Burgers"] if options.quick else [""])
    errors = options.errors or ([1e-3] if options.quick else [1e-4, 1e-8])
    print(f"{describe()}; {load()}")
    for title in (title for title in PROBLEMS if title.startswith(tuple(wanted))):
        given, problem, t_end = task(title, 400 if options.quick else 12_000)
        contest(title, problem, t_end, given, errors, [ours(problem, t_end, method) for method in ("auto", "etd34")])


if __name__ == "__main__":
    main(sys.argv[1:])
