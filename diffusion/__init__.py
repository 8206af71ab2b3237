"""Diffusion sampling as exponential integration."""

from . import grids, models
from .clock import Clock
from .denoiser import Denoiser
from .gauge import Gauge
from .prediction import convert
from .schedule import EDM, VE, FlowMatching, NoiseSchedule
from .variance_preserving import VP, SubVP

__all__ = [
    "EDM",
    "VE",
    "VP",
    "Clock",
    "Denoiser",
    "FlowMatching",
    "Gauge",
    "NoiseSchedule",
    "SubVP",
    "convert",
    "grids",
    "models",
]
