"""Digits restored by a mean-reverting process, and an autoencoder's digits refined: errors and distances over calls.

Run it as ``python -m benchmarks.learned_processes``; ``--write`` renews docs/processes.md. The networks are those of
``diffusion.training``, trained here on the 1438 digits of the shipped set that its classifier was trained on, too; the
359 others are what is restored, and what distances are measured to, in features of that classifier.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

import diffusion
from benchmarks import Page
from diffusion import training
from diffusion.models.frechet import classifier
from diffusion.models.store import digit_images

PAGE = Page("processes.md", "benchmarks.learned_processes")
SIZE = 64
SIGMA = 0.3
CODES = 4


class Digits(NamedTuple):
    """Pictures (n, 64), float32 in [−1, 1]: those learned from, and those held out."""

    learned: np.ndarray
    held_out: np.ndarray


def digits() -> Digits:
    """Return the shipped digits."""
    store = digit_images()
    flat = store.images.reshape(-1, SIZE)
    return Digits(flat[~store.held_out], flat[store.held_out])


def degraded(clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return pictures of half the resolution, of which a quarter of the pixels are lost, with noise."""
    blocks = clean.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4))
    kept = rng.random(blocks.shape) > 0.25
    coarse = np.where(kept, blocks + 0.1 * rng.standard_normal(blocks.shape), -1.0)
    return coarse.repeat(2, axis=1).repeat(2, axis=2).reshape(-1, SIZE).astype(np.float32)


def distance(pictures: Any, digits: Digits) -> float:
    """Return the Fréchet distance to the digits held out."""
    images = (np.asarray(own, dtype=np.float32).reshape(-1, 1, 8, 8) for own in (pictures, digits.held_out))
    return diffusion.models.frechet_distance(*images)


