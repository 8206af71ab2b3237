"""A small class-conditional U-Net for 8×8 images that predicts the noise."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["UNet"]

CLASSES = 10
GROUPS = 8
FREQUENCIES = 4


class ResidualBlock(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x)))))), the inner norm scaled and shifted by the embedding; keeps (H, W)."""

    def __init__(self, inputs: int, outputs: int, embedding: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(GROUPS, inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.modulation = nn.Linear(embedding, 2 * outputs)
        self.norm2 = nn.GroupNorm(GROUPS, outputs)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        scale, shift = self.modulation(embedding)[:, :, None, None].chunk(2, dim=1)
        h = self.conv1(F.silu(self.norm1(x)))
        h = F.silu(self.norm2(h) * (1 + scale) + shift)
        return self.skip(x) + self.conv2(self.dropout(h))


class SelfAttention(nn.Module):
    """x + attention over the H·W pixels of one image; keeps the shape (B, C, H, W)."""

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(GROUPS, width)
        self.project_in = nn.Conv2d(width, 3 * width, 1)
        self.project_out = nn.Conv2d(width, width, 1)
        nn.init.zeros_(self.project_out.weight)

    def forward(self, x: Tensor) -> Tensor:
        batch, width, height, breadth = x.shape
        packed = self.project_in(self.norm(x)).reshape(batch, 3, self.heads, width // self.heads, height * breadth)
        query, key, value = packed.transpose(-1, -2).unbind(1)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return x + self.project_out(mixed.transpose(-1, -2).reshape(x.shape))


class UNet(nn.Module):
    """Noise predictor ε(x, t, label) on two levels, 8×8 and 4×4, with self-attention on the lower one.

    The layers predict the velocity v = α ε − σ x₀, and the result is ε = σ x + α v (Salimans & Ho 2022; α² + σ² = 1).
    At high noise, where ε → x, the norms inside would otherwise lose the scale of x, and samples would run away.
    GroupNorm only, so that the result for one image does not depend on the rest of its batch.

    Parameters
    ----------
    half_log_snr : callable
        t ↦ λ = log(α/σ) of a variance-preserving schedule. The network sees time as Fourier features of λ, for the
        gain it has to learn at small noise goes like 1/σ. The shortest wavelength, 2.5, keeps ε smooth in time.
    width : int
        Channels on the upper level, a multiple of 8; the lower level has twice as many.
    dropout : float
        Probability of dropping a hidden channel value while training.
    """

    def __init__(self, half_log_snr: Callable[[Tensor], Tensor], width: int = 32, dropout: float = 0.1) -> None:
        super().__init__()
        self.half_log_snr = half_log_snr
        embedding, lower = 2 * width, 2 * width
        self.time = nn.Sequential(nn.Linear(2 * FREQUENCIES, embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        self.label = nn.Embedding(CLASSES + 1, embedding)
        self.position = nn.Parameter(torch.zeros(width, 8, 8))
        self.read = nn.Conv2d(1, width, 3, padding=1)

        def block(inputs: int, outputs: int) -> ResidualBlock:
            return ResidualBlock(inputs, outputs, embedding, dropout)

        self.down1, self.down2 = block(width, width), block(width, width)
        self.shrink = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.low1, self.attention1 = block(width, lower), SelfAttention(lower)
        self.low2, self.attention2 = block(lower, lower), SelfAttention(lower)
        self.low3 = block(2 * lower, lower)
        self.grow = nn.Conv2d(lower, width, 3, padding=1)
        self.up2, self.up1 = block(2 * width, width), block(2 * width, width)
        self.norm = nn.GroupNorm(GROUPS, width)
        self.write = nn.Conv2d(width, 1, 3, padding=1)
        nn.init.zeros_(self.write.weight)

    def embed(self, lam: Tensor, label: Tensor) -> Tensor:
        """Embedding (B, E) of λ (B,) and the label (B,)."""
        # λ spans about (−5, 5); the wavelengths halve from 20 down to 2.5
        octaves = (math.pi / 10) * 2.0 ** torch.arange(FREQUENCIES, dtype=lam.dtype, device=lam.device)
        angle = lam[:, None] * octaves
        return F.silu(self.time(torch.cat([angle.sin(), angle.cos()], dim=1)) + self.label(label))

    def _checked(self, x: Tensor, t: Tensor, label: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return t and label, each of shape (B,), or refuse the arguments."""
        if not isinstance(x, Tensor) or x.dtype != self.position.dtype:
            kind = x.dtype if isinstance(x, Tensor) else type(x).__name__
            raise TypeError(
                f"expected x as a torch tensor of {self.position.dtype}, the dtype of the weights; received {kind}; "
                "convert x, or a copy of the network"
            )
        if x.ndim != 4 or x.shape[1:] != (1, 8, 8):
            raise ValueError(f"expected x of shape (B, 1, 8, 8); received {tuple(x.shape)}; reshape or crop it")
        if label is None:
            label = torch.full((), CLASSES, dtype=torch.int64, device=x.device)  # made there: a copy would wait
        for name, value in (("t", t), ("label", label)):
            if value.shape not in ((), (x.shape[0],)):
                raise ValueError(
                    f"expected {name} of shape () or ({x.shape[0]},), that of the batch; received "
                    f"{tuple(value.shape)}; pass one value or one for each sample"
                )
        return t.expand(x.shape[0]), label.to(x.device).expand(x.shape[0])

    def forward(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """Predict ε, shape (B, 1, 8, 8).

        Parameters
        ----------
        x : Tensor
            (B, 1, 8, 8), in the dtype of the weights.
        t : Tensor
            () or (B,): times of the schedule.
        label : Tensor, optional
            () or (B,), int64: the digit 0…9, or 10 for "any digit", which is the default.

        Raises
        ------
        TypeError, ValueError
            If x is no such tensor, or t or label do not fit its batch.
        """
        t, label = self._checked(x, t, label)
        lam = self.half_log_snr(t).to(x.dtype)
        e = self.embed(lam, label)
        h0 = self.read(x) + self.position
        h1 = self.down1(h0, e)
        h2 = self.down2(h1, e)
        l1 = self.attention1(self.low1(self.shrink(h2), e))
        l2 = self.attention2(self.low2(l1, e))
        l3 = self.low3(torch.cat([l2, l1], dim=1), e)
        h = self.grow(F.interpolate(l3, scale_factor=2.0, mode="nearest"))
        h = self.up2(torch.cat([h, h2], dim=1), e)
        h = self.up1(torch.cat([h, h1], dim=1), e)
        velocity = self.write(F.silu(self.norm(h)))
        alpha, sigma = (torch.sigmoid(2 * sign * lam).sqrt()[:, None, None, None] for sign in (1, -1))
        return sigma * x + alpha * velocity
