"""Train the shipped networks on real handwritten digits: ``python -m diffusion.models.train_digits --out DIRECTORY``.

Needs ``pip install scikit-learn``. Seeded: the same machine, versions and thread count give the same weights.
"""

from __future__ import annotations

import argparse
import copy
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file as save_tensors
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from diffusion.models.classifier import Classifier
from diffusion.models.store import CLASSIFIER, DATA, NETWORK, scale
from diffusion.models.unet import CLASSES, UNet
from diffusion.process.schedule import NoiseSchedule
from diffusion.process.vp import VP

__all__ = ["accuracy", "denoising_loss", "main", "train_classifier", "train_network"]

BATCH = 64
LABEL_DROPOUT = 0.2
EMA_DECAY = 0.999


def stratified_times(count: int, schedule: NoiseSchedule, offset: Tensor) -> Tensor:
    """Return ``count`` times of the schedule, evenly spread in √t after a common random shift ``offset`` in [0, 1).

    Uniform in √t rather than in t: half of the samplers' steps lie below t = 1/4, and so do half of these.
    """
    low, high = math.sqrt(schedule.t_end), math.sqrt(schedule.t_start)
    return (low + (high - low) * (torch.arange(count) + offset) / count) ** 2


def velocity_loss(
    network: nn.Module, images: Tensor, noise: Tensor, t: Tensor, labels: Tensor | None, schedule: NoiseSchedule
) -> Tensor:
    """Return the mean of (ε_θ(α x₀ + σ ε, t, label) − ε)²/α² over images and noise (B, 1, 8, 8) and t (B,).

    This is the error in the velocity α ε − σ x₀. An error δ in ε moves the sample x/α by δ dρ = (δ/α) σ d log ρ: the
    division lets all noise levels count alike.
    """
    alpha, sigma = schedule.alpha(t)[:, None, None, None], schedule.sigma(t)[:, None, None, None]
    return ((network(alpha * images + sigma * noise, t, labels) - noise) / alpha).square().mean()


def learning_rate(step: int, steps: int, warm_up: int = 200) -> float:
    """Return the factor on the peak rate: a linear rise, then half a cosine down to zero."""
    return min(1.0, (step + 1) / warm_up) * 0.5 * (1 + math.cos(math.pi * step / steps))


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, step: int) -> None:
    """Move the exponential average of the weights one step; its memory grows to 1/(1 − EMA_DECAY) steps."""
    decay = min(EMA_DECAY, (1 + step) / (10 + step))
    for mean, weight in zip(average.parameters(), network.parameters()):
        mean.lerp_(weight, 1 - decay)


def train_network(images: Tensor, labels: Tensor, steps: int, seed: int, peak_rate: float = 2e-3) -> UNet:
    """Minimise `velocity_loss` over random noise and times and return the averaged network in evaluation mode.

    The label is replaced by "any digit" with probability ``LABEL_DROPOUT``, so that one network serves with and
    without condition, as classifier-free guidance needs (Ho & Salimans 2022).
    """
    schedule = VP.linear(0.1, 20.0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = UNet(schedule.half_log_snr)
        average = copy.deepcopy(network).eval()
        optimizer = torch.optim.AdamW(network.parameters(), lr=peak_rate, weight_decay=0.01)
        rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate(step, steps))
        progress = tqdm(range(steps), desc="U-Net", mininterval=1.0)
        smooth_loss = 1.0
        for step in progress:
            chosen = torch.randint(len(images), (BATCH,))
            dropped = torch.rand(BATCH) < LABEL_DROPOUT
            condition = torch.where(dropped, CLASSES, labels[chosen])
            # random pairing of times with images: the images were drawn independently
            t = stratified_times(BATCH, schedule, torch.rand(()))
            noise = torch.randn(BATCH, *images.shape[1:])
            loss = velocity_loss(network, images[chosen], noise, t, condition, schedule)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            rate.step()
            follow(average, network, step)
            smooth_loss += 0.01 * (loss.item() - smooth_loss)
            if step % 50 == 0:
                progress.set_postfix(loss=f"{smooth_loss:.4f}")
    return average.requires_grad_(False)


def train_classifier(images: Tensor, labels: Tensor, steps: int, seed: int, peak_rate: float = 3e-3) -> Classifier:
    """Fit the classifier by cross-entropy and return it in evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        classifier = Classifier()
        optimizer = torch.optim.AdamW(classifier.parameters(), lr=peak_rate, weight_decay=0.05)
        rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate(step, steps))
        for _ in tqdm(range(steps), desc="classifier", mininterval=1.0):
            chosen = torch.randint(len(images), (BATCH,))
            loss = F.cross_entropy(classifier(images[chosen]), labels[chosen], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            rate.step()
    return classifier.eval().requires_grad_(False)


@torch.no_grad()
def denoising_loss(network: nn.Module, images: Tensor, labels: Tensor | None, seed: int = 0) -> float:
    """Return the mean of `velocity_loss` over the images, two noises each, times evenly spread in √t."""
    schedule = VP.linear(0.1, 20.0)
    generator = torch.Generator().manual_seed(seed)
    losses = []
    for _ in range(2):
        noise = torch.randn(images.shape, generator=generator)
        order = torch.randperm(len(images), generator=generator)
        t = stratified_times(len(images), schedule, torch.tensor(0.5))[order]
        losses.append(velocity_loss(network, images, noise, t, labels, schedule).item())
    return sum(losses) / len(losses)


@torch.no_grad()
def accuracy(classifier: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the fraction of images whose largest logit is their label."""
    return (classifier(images).argmax(dim=1) == labels).double().mean().item()


def split(count: int, seed: int = 0) -> np.ndarray:
    """Return a mask (count,) that holds out a fifth of the images."""
    held_out = np.zeros(count, dtype=bool)
    held_out[np.random.default_rng(seed).permutation(count)[: count // 5]] = True
    return held_out


def main(arguments: Sequence[str] | None = None) -> None:
    """Train both networks, write them and the images as safetensors, and report held-out figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="directory for the three safetensors files")
    parser.add_argument("--steps", type=int, default=5_000, help="gradient steps of the U-Net")
    parser.add_argument("--classifier-steps", type=int, default=1_500, help="gradient steps of the classifier")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; the last digits depend on it")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)

    from sklearn.datasets import load_digits

    bunch = load_digits()
    levels, labels, held_out = bunch.images.astype(np.uint8), torch.from_numpy(bunch.target), split(len(bunch.target))
    options.out.mkdir(parents=True, exist_ok=True)
    stored = {"images": levels, "labels": bunch.target.astype(np.uint8), "held_out": held_out.astype(np.uint8)}
    save_arrays(stored, options.out / DATA)

    images, test = torch.from_numpy(scale(levels))[:, None], torch.from_numpy(held_out)
    classifier = train_classifier(images[~test], labels[~test], options.classifier_steps, options.seed)
    save_tensors(classifier.state_dict(), options.out / CLASSIFIER)
    report(f"classifier: held-out accuracy {accuracy(classifier, images[test], labels[test]):.4f}")

    network = train_network(images[~test], labels[~test], options.steps, options.seed)
    save_tensors(network.state_dict(), options.out / NETWORK)
    count = int(test.sum())
    for name, part in (("training", ~test), ("held-out", test)):
        with_label = denoising_loss(network, images[part][:count], labels[part][:count])
        without = denoising_loss(network, images[part][:count], None)
        report(f"U-Net: {name} denoising loss {with_label:.4f} with label, {without:.4f} without")


def report(line: str) -> None:
    """Write a line of results to standard output."""
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
