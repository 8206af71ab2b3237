"""Samplers that draw noise in the pipelines of diffusers."""

import pickle
import warnings

import numpy as np
import pytest
import torch

import diffusion
from diffusion.models.mixture import gaussian_mixture

from .golden import mixture

diffusers = pytest.importorskip("diffusers")
from diffusion.adapters.diffusers import Scheduler  # noqa: E402  # after what is asked for

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array:DeprecationWarning"),  # theirs
    pytest.mark.filterwarnings("ignore:.*algorithm_type:FutureWarning"),
    pytest.mark.filterwarnings("ignore::diffusion.UnstableWarning"),
    pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning"),
]

BETAS = np.linspace(1e-4, 2e-2, 1000)
VP = diffusion.VP.from_betas(BETAS)
EPS = gaussian_mixture(*mixture()[:3], VP, predicts="noise")
NOISE = torch.from_numpy(mixture()[3])
SDE = {"algorithm_type": "sde-dpmsolver++"}


def made(sampler, origin="DPMSolverMultistepScheduler", **options):
    config = getattr(diffusers, origin)(trained_betas=BETAS.tolist(), **options).config
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return Scheduler.from_config(config, sampler=sampler)


def run(scheduler, x, generator, network=EPS, first=0, **given):
    for call in range(first, len(scheduler.timesteps)):
        output = network(scheduler.scale_model_input(x, scheduler.timesteps[call]), scheduler._layout.calls[call][0])
        x = scheduler.step(output, scheduler.timesteps[call], x, generator=generator, **given).prev_sample
    return x


def seeded(*seeds):
    made = [torch.Generator().manual_seed(seed) for seed in seeds]
    return made if len(seeds) > 1 else made[0]


@pytest.mark.parametrize("steps", [1, 7])
@pytest.mark.parametrize("name", [name for name in diffusion.sampler_names(stochastic=True) if name != "restart"])
def test_a_pipeline_makes_the_run_of_sample_on_its_noise(name, steps, monkeypatch):
    scheduler, drawn = made(name), []
    scheduler.set_timesteps(steps)
    draw = torch.randn

    def recorded(*shape, **options):
        drawn.append(draw(*shape, **options))
        return drawn[-1]

    monkeypatch.setattr(torch, "randn", recorded)
    found = run(scheduler, NOISE, seeded(5))
    monkeypatch.undo()

    class Again:
        def draw(self, step, column, like):
            return drawn.pop(0)

    expected = diffusion.sample(EPS, NOISE, sampler=name, grid=scheduler.times, rng=Again())
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-11 * max(1.0, float(expected.abs().max())))
    assert not drawn


@pytest.mark.parametrize(
    ("origin", "sampler", "options"),
    [
        ("DDPMScheduler", "ddpm", {"clip_sample": False, "timestep_spacing": "trailing"}),
        ("DDIMScheduler", "ddim-eta0.6", {"clip_sample": False, "timestep_spacing": "trailing"}),
        ("EulerAncestralDiscreteScheduler", "euler-ancestral", {"timestep_spacing": "trailing"}),
        ("DPMSolverMultistepScheduler", "dpmpp-2m-sde@diffusers", SDE),
        ("DPMSolverMultistepScheduler", "dpmpp-2m-sde@diffusers", {**SDE, "timestep_spacing": "leading"}),
    ],
)
def test_the_same_generator_makes_the_images_of_the_scheduler_of_diffusers(origin, sampler, options):
    theirs = getattr(diffusers, origin)(trained_betas=BETAS.tolist(), **options)
    ours = made(sampler, origin, **options)
    theirs.set_timesteps(10)
    ours.set_timesteps(10)
    np.testing.assert_allclose(ours.timesteps, theirs.timesteps, atol=1e-4)
    x, generator = NOISE * float(theirs.init_noise_sigma), seeded(3)
    eta = {"eta": 0.6} if origin == "DDIMScheduler" else {}
    for t in theirs.timesteps:
        output = EPS(theirs.scale_model_input(x, t), (float(t) + 1) / 1000)
        x = theirs.step(output, t, x, generator=generator, **eta).prev_sample
    torch.testing.assert_close(run(ours, NOISE, seeded(3)), x.double(), rtol=0, atol=2e-5)


