"""Chains over states and noise levels: samples that follow one another, each made by a short solve.

A folder of its own: a chain is neither a process nor a sampler, and nothing else here imports it.
"""

from diffusion.chains.diagnostics import autocorrelation, effective_sample_size
from diffusion.chains.gibbs import ChainRun, langevin_gibbs
from diffusion.chains.levels import noise_levels

__all__ = ["ChainRun", "autocorrelation", "effective_sample_size", "langevin_gibbs", "noise_levels"]
