"""The network of the training kit. Importing this module needs torch."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

__all__ = ["Perceptron"]


class Perceptron(nn.Module):
    """Layers with SiLU, fed the state, the time and ten sines of it; (x, t) ↦ (B, outputs) for x (B, size)."""

    def __init__(self, size: int, outputs: int, width: int, depth: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", math.pi * 2.0 ** torch.arange(5))
        sizes = [size + 11, *[width] * depth]
        hidden = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), nn.SiLU())]
        self.layers = nn.Sequential(*hidden, nn.Linear(width, outputs))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Return the output at states and times (B,)."""
        time = t.to(x.dtype)[:, None]
        angles = time * self.get_buffer("frequencies").to(x.dtype)
        found: Tensor = self.layers(torch.cat([x, time, torch.sin(angles), torch.cos(angles)], dim=1))
        return found
