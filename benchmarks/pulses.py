"""Pulses that wake a resting N: how often they are stepped over, and what looking for them costs.

    python -m benchmarks.pulses [--cases 4] [--methods auto adams4 …] [--seed 0]

Problems are y' = λy + b + s(t) on (0, 10), one component of several driven by s: a rectangle, a smooth bump, a Gaussian
or a train of bursts, each 1 to 20 % of the span wide, somewhere in it. L = λ is exact, so that nothing but s holds the
steps. A pulse is missed if the run says success and errs by more than a hundred times the tolerance.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import scipy.integrate

import expint
from benchmarks import parser
from expint.derive import Splitting

END = 10.0
RATES: tuple[complex, ...] = (0.0, -1.0, -1000.0, 3j)
SHAPES = ("rectangle", "bump", "gaussian", "burst")
TOLERANCES = (1e-3, 1e-6, 1e-9)
METHODS = ("auto", "adams4", "pec4", "pece4", "exprb43", "expint43", "lawson-dormand-prince54")
PEERS = ("RK45", "Radau")
MISSED = 100.0
"""From an error of so many tolerances on, a pulse is missed."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(10)
_CELLS = 4000
_SIZE = {"scalar": 1, "vector": 8}


class Pulse(NamedTuple):
    """A driven problem y' = λy + b + s(t), y(0) = y_0, whose last component alone is driven by s.

    Attributes
    ----------
    rate, background
        λ and b.
    shape, place, width, height
        What s is.
    y0, size
        The value of all components at first, and how many there are.
    """

    rate: complex
    background: float
    shape: str
    place: float
    width: float
    height: float
    y0: float
    size: int

    def force(self, t: Any) -> Any:
        """Return s(t)."""
        x = (np.asarray(t) - self.place) / self.width
        inside = (x > 0) & (x < 1)
        if self.shape == "rectangle":
            return self.height * inside
        if self.shape == "bump":
            return self.height * np.where(inside, np.sin(np.pi * np.clip(x, 0, 1)) ** 2, 0.0)
        if self.shape == "gaussian":  # of a width of four standard deviations
            return self.height * np.exp(-8 * (x - 0.5) ** 2)
        return self.height * (inside & (np.floor(5 * x) % 2 == 0))

    def edges(self) -> np.ndarray:
        """Return the times where s is not smooth."""
        parts = {"rectangle": 1, "bump": 1, "burst": 5}.get(self.shape, 0)
        return self.place + self.width * np.arange(parts + 1) / max(parts, 1) if parts else np.empty(0)

    def nonlinear(self, t: float, y: np.ndarray) -> np.ndarray:
        """Return N(t, y)."""
        out = np.full_like(y, self.background)
        out[-1] += self.force(t)
        return out

    def flow(self) -> Callable[[float, float, np.ndarray], np.ndarray]:
        """Return the flow of N, for splittings: (t, τ, y) ↦ the solution after a time τ of v' = N(t + s, v)."""
        total = self._replace(rate=0.0, background=0.0, y0=0.0).exact()

        def flow(t: float, duration: float, y: np.ndarray) -> np.ndarray:
            first, last = total(np.array([t, t + duration])).real
            moved = y + self.background * duration
            moved[-1] += last - first
            return moved

        return flow

    def exact(self) -> Callable[[np.ndarray], np.ndarray]:
        """Return t ↦ the last component of y(t), by Gauss–Legendre quadrature cell by cell."""
        rate, grid = self.rate, np.union1d(np.linspace(0, END, _CELLS + 1), self.edges())

        def across(left: np.ndarray, right: np.ndarray) -> np.ndarray:
            half = (right - left)[:, None] / 2
            times = left[:, None] + half * (1 + _NODES)
            force = self.background + self.force(times)
            return np.sum(half * _WEIGHTS * force * np.exp(rate * (right[:, None] - times)), axis=1)

        pieces, values = across(grid[:-1], grid[1:]), [complex(self.y0)]
        for length, piece in zip(np.diff(grid), pieces):
            values.append(np.exp(rate * length) * values[-1] + piece)
        states = np.array(values)

        def at(t: np.ndarray) -> np.ndarray:
            n = np.clip(np.searchsorted(grid, t, side="right") - 1, 0, len(grid) - 2)
            return np.exp(rate * (t - grid[n])) * states[n] + across(grid[n], np.asarray(t))

        return at


class Outcome(NamedTuple):
    """One run: whether the pulse was missed, the largest error in units of the tolerance, and the evaluations of N."""

    missed: bool
    error: float
    evaluations: int


def draw(rng: np.random.Generator, rate: complex, shape: str, kind: str) -> Pulse:
    """Return a pulse drawn at random: its width uniform in its logarithm, its place uniform."""
    width = END * 10.0 ** rng.uniform(-2, np.log10(0.2))
    place = rng.uniform(0.03 * END, 0.97 * END - width)
    background, y0 = [(0.0, 1.0), (0.0, 0.0), (1.0, 1.0)][rng.integers(3)]
    return Pulse(rate, background, shape, place, width, 10.0 ** rng.uniform(0, 1), y0, _SIZE[kind])


