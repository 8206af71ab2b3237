"""Sampling to a tolerance: errors against rtol on exact models, and calls beside those of fixed grids.

Errors are root mean squares of a sample, in units of that of the data, against the ODE solved to 1e-10. A fixed sampler
takes the fewest steps, of 5 to 320, by which the median error is that of the run to the tolerance, or less.
Run: ``python -m benchmarks.adaptive_sampling``; ``--write`` renews the tables in docs/adaptive_sampling.md.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import diffusion
from benchmarks import parser

PAGE = Path(__file__).parents[1] / "docs" / "adaptive_sampling.md"
MARK = "<!-- written by python -m benchmarks.adaptive_sampling --write -->\n"
BETAS = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
SCHEDULES = {
    "VP": diffusion.VP.linear(),
    "cosine": diffusion.VP.cosine(),
    "table": diffusion.VP.from_betas(BETAS),
    "VE": diffusion.VE(),
    "EDM": diffusion.EDM(),
    "flow": diffusion.FlowMatching(),
}
TOLERANCES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-6)
PAIRS = ("auto", "dpm-adaptive", "lawson-bogacki-shampine32-velocity", "expint43-data")
FIXED = ("auto", "unipc3", "dpmpp-3m")
STEPS = (5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 60, 80, 120, 160, 240, 320)


def model(schedule: diffusion.NoiseSchedule) -> diffusion.Denoiser:
    """Return a mixture of four Gaussians of different widths in eight dimensions."""
    rng = np.random.default_rng(18)
    widths = [0.5, 0.2, 0.1, 0.02]
    return diffusion.models.gaussian_mixture(
        [1.0] * 4, rng.standard_normal((4, 8)), [width**2 * np.eye(8) for width in widths], schedule, predicts="noise"
    )


def errors(found: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Return the error of each sample in units of the size of the data."""
    return np.asarray(np.sqrt(np.mean((found - exact) ** 2, axis=1) / np.mean(exact**2)))


def fewest(net: diffusion.Denoiser, noise: np.ndarray, exact: np.ndarray, sampler: str, error: float) -> str:
    """Return the fewest steps of a fixed sampler that err by no more."""
    for steps in STEPS:
        found = diffusion.sample(net, noise, sampler=sampler, steps=steps)
        if np.median(errors(found, exact)) <= error:
            return str(steps)
    return f"> {STEPS[-1]}"


def rows(name: str, noise: np.ndarray, tolerances: Sequence[float], exact_at: float) -> list[list[str]]:
    """Return the rows of a schedule: what the default errs by, what it costs, and what fixed grids need for it."""
    net = model(SCHEDULES[name])
    exact = diffusion.sample(net, noise, rtol=exact_at)
    lines = []
    for rtol in tolerances:
        run = diffusion.trajectory(net, noise, rtol=rtol)
        off = errors(run.y_end, exact)
        cells = [
            f"{np.median(off):.1e}",
            f"{off.max():.1e}",
            f"{run.calls.mean():.0f} ({run.calls.min()}–{run.calls.max()})",
        ]
        fixed = [fewest(net, noise, exact, sampler, float(np.median(off))) for sampler in FIXED]
        lines.append([name, f"{rtol:g}", *cells, *fixed])
    return lines


def pairs(name: str, noise: np.ndarray, tolerances: Sequence[float], exact_at: float) -> list[list[str]]:
    """Return the rows that compare pairs on one schedule: largest error over rtol, and mean calls."""
    net = model(SCHEDULES[name])
    exact = diffusion.sample(net, noise, rtol=exact_at)
    lines = []
    for sampler in PAIRS:
        runs = [diffusion.trajectory(net, noise, sampler=sampler, rtol=rtol, atol=rtol) for rtol in tolerances]
        cells = [
            f"{errors(run.y_end, exact).max() / rtol:.2g} ({run.calls.mean():.0f})"
            for run, rtol in zip(runs, tolerances)
        ]
        lines.append([name, f"`{sampler}`", *cells])
    return lines


def table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a table."""
    return "".join(f"| {' | '.join(line)} |\n" for line in [header, ["---"] * len(header), *lines])


def main(arguments: Sequence[str] = ()) -> None:
    """Print the tables, or write them into the page."""
    command = parser("benchmarks.adaptive_sampling", __doc__)
    command.add_argument("--write", action="store_true", help="renew the tables in docs/adaptive_sampling.md")
    options = command.parse_args(arguments)
    count, tolerances, names = (4, (1e-2,), ("VP",)) if options.quick else (64, TOLERANCES, tuple(SCHEDULES))
    noise, exact_at = np.random.default_rng(0).standard_normal((count, 8)), 1e-6 if options.quick else 1e-10
    main_table = table(
        ["schedule", "rtol", "median error", "largest", "calls, mean (range)", *(f"steps of `{own}`" for own in FIXED)],
        [line for name in names for line in rows(name, noise, tolerances, exact_at)],
    )
    compared = table(
        ["schedule", "sampler", *(f"rtol {rtol:g}" for rtol in tolerances)],
        [
            line
            for name in (names if options.quick else ("VP", "EDM"))
            for line in pairs(name, noise, tolerances, exact_at)
        ],
    )
    made = f"{main_table}\nLargest error over rtol, and mean calls in brackets, with atol = rtol:\n\n{compared}"
    if options.write:
        before, _, _ = PAGE.read_text(encoding="utf-8").partition(MARK)
        PAGE.write_text(before + MARK + made, encoding="utf-8")
    else:
        print(made, end="")


if __name__ == "__main__":
    main(sys.argv[1:])
