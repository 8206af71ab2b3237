"""Superposition in figures: order of the followed densities, proportions, equality, laws, and digits of two networks.

Run it as ``python -m benchmarks.superposition``; ``--write`` renews docs/superposition.md. Two models of two modes each
in the plane, and the exact denoisers of the digits 0–4 and 5–9, neither of which knows the others.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from math import log
from typing import Any

import numpy as np

import diffusion
from benchmarks import Page
from diffusion.guidance import superpose

PAGE = Page("superposition.md", "benchmarks.superposition")
SCHEDULE = diffusion.VP.linear()
MEANS = np.array([[[-3.0, 0.0], [0.0, 3.0]], [[3.0, 0.0], [0.0, -3.0]]])
SPREAD = 0.4


def models() -> list[diffusion.Denoiser]:
    """Return the two models of the plane."""
    covariance = SPREAD**2 * np.eye(2)
    return [diffusion.models.gaussian_mixture([0.5, 0.5], means, [covariance] * 2, SCHEDULE) for means in MEANS]


def uniform(steps: int) -> np.ndarray:
    """Return times even in λ, to ρ = 0.05."""
    first = float(SCHEDULE.half_log_snr(SCHEDULE.t_start))
    return SCHEDULE.time(np.linspace(first, -log(0.05), steps + 1))


def densities(x: Any, t: float) -> np.ndarray:
    """Return the exact log-densities of states, (B, 2)."""
    networks: list[Any] = [model.network for model in models()]
    return np.stack([network.log_density(x, t) for network in networks], axis=1)


def order(ladder: Sequence[int], noise: np.ndarray) -> Iterator[tuple[str, str]]:
    """Yield the errors of the followed densities, those of the model that a sample is of, and their slope."""
    found = []
    for steps in ladder:
        run: Any = diffusion.trajectory(superpose(models()), noise, sampler="ddpm", grid=uniform(steps), rng=1)
        exact = densities(run.y[-1], run.t[-1])
        off = (run.log_densities[-1] - exact)[np.arange(len(exact)), exact.argmax(axis=1)]
        found.append(float(np.sqrt(np.mean(off**2))))
    slope = -np.polyfit(np.log(ladder), np.log(found), 1)[0]
    said = ", ".join(f"{error:.2f}" for error in found)
    yield f"error of log q at {', '.join(map(str, ladder))} steps of `ddpm`, root mean square", said
    yield "its order in the number of steps", f"{slope:.2f}"


def proportions(noise: np.ndarray, steps: int) -> Iterator[tuple[str, str]]:
    """Yield the share of the first model for offsets that ask for others, and the spread of each mode."""
    means = MEANS.reshape(-1, 2)
    for weight in (1.0, 3.0, 9.0):
        either = superpose(models(), "or", offsets=[log(weight), 0.0])
        x = diffusion.sample(either, noise, sampler="dpmpp-2m-sde", steps=steps, rng=3)
        nearest = np.argmin(np.linalg.norm(x[:, None] - means, axis=2), axis=1)
        spreads = [float(np.std((x - means[nearest])[nearest == k])) for k in range(4)]
        said = f"{np.mean(nearest < 2):.3f}, modes of spread {min(spreads):.2f}–{max(spreads):.2f}"
        yield f'"or", offset log {weight:g}: share of the first model, {weight / (1 + weight):.2f} expected', said


def equality(noise: np.ndarray, steps: int) -> Iterator[tuple[str, str]]:
    """Yield by how much the densities differ that are to be equal, followed and true, and those of an average."""
    for sampler, options in (("ddpm", {"rng": 3}), ("dpmpp-2m", {})):
        draw = partial(diffusion.trajectory, sampler=sampler, grid=uniform(steps), **options)
        run: Any = draw(superpose(models(), "and"), noise)
        plain = draw(superpose(models(), [0.5, 0.5]), noise)
        followed = np.abs(np.diff(run.log_densities, axis=2)).max()
        true, average = (np.abs(np.diff(densities(own.y[-1], own.t[-1]), axis=1)).mean() for own in (run, plain))
        said = f"{followed:.0e}, {true:.3f}, {average:.1f}"
        yield f'"and", `{sampler}`, {steps} steps: log q₁ − log q₂ followed (largest), true, of the average', said


def sliced(x: np.ndarray, y: np.ndarray) -> float:
    """Return the sliced Wasserstein distance of two sets of as many points: root mean square over 64 directions."""
    angles = np.pi * np.arange(64) / 64
    directions = np.stack([np.cos(angles), np.sin(angles)])
    return float(np.sqrt(np.mean((np.sort(x @ directions, axis=0) - np.sort(y @ directions, axis=0)) ** 2)))


def law(noise: np.ndarray, steps: int) -> Iterator[tuple[str, str]]:
    """Yield how far the samples are from the mixture, beside two sets of samples of it."""
    rng, means = np.random.default_rng(8), MEANS.reshape(-1, 2)
    true = [means[rng.integers(4, size=len(noise))] + SPREAD * rng.standard_normal(noise.shape) for _ in range(6)]
    floor = float(np.mean([sliced(x, y) for x, y in zip(true[::2], true[1::2])]))
    found = []
    for seed in range(3):
        start = np.random.default_rng(seed).standard_normal(noise.shape)
        x = diffusion.sample(superpose(models()), start, sampler="dpmpp-2m-sde", steps=steps, rng=seed)
        found.append(float(np.mean([sliced(x, y) for y in true[:3]])))
    yield (
        '"or": sliced Wasserstein distance to the mixture, three seeds; of two sets of its samples',
        f"{np.mean(found):.3f}; {floor:.3f}",
    )


def digits(count: int, steps: int) -> str:
    """Return the table of digits: what two networks make together of which each knows half of the classes."""
    import torch

    from diffusion.models.frechet import classifier
    from diffusion.models.store import digit_images

    store, schedule = digit_images(), diffusion.VP.linear(0.1, 20.0)
    half = store.labels < 5
    low, high, all_of_them = (diffusion.models.ideal(x, schedule) for x in _parts(store.images, half))
    made = {
        "the digits 0–4": low,
        "the digits 5–9": high,
        'both, "or"': superpose([low, high], "or"),
        "their average": superpose([low, high], [0.5, 0.5]),
        "all digits": all_of_them,
    }
    noise = np.random.default_rng(0).standard_normal((count, 1, 8, 8))
    lines = "\n| network | classes of more than 1 % | entropy, nats | Fréchet distance |\n|---|---|---|---|\n"
    for name, net in made.items():
        images = diffusion.sample(net, noise, sampler="dpmpp-2m-sde", steps=steps, rng=5)
        with torch.no_grad():
            found = classifier()(torch.from_numpy(images.astype(np.float32))).argmax(dim=1).numpy()
        share = np.bincount(found, minlength=10) / count
        entropy = -float(np.sum(share * np.log(np.maximum(share, 1e-300))))
        distance = diffusion.models.frechet_distance(images)
        lines += f"| {name} | {np.sum(share > 0.01)} | {entropy:.3f} | {distance:.2f} |\n"
    return lines


def _parts(images: np.ndarray, half: np.ndarray) -> tuple[np.ndarray, ...]:
    return images[half], images[~half], images


def main(arguments: Sequence[str] = ()) -> None:
    """Print the tables, or write them into the page."""
    options = PAGE.parser(__doc__).parse_args(arguments)
    quick = options.quick
    rng = np.random.default_rng(0)
    few, many = rng.standard_normal((50 if quick else 300, 2)), rng.standard_normal((100 if quick else 2000, 2))
    rows = [
        *order((10, 20) if quick else (100, 300, 1000, 3000), few),
        *proportions(many, 10 if quick else 100),
        *equality(few, 10 if quick else 200),
        *law(many, 10 if quick else 100),
    ]
    made = "| what | found |\n|---|---|\n" + "".join(f"| {what} | {found} |\n" for what, found in rows)
    PAGE.show(made + digits(100 if quick else 1500, 5 if quick else 50), options.write)


if __name__ == "__main__":
    main(sys.argv[1:])
