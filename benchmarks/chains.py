"""Samples of few calls by chains over states and noise levels, beside samplers that begin from noise.

Run it as ``python -m benchmarks.chains``; ``--write`` renews docs/chains.md. A mixture of 20 modes in 32 dimensions
with the exact conditional of the level, and the exact denoiser of the digits with a classifier trained here beside it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

import diffusion
from benchmarks import Page
from diffusion.chains.solves import short_grid
from diffusion.models.frechet import Gaussian, fit_gaussian, gaussian_distance

PAGE = Page("chains.md", "benchmarks.chains")
SAMPLER, START = "ddim", 20
SPLITS = ((4, 2), (5, 3), (6, 3), (10, 5), (20, 10))
"""Calls of a sample, and how many of them are moves."""


class Case(NamedTuple):
    """A model, how far samples are from its data, and how its levels are found."""

    net: diffusion.Denoiser
    shape: tuple[int, ...]
    distance: Callable[[Any], float]
    levels: np.ndarray
    eta: float
    logits: Any = None


def mixture() -> Case:
    """Return the mixture of 20 modes in 32 dimensions."""
    size, modes, spread = 32, 20, 0.3
    means = np.random.default_rng(0).normal(size=(modes, size))
    schedule = diffusion.EDM(0.02, 20.0)
    covariance = spread**2 * np.eye(size)
    net = diffusion.models.gaussian_mixture(np.ones(modes), means, [covariance] * modes, schedule)
    law = Gaussian(means.mean(axis=0), np.cov(means.T, bias=True) + covariance)
    levels = diffusion.chains.noise_levels(schedule, 20, 0.1, 2.0)
    return Case(net, (size,), lambda x: gaussian_distance(fit_gaussian(x), law), levels, 0.1)


def digits(learned: bool, iterations: int) -> Case:
    """Return the exact denoiser of the digits, its levels by their conditional or by a classifier that is trained."""
    net = diffusion.models.ideal_digits()
    levels = diffusion.chains.noise_levels(net.schedule, 20, 0.1, 1.0)
    logits = classifier_of_levels(net, levels, iterations) if learned else None
    return Case(net, (1, 8, 8), diffusion.models.frechet_distance, levels, 0.5, logits)


def classifier_of_levels(net: Any, levels: np.ndarray, iterations: int) -> Callable[[Any], np.ndarray]:
    """Train a small network to tell the level of noisy digits, and return it as a function of y = x/α."""
    import torch
    from torch import nn

    rho = torch.tensor(net.schedule.sigma(levels) / net.schedule.alpha(levels), dtype=torch.float32)
    data = torch.from_numpy(np.array(net.network.data, dtype=np.float32))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Flatten(), nn.Linear(64, 256), nn.SiLU(), nn.Linear(256, 256), nn.SiLU(), nn.Linear(256, len(levels))
        )
        optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
        for _ in range(iterations):
            label, chosen = torch.randint(len(levels), (256,)), torch.randint(len(data), (256,))
            y = data[chosen] + rho[label][:, None, None, None] * torch.randn(256, 1, 8, 8)
            loss = nn.functional.cross_entropy(network(y), label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    def logits(y: Any) -> np.ndarray:
        with torch.no_grad():
            return network(torch.from_numpy(np.asarray(y, dtype=np.float32))).double().numpy()

    return logits


def from_noise(case: Case, calls: int, count: int, seed: int) -> np.ndarray:
    """Return samples by the sampler alone, on the grid of the short solves from the first time on."""
    noise = np.random.default_rng(seed).standard_normal((count, *case.shape))
    grid = short_grid(case.net.schedule, case.net.schedule.t_start, calls)
    return diffusion.sample(case.net, noise, sampler=SAMPLER, grid=grid)


def by_chains(case: Case, calls: int, skip: int, chains: int, each: int, seed: int) -> Any:
    """Return a run of chains that begin at samples of some calls."""
    return diffusion.chains.langevin_gibbs(
        case.net,
        from_noise(case, START, chains, seed),
        levels=case.levels,
        step=case.eta,
        samples=each,
        skip=skip,
        burn_in=40,
        level_logits=case.logits,
        sampler=SAMPLER,
        steps=calls - skip,
        rng=seed,
    )


def row(name: str, case: Case, chains: int, each: int, splits: Sequence[tuple[int, int]], seeds: int) -> str:
    """Return one line for each number of calls: distances by both ways, and what the chains say of themselves."""
    lines = ""
    for calls, skip in splits:
        alone = np.mean([case.distance(from_noise(case, calls, chains * each, seed)) for seed in range(seeds)])
        runs = [by_chains(case, calls, skip, chains, each, seed) for seed in range(seeds)]
        found = np.mean([case.distance(run.samples.reshape(-1, *case.shape)) for run in runs])
        spent = np.mean([run.calls_per_sample for run in runs])
        worth = np.mean([run.effective_sample_size(_mean) for run in runs]) / (chains * each)
        burnt = START + 40
        lines += f"| {name} | {calls} | {alone:.3g} | {found:.3g} | {spent:.1f} + {burnt}/{each} | {worth:.2f} |\n"
    return lines


def _mean(samples: np.ndarray) -> np.ndarray:
    return samples.reshape(*samples.shape[:2], -1).mean(axis=2)


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table, or write it into the page."""
    options = PAGE.parser(__doc__).parse_args(arguments)
    quick = options.quick
    chains, each, seeds = (30, 4, 1) if quick else (200, 10, 3)
    splits = SPLITS[:1] if quick else SPLITS
    made = f"| model | calls | `{SAMPLER}` | chains | calls of chains | effective part |\n|---|---|---|---|---|---|\n"
    many, few = (
        (chains, each) if quick else (800, 4)
    )  # the modes are many: few chains would not have them in proportion
    made += row("mixture, 32-d", mixture(), many, few, splits, seeds)
    made += row("digits, exact levels", digits(False, 0), chains, each, splits, 1)
    made += row("digits, learned levels", digits(True, 20 if quick else 2000), chains, each, splits, 1)
    PAGE.show(made, options.write)


if __name__ == "__main__":
    main(sys.argv[1:])
