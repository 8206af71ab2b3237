"""Data with noise, as pipelines and trainings ask a scheduler for it."""

from __future__ import annotations

from typing import Any

import torch

from diffusion.adapters.diffusers.configured import Configured

__all__ = ["Noising", "without_variance"]


class Noising(Configured):
    """A configured scheduler that adds noise to data; it needs no steps."""

    def add_noise(self, original_samples: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """Return α x₀ + σ ε at ``timesteps``, one for all or one for each; any will do, also those of the training."""
        alpha, sigma = self._scales(original_samples, timesteps)
        return (alpha * original_samples + sigma * noise).to(original_samples.dtype)

    def scale_noise(self, sample: torch.Tensor, timestep: Any, noise: torch.Tensor) -> torch.Tensor:
        """Return α x₀ + σ ε at ``timestep``: `add_noise`, as schedulers of flow matching call it."""
        return self.add_noise(sample, noise, timestep)

    def get_velocity(self, sample: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """Return the velocity α ε − σ x₀ at ``timesteps``."""
        alpha, sigma = self._scales(sample, timesteps)
        return (alpha * noise - sigma * sample).to(sample.dtype)

    def _scales(self, like: torch.Tensor, timesteps: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Return α and σ at ``timesteps`` in single precision at least, shaped to multiply states."""
        told = torch.as_tensor(timesteps, device=like.device)
        told = told.to(torch.float64 if like.dtype == torch.float64 else torch.float32).flatten()
        shape = (-1, *[1] * (like.ndim - 1))
        alpha, sigma = self._process.scales(told)
        return alpha.reshape(shape), sigma.reshape(shape)

    def __len__(self) -> int:
        """Return the number of timesteps of the training."""
        return self._process.count


def without_variance(output: torch.Tensor, sample: torch.Tensor) -> torch.Tensor:
    """Return the first half of the channels of an output that has twice those of the state."""
    wanted, found = tuple(sample.shape), tuple(output.shape)
    if len(found) > 1 and found == (wanted[0], 2 * wanted[1], *wanted[2:]):
        return output[:, : wanted[1]]
    raise ValueError(
        f"expected an output of the shape {wanted} of the state, or with twice its channels; received {found}; pass "
        "what the network returns for this state"
    )
