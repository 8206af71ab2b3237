"""Adapters: networks of other conventions, and other libraries' interfaces, each behind its own dependency."""

from diffusion.adapters.networks import (
    Network,
    in_dtype,
    with_index,
    with_log_sigma,
    with_preconditioning,
    with_reversed_flow,
    with_reversed_time,
    with_scaled_time,
    with_sigma,
)

__all__ = [
    "Network",
    "in_dtype",
    "with_index",
    "with_log_sigma",
    "with_preconditioning",
    "with_reversed_flow",
    "with_reversed_time",
    "with_scaled_time",
    "with_sigma",
]
