"""Derivatives of the φ-functions, and of their action on vectors, for torch: reverse and forward mode, of any order.

Imported when the first torch tensor is met; nobody imports it before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch

from expint.phi.elementwise import evaluate, slopes

__all__ = ["Action", "PhiFunctions", "adjoint"]

Vectors: TypeAlias = Mapping[tuple[int, float], torch.Tensor]
"""{(k, c): v_{k,c}}."""


class PhiFunctions(torch.autograd.Function):
    """(z, p) ↦ (φ_0(z), …, φ_p(z)) with φ_k′ = φ_k − k φ_{k+1}."""

    @staticmethod
    def forward(z: torch.Tensor, p: int) -> tuple[torch.Tensor, ...]:
        """Evaluate without recording."""
        return tuple(evaluate(z, p))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[torch.Tensor, int], output: tuple[torch.Tensor, ...]) -> None:  # noqa: ARG004  # torch calls it so
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
    def vmap(info: Any, in_dims: tuple[int | None, None], z: torch.Tensor, p: int) -> tuple[Any, Any]:  # noqa: ARG004  # torch calls it so
        """Evaluate all of a batch at once: the functions act elementwise."""
        return PhiFunctions.apply(z, p), (in_dims[0],) * (p + 1)


class Action(torch.autograd.Function):
    r"""(v_{k,c}) ↦ Σ φ_k(c h A) v_{k,c}, which is linear: gradients are pulled back by φ_k(c h A)\* = φ_k(c h A\*).

    Parameters
    ----------
    apply, pull
        Return Σ φ_k(c h A) v_{k,c} of {(k, c): v_{k,c}}, and the same for the adjoint of A.
    keys
        The pairs (k, c).
    vectors
        The v_{k,c}, in their order.
    """

    @staticmethod
    def forward(
        apply: Callable[[Vectors], torch.Tensor],
        pull: Callable[[Vectors], torch.Tensor],  # noqa: ARG004  # torch calls it so
        keys: tuple[tuple[int, float], ...],
        *vectors: torch.Tensor,
    ) -> torch.Tensor:
        """Apply without recording."""
        return apply(dict(zip(keys, vectors)))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:  # noqa: ARG004  # torch calls it so
        """Keep what applies."""
        ctx.forth, ctx.back, ctx.keys = inputs[:3]

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Pull a gradient back, to each vector that asks for it."""
        pulled = [
            Action.apply(ctx.back, ctx.forth, (key,), gradient) if asked else None
            for key, asked in zip(ctx.keys, ctx.needs_input_grad[3:])
        ]
        return (None, None, None, *pulled)

    @staticmethod
    def jvp(ctx: Any, *tangents: torch.Tensor | None) -> torch.Tensor:
        """Push tangents forward."""
        moved = {key: tangent for key, tangent in zip(ctx.keys, tangents[3:]) if tangent is not None}
        return Action.apply(ctx.forth, ctx.back, tuple(moved), *moved.values())


def adjoint(function: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return v ↦ A* v of a linear function v ↦ A v that torch can differentiate."""

    def product(v: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            probe = torch.zeros_like(v).requires_grad_()
            return torch.autograd.grad(function(probe), probe, v)[0]

    return product
