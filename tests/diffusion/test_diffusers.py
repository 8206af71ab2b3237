"""Side by side with the schedulers of diffusers, where they are installed: the presets that carry their name."""

import numpy as np
import pytest
import torch

import diffusion
from diffusion.models.mixture import gaussian_mixture

from .golden import mixture

schedulers = pytest.importorskip("diffusers.schedulers")

BETAS = np.linspace(1e-4, 2e-2, 1000)
VP = diffusion.VP.from_betas(BETAS)
EPS = gaussian_mixture(*mixture()[:3], VP, predicts="noise")
CASES = [
    ("DPMSolverMultistepScheduler", {"solver_order": 2}, "dpmpp-2m@diffusers"),
    ("DPMSolverMultistepScheduler", {"solver_order": 3}, "dpmpp-3m@diffusers"),
    ("UniPCMultistepScheduler", {"solver_order": 1}, "unipc1-bh2@diffusers"),
    ("UniPCMultistepScheduler", {"solver_order": 2}, "unipc2-bh2@diffusers"),
    ("UniPCMultistepScheduler", {"solver_order": 3}, "unipc3-bh2@diffusers"),
    ("DEISMultistepScheduler", {"solver_order": 2}, "deis2@diffusers"),
    ("DEISMultistepScheduler", {"solver_order": 3}, "deis3@diffusers"),
]


@pytest.mark.parametrize("steps", [8, 20])
@pytest.mark.parametrize(("name", "options", "preset"), CASES, ids=[case[2] for case in CASES])
def test_the_preset_makes_the_steps_of_the_scheduler(name, options, preset, steps):
    scheduler = getattr(schedulers, name)(num_train_timesteps=1000, trained_betas=BETAS.tolist(), **options)
    scheduler.set_timesteps(steps)
    sigmas = scheduler.sigmas.numpy().astype(float)
    positive = sigmas[sigmas > 0]
    times = np.clip(
        VP.time(-np.log(positive)), VP.t_end, VP.t_start
    )  # they keep their noise levels in single precision
    x = torch.from_numpy(mixture()[3])
    for i, timestep in enumerate(scheduler.timesteps):
        x = scheduler.step(EPS(x, times[i]), timestep, x, return_dict=False)[0]
    grid = [*times, 0.0] if sigmas[-1] == 0 else times
    found = diffusion.sample(EPS, mixture()[3], sampler=preset, grid=grid, start="state")
    rounding = (
        1e-4 if "DEIS" in name else 2e-6
    )  # its coefficients are differences of antiderivatives, in single precision
    np.testing.assert_allclose(found, x.numpy(), rtol=0, atol=rounding)
