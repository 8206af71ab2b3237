"""Grids: the times of a run, uniform in a clock, by name, from noise levels, or as found by others; checked."""

from diffusion.grids.discrete import nearest, rounded, timesteps
from diffusion.grids.levels import mu_of_tokens, shifted, sigmas
from diffusion.grids.named import (
    NAMED,
    beta,
    ddim_uniform,
    exponential,
    kl_optimal,
    linear_quadratic,
    named,
    normal,
    sgm_uniform,
    simple,
)
from diffusion.grids.rules import check, check_with_zero, karras, power, through, uniform
from diffusion.grids.tables import align_your_steps, gits, optimal_steps

__all__ = [
    "NAMED",
    "align_your_steps",
    "beta",
    "check",
    "check_with_zero",
    "ddim_uniform",
    "exponential",
    "gits",
    "karras",
    "kl_optimal",
    "linear_quadratic",
    "mu_of_tokens",
    "named",
    "nearest",
    "normal",
    "optimal_steps",
    "power",
    "rounded",
    "sgm_uniform",
    "shifted",
    "sigmas",
    "simple",
    "through",
    "timesteps",
    "uniform",
]
