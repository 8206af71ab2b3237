"""Diffusion sampling as exponential integration.

A sampler is a declaration (:class:`Sampler`): a method of :mod:`expint`, the gauge in which it is applied, and clocks
for its grid and its history. :func:`sample`, :func:`trajectory` and :func:`encode` run it on a :class:`Denoiser`, which
is a network with what it predicts and its noise schedule. Importing this package needs no torch.
"""

from . import adapters, clock, gauge, grids, guidance, models
from .clock import Clock
from .declaration import Sampler
from .denoiser import Denoiser
from .estimate import estimate_statistics
from .gauge import Gauge
from .prediction import convert
from .programme import STOP, End, taper
from .sample import OffScaleWarning, SamplingError, UnstableWarning, encode, sample, trajectory
from .samplers import sampler, sampler_names
from .schedule import EDM, VE, FlowMatching, NoiseSchedule
from .singlestep import orders_for_calls, singlestep
from .solver_v3 import dpm_solver_v3
from .statistics import Statistics
from .sub_vp import SubVP
from .variance_preserving import VP

__all__ = [
    "EDM",
    "STOP",
    "VE",
    "VP",
    "Clock",
    "Denoiser",
    "End",
    "FlowMatching",
    "Gauge",
    "NoiseSchedule",
    "OffScaleWarning",
    "Sampler",
    "SamplingError",
    "Statistics",
    "SubVP",
    "UnstableWarning",
    "adapters",
    "clock",
    "convert",
    "dpm_solver_v3",
    "encode",
    "estimate_statistics",
    "gauge",
    "grids",
    "guidance",
    "models",
    "orders_for_calls",
    "sample",
    "sampler",
    "sampler_names",
    "singlestep",
    "taper",
    "trajectory",
]
