"""Picard iteration on a sampler's plan: how often it waits for the network, what it asks, how far it is from the run.

Models are an exact mixture in eight dimensions and the exact denoiser of the digits. Rounds are the most of a sample,
and calls the mean; the distance is the largest of a sample, relative to the root mean square of the data.
Run: ``python -m benchmarks.parallel``; ``--write`` renews the table in docs/parallel.md.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

import diffusion
from benchmarks import Page
from benchmarks.adaptive_sampling import model, table

PAGE = Page("parallel.md", "benchmarks.parallel")
SAMPLERS = ("ddim", "dpmpp-2m", "deis-tab3", "deis-rho-heun", "auto")
STEPS, TOLERANCES = (25, 50, 100, 200), (1e-2, 1e-3, 0.0)


def row(name: str, net: diffusion.Denoiser, noise: np.ndarray, sampler: str, steps: int) -> list[str]:
    """Return a row of the table."""
    right = diffusion.sample(net, noise, sampler=sampler, steps=steps)
    cells, evaluations = [], 0
    for tolerance in TOLERANCES:
        run = diffusion.sample_in_parallel(net, noise, sampler=sampler, steps=steps, tolerance=tolerance)
        off = np.sqrt(np.mean((run.samples - right) ** 2, axis=tuple(range(1, right.ndim))) / np.mean(right**2))
        evaluations = run.evaluations
        cells.append(f"{run.rounds.max()}, {run.calls.mean():.0f}, {off.max():.0e}")
    return [name, f"`{sampler}`", str(evaluations), *cells]


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table, or write it into the page."""
    options = PAGE.parser(__doc__).parse_args(arguments)
    mixture, digits = model(diffusion.VP.linear()), diffusion.models.ideal_digits()
    rng, count = np.random.default_rng(3), 2 if options.quick else 16
    cases = [("mixture", mixture, rng.standard_normal((count, 8)))]
    if not options.quick:
        cases.append(("digits", digits, rng.standard_normal((count, 1, 8, 8))))
    lines = [
        row(name, net, noise, sampler, steps)
        for name, net, noise in cases
        for sampler in (SAMPLERS[:1] if options.quick else SAMPLERS)
        for steps in (STEPS[:1] if options.quick else STEPS)
    ]
    header = ["model", "sampler", "calls one by one", *(f"tolerance {own:g}" for own in TOLERANCES)]
    PAGE.show(table(header, lines), options.write)


if __name__ == "__main__":
    main(sys.argv[1:])
