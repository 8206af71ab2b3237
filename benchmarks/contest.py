"""Solvers side by side: the cheapest setting that reaches an error, timed in turn with those of the others.

Time is counted in units of the first solver's, so that the tables of two machines can be compared; set-up and
compilation, whatever is done once for a problem and a setting, is timed apart and shown included, too. Times are
those of the processor, all threads together: what else runs on the machine does not count, helping threads do.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Answer", "Choice", "Point", "Solver", "Task", "choose", "plot", "run", "table", "walk"]

REFINE = 3
"""How often the interval between the last setting that fails and the first that succeeds is halved (geometrically)."""

PATIENCE = 15.0
"""Seconds of the processor after which a solver is not tried with further settings."""

ROUNDS, LEAST, MOST = 5, 0.2, 4.0
"""A run is repeated so often, short ones until the first number of seconds is spent, long ones up to the second."""


class Answer(NamedTuple):
    """What a run returns: values on the grid at the end, and how often N (or the right-hand side) was evaluated."""

    values: np.ndarray
    evaluations: int | None
    jacobians: int = 0


class Task(NamedTuple):
    """A problem and its solution at the end, as values on the grid."""

    title: str
    truth: np.ndarray

    def error(self, values: np.ndarray) -> float:
        """Return the largest error relative to the largest value; inf where there are none or they are not finite."""
        if values.shape != self.truth.shape:
            return math.inf
        error = float(np.max(np.abs(values - self.truth)) / np.max(np.abs(self.truth)))
        return error if math.isfinite(error) else math.inf


class Solver(NamedTuple):
    """A way to solve one task.

    Attributes
    ----------
    name
        For people.
    parameter
        What the setting is: "steps" or "rtol".
    settings
        Settings in the order of their cost.
    prepare
        From a setting to a run that can be repeated; all that is done once, compilation included, is done here.
    """

    name: str
    parameter: str
    settings: Sequence[float]
    prepare: Callable[[float], Callable[[], Answer]]


class Point(NamedTuple):
    """One setting: its costs and its error."""

    setting: float
    error: float
    work: str
    setup: float
    seconds: float


@dataclass
class Choice:
    """A solver with a setting that reaches the error, and what it took in repeated runs; None where none does."""

    solver: Solver
    point: Point | None
    run: Callable[[], Answer] | None = None
    times: list[float] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """The shortest time."""
        return min(self.times, default=math.inf)


def run(solver: Solver, setting: float, task: Task) -> tuple[Point, Callable[[], Answer] | None]:
    """Set up and solve once; a run that raises has an infinite error."""
    begun = time.process_time()
    try:
        with np.errstate(all="ignore"):
            prepared = solver.prepare(setting)
            ready = time.process_time()
            answer = prepared()
    except Exception as failure:  # peers fail in many ways: a failed run is one that does not reach the error
        print(f"    {solver.name}, {solver.parameter} = {setting:.3g}: {type(failure).__name__}: {str(failure)[:100]}")
        return Point(setting, math.inf, "", 0.0, time.process_time() - begun), None
    done = time.process_time()
    work = "?" if answer.evaluations is None else str(answer.evaluations)
    work += f" + {answer.jacobians} J" if answer.jacobians else ""
    return Point(setting, task.error(answer.values), work, ready - begun, done - ready), prepared


def walk(solver: Solver, task: Task, targets: Sequence[float], patience: float = PATIENCE) -> list[Point]:
    """Return the points of a solver in order of cost, up to the first that reaches all targets, finer before each."""
    points: list[Point] = []
    begun = time.process_time()
    for setting in solver.settings:
        points.append(run(solver, setting, task)[0])
        if points[-1].error <= min(targets):
            break
        if time.process_time() - begun + 2 * (points[-1].setup + points[-1].seconds) > patience:
            break
    for target in targets:
        for _ in range(REFINE):
            good = next((i for i, point in enumerate(points) if point.error <= target), 0)
            between = math.sqrt(points[good - 1].setting * points[good].setting)
            between = round(between) if solver.parameter == "steps" else between
            if good == 0 or between in (points[good - 1].setting, points[good].setting):
                break
            points.insert(good, run(solver, between, task)[0])
    return points


def choose(solver: Solver, points: Sequence[Point], target: float, task: Task) -> Choice:
    """Return the first point that reaches the target, set up anew."""
    point = next((point for point in points if point.error <= target), None)
    if point is None:
        return Choice(solver, None)
    again, prepared = run(solver, point.setting, task)
    return Choice(solver, again._replace(error=point.error), prepared)


def time_in_turn(choices: Sequence[Choice], rounds: int = ROUNDS, least: float = LEAST) -> None:
    """Run all choices one after the other, several times over, so that what else happens meets all alike."""
    alive = [choice for choice in choices if choice.run is not None]
    longest = max((choice.point.seconds for choice in alive if choice.point), default=0.0)
    for _ in range(max(rounds, min(50, math.ceil(least / longest))) if longest else 0):
        for choice in alive:
            assert choice.run is not None
            if sum(choice.times) > MOST:
                continue
            begun = time.process_time()
            choice.run()
            choice.times.append(time.process_time() - begun)


def table(choices: Sequence[Choice]) -> str:
    """Return a Markdown table; the first choice is the unit of time."""
    unit = choices[0].seconds
    lines = [
        "| solver | setting | error | evaluations | set-up, ms | solve, ms | time | with set-up |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for choice in choices:
        if choice.point is None:
            lines.append(f"| {choice.solver.name} | not reached | | | | | | |")
            continue
        point, seconds = choice.point, choice.seconds
        setting = f"{point.setting:.0f} steps" if choice.solver.parameter == "steps" else f"rtol {point.setting:.1e}"
        ratios = f"{seconds / unit:.2f} | {(seconds + point.setup) / unit:.2f}"
        lines.append(
            f"| {choice.solver.name} | {setting} | {point.error:.0e} | {point.work} | {1e3 * point.setup:.1f} | "
            f"{1e3 * seconds:.1f} | {ratios} |"
        )
    return "\n".join(lines)


def plot(title: str, walks: dict[str, list[Point]], ax: Any = None) -> Any:
    """Draw the errors over the time, set-up included, of all points, and return the axes."""
    import expint.plot

    series = {
        name: ([1e3 * (p.setup + p.seconds) for p in points], [p.error for p in points])
        for name, points in walks.items()
        if any(math.isfinite(p.error) for p in points)
    }
    return expint.plot.curves(series, ax, xlabel="set-up and solve, ms", ylabel="relative error", title=title)