def ours(pulse: Pulse, method: str, rtol: float) -> Outcome:
    """Solve by a method of this library."""
    y0 = np.full(pulse.size, pulse.y0, complex if isinstance(pulse.rate, complex) else float)
    told = {"rtol": rtol, "atol": rtol}
    chosen = "auto" if method == "auto" else expint.method(method)
    if isinstance(chosen, Splitting):
        solution = expint.run_splitting(chosen, pulse.rate, pulse.flow(), y0, [0.0, END], **told)
        solution = replace(solution, t=solution.t[1:], y=solution.y[1:])
    else:
        solution = expint.solve_ivp(pulse.nonlinear, (0.0, END), y0, linear=pulse.rate, method=chosen, **told)
    return _judge(pulse, solution, solution.y[:, -1], rtol, solution.stats.nonlinear_evaluations)


def peer(pulse: Pulse, method: str, rtol: float) -> Outcome:
    """Solve by SciPy."""
    y0 = np.full(pulse.size, pulse.y0, complex if isinstance(pulse.rate, complex) else float)
    solution = scipy.integrate.solve_ivp(
        lambda t, y: pulse.rate * y + pulse.nonlinear(t, y), (0.0, END), y0, method, rtol=rtol, atol=rtol
    )
    return _judge(pulse, solution, solution.y[-1], rtol, solution.nfev)


def solve(pulse: Pulse, method: str, rtol: float) -> Outcome:
    """Solve by a method of this library or of SciPy."""
    return (peer if method in PEERS else ours)(pulse, method, rtol)


def _judge(pulse: Pulse, solution: Any, values: np.ndarray, rtol: float, evaluations: int) -> Outcome:
    """Return the outcome, from the states that were accepted."""
    exact = pulse.exact()
    times = np.asarray(solution.t)
    error = np.abs(values - exact(times)) / (rtol * (1 + np.abs(values)))
    worst = float(np.max(error))
    return Outcome(bool(solution.success and worst > MISSED), worst, evaluations)


def idle(method: str, rtol: float, rate: complex) -> int:
    """Return the evaluations of N where nothing happens at all."""
    nothing = Pulse(rate, 0.0, "rectangle", 2 * END, 1.0, 0.0, 1.0, 1)
    return solve(nothing, method, rtol).evaluations


def cases(count: int, seed: int) -> list[tuple[Pulse, float]]:
    """Return ``count`` pulses for every L, shape and tolerance, by turns as scalars and in a vector."""
    rng = np.random.default_rng(seed)
    return [
        (draw(rng, rate, shape, ("scalar", "vector")[n % 2]), rtol)
        for rate in RATES
        for shape in SHAPES
        for rtol in TOLERANCES
        for n in range(count)
    ]


def compare(drawn: Sequence[tuple[Pulse, float]], methods: Sequence[str]) -> None:
    """Print a Markdown table: for every method what is missed, by L and by shape, and what is paid."""
    head = [f"λ = {rate:g}" for rate in RATES] + list(SHAPES)
    lines = [f"| method | missed of {len(drawn)} | {' | '.join(head)} | evaluations | idle |"]
    lines.append("|---" * (len(head) + 4) + "|")
    print("\n".join(lines), flush=True)
    for method in methods:
        runs = [(pulse, solve(pulse, method, rtol)) for pulse, rtol in drawn]
        by_rate = [sum(run.missed for pulse, run in runs if pulse.rate == rate) for rate in RATES]
        by_shape = [sum(run.missed for pulse, run in runs if pulse.shape == shape) for shape in SHAPES]
        missed = " | ".join(str(count) for count in (sum(by_rate), *by_rate, *by_shape))
        paid = f"{np.mean([run.evaluations for _, run in runs]):.0f}"
        resting = "/".join(str(idle(method, rtol, -1.0)) for rtol in TOLERANCES)
        print(f"| {method} | {missed} | {paid} | {resting} |", flush=True)


def main(arguments: Sequence[str] = ()) -> None:
    command = parser("benchmarks.pulses", __doc__)
    command.add_argument("--cases", type=int, help="pulses for each L, shape and tolerance; 4 by default")
    command.add_argument("--methods", nargs="*", metavar="METHOD", help="methods; SciPy's RK45 and Radau among them")
    command.add_argument("--seed", type=int, default=0)
    options = command.parse_args(arguments)
    warnings.simplefilter("ignore")
    count = options.cases or (1 if options.quick else 4)
    methods = options.methods or (("auto",) if options.quick else (*METHODS, *PEERS))
    drawn = cases(count, options.seed)
    compare(drawn[::7] if options.quick else drawn, methods)


if __name__ == "__main__":
    main(sys.argv[1:])
