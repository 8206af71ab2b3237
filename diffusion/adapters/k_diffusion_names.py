"""What k-diffusion calls its samplers and helpers, and what is here in their place."""

from __future__ import annotations

__all__ = ["ANSWERS", "ITS_NAMES"]

ITS_NAMES = {
    "heun": "edm-heun",
    "dpm_2": "dpm2@k-diffusion",
    "dpm_2_ancestral": "dpm2-ancestral",
    "lms": "lms4@k-diffusion",
    "dpmpp_sde": "dpmpp-sde@k-diffusion",
}
"""Samplers that k-diffusion calls otherwise than this library."""

ANSWERS = {
    "log_likelihood": "take diffusion.log_likelihood(net, data, steps=50)",
    "get_sigmas_karras": "take k_diffusion.sigmas('karras', steps, schedule=diffusion.EDM(sigma_min, sigma_max))",
    "get_sigmas_exponential": "take k_diffusion.sigmas('exponential', …, schedule=diffusion.EDM(sigma_min, sigma_max))",
    "get_sigmas_polyexponential": "take k_diffusion.sigmas with a function of your own, or any list of levels",
    "get_sigmas_vp": "take k_diffusion.sigmas(grid, steps, schedule=diffusion.VP.linear(0.1, 20.0)), its grid "
    "lambda n, s: diffusion.grids.uniform(n, 't', schedule=s)",
    "DPMSolver": "take diffusion.adapters.dpm_solver.DPM_Solver",
    "PIDStepSizeController": "steps are chosen by expint's tolerance: see expint.solve_ivp",
    "BrownianTreeNoiseSampler": "give any function (sigma, sigma_next) as noise_sampler=, its own, too; here "
    "diffusion.noise.BrownianPath is one for diffusion.sample",
    "BatchedBrownianTree": "diffusion.noise.BrownianPath is a path for each sample",
    "default_noise_sampler": "leave noise_sampler= out, or give lambda sigma, sigma_next: torch.randn_like(x)",
    "get_ancestral_step": "noise levels are reckoned by the samplers: take sample_euler_ancestral with eta=",
    "linear_multistep_coeff": "coefficients are in diffusion.sampler('lms4').plan(schedule, times)",
    "to_d": "the slope is (x - denoised)/sigma",
    "append_zero": "k_diffusion.sigmas ends in 0 by itself",
}
"""What k-diffusion has beside samplers, and steps that are not here: what to take."""
