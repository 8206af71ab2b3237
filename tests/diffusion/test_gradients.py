"""Gradients of samples: they arrive at all that asks for one, whether calls are recorded or made again."""

from typing import Any

import numpy as np
import pytest
import torch

import diffusion
from diffusion.samplers.stochastic.catalogue import STOCHASTIC

pytestmark = pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning", "ignore::diffusion.UnstableWarning")

D = torch.float64
NOISE = torch.tensor([[0.4, -1.2], [1.1, 0.3], [-0.7, 0.9]], dtype=D)
NAMES = list(dict.fromkeys([*diffusion.sampler_names(), *STOCHASTIC]))


def network() -> torch.nn.Module:
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Linear(3, 6), torch.nn.Tanh(), torch.nn.Linear(6, 2)).double()


def denoiser(net: torch.nn.Module) -> diffusion.Denoiser:
    return diffusion.Denoiser(lambda x, t: net(torch.cat([x, t[:, None].to(D)], 1)), predicts="noise")


def options(name: str) -> dict[str, Any]:
    return {"rng": 3} if getattr(diffusion.sampler(name), "stochastic", False) else {}


def test_the_adjoint_of_every_sampler_is_the_recorded_gradient_to_rounding() -> None:
    drawing = 0
    for name in NAMES:
        found, own = [], options(name)
        drawing += bool(own)
        for way in ("through", "adjoint"):
            net, noise = network(), NOISE.clone().requires_grad_()
            samples = diffusion.sample(denoiser(net), noise, sampler=name, steps=7, gradient=way, **own)
            inputs = [noise, *net.parameters()]
            found.append([samples.detach(), *torch.autograd.grad((samples**2).sum(), inputs)])
        for recorded, made_again in zip(*found, strict=True):
            assert float((recorded - made_again).abs().max()) <= 1e-12 * float(recorded.abs().max()), name
    assert drawing > 10


@pytest.mark.parametrize("way", [None, "through", "adjoint"])
def test_parameters_get_their_gradient_where_the_noise_asks_for_none(way: Any) -> None:
    net = network()
    samples = diffusion.sample(denoiser(net), NOISE, sampler="dpmpp-2m", steps=6, gradient=way)
    (samples**2).sum().backward()
    weight = net[0].weight.grad[0, 0].item()
    ends = []
    for change in (1e-6, -1e-6):
        moved = network()
        with torch.no_grad():
            moved[0].weight[0, 0] += change
            ends.append(float((diffusion.sample(denoiser(moved), NOISE, sampler="dpmpp-2m", steps=6) ** 2).sum()))
    assert weight == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-6)


@pytest.mark.parametrize("sampler", ["deis-tab3", "edm-heun", "unipc3", "dpmpp-2m-sde"])
def test_the_adjoint_passes_the_difference_check(sampler: str) -> None:
    net = network()

    def samples(noise: torch.Tensor) -> torch.Tensor:
        return diffusion.sample(denoiser(net), noise, sampler=sampler, steps=5, gradient="adjoint", **options(sampler))

    assert torch.autograd.gradcheck(samples, [NOISE.clone().requires_grad_()])


def test_guidance_and_conditions_go_back() -> None:
    scale, label = (
        torch.tensor(1.7, dtype=D, requires_grad=True),
        torch.tensor([0.3, -0.2], dtype=D, requires_grad=True),
    )
    found = []
    for way in ("through", "adjoint"):
        net = network()

        def call(x: torch.Tensor, t: torch.Tensor, c: Any = None, net: Any = net) -> torch.Tensor:
            return net(torch.cat([x if c is None else x + c, t[:, None].to(D)], 1))

        labelled = diffusion.Denoiser(call, predicts="noise", condition={"c": label})
        guided = diffusion.guidance.classifier_free(labelled, scale, unconditional={"c": None})
        samples = diffusion.sample(guided, NOISE, sampler="dpmpp-2m", steps=5, gradient=way)
        found.append(torch.autograd.grad((samples**2).sum(), [scale, label, *net.parameters()]))
    for recorded, made_again in zip(*found, strict=True):
        torch.testing.assert_close(made_again, recorded, rtol=1e-12, atol=1e-14)


def test_latents_go_back_to_both_their_states() -> None:
    net = network()
    with torch.no_grad():
        latent = diffusion.invert(denoiser(net), NOISE, sampler="bdia", steps=8)
    found = []
    for way in ("through", "adjoint"):
        samples = diffusion.sample(denoiser(net), latent, gradient=way)
        found.append(torch.autograd.grad((samples**2).sum(), list(net.parameters())))
    for recorded, made_again in zip(*found, strict=True):
        torch.testing.assert_close(made_again, recorded, rtol=1e-10, atol=1e-13)


def test_the_adjoint_keeps_few_calls_and_makes_each_twice() -> None:
    calls, most, alive = 0, 0, 0

    class Call(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            nonlocal calls, most, alive
            calls += 1
            alive += ctx.needs_input_grad[0]
            most = max(most, alive)
            return torch.tanh(x)

        @staticmethod
        def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
            nonlocal alive
            alive -= 1
            return gradient

    noise = NOISE.clone().requires_grad_()
    samples = diffusion.sample(
        diffusion.Denoiser(lambda x, t: Call.apply(x), predicts="noise"),
        noise,
        sampler="deis-tab3",
        steps=200,
        gradient="adjoint",
    )
    assert (calls, most) == (201, 0)
    samples.sum().backward()
    assert calls == 401
    assert most <= 32


def test_what_cannot_be_gone_back_through_is_refused() -> None:
    net = network()
    with pytest.raises(ValueError, match=r"expected gradient to be one of 'through', 'adjoint', received 'back'"):
        diffusion.sample(denoiser(net), NOISE, steps=3, gradient="back")
    exact = diffusion.models.gaussian_mixture([1.0], [[0.0]], [[[1.0]]])
    with pytest.raises(TypeError, match=r"expected the noise as a tensor of torch beside gradient="):
        diffusion.sample(exact, np.ones((2, 1)), steps=3, gradient="adjoint")
    recorded = diffusion.noise.Recorded([NOISE.clone().requires_grad_()] * 3)
    with pytest.raises(TypeError, match=r"expected recorded noise without a gradient, received a tensor"):
        diffusion.sample(denoiser(net), NOISE, sampler="dpmpp-2m-sde", steps=3, rng=recorded)
    broken = diffusion.Denoiser(lambda x, t: x * float("nan"), predicts="noise")
    with pytest.raises(diffusion.SamplingError, match="call 1"):
        diffusion.sample(broken, NOISE.clone().requires_grad_(), steps=3, gradient="adjoint")
