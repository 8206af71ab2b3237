"""Side by side with the stochastic schedulers of diffusers, where they are installed, on the noise that they draw."""

import numpy as np
import pytest
import torch

import diffusion
from diffusion.models.mixture import gaussian_mixture

from .golden import mixture

schedulers = pytest.importorskip("diffusers.schedulers")

pytestmark = [  # theirs
    pytest.mark.filterwarnings("ignore:__array:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*algorithm_type:FutureWarning"),
]

BETAS = np.linspace(1e-4, 2e-2, 1000)
VP = diffusion.VP.from_betas(BETAS)
EPS = gaussian_mixture(*mixture()[:3], VP, predicts="noise")
NOISE = mixture()[3]
STEPS = 12
DRAWS = np.random.default_rng(8).standard_normal((STEPS, *NOISE.shape))


SDE = "DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}
SA = {"tau_func": lambda t: 0.7}
CASES = {  # ours: their class, its options, how the last step ends
    "dpmpp-2m-sde@diffusers": (SDE[0], {**SDE[1], "solver_order": 2}),
    "dpmpp-3m-sde@diffusers": (SDE[0], {**SDE[1], "solver_order": 3}),
    "sa1": ("SASolverScheduler", {**SA, "predictor_order": 1, "corrector_order": 2}),
    "sa2": ("SASolverScheduler", {**SA, "predictor_order": 2, "corrector_order": 3}),
    "sa3": ("SASolverScheduler", {**SA, "predictor_order": 3, "corrector_order": 4}),
}


def theirs(monkeypatch, name, options):
    """Return the timesteps and the last sample of a scheduler that draws ``DRAWS``."""
    scheduler = getattr(schedulers, name)(num_train_timesteps=1000, trained_betas=BETAS.tolist(), **options)
    drawn = iter(DRAWS)
    module = __import__(type(scheduler).__module__, fromlist=["randn_tensor"])
    monkeypatch.setattr(module, "randn_tensor", lambda *args, **rest: torch.from_numpy(next(drawn)))
    scheduler.set_timesteps(STEPS)
    x = torch.from_numpy(NOISE) * float(scheduler.init_noise_sigma)
    for timestep in scheduler.timesteps:
        inside = scheduler.scale_model_input(x, timestep)
        index = float(timestep)
        output = EPS(inside, (index + 1) / 1000)
        x = scheduler.step(output, timestep, x, return_dict=False)[0]
    return scheduler, x.numpy()


@pytest.mark.parametrize("preset", CASES)
def test_the_preset_makes_the_run_of_the_scheduler_on_its_noise(monkeypatch, preset):
    name, options = CASES[preset]
    _, expected = theirs(monkeypatch, name, options)
    sampler = (
        diffusion.sampler(preset) if "sde" in preset else diffusion.sampler(f"{preset}@diffusers", stochasticity=0.7)
    )
    found = diffusion.sample(EPS, NOISE, sampler=sampler, steps=STEPS, rng=diffusion.noise.Recorded(DRAWS))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "ours", "options"),
    [
        ("DDPMScheduler", "ddpm", {"clip_sample": False, "variance_type": "fixed_small"}),
        ("DDIMScheduler", "ddim-eta0.6", {"clip_sample": False, "set_alpha_to_one": True}),
        ("EulerAncestralDiscreteScheduler", "euler-ancestral", {"timestep_spacing": "leading"}),
    ],
)
def test_a_sampler_makes_the_steps_of_the_scheduler_on_its_noise(monkeypatch, name, ours, options):
    """On the times of the scheduler: leading ones, and a step to σ = 0."""
    if name == "DDIMScheduler":
        step = schedulers.DDIMScheduler.step
        monkeypatch.setattr(
            schedulers.DDIMScheduler, "step", lambda self, *args, **rest: step(self, *args, eta=0.6, **rest)
        )
    scheduler, expected = theirs(monkeypatch, name, options)
    if hasattr(scheduler, "sigmas") and "Ancestral" in name:
        times = VP.time(-np.log(np.unique(scheduler.sigmas.numpy().astype(float))[:0:-1]))
    else:
        times = (scheduler.timesteps.numpy().astype(float) + 1) / 1000
    grid = [*times, 0.0]
    rng = diffusion.noise.Recorded(DRAWS)
    # the state of the ancestral scheduler is x/α
    start = NOISE * float(scheduler.init_noise_sigma * VP.alpha(times[0])) if "Ancestral" in name else NOISE
    found = diffusion.sample(EPS, start, sampler=ours, grid=grid, start="state", rng=rng)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5)
