"""Derivatives by torch's forward mode. Imported when the first torch tensor is met; nobody imports it before."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch

__all__ = ["matrix", "product"]

with warnings.catch_warnings():  # torch's first product compiles rules of its own in a way that it calls deprecated
    warnings.simplefilter("ignore", DeprecationWarning)
    torch.func.jvp(torch.sin, (torch.zeros(1),), (torch.zeros(1),))


def matrix(function: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Return the Jacobian of ``function`` at ``x``, all columns at once."""
    found: torch.Tensor = torch.func.jacfwd(function)(x)
    return found


def product(
    function: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return v ↦ Jv."""
    return lambda v: torch.func.jvp(function, (x.detach(),), (v,))[1]
