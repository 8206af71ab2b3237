"""Measured order of every sampler on a Gaussian mixture, as a Markdown table.

Run it as ``python -m benchmarks.sampler_orders``. The grid is uniform in λ, from a moderate noise level, so that the
first step counts; the error is the median over samples, against a Runge–Kutta solution with 2000 steps.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

import diffusion
from benchmarks import parser

SCHEDULE = diffusion.EDM(0.05, 1.5)
STEPS = (160, 320)


def problem() -> tuple[diffusion.Denoiser, np.ndarray]:
    """Return a mixture of three anisotropic components in four dimensions, and samples of its process at σ = 1.5."""
    rng = np.random.default_rng(0)
    means = rng.standard_normal((3, 4))
    roots = 0.3 * rng.standard_normal((3, 4, 4))
    covariances = roots @ roots.swapaxes(1, 2) + 0.02 * np.eye(4)
    chosen = rng.integers(3, size=64)
    data = means[chosen] + np.einsum(
        "nij,nj->ni", np.linalg.cholesky(covariances)[chosen], rng.standard_normal((64, 4))
    )
    weights = np.full(3, 1 / 3)
    return diffusion.models.gaussian_mixture(weights, means, covariances, SCHEDULE), data + 1.5 * rng.standard_normal(
        (64, 4)
    )


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table."""
    quick = parser("benchmarks.sampler_orders", __doc__).parse_args(arguments).quick
    names = ["ddim", "deis-tab2"] if quick else diffusion.sampler_names()
    coarse, fine = (20, 40) if quick else STEPS
    denoiser, x = problem()

    def end(sampler: str | diffusion.Sampler, steps: int) -> np.ndarray:
        grid = diffusion.grids.uniform(steps, "lambda", schedule=SCHEDULE)
        return diffusion.sample(denoiser, x, sampler=sampler, grid=grid, start="state")

    reference = end("deis-rho-rk4", 100 if quick else 2000)
    print(f"| sampler | start | calls a step | order | error at 10 steps | error at {fine} steps |")
    print("|---|---|---|---|---|---|")
    for name in names:
        multistep = diffusion.sampler(name).method.history > 1
        changeable = multistep and "@" not in name
        for start in ("as published", "corrected", "runge-kutta") if changeable else ("as published",):
            sampler = diffusion.sampler(name) if start == "as published" else diffusion.sampler(name, start=start)
            errors = [np.median(np.linalg.norm(end(sampler, n) - reference, axis=1)) for n in (10, coarse, fine)]
            order = np.log(errors[1] / errors[2]) / np.log(fine / coarse)
            stages = getattr(sampler.method, "stages", 1)
            print(f"| {name} | {start} | {stages} | {order:.2f} | {errors[0]:.1e} | {errors[2]:.1e} |")


if __name__ == "__main__":
    main(sys.argv[1:])
