"""One run of a sampler: the plan, what evaluates its rows, and the loop that suits the state."""

from diffusion.running.errors import SamplingError, final
from diffusion.running.run import final_states, noise_of, run_sampler

__all__ = ["SamplingError", "final", "final_states", "noise_of", "run_sampler"]
