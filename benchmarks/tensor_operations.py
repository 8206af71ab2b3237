"""What happens on tensors while a sampler runs: how many operations, and whether anything waits for a device."""

# ruff: noqa: ARG001, ARG005  (networks take x and t, hooks take types, whether they look at them or not)

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

import diffusion
from diffusion.adapters.networks import in_dtype

__all__ = ["WAITING", "Seen", "calls_between", "operations", "operations_per_step", "run_without_synchronisation"]

WAITING = {"_local_scalar_dense", "_to_copy", "copy_", "is_nonzero", "nonzero", "equal", "_linalg_check_errors"}
"""Operations that read a value, move an array to another device, or may."""


class Seen(TorchDispatchMode):
    """Counts by name the operations on tensors that are no views; "cast" is a copy that stays on its device."""

    def __init__(self) -> None:
        super().__init__()
        self.names: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        cast = name == "_to_copy" and (kwargs or {}).get("device") is None
        if not func.is_view:
            self.names["cast" if cast else name] += 1
        return func(*args, **(kwargs or {}))


def operations(sampler: str, x: torch.Tensor, steps: int, predicts: str = "noise") -> int:
    """Return how many operations a whole run makes beside the network."""
    output = torch.zeros_like(x)
    denoiser = diffusion.Denoiser(lambda x, t: output, predicts)
    with Seen() as seen:
        diffusion.sample(denoiser, x, sampler=sampler, steps=steps)
    return seen.names.total()


def operations_per_step(sampler: str, x: torch.Tensor, predicts: str = "noise") -> float:
    """Return how many operations a step makes beside the network, once a multistep sampler has all its slopes."""
    return (operations(sampler, x, 30, predicts) - operations(sampler, x, 20, predicts)) / 10


def calls_between(sampler: str, x: torch.Tensor, steps: int, dtype: torch.dtype) -> Counter[str]:
    """Return the operations, by name, between the first and the last call of a network that computes in ``dtype``."""
    calls, seen, between = 0, Seen(), Counter[str]()

    def network(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == 1:
            seen.names.clear()
        between.update(seen.names - between)
        return torch.zeros_like(x)

    denoiser = diffusion.Denoiser(network if dtype == x.dtype else in_dtype(network, dtype))
    with seen:
        diffusion.sample(denoiser, x, sampler=sampler, steps=steps)
    return between


def run_without_synchronisation(
    sampler: str, x: torch.Tensor, steps: int, dtype: torch.dtype, network: Any = None
) -> None:
    """Run on a GPU where waiting is an error from the first call of the network to the last; raises if there is one.

    Without a ``network`` it is one that computes zeros in ``dtype``.
    """
    calls = 0

    def called(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        torch.cuda.set_sync_debug_mode("error")
        output = torch.zeros_like(x) if network is None else network(x, t)
        if calls == steps:
            torch.cuda.set_sync_debug_mode("default")
        return output

    denoiser = diffusion.Denoiser(called if dtype == x.dtype else in_dtype(called, dtype))
    try:
        diffusion.sample(denoiser, x, sampler=sampler, steps=steps)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    if calls != steps:
        raise RuntimeError(f"expected {steps} network calls, one for each step, received {calls}")