def learned(
    schedule: diffusion.NoiseSchedule, predicts: str, draw: Callable[..., Any], steps: int, seed: int
) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Return a network (y, t, picture) ↦ prediction of a process about 0, trained on pairs (data, picture)."""
    torch.manual_seed(seed)
    network = training.perceptron(2 * SIZE, SIZE, width=256, depth=3)
    plain = training.DenoisingLoss(schedule, predicts)

    def loss(network: nn.Module, data: tuple[Tensor, Tensor], uniform: Tensor, noise: Tensor) -> Tensor:
        clean, picture = data
        found: Tensor = plain(lambda y, t: network(torch.cat([y, picture], dim=1), t), clean, uniform, noise)
        return found

    fitted = training.fit(network, loss, draw, steps=steps, seed=seed, rate=1e-3)
    return lambda y, t, picture: fitted(torch.cat([y, picture], dim=1), t)


# a picture is restored


def restorer(digits: Digits, steps: int, seed: int) -> Callable[[Tensor], diffusion.Denoiser]:
    """Return what makes the denoiser of the mean-reverting process for degraded pictures."""
    process = diffusion.MeanReverting("cosine", SIGMA)

    def draw(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        clean = digits.learned[rng.integers(len(digits.learned), size=count)]
        return clean, degraded(clean, rng)

    fitted = learned(process, "data", draw, steps, seed)

    def network(x: Tensor, t: Tensor, degraded: Tensor) -> Tensor:
        return fitted(x - process.mean_scale(t).to(x)[:, None] * degraded, t, degraded)

    def of(pictures: Tensor) -> diffusion.Denoiser:
        own = diffusion.MeanReverting("cosine", SIGMA, mean=pictures)
        return diffusion.Denoiser(network, "data", own, condition={"degraded": pictures})

    return of


def euler_maruyama(denoiser: diffusion.Denoiser, noise: Tensor, steps: int, seed: int) -> Tensor:
    """Return what plain steps of dx = θ (m − x) dt − g² s dt + g dw̄, g² = 2 σ_∞² θ, make."""
    process: Any = denoiser.schedule
    times, generator = np.linspace(process.t_start, 0.0, steps + 1).tolist(), torch.Generator().manual_seed(seed)
    x = process.mean + SIGMA * noise
    for t, later in pairwise(times):
        passed = float(np.log(process.alpha(later) / process.alpha(t)))  # ∫ θ dt
        drift = process.mean - x - 2 * SIGMA**2 * denoiser.predict(x, t, "score")
        fresh = torch.randn(x.shape, generator=generator) if later > 0.0 else 0.0
        x = x - passed * drift + SIGMA * (2 * passed) ** 0.5 * fresh
    return x


def by_name(name: str, net: diffusion.Denoiser, noise: Tensor, steps: int, seed: int) -> Tensor:
    """Return what a named sampler makes with the same equal steps."""
    found: Tensor = diffusion.sample(
        net,
        noise,
        sampler=name,
        grid=np.linspace(net.schedule.t_start, 0.0, steps + 1),
        rng=seed if name.endswith("sde") else None,
    )
    return found


RESTORERS: dict[str, Callable[[diffusion.Denoiser, Tensor, int, int], Tensor]] = {
    "Euler–Maruyama": euler_maruyama,
    **{f"`{name}`": partial(by_name, name) for name in ("ddim", "dpmpp-2m", "dpmpp-sde", "dpmpp-2m-sde")},
}


def table_of_restorations(digits: Digits, calls: Sequence[int], steps: int, seeds: int) -> str:
    """Return mean squared errors and distances of restored digits over calls, means over noises."""
    network, clean = restorer(digits, steps, seed=0), digits.held_out
    pictures = torch.from_numpy(degraded(clean, np.random.default_rng(1)))
    net = network(pictures)
    noises = [
        torch.from_numpy(np.random.default_rng(2 + seed).standard_normal(clean.shape)).float() for seed in range(seeds)
    ]

    def cell(results: Sequence[Any]) -> str:
        found = [(float(((np.asarray(own) - clean) ** 2).mean()), distance(own, digits)) for own in results]
        return "{:.3f} / {:.2f}".format(*np.mean(found, axis=0))

    lines = ["", *(str(n) for n in calls)], ["---"] * (1 + len(calls))
    rows = [
        [name, *(cell([run(net, noise, n, 5 + k) for k, noise in enumerate(noises)]) for n in calls)]
        for name, run in RESTORERS.items()
    ]
    one = cell([net.predict(pictures + SIGMA * noise, net.schedule.t_start, "data") for noise in noises])
    said = (
        f"\nThe degraded pictures have {cell([pictures])}, the mean of the clean ones, as the network predicts it in "
        f"one call, {one}; other real digits are at a distance of {distance(digits.learned, digits):.2f}.\n"
    )
    return "".join(f"| {' | '.join(row)} |\n" for row in (*lines, *rows)) + said


# a picture that an autoencoder made is refined


class Autoencoder(nn.Module):
    """A variational autoencoder with codes of four numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(SIZE, 128), nn.SiLU(), nn.Linear(128, 2 * CODES))
        self.decoder = nn.Sequential(nn.Linear(CODES, 128), nn.SiLU(), nn.Linear(128, SIZE), nn.Tanh())

    def forward(self, pictures: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return the pictures again, from codes with noise, and the divergence of the codes from the standard ones."""
        mean, log_variance = self.encoder(pictures).split(CODES, dim=1)
        again = self.decoder(mean + torch.exp(0.5 * log_variance) * noise[:, :CODES])
        return again, 0.5 * (mean**2 + log_variance.exp() - 1.0 - log_variance).sum(dim=1)


def evidence(network: nn.Module, pictures: Tensor, uniform: Tensor, noise: Tensor) -> Tensor:
    """Return the negative bound of the evidence, for pixels with a deviation of 0.3."""
    del uniform
    again, divergence = network(pictures, noise)
    bound: Tensor = (divergence + ((again - pictures) ** 2).sum(dim=1) / (2 * 0.3**2)).mean()
    return bound


REFINERS = ("ddim", "deis-tab2", "dpmpp-2m")


def refined(digits: Digits, calls: Sequence[int], steps: int, count: int, seed: int) -> tuple[np.ndarray, list[float]]:
    """Return distances (sampler, calls, with and without pictures), and what is found of the pictures themselves."""
    torch.manual_seed(seed)
    schedule = diffusion.VP.linear()

    def draw(rng: np.random.Generator, count: int) -> np.ndarray:
        return digits.learned[rng.integers(len(digits.learned), size=count)]

    autoencoder = training.fit(Autoencoder(), evidence, draw, steps=steps, seed=seed)

    def again(pictures: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        noise = torch.from_numpy(rng.standard_normal(pictures.shape)).float()
        return autoencoder(torch.from_numpy(pictures), noise)[0].numpy()

    def pair(rng: np.random.Generator, count: int, share: float) -> tuple[np.ndarray, np.ndarray]:
        data = draw(rng, count)
        return data, share * again(data, rng)

    networks = [learned(schedule, "data", partial(pair, share=share), steps, seed) for share in (1.0, 0.0)]
    rng = np.random.default_rng(100 + seed)
    made = torch.from_numpy(again(draw(rng, count), rng))  # codes with the law of all codes together
    noise, found, agreed = torch.from_numpy(rng.standard_normal((count, SIZE))).float(), [], []
    for name, n in ((name, n) for name in REFINERS for n in calls):
        results = [
            diffusion.sample(
                diffusion.Denoiser(network, "data", schedule, condition={"picture": share * made}),
                noise,
                sampler=name,
                steps=n,
            )
            for network, share in zip(networks, (1.0, 0.0))
        ]
        found.append([distance(own, digits) for own in results])
        agreed.append(float((label(results[0]) == label(made)).float().mean()))
    return np.array(found).reshape(len(REFINERS), len(calls), 2), [distance(made, digits), min(agreed)]


def label(pictures: Tensor) -> Tensor:
    """Return what the classifier takes the pictures for."""
    found: Tensor = classifier()(pictures.reshape(-1, 1, 8, 8)).argmax(dim=1)
    return found


def table_of_refinements(digits: Digits, calls: Sequence[int], steps: int, count: int, seeds: int) -> str:
    """Return the distances of digits with and without a picture to refine, means over trained networks."""
    runs = [refined(digits, calls, steps, count, seed) for seed in range(seeds)]
    means, (raw, agreed) = np.mean([run[0] for run in runs], axis=0), np.mean([run[1] for run in runs], axis=0)
    ratios = np.max([run[0][..., 0] / run[0][..., 1] for run in runs], axis=0)
    lines = ["| sampler | calls | refined | drawn without a picture | ratio, the worst seed |\n|---|---|---|---|---|\n"]
    for i, name in enumerate(REFINERS):
        for j, n in enumerate(calls):
            with_picture, without = means[i, j]
            lines.append(f"| `{name}` | {n} | {with_picture:.2f} | {without:.2f} | {ratios[i, j]:.2f} |\n")
    said = (
        f"\nThe pictures themselves are at {raw:.2f}. The classifier calls at least {100 * agreed:.0f} % of the "
        "refined ones as it calls these.\n"
    )
    return "".join(lines) + said


REFINED = """
An autoencoder with codes of four numbers draws digits, and a network refines them by the first form; another one of the
same size draws digits without them. Fréchet distances over calls:

"""


def main(arguments: Sequence[str] = ()) -> None:
    """Print the tables, or write them into the page."""
    options = PAGE.parser(__doc__).parse_args(arguments)
    found = digits()
    if options.quick:
        found = Digits(found.learned, found.held_out[:40])
        restored, fine = table_of_restorations(found, (2,), 10, 1), table_of_refinements(found, (2,), 10, 40, 1)
    else:
        restored = table_of_restorations(found, (2, 5, 10, 20, 50, 100), 8000, 3)
        fine = table_of_refinements(found, (5, 10), 3000, 1500, 3)
    PAGE.show(restored + REFINED + fine, options.write)


if __name__ == "__main__":
    main(sys.argv[1:])
