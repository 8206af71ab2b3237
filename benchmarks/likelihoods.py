"""Log-likelihoods of mixtures beside their exact densities: fixed steps, tolerances, and bounds by importance weights.

The mixture of two Gaussians in two dimensions and its samples are those of docs/likelihood.md; errors are in nats, for
the exact density at the first time. Run: ``python -m benchmarks.likelihoods``; ``--write`` renews the page.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

import diffusion
from benchmarks import Page

PAGE = Page("likelihood.md", "benchmarks.likelihoods")
SCHEDULES = {
    "VP": diffusion.VP.linear(),
    "cosine": diffusion.VP.cosine(),
    "VE": diffusion.VE(),
    "EDM": diffusion.EDM(),
    "flow": diffusion.FlowMatching(),
}
FIXED = (("lawson-rk4-flow", 4), ("adams3-velocity", 1), ("dpmpp-3m", 1), ("dpmpp-2m", 1))
TOLERANCES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-6)
CHAINS = ("dpmpp-sde", "dpmpp-2m-sde", "ddim-eta0.5", "ddpm")


def model(schedule: diffusion.NoiseSchedule) -> diffusion.Denoiser:
    """Return the mixture of the page."""
    covariances = [0.1 * np.eye(2), 0.05 * np.eye(2)]
    return diffusion.models.gaussian_mixture([0.3, 0.7], [[1.0, 0.5], [-1.0, 0.0]], covariances, schedule)


class Case:
    """The mixture on a schedule, samples, and their exact densities."""

    def __init__(self, name: str, count: int) -> None:
        self.net = model(SCHEDULES[name])
        self.data = diffusion.sample(self.net, np.random.default_rng(0).standard_normal((count, 2)), rtol=1e-4)
        network: Any = self.net.network
        self._density: Any = network.log_density
        self.exact = self._density(self.data, self.net.schedule.t_end)

    def prior(self, x: np.ndarray) -> np.ndarray:
        """Return the exact log-density at the first time."""
        return np.asarray(self._density(x, self.net.schedule.t_start))


def table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a table."""
    return "".join(f"| {' | '.join(line)} |\n" for line in [header, ["---"] * len(header), *lines])


def fixed(names: Sequence[str], count: int, calls: Sequence[int]) -> str:
    """Return the largest errors of fixed steps."""
    lines = []
    for name in names:
        case = Case(name, count)
        for sampler, each in FIXED:
            found = [
                diffusion.log_likelihood(case.net, case.data, sampler=sampler, steps=n // each, prior=case.prior)
                for n in calls
            ]
            lines.append([name, f"`{sampler}`", *(f"{np.abs(nats - case.exact).max():.0e}" for nats in found)])
    return table(["schedule", "sampler", *(f"{n} calls" for n in calls)], lines)


def adaptive(names: Sequence[str], count: int, tolerances: Sequence[float]) -> str:
    """Return errors and calls to tolerances."""
    lines = []
    for name in names:
        case = Case(name, count)
        for rtol in tolerances:
            found = diffusion.log_likelihood(case.net, case.data, rtol=rtol, prior=case.prior, details=True)
            off, calls = np.abs(found.log_density - case.exact), found.calls
            cells = [f"{np.median(off):.1e}", f"{off.max():.1e}", f"{calls.mean():.0f} ({calls.min()}–{calls.max()})"]
            lines.append([name, f"{rtol:g}", *cells])
    return table(["schedule", "rtol", "median error", "largest", "calls, mean (range)"], lines)


def bounds(count: int, steps: Sequence[int], paths: Sequence[int]) -> str:
    """Return the mean gaps below the exact density on the schedule VP."""
    case, lines = Case("VP", count), []
    for sampler in CHAINS:
        cells = []
        for n in steps:
            for k in paths:
                found = diffusion.likelihood_bound(
                    case.net, case.data, sampler=sampler, steps=n, paths=k, prior=case.prior
                )
                cells.append(f"{np.mean(case.exact - found):.2g}")
        lines.append([f"`{sampler}`", *cells])
    return table(["sampler", *(f"{n} steps, k = {k}" for n in steps for k in paths)], lines)


def main(arguments: Sequence[str] = ()) -> None:
    """Print the tables, or write them into the page."""
    options = PAGE.parser(__doc__).parse_args(arguments)
    names, count = (("VP",), 3) if options.quick else (tuple(SCHEDULES), 100)
    calls, tolerances = ((20,), (1e-2,)) if options.quick else ((100, 200), TOLERANCES)
    steps, paths = ((5,), (1, 2)) if options.quick else ((50, 200, 800), (1, 10))
    PAGE.show(
        f"\nLargest errors of {count} samples with fixed steps, in nats:\n\n{fixed(names, count, calls)}"
        f"\nTo a tolerance, atol = rtol:\n\n{adaptive(names, count, tolerances)}"
        "\nMean gap between the exact log-density and the bound of stochastic samplers (VP, each on its own grid):\n\n"
        f"{bounds(count, steps, paths)}",
        options.write,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
