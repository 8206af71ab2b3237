"""What the front doors check before any network call, and the times they lay out."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from diffusion.denoiser import Denoiser
from diffusion.samplers.catalogue import AnySampler
from diffusion.samplers.fitted import FittedSampler
from diffusion.samplers.laid_out import laid_out
from diffusion.samplers.sampler import Sampler
from expint.arguments import choice, flag, function, instance, seen
from expint.arrays import affordable
from expint.backend import Array, all_finite, array_namespace, has_values, is_array

__all__ = ["check_denoiser", "check_start", "check_state", "check_watchers", "lay_out"]


def lay_out(
    denoiser: Denoiser,
    sampler: str | AnySampler,
    steps: int | None,
    grid: str | Sequence[float] | np.ndarray | None,
) -> tuple[Sampler | FittedSampler, np.ndarray, bool]:
    """Return the sampler, the decreasing times of its steps, and whether one more step leads to σ = 0.

    Raises
    ------
    TypeError, ValueError
        If the denoiser is none or its process has a mean, or as `laid_out` does.
    """
    check_denoiser(denoiser)
    if denoiser.schedule.centred is not denoiser.schedule:
        raise ValueError(
            f"expected a process without a mean of its own, received {denoiser.schedule!r}; only diffusion.sample, "
            "trajectory and encode follow one: give the network the states less the mean, and this the process without"
        )
    return laid_out(denoiser.schedule, sampler, steps, grid, denoiser.discontinuities)


def check_denoiser(denoiser: Any) -> None:
    """Raise TypeError unless it is a `Denoiser`."""
    remedy = 'wrap a network: diffusion.Denoiser(network, predicts="noise", schedule=diffusion.VP.linear())'
    instance("denoiser", denoiser, Denoiser, "a Denoiser", remedy)


def check_start(start: object) -> None:
    """Raise ValueError or TypeError unless a run starts from what there is a word for."""
    choice("start", start, ("noise", "state"))


def check_watchers(callback: Any, **flags: Any) -> None:
    """Raise TypeError unless the callback is None or a function, and all flags are truth values."""
    if callback is not None:
        function("callback", callback, "(t, x)")
    for name, value in flags.items():
        flag(name, value)


def _on_accelerator(state: Array) -> bool:
    """Whether the state lies elsewhere than in the memory of this machine."""
    return str(getattr(state, "device", "cpu")).partition(":")[0] in ("cuda", "mps", "xpu")


def check_state(state: Any) -> None:
    """Raise TypeError or ValueError unless the state is a finite real floating array with a batch axis."""
    if not is_array(state):
        raise TypeError(f"expected the noise or data as an array or tensor, received {type(state).__name__}")
    xp = array_namespace(state)
    if not xp.isdtype(state.dtype, "real floating"):
        raise TypeError(
            f"expected a floating-point array, received dtype {state.dtype}; convert it, for example x.float()"
        )
    if state.ndim < 1:
        raise ValueError("expected an array of shape (batch, …), received a scalar; add a batch axis: x[None]")
    if not has_values(state):
        raise TypeError(
            f"expected a dense array or tensor with values, received {seen(state)} on the device {state.device}; make "
            "it dense, on the device of the network"
        )
    if 0 in state.shape:
        raise ValueError(f"expected at least one sample, and one number in each, received shape {tuple(state.shape)}")
    size = 8 if "64" in str(state.dtype) else 4
    if not _on_accelerator(state):
        affordable("the states of a run", 2.0 * size * prod(state.shape))  # a state and what the network makes of it
    if not all_finite(state):
        raise ValueError("expected a finite array, received inf or nan; check how it was made")
