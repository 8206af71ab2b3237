"""Grids: the times of a run, uniform in a clock or as published; checked and completed."""

from diffusion.grids.discrete import nearest, rounded, timesteps
from diffusion.grids.rules import check, check_with_zero, karras, power, through, uniform

__all__ = ["check", "check_with_zero", "karras", "nearest", "power", "rounded", "through", "timesteps", "uniform"]
