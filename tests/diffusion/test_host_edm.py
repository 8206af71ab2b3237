"""Networks of EDM, by the arguments of its own sampler."""

from itertools import pairwise

import numpy as np
import pytest
import torch

import diffusion
from diffusion.adapters import edm
from diffusion.models.mixture import gaussian_mixture

from .golden import mixture, runs

NETWORK = gaussian_mixture(*mixture()[:3], diffusion.EDM())
LATENTS = torch.from_numpy(mixture()[3])


class Precond(torch.nn.Module):
    """A network as EDM's are: outputs in single precision, whatever x is, and an attribute for everything."""

    sigma_min, sigma_max, sigma_data, label_dim = 0.0, float("inf"), 0.5, 2

    def __init__(self):
        super().__init__()
        self.calls = []
        self.register_buffer("u", torch.from_numpy(np.geomspace(0.004, 80.9, 900)).float().flip(0))

    def forward(self, x, sigma, class_labels=None):
        self.calls.append((sigma.dtype, float(sigma[0]), None if class_labels is None else class_labels.tolist()))
        scale = 1.0 if class_labels is None else 0.9 + 0.1 * class_labels[:, :1, None, None]
        return (scale * NETWORK(x, sigma)).to(torch.float32)


class Discrete(Precond):
    """That knows the levels of its table u only, as iDDPMPrecond of EDM does."""

    sigma_min, sigma_max = 0.004, 80.9

    def round_sigma(self, sigma):
        index = torch.cdist(sigma.to(self.u).reshape(1, -1, 1), self.u.reshape(1, -1, 1)).argmin(2)
        return self.u[index.flatten()].to(sigma.dtype).reshape(sigma.shape)


def edm_sampler(net, x, num_steps, low=0.002, high=80.0, rho=7.0):
    """The deterministic sampler of EDM, written out."""
    i = np.arange(num_steps)
    levels = (high ** (1 / rho) + i / (num_steps - 1) * (low ** (1 / rho) - high ** (1 / rho))) ** rho
    if hasattr(net, "round_sigma"):
        levels = net.round_sigma(torch.from_numpy(levels)).numpy()
    levels = [*levels.tolist(), 0.0]
    x = x.double() * levels[0]
    for n, (s, t) in enumerate(pairwise(levels)):
        d = (x - net(x, torch.full((len(x),), s, dtype=torch.float64)).double()) / s
        y = x + (t - s) * d
        if n < num_steps - 1:
            y = x + (t - s) * (d + (y - net(y, torch.full((len(x),), t, dtype=torch.float64)).double()) / t) / 2
        x = y
    return x


@pytest.mark.parametrize("net", [Precond(), Discrete()], ids=["continuous", "discrete"])
def test_its_own_sampler_is_reproduced_with_levels_rounded_where_the_network_wants_it(net):
    low, high = (0.004, 80.0) if isinstance(net, Discrete) else (0.002, 80.0)
    expected = edm_sampler(net, LATENTS, 9, low, high)
    net.calls.clear()
    found = edm.sample(net, LATENTS, num_steps=9)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)  # outputs of the network are in single precision
    if isinstance(net, Discrete):
        known = net.u.double()
        assert all(dtype == torch.float64 for dtype, *_ in net.calls)
        assert all(min(abs(known - level)) == 0 for _, level, _ in net.calls)


@pytest.mark.parametrize("run", runs("edm_heun"), ids=lambda run: run["id"])
def test_recorded_runs_of_edm_are_reproduced(run):
    low, high = (float(end) for end in run["id"].split("/")[1].split("-"))
    network = gaussian_mixture(*mixture()[:3], diffusion.EDM(low, high))
    noise = run["states"][0] / high
    found = edm.sample(network, noise, num_steps=run["num_steps"], sigma_min=low, sigma_max=high)
    np.testing.assert_allclose(found, run["states"][-1], rtol=0, atol=1e-9)


@pytest.mark.parametrize("sampler", ["unipc3", "auto", "dpmpp-2m", "deis-tab2"])
def test_any_sampler_makes_the_run_of_our_own(sampler):
    found = edm.sample(NETWORK, LATENTS, sampler=sampler, num_steps=8)
    expected = diffusion.sample(NETWORK, LATENTS, sampler=sampler, steps=8, grid="karras")
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    own = edm.sample(NETWORK, LATENTS, sampler=sampler, num_steps=8, rho=None)
    assert torch.equal(own, diffusion.sample(NETWORK, LATENTS, sampler=sampler, steps=8))


def test_a_fitted_sampler_has_its_own_steps():
    six = diffusion.freeze("unipc2", diffusion.EDM(), steps=6)
    expected = diffusion.sample(NETWORK, LATENTS, sampler="unipc2", steps=6)
    torch.testing.assert_close(edm.sample(NETWORK, LATENTS, sampler=six, num_steps=None), expected)


def test_labels_reach_the_network_and_guidance_moves_away_from_the_other_prediction():
    net, labels = Precond(), torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    x, sigma = LATENTS.float(), torch.full((3,), 2.0)
    conditional = net(x, sigma, labels)
    assert torch.equal(edm.denoiser(net, labels)(x, 2.0), conditional)
    guided = edm.denoiser(net, labels, guidance=1.5)(x, 2.0)
    torch.testing.assert_close(guided, torch.lerp(net(x, sigma), conditional, 1.5))
    auto = edm.denoiser(net, labels, guidance=1.5, gnet=lambda x, sigma, labels: 0 * x)(x, 2.0)
    torch.testing.assert_close(auto, 1.5 * conditional)
    net.calls.clear()
    edm.sample(net, x, labels, num_steps=3)
    assert {str(call[2]) for call in net.calls} == {str(labels.tolist())}


def test_the_range_is_that_of_the_network_within_what_is_asked_for():
    schedule = edm.denoiser(Discrete()).schedule
    assert (schedule.sigma_min, schedule.sigma_max, schedule.sigma_data) == (0.004, 80.0, 0.5)
    schedule = edm.denoiser(Precond(), sigma_min=0.01, sigma_max=10).schedule
    assert (schedule.sigma_min, schedule.sigma_max) == (0.01, 10.0)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: edm.sample(Discrete(), LATENTS, num_steps=900), "stay apart when rounded"),
        (lambda: edm.sample(Discrete(), LATENTS, rho=None), "expected rho"),
        (lambda: edm.denoiser(Precond(), guidance=2.0), "class_labels or gnet"),
        (lambda: edm.denoiser(3), "expected net"),
        (lambda: edm.denoiser(Precond(), sigma_min=90.0), "sigma_min"),
        (lambda: edm.sample(Precond(), LATENTS, num_steps=None), "num_steps"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_to_do(call, says):
    with pytest.raises((ValueError, TypeError), match=says):
        call()
