"""The examples of the front page, as a user types them."""

import numpy as np
import pytest
import torch

import diffusion


@pytest.fixture(scope="module")
def net():
    return diffusion.models.digits()


def test_digits_are_sampled_traced_and_encoded(net):
    noise = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    images = diffusion.sample(net, noise, sampler="deis-tab3", steps=10)
    assert images.shape == noise.shape
    assert images.dtype == torch.float32
    assert -1.5 < float(images.min()) < -0.7 < 0.5 < float(images.max()) < 1.5
    run = diffusion.trajectory(net, noise, sampler="deis-tab3", steps=10)
    assert (len(run.t), run.states.shape, run.calls, int(run.status)) == (11, (11, *noise.shape), 10, 0)
    latent = diffusion.encode(net, images, sampler="deis-tab3", steps=50)
    again = diffusion.sample(net, latent, sampler="deis-tab3", steps=50)
    assert float((again - images).abs().mean()) < 0.05


def test_a_network_of_ones_own_is_sampled_on_any_grid():
    network = torch.nn.Conv2d(1, 1, 3, padding=1)
    torch.nn.init.zeros_(network.weight)
    torch.nn.init.zeros_(network.bias)
    noise = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    mine = diffusion.Denoiser(lambda x, t: network(x), predicts="noise", schedule=diffusion.VP.linear(0.1, 20.0))
    grid = diffusion.grids.power(10, 2, clock="t", schedule=mine.schedule)
    for times in (grid, [1.0, 0.7, 0.4, 0.1, 1e-3]):
        with pytest.warns(diffusion.OffScaleWarning):  # a network that knows nothing removes no noise
            assert diffusion.sample(mine, noise, sampler="ddim", grid=times).shape == noise.shape


@pytest.mark.parametrize(
    "schedule",
    [
        diffusion.VP.cosine(),
        diffusion.VP.from_betas(np.linspace(1e-4, 2e-2, 1000)),
        diffusion.VE(0.01, 50.0),
        diffusion.EDM(0.002, 80.0),
        diffusion.FlowMatching(shift=3.0),
    ],
    ids=lambda schedule: type(schedule).__name__,
)
def test_every_schedule_of_the_front_page_is_sampled(schedule):
    net = diffusion.models.gaussian_mixture([1.0], np.zeros((1, 4)), 0.25 * np.eye(4)[None], schedule)
    noise = np.random.default_rng(0).standard_normal((512, 4))
    for name in ("deis-tab3", "dpmpp-2m"):
        images = diffusion.sample(net, noise, sampler=name, steps=40)
        assert abs(images.std() - 0.5) < 0.02
