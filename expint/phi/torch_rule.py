"""Derivatives of the φ-functions for torch: reverse and forward mode, of any order, and vmap.

Imported when the first torch tensor is met; nobody imports it before.
"""

from __future__ import annotations

from typing import Any

import torch

from expint.phi.elementwise import evaluate, slopes

__all__ = ["PhiFunctions"]


class PhiFunctions(torch.autograd.Function):
    """(z, p) ↦ (φ_0(z), …, φ_p(z)) with φ_k′ = φ_k − k φ_{k+1}."""

    @staticmethod
    def forward(z: torch.Tensor, p: int) -> tuple[torch.Tensor, ...]:
        """Evaluate without recording."""
        return tuple(evaluate(z, p))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[torch.Tensor, int], output: tuple[torch.Tensor, ...]) -> None:  # noqa: ARG004
        """Keep z, from which every derivative is computed anew."""
        z, ctx.p = inputs
        ctx.save_for_backward(z)
        ctx.save_for_forward(z)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Pull gradients back; φ_k is holomorphic, so torch wants the conjugate slope."""
        (z,) = ctx.saved_tensors
        pulled = [gradient * slope.conj() for gradient, slope in zip(gradients, slopes(z, ctx.p), strict=True)]
        return torch.stack(pulled).sum(dim=0), None

    @staticmethod
    def jvp(ctx: Any, tangent: torch.Tensor, _: None) -> tuple[torch.Tensor, ...]:
        """Push a tangent forward."""
        (z,) = ctx.saved_tensors
        return tuple(tangent * slope for slope in slopes(z, ctx.p))

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, None], z: torch.Tensor, p: int) -> tuple[Any, Any]:  # noqa: ARG004
        """Evaluate all of a batch at once: the functions act elementwise."""
        return PhiFunctions.apply(z, p), (in_dims[0],) * (p + 1)
