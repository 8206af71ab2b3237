"""Measured order of every sampler on a Gaussian mixture beside the computed one, as a Markdown table.

Run it as ``python -m benchmarks.sampler_orders``; with ``--write`` it renews docs/samplers.md. The grid is uniform in
λ, from a moderate noise level, so that the first step counts; the schedule is a variance-preserving one, on which
polynomials in t are not those in ρ. The error is the median over samples, against a Runge–Kutta solution of 3000 steps.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import log
from typing import Any, NamedTuple

import numpy as np

import diffusion
from benchmarks import Page
from diffusion.planning.interpolation import ScheduleClock
from diffusion.samplers.order_of_runs import order_of_runs
from diffusion.samplers.pndm import HeunThenAdams
from expint.derive.kinds.adams import INDEX
from expint.derive.kinds.predictor_corrector import PredictorCorrector

NOISE_LEVELS = (1.5, 0.05)  # σ/α at the ends
_START, _END = (diffusion.VP.linear().time(-log(level)) for level in NOISE_LEVELS)
SCHEDULE = diffusion.VP.linear(t_start=_START, t_end=_END)
PAGE = Page("samplers.md", "benchmarks.sampler_orders")
FURTHER = (
    "krogstad4-data",
    "hochbruck-ostermann4-noise",
    "exprk5s8-data",
    "adams3-edm",
    "adams3-velocity",
    "adams3-flow",
    "adams3-flow-data",
)
"""Methods in gauges, as samples of all that have no name of their own."""
LADDER = (20, 40, 80, 160, 320, 640)
FLOOR = 1e-11  # of the error: below it the reference and rounding count


class Row(NamedTuple):
    """What the table says of a sampler with one way to start."""

    name: str
    start: str
    gauge: str
    polynomial: str
    grid: str
    calls: int
    order: int

    def cells(self) -> list[str]:
        """Return the static columns."""
        return [f"`{self.name}`", self.gauge, self.polynomial, self.grid, self.start, str(self.calls), str(self.order)]


HEADER = ["sampler", "gauge", "history in", "grid", "start", "calls a step", "order", "measured", "error, 10 steps"]


def problem() -> tuple[diffusion.Denoiser, np.ndarray]:
    """Return a mixture of three anisotropic components in four dimensions, and samples of its process at the start."""
    rng = np.random.default_rng(0)
    means = rng.standard_normal((3, 4))
    roots = 0.3 * rng.standard_normal((3, 4, 4))
    covariances = roots @ roots.swapaxes(1, 2) + 0.02 * np.eye(4)
    chosen = rng.integers(3, size=64)
    spread = np.einsum("nij,nj->ni", np.linalg.cholesky(covariances)[chosen], rng.standard_normal((64, 4)))
    scaled = means[chosen] + spread + NOISE_LEVELS[0] * rng.standard_normal((64, 4))
    denoiser = diffusion.models.gaussian_mixture(np.full(3, 1 / 3), means, covariances, SCHEDULE)
    return denoiser, SCHEDULE.alpha(_START) * scaled


def described(name: str, sampler: diffusion.Sampler) -> Row:
    """Return the static columns of a sampler."""
    method = sampler.method
    if method.history < 2:
        polynomial = "–"
    elif getattr(method, "clock", None) is INDEX or isinstance(method, HeunThenAdams):
        polynomial = "step number"
    else:
        polynomial = str(sampler.interpolate_in or sampler.gauge.clock.name)
    calls, order = getattr(method, "stages", 1), order_of_runs(sampler)
    return Row(name, start_name(sampler), sampler.gauge.name, polynomial, grid_name(sampler.grid), calls, order)


def start_name(sampler: diffusion.Sampler) -> str:
    """Return how the first steps are made: by lower orders, or as `diffusion.Sampler` calls it."""
    method: Any = getattr(sampler.method, "method", sampler.method)
    if method.history < 2:
        return "–"
    if sampler.start is not None:
        return sampler.start
    if isinstance(method, HeunThenAdams):
        return "heun"
    if not method.ramp:
        return "runge-kutta"
    return "corrected" if isinstance(method, PredictorCorrector) else "euler"


def grid_name(rule: Any) -> str:
    """Return in which clock the published grid is uniform."""
    return str(rule)


def rows(names: Sequence[str]) -> Iterator[tuple[Row, diffusion.Sampler]]:
    """Return the rows of the samplers: as published, and multistep ones with the starts that keep more of the order."""
    for name in names:
        sampler = diffusion.sampler(name)
        if name == "auto":
            continue
        yield described(name, sampler), sampler
        if sampler.method.history < 2 or "@" in name or start_name(sampler) == "runge-kutta":
            continue
        published = order_of_runs(sampler)
        for start in ("corrected", "runge-kutta"):
            other = diffusion.sampler(name, start=start)
            if order_of_runs(other) > published:
                yield described(name, other), other
                published = order_of_runs(other)


def measured(sampler: diffusion.Sampler, reference: np.ndarray, ladder: Sequence[int]) -> tuple[float, float]:
    """Return the order between the two finest grids on which the error is above rounding, and the error at 10 steps.

    Where coefficients are sums in place of integrals the order is that of what this changes in a run, as that is the
    error in the end, beyond some 10⁴ steps.
    """
    denoiser, x = problem()

    def error(steps: int) -> float:
        grid = diffusion.grids.uniform(steps, "lambda", schedule=SCHEDULE)
        end = diffusion.sample(denoiser, x, sampler=sampler, grid=grid, start="state")
        return float(np.median(np.linalg.norm(end - reference, axis=1)))

    exact = replace(sampler, history=ScheduleClock)
    if sampler.history is not ScheduleClock and order_of_runs(exact) > 1:
        errors = [apart(sampler, exact, steps) for steps in ladder]
    else:
        errors = [error(steps) for steps in ladder]
    good = [i for i, value in enumerate(errors) if value > FLOOR][-2:]
    coarse, fine = good if len(good) == 2 else (0, 1)
    return float(np.log(errors[coarse] / errors[fine]) / np.log(ladder[fine] / ladder[coarse])), error(10)


def apart(sampler: diffusion.Sampler, other: diffusion.Sampler, steps: int) -> float:
    """Return how far the runs of two samplers end from each other."""
    denoiser, x = problem()
    grid = diffusion.grids.uniform(steps, "lambda", schedule=SCHEDULE)
    ends = [diffusion.sample(denoiser, x, sampler=one, grid=grid, start="state") for one in (sampler, other)]
    return float(np.median(np.linalg.norm(ends[0] - ends[1], axis=1)))


def table(names: Sequence[str], ladder: Sequence[int], fine: int) -> str:
    """Return the table."""
    denoiser, x = problem()
    grid = diffusion.grids.uniform(fine, "lambda", schedule=SCHEDULE)
    reference = diffusion.sample(denoiser, x, sampler="deis-rho-rk4", grid=grid, start="state")
    lines = [HEADER, ["---"] * len(HEADER)]
    for row, sampler in rows(names):
        order, error = measured(sampler, reference, ladder)
        far = "" if abs(order - row.order) < 0.15 else " !"
        lines.append([*row.cells(), f"{order:.2f}{far}", f"{error:.1e}"])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table, or write it into the page."""
    command = PAGE.parser(__doc__)
    options = command.parse_args(arguments)
    names = ["ddim", "deis-tab2"] if options.quick else [*diffusion.sampler_names(), *FURTHER]
    made = table(names, (20, 40) if options.quick else LADDER, 100 if options.quick else 3000)
    PAGE.show(made, options.write)


if __name__ == "__main__":
    main(sys.argv[1:])
