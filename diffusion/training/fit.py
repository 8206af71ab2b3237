"""One loop that trains a small network, and an average of its weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from diffusion.optional import require
from expint.arguments import flag, function, instance, integer, number, seen
from expint.arrays import affordable
from expint.backend import array_namespace, is_array

__all__ = ["averaged", "fit", "perceptron"]

_MANY = 1_000_000_000


def perceptron(size: int, outputs: int | None = None, width: int = 96, depth: int = 3) -> Any:
    """Return a torch module (x, t) ↦ (B, outputs) for x (B, size): layers with SiLU, fed x and sines of the time.

    Raises
    ------
    TypeError, ValueError
        If a number makes no sense.
    """
    require("torch")
    from diffusion.training.network import Perceptron

    size, width, depth = (
        integer(name, value, most=1_000_000) for name, value in {"size": size, "width": width, "depth": depth}.items()
    )
    outputs = size if outputs is None else integer("outputs", outputs, most=1_000_000)
    affordable("the weights", 4.0 * width * (size + (depth - 1) * width + outputs))
    return Perceptron(size, outputs, width, depth)


def averaged(average: Any, network: Any, step: int, decay: float = 0.999) -> None:
    """Move the exponential ``average`` of the weights of a ``network``, a copy, one step; early it remembers less.

    Raises
    ------
    TypeError, ValueError
        If they are no modules of torch, or of other weights, or a number makes no sense.
    """
    torch = require("torch")
    means, weights = _weights("average", average), _weights("network", network)
    if [mean.shape for mean in means] != [weight.shape for weight in weights]:
        raise ValueError(
            f"expected an average with the weights of the network, received {len(means)} arrays for {len(weights)}, or "
            "of other shapes; make it by copy.deepcopy(network)"
        )
    step = integer("step", step, least=0, most=_MANY)
    kept = min(number("decay", decay, least=0.0, below=1.0), (1 + step) / (10 + step))
    with torch.no_grad():
        for mean, weight in zip(means, weights):
            mean.lerp_(weight, 1.0 - kept)


def _weights(name: str, network: Any) -> list[Any]:
    """Return the weights of a module of torch."""
    instance(name, network, require("torch").nn.Module, "a module of torch", "diffusion.training.perceptron makes one")
    return list(network.parameters())


def fit(
    network: Any,
    loss: Callable[..., Any],
    draw: Callable[[np.random.Generator, int], Any],
    *,
    steps: int = 2000,
    batch: int = 256,
    rate: float = 2e-3,
    decay: float = 0.999,
    seed: int = 0,
    progress: bool = False,
) -> Any:
    """Train a ``network`` by Adam with a rate that falls to 0 as half a cosine; return the average of its weights.

    Parameters
    ----------
    network
        A torch module (x, t) ↦ output; it is trained in place.
    loss
        A `DenoisingLoss`, a `BridgeLoss`, or any loss(network, data, uniform, noise).
    draw
        draw(rng, batch) returns data, an array (batch, …), or the pair (x₀, x₁) of a bridge.
    steps, batch, rate, decay
        The number of steps, the samples of each, the first rate, and the memory of the average.
    seed
        Of all that is drawn; the weights of the network are as they come.
    progress
        Whether a bar is shown.

    Returns
    -------
    torch module
        A copy with the averaged weights, in evaluation mode, without gradients.

    Raises
    ------
    ImportError
        Without torch.
    TypeError, ValueError
        If an argument makes no sense.

    Examples
    --------
    >>> import torch
    >>> import diffusion
    >>> from diffusion.training import DenoisingLoss, fit, perceptron
    >>> data = lambda rng, batch: 1 + 0.1 * rng.standard_normal((batch, 1))
    >>> schedule = diffusion.VP.linear()
    >>> network = fit(perceptron(1), DenoisingLoss(schedule, "data"), data, steps=200, batch=64)
    >>> bool(abs(float(network(torch.zeros(1, 1), torch.ones(1))) - 1.0) < 0.2)
    True
    """
    torch = require("torch")
    function("loss", loss, "(network, data, uniform, noise)", "pass diffusion.training.DenoisingLoss(schedule)")
    function("draw", draw, "(rng, batch)", "return arrays of samples")
    if not _weights("network", network):
        raise ValueError(f"expected a network with weights, received {seen(network)}; there is nothing to train")
    steps, batch = integer("steps", steps, most=_MANY), integer("batch", batch, most=_MANY)
    affordable("a batch", 16.0 * batch)
    rate, decay = number("rate", rate, above=0.0), number("decay", decay, least=0.0, below=1.0)
    rng, average = np.random.default_rng(integer("seed", seed, least=0)), copy.deepcopy(network).eval()
    optimiser = torch.optim.Adam(network.parameters(), lr=rate)
    like = next(network.parameters())

    def tensor(values: Any) -> Any:
        if not is_array(values) or not array_namespace(values).isdtype(values.dtype, "numeric"):
            raise TypeError(
                f"expected draw(rng, batch) to return an array of numbers, or a pair of them, received {seen(values)}"
            )
        return torch.as_tensor(values).to(like)

    count: Any = range(steps)
    if flag("progress", progress):
        count = require("tqdm").tqdm(count, mininterval=0.5)
    for step in count:
        drawn = draw(rng, batch)
        data = tuple(map(tensor, drawn)) if isinstance(drawn, tuple) else tensor(drawn)
        shape = tuple((data[0] if isinstance(data, tuple) else data).shape)
        uniform = tensor((rng.permutation(batch) + rng.random()) / batch)  # evenly spread
        value = loss(network, data, uniform, tensor(rng.standard_normal(shape)))
        if not isinstance(value, torch.Tensor):
            raise TypeError(
                f"expected loss(network, data, uniform, noise) to return a tensor, received {seen(value)}; return "
                "the mean over the batch"
            )
        for group in optimiser.param_groups:
            group["lr"] = 0.5 * rate * (1.0 + math.cos(math.pi * step / steps))
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        averaged(average, network, step, decay)
    return average.requires_grad_(False)
