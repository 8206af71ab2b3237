"""Samplers as plain data: the rows of one run, what they are made for, and their files."""

from diffusion.samplers.fitted.loading import load_sampler
from diffusion.samplers.fitted.report import Report
from diffusion.samplers.fitted.sampler import SLOPES, FittedSampler

__all__ = ["SLOPES", "FittedSampler", "Report", "load_sampler"]
