"""Diffusion sampling as exponential integration.

A sampler is a declaration (:class:`Sampler`): a method of :mod:`expint`, the gauge in which it is applied, and clocks
for its grid and its history. :func:`sample`, :func:`trajectory` and :func:`encode` run it on a :class:`Denoiser`, which
is a network with what it predicts and its noise schedule. Importing this package needs no torch.
"""

from diffusion import adapters, chains, grids, guidance, models, noise, training
from diffusion.bridges.transport import transport
from diffusion.denoiser import Denoiser
from diffusion.editing import add_noise, image_to_image, inpaint, sample_in_batches, save_images, slerp
from diffusion.inversion.latent import Latent, invert, reversible
from diffusion.likelihood.bound import LikelihoodBound, likelihood_bound
from diffusion.likelihood.density import Likelihood, log_likelihood
from diffusion.moved import MOVED
from diffusion.noise.moments import moments
from diffusion.phase.process import CriticallyDamped
from diffusion.phase.run import sample_with_velocity
from diffusion.process import clock, gauge
from diffusion.process.clock import Clock
from diffusion.process.gauge import Gauge
from diffusion.process.interpolant import Interpolant
from diffusion.process.mean_reverting import MeanReverting
from diffusion.process.prediction import convert
from diffusion.process.schedule import EDM, VE, FlowMatching, NoiseSchedule, VEPower
from diffusion.process.strength import Eta, ExtendedReverse, Strength
from diffusion.process.sub_vp import SubVP
from diffusion.process.vp import VP
from diffusion.process.with_mean import Offset
from diffusion.running.compiled import scan
from diffusion.running.parallel import ParallelRun, sample_in_parallel
from diffusion.sample import (
    OffScaleWarning,
    SamplingError,
    StoppedRun,
    StoppedWarning,
    UnstableWarning,
    encode,
    resume,
    sample,
    trajectory,
)
from diffusion.samplers import bands
from diffusion.samplers.bands import Bands
from diffusion.samplers.catalogue import sampler, sampler_names
from diffusion.samplers.dpm_solver_v3.estimate import estimate_statistics
from diffusion.samplers.dpm_solver_v3.solver import dpm_solver_v3
from diffusion.samplers.dpm_solver_v3.statistics import Statistics
from diffusion.samplers.ends import STOP, End, taper
from diffusion.samplers.fitted import FittedSampler, Report, load_sampler
from diffusion.samplers.frozen import freeze
from diffusion.samplers.sampler import Sampler
from diffusion.samplers.singlestep import orders_for_calls, singlestep
from diffusion.samplers.stochastic.jumps import Ancestral, Churned, Restart, Restarted, TrajectoryConsistent
from diffusion.samplers.stochastic.langevin import LangevinCorrected
from diffusion.tuning.tune import TuningInterrupted, tune
from expint.moved import forward

forward(MOVED)

__all__ = [
    "EDM",
    "STOP",
    "VE",
    "VP",
    "Ancestral",
    "Bands",
    "Churned",
    "Clock",
    "CriticallyDamped",
    "Denoiser",
    "End",
    "Eta",
    "ExtendedReverse",
    "FittedSampler",
    "FlowMatching",
    "Gauge",
    "Interpolant",
    "LangevinCorrected",
    "Latent",
    "Likelihood",
    "LikelihoodBound",
    "MeanReverting",
    "NoiseSchedule",
    "OffScaleWarning",
    "Offset",
    "ParallelRun",
    "Report",
    "Restart",
    "Restarted",
    "Sampler",
    "SamplingError",
    "Statistics",
    "StoppedRun",
    "StoppedWarning",
    "Strength",
    "SubVP",
    "TrajectoryConsistent",
    "TuningInterrupted",
    "UnstableWarning",
    "VEPower",
    "adapters",
    "add_noise",
    "bands",
    "chains",
    "clock",
    "convert",
    "dpm_solver_v3",
    "encode",
    "estimate_statistics",
    "freeze",
    "gauge",
    "grids",
    "guidance",
    "image_to_image",
    "inpaint",
    "invert",
    "likelihood_bound",
    "load_sampler",
    "log_likelihood",
    "models",
    "moments",
    "noise",
    "orders_for_calls",
    "resume",
    "reversible",
    "sample",
    "sample_in_batches",
    "sample_in_parallel",
    "sample_with_velocity",
    "sampler",
    "sampler_names",
    "save_images",
    "scan",
    "singlestep",
    "slerp",
    "taper",
    "training",
    "trajectory",
    "transport",
    "tune",
]