def test_a_generator_for_each_sample_makes_it_whatever_its_batch():
    scheduler = made("dpmpp-2m-sde")

    def images(x, *seeds):
        scheduler.set_timesteps(6)
        return run(scheduler, x, seeded(*seeds))

    batch = images(NOISE, 4, 5, 6)
    torch.testing.assert_close(images(NOISE[1:2], 5)[0], batch[1], rtol=0, atol=1e-12)
    assert torch.equal(batch, images(NOISE, 4, 5, 6))
    assert not torch.equal(batch, images(NOISE, 4, 5, 7))
    torch.manual_seed(2)
    scheduler.set_timesteps(6)
    loose = run(scheduler, NOISE, None)
    torch.manual_seed(2)
    scheduler.set_timesteps(6)
    assert torch.equal(loose, run(scheduler, NOISE, None))


def test_a_run_in_the_middle_of_it_goes_on_bit_for_bit_after_a_copy_with_history_and_noise():
    for name in ("unipc3", "dpmpp-3m-sde", "sa-solver", "dpm2-ancestral"):
        scheduler, generator = made(name), seeded(9)
        scheduler.set_timesteps(8)
        whole = run(scheduler, NOISE, generator)
        scheduler.set_timesteps(8)
        generator, x, half = seeded(9), NOISE, scheduler.order * 4
        for call in range(half):
            output = EPS(x, scheduler._layout.calls[call][0])
            x = scheduler.step(output, scheduler.timesteps[call], x, generator=generator).prev_sample
        again = pickle.loads(pickle.dumps(scheduler))
        assert torch.equal(run(again, x, generator, first=half), whole)


def test_noise_of_the_host_counts_where_it_is_drawn_once_a_step():
    scheduler, fixed = made("dpmpp-2m-sde"), torch.full_like(NOISE, 0.5)
    scheduler.set_timesteps(5)
    found = run(scheduler, NOISE, None, variance_noise=fixed)
    rng = diffusion.noise.Recorded([fixed] * 5)
    expected = diffusion.sample(EPS, NOISE, sampler="dpmpp-2m-sde", grid=scheduler.times, rng=rng)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-11)
    scheduler = made("dpmpp-2s-sde")
    scheduler.set_timesteps(5)
    run(scheduler, NOISE, seeded(1))
    scheduler.set_timesteps(5)
    with pytest.raises(ValueError, match="expected variance_noise for a sampler that draws noise once a step"):
        run(scheduler, NOISE, None, variance_noise=fixed)
    scheduler = made("unipc3")
    scheduler.set_timesteps(5)
    with pytest.raises(ValueError, match="expected no variance_noise for 'unipc3', which draws none"):
        scheduler.step(NOISE, scheduler.timesteps[0], NOISE, variance_noise=fixed)


def test_eta_is_said_by_the_sampler():
    scheduler = made("ddim")
    scheduler.set_timesteps(5)
    with pytest.raises(ValueError, match=r"received 0.3; leave it out, and take the sampler 'ddim-eta0\.3'"):
        scheduler.step(NOISE, scheduler.timesteps[0], NOISE, eta=0.3)


def test_a_level_that_rises_before_the_first_call_is_refused():
    scheduler = made(diffusion.sampler("edm-stochastic", grid=lambda n, s: np.linspace(0.5, 0.01, n + 1)))
    with pytest.raises(
        ValueError, match=r"expected a sampler that calls the network where it starts, .*euler-ancestral"
    ):
        scheduler.set_timesteps(5)


def test_image_to_image_begins_with_its_own_history_and_noise():
    scheduler = made("dpmpp-3m-sde")
    scheduler.set_timesteps(8)
    scheduler.set_begin_index(3)
    noise = [torch.full_like(NOISE, 0.2 * n) for n in range(1, 6)]
    x = NOISE
    for call, own in enumerate(noise, 3):
        output = EPS(x, scheduler._layout.calls[call][0])
        x = scheduler.step(output, scheduler.timesteps[call], x, variance_noise=own).prev_sample
    rng, grid = diffusion.noise.Recorded(noise), scheduler.times[3:]
    expected = diffusion.sample(EPS, NOISE, sampler="dpmpp-3m-sde", grid=grid, start="state", rng=rng)
    torch.testing.assert_close(x, expected, rtol=0, atol=1e-11)
