"""Data with noise, as pipelines and trainings ask a scheduler for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from diffusers.utils.torch_utils import randn_tensor

from diffusion.adapters.diffusers.configured import Configured
from expint.arguments import seen
from expint.arrays import real_values

__all__ = ["Noising", "drawn_columns", "of_states", "without_variance"]


class Noising(Configured):
    """A configured scheduler that adds noise to data; it needs no steps."""

    def add_noise(self, original_samples: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """Return α x₀ + σ ε at ``timesteps``, one for all or one for each; any will do, also those of the training.

        Raises
        ------
        TypeError, ValueError
            If states or noise are no tensors, their shapes do not fit, or timesteps are no numbers within the process.
        """
        alpha, sigma = self._scales(original_samples, noise, timesteps)
        return (alpha * original_samples + sigma * noise).to(original_samples.dtype)

    def scale_noise(self, sample: torch.Tensor, timestep: Any, noise: torch.Tensor) -> torch.Tensor:
        """Return α x₀ + σ ε at ``timestep``: `add_noise`, as schedulers of flow matching call it.

        Raises
        ------
        TypeError, ValueError
            As `add_noise`.
        """
        return self.add_noise(sample, noise, timestep)

    def get_velocity(self, sample: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """Return the velocity α ε − σ x₀ at ``timesteps``.

        Raises
        ------
        TypeError, ValueError
            As `add_noise`.
        """
        alpha, sigma = self._scales(sample, noise, timesteps)
        return (alpha * noise - sigma * sample).to(sample.dtype)

    def _scales(self, like: torch.Tensor, noise: torch.Tensor, timesteps: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Return α and σ at ``timesteps`` in single precision at least, shaped to multiply states."""
        of_states(states=like, noise=noise)
        fits = noise.ndim == like.ndim and all(a == b or 1 in (a, b) for a, b in zip(noise.shape, like.shape))
        if not fits or noise.device != like.device:
            raise ValueError(
                f"expected noise of the shape {tuple(like.shape)} of the states, on {like.device}; received "
                f"{tuple(noise.shape)} on {noise.device}; draw it as torch.randn_like(states)"
            )
        told = self._told_on(like, timesteps)
        told = told.to(torch.float64 if like.dtype == torch.float64 else torch.float32).flatten()
        shape = (-1, *[1] * (like.ndim - 1))
        alpha, sigma = self._process.scales(told)
        return alpha.reshape(shape), sigma.reshape(shape)

    def _told_on(self, like: torch.Tensor, timesteps: Any) -> torch.Tensor:
        """Return ``timesteps`` as a tensor beside states; those that lie on the host are looked at."""
        if not isinstance(timesteps, torch.Tensor) or timesteps.device.type in ("cpu", "meta") or timesteps.is_sparse:
            values = np.atleast_1d(real_values("timesteps", timesteps))
            first, last = self._process.range_of_timesteps
            if values.ndim != 1 or values.size not in (1, len(like)):
                raise ValueError(
                    f"expected one timestep for all or one for each of {len(like)} samples; received the shape "
                    f"{values.shape}; repeat or cut them"
                )
            if not np.all((values >= first) & (values <= last)):
                raise ValueError(
                    f"expected timesteps from {first:g} to {last:g}; received {seen(values.tolist())}; pass those of "
                    "scheduler.timesteps, or of the training"
                )
            timesteps = timesteps if isinstance(timesteps, torch.Tensor) else values
        return torch.as_tensor(timesteps, device=like.device)

    def __len__(self) -> int:
        """Return the number of timesteps of the training."""
        return self._process.count


def of_states(**states: Any) -> None:
    """Raise TypeError unless all ``states`` are dense tensors of floating numbers with values."""
    for name, state in states.items():
        if not isinstance(state, torch.Tensor):
            raise TypeError(f"expected {name} to be a tensor; received {seen(state)}; pass what the pipeline holds")
        if not state.is_floating_point() or state.layout is not torch.strided:
            raise TypeError(
                f"expected {name} to be a dense tensor of floating numbers; received {seen(state)}; convert it, for "
                "example x.float()"
            )


def without_variance(output: torch.Tensor, sample: torch.Tensor) -> torch.Tensor:
    """Return the first half of the channels of an output that has twice those of the state."""
    wanted, found = tuple(sample.shape), tuple(output.shape)
    if len(wanted) > 1 and found == (wanted[0], 2 * wanted[1], *wanted[2:]):
        return output[:, : wanted[1]]
    raise ValueError(
        f"expected an output of the shape {wanted} of the state, or with twice its channels; received {found}; pass "
        "what the network returns for this state"
    )


def drawn_columns(
    step: int, used: Sequence[bool], *, like: torch.Tensor, drawn_like: torch.Tensor, generator: Any, given: Any
) -> list[torch.Tensor | None]:
    """Return the random columns of a step; None for those that it does not look at."""
    del step
    if given is not None and sum(used) > 1:
        raise ValueError(
            f"expected variance_noise for a sampler that draws noise once a step; received it for one that draws "
            f"{sum(used)} times; give a generator"
        )

    def drawn() -> torch.Tensor:
        if given is not None:
            of_states(variance_noise=given)
            if given.shape != like.shape or given.device != like.device:
                raise ValueError(
                    f"expected variance_noise of the shape {tuple(like.shape)} of the state, on {like.device}; "
                    f"received {tuple(given.shape)} on {given.device}; draw it as torch.randn_like(sample)"
                )
            noise: torch.Tensor = given
        else:
            _check_generators(generator)
            noise = randn_tensor(like.shape, generator, device=like.device, dtype=drawn_like.dtype)
        return noise if noise.dtype == like.dtype else noise.to(like.dtype)

    return [drawn() if wanted else None for wanted in used]


def _check_generators(generator: Any) -> None:
    """Raise TypeError unless it is a generator of torch, a list of some, or None."""
    each = generator if isinstance(generator, list) and generator else [generator]
    if generator is not None and not all(isinstance(one, torch.Generator) for one in each):
        raise TypeError(
            "expected generator to be a torch.Generator, or a list of one for each sample; received "
            f"{seen(generator)}; pass torch.Generator().manual_seed(0)"
        )
