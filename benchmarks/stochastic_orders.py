"""The stochastic samplers in a table: noise, calls, and the measured order of the law of Gaussian data.

Run it as ``python -m benchmarks.stochastic_orders``; with ``--write`` it renews docs/stochastic.md. Nothing is drawn:
mean and covariance of a run on Gaussian data are known in closed form (``diffusion.moments``). The error is the largest
of all entries of both, for steps uniform in λ from the exact law at the start of the schedule to ρ = 0.05.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import log
from typing import Any

import numpy as np

import diffusion
from benchmarks import Page

PAGE = Page("stochastic.md", "benchmarks.stochastic_orders")
MEAN, COVARIANCE = np.array([0.4, -1.0]), np.array([[0.5, 0.2], [0.2, 0.3]])
SCHEDULE = diffusion.VP.linear()
LADDER = (160, 320)
HEADER = ["sampler", "noise", "gauge", "method", "columns", "calls a step", "order of the law", "error, 20 steps"]


def law(t: float) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and covariance of the states at the time ``t``."""
    alpha, sigma = float(SCHEDULE.alpha(t)), float(SCHEDULE.sigma(t))
    return alpha * MEAN, alpha**2 * COVARIANCE + sigma**2 * np.eye(2)


def error(sampler: diffusion.Sampler, steps: int) -> float:
    """Return the largest error of mean and covariance after so many steps."""
    network = diffusion.models.gaussian_mixture([1.0], [MEAN], [COVARIANCE], SCHEDULE, predicts="data")
    end = float(SCHEDULE.time(np.array(-log(0.05))))
    first = float(SCHEDULE.t_start)
    noisy, clean = SCHEDULE.half_log_snr(np.array([first, end])).tolist()
    grid = SCHEDULE.time(np.linspace(noisy, clean, steps + 1))
    found = diffusion.moments(network, sampler=sampler, grid=grid, start="state", initial=law(first))
    mean, covariance = law(end)
    return float(max(np.abs(found.mean[-1] - mean).max(), np.abs(found.covariance[-1] - covariance).max()))


def said(sampler: Any) -> str:
    """Return in a word where the noise of a sampler comes from."""
    strength = sampler.stochasticity
    if strength is None:
        return f"`{type(sampler).__name__}`"
    numbers = {"Constant": "τ = {tau:g}", "Eta": "η = {eta:g}", "Fresh": "τ = ∞", "ExtendedReverse": "ψ(ρ)"}
    return numbers[type(strength).__name__].format_map(vars(strength))


def static(names: Sequence[str]) -> Iterator[tuple[list[str], diffusion.Sampler]]:
    """Yield what is known without a run of each sampler, and the sampler without an end of its own."""
    for name in names:
        found: Any = diffusion.sampler(name)
        sampler = replace(found, end=diffusion.End(correct=False))
        plan = sampler.plan(SCHEDULE, sampler.grid(20, SCHEDULE))
        steps = max(plan.steps[2:-2], key=lambda step: len(step.rows))
        moves = getattr(found, "corrections", 0)  # each a call, and a column
        columns, calls = plan.layout.noise + moves, sum(row.evaluate for row in steps.rows) + moves
        yield [f"`{name}`", said(found), found.gauge.name, found.method.name, str(columns), str(calls)], sampler


def table(names: Sequence[str], ladder: Sequence[int]) -> str:
    """Return the table."""
    lines = [HEADER, ["---"] * len(HEADER)]
    for cells, sampler in static(names):
        coarse, fine = (error(sampler, steps) for steps in ladder)
        order = f"{log(coarse / fine, ladder[1] / ladder[0]):.2f}"
        lines.append([*cells, order, f"{error(sampler, 20):.1e}"])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table, or write it into the page."""
    command = PAGE.parser(__doc__)
    options = command.parse_args(arguments)
    names = ["ddpm", "dpmpp-2m-sde"] if options.quick else diffusion.sampler_names(stochastic=True)
    made = table(names, (20, 40) if options.quick else LADDER)
    PAGE.show(made, options.write)


if __name__ == "__main__":
    main(sys.argv[1:])
