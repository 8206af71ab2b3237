"""The models of the bar, each in as many instances as there are seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

import diffusion
from diffusion.models.store import digit_images
from diffusion.study import normal_noise

__all__ = ["KINDS", "SEEDS", "Kind", "instances", "mixture", "relative_errors", "summary", "together"]

SEEDS = (11, 12, 13, 14)
"""Of the mixtures and of all starts; neither the rule "auto" nor `diffusion.tune` was chosen on any of them."""


class Kind(NamedTuple):
    """A kind of model.

    Attributes
    ----------
    name
        Its name.
    make
        Makes its denoiser from a seed.
    shape
        That of a sample.
    starts, unseen
        How many starts a sampler is tuned on, half of them to decide, and how many judge, for each seed.
    calls
        Numbers of network calls.
    tuned
        Those of them with which samplers are tuned.
    tensors
        Whether it takes tensors.
    most, tuned_seeds
        For how many of the seeds at most, and for how many of these samplers are tuned.
    first
        How many of the unseen starts choose, for each seed, which of the named samplers run from all of them.
    """

    name: str
    make: Callable[[int], diffusion.Denoiser]
    shape: tuple[int, ...]
    starts: int
    unseen: int
    calls: tuple[int, ...] = (5, 8, 10, 20)
    tuned: tuple[int, ...] = (5, 8)
    tensors: bool = False
    most: int = 4
    tuned_seeds: int = 2
    first: int = 64


def mixture(seed: int, schedule: diffusion.NoiseSchedule) -> diffusion.Denoiser:
    """Return a mixture of six Gaussians with full covariances in eight dimensions."""
    rng, size, count = np.random.default_rng(seed), 8, 6
    weights, means = rng.uniform(0.5, 1.5, count), rng.normal(size=(count, size))
    spread = 0.15 * rng.normal(size=(count, size, size))
    covariances = spread @ spread.swapaxes(1, 2) + 0.003 * np.eye(size)
    return diffusion.models.gaussian_mixture(weights, means, covariances, schedule)


def ideal(seed: int, schedule: diffusion.NoiseSchedule) -> diffusion.Denoiser:
    """Return the exact denoiser of the digits, the same for every seed."""
    del seed
    return diffusion.models.ideal(digit_images().images, schedule)


def network(seed: int) -> diffusion.Denoiser:
    """Return the shipped network, the same for every seed."""
    del seed
    return diffusion.models.digits()


def _mixtures(name: str, schedule: diffusion.NoiseSchedule, tuned: tuple[int, ...] = (5, 8), seeds: int = 2) -> Kind:
    make = partial(mixture, schedule=schedule)
    return Kind(f"mixtures, {name}", make, (8,), 256, 256, tuned=tuned, tuned_seeds=seeds)


def _digits(name: str, schedule: diffusion.NoiseSchedule, calls: tuple[int, ...], tuned: tuple[int, ...] = ()) -> Kind:
    make = partial(ideal, schedule=schedule)
    return Kind(f"ideal digits, {name}", make, (1, 8, 8), 128, 64, calls, tuned, first=16)


KINDS = (
    _mixtures("VP", diffusion.VP.linear(), (5, 8, 10), 4),
    _mixtures("cosine", diffusion.VP.cosine()),
    _mixtures("EDM", diffusion.EDM()),
    _mixtures("flow", diffusion.FlowMatching()),
    _digits("VP", diffusion.VP.linear(), (5, 8, 10, 20), (5, 8, 10)),
    _digits("EDM", diffusion.EDM(), (5, 8, 10)),
    _digits("flow", diffusion.FlowMatching(), (5, 8, 10)),
    Kind("digits network", network, (1, 8, 8), 64, 24, (6,), (6,), tensors=True, most=2, tuned_seeds=1, first=24),
)
"""Exact models of seven kinds, on which "auto" has its bar, and a network, for two of the seeds as it takes long."""


class Instance(NamedTuple):
    """A model of a kind, starts to tune on, starts that judge, and their exact endpoints."""

    denoiser: diffusion.Denoiser
    starts: Any
    unseen: Any
    exact: np.ndarray


def instances(kind: Kind, seeds: Sequence[int] = SEEDS) -> list[Instance]:
    """Return the instances of a kind, one for each seed."""
    found = []
    for seed in seeds[: kind.most]:
        net = kind.make(seed)
        starts, unseen = (
            normal_noise(n, kind.shape, 2 * seed + i, kind.tensors) for i, n in enumerate((kind.starts, kind.unseen))
        )
        found.append(Instance(net, starts, unseen, flat(diffusion.sample(net, unseen, steps=100))))
    return found


def together(denoisers: Sequence[diffusion.Denoiser]) -> diffusion.Denoiser:
    """Return denoisers of one process as one, for batches (denoisers, starts, …): the same plans run them all."""

    def network(x: np.ndarray, t: np.ndarray) -> np.ndarray:
        return np.stack([each.network(x[i], np.full(len(x[i]), t[i])) for i, each in enumerate(denoisers)])

    return diffusion.Denoiser(network, denoisers[0].predicts, denoisers[0].schedule)


def flat(x: Any) -> np.ndarray:
    """Return samples as rows in double precision."""
    return np.asarray(x, dtype=np.float64).reshape(len(x), -1)


def relative_errors(end: Any, exact: np.ndarray) -> np.ndarray:
    """Return the relative distance of every sample to its exact endpoint."""
    return np.linalg.norm(flat(end) - exact, axis=1) / np.linalg.norm(exact, axis=1)


def summary(errors: np.ndarray) -> np.ndarray:
    """Return the median and the mean."""
    return np.array([np.median(errors), np.mean(errors)])
