"""What a run of a sampler is given: gradients are carried to all that asks for one, and inputs are left alone."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import diffusion

NOISE = np.random.default_rng(4).standard_normal((2, 3))


def network(x: Any, t: Any, weight: Any = 0.9, shift: Any = 0.0) -> Any:
    return weight * x * t[:, None] + shift


def final(noise: torch.Tensor, sampler: str, q: torch.Tensor, where: str) -> torch.Tensor:
    condition = {"weight": 0.9 + (q if where == "weight" else 0), "shift": q if where == "condition" else 0.0}
    net = diffusion.Denoiser(network, condition=condition)
    if where == "scale":
        net = diffusion.guidance.classifier_free(net, 1 + q, unconditional={"weight": 0.5})
    x = noise * (1 + q) if where == "noise" else noise
    return diffusion.sample(net, x, sampler=sampler, steps=6).sum()


@pytest.mark.parametrize("sampler", ["deis-tab3", "ddim", "unipc3", "dpmpp-2m", "deis-rho-rk4"])
@pytest.mark.parametrize("where", ["noise", "weight", "condition", "scale"])
def test_gradients_are_those_of_differences(where: str, sampler: str) -> None:
    noise, q = torch.from_numpy(NOISE), torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    (got,) = torch.autograd.grad(final(noise, sampler, q, where), q)
    with torch.no_grad():
        ahead, behind = (
            final(noise, sampler, torch.tensor(0.1 + d, dtype=torch.float64), where) for d in (1e-5, -1e-5)
        )
        assert not final(noise, sampler, q, where).requires_grad
    assert got.item() == pytest.approx(((ahead - behind) / 2e-5).item(), rel=1e-6)


@pytest.mark.parametrize("sampler", ["deis-tab3", "unipc3", "deis-rho-rk4"])
def test_recording_costs_no_call_and_changes_no_sample(sampler: str) -> None:
    noise, weight = torch.from_numpy(NOISE), torch.tensor(0.9, dtype=torch.float64, requires_grad=True)
    net = diffusion.Denoiser(lambda x, t: network(x, t, weight))
    recorded = diffusion.trajectory(net, noise, sampler=sampler, steps=6)
    with torch.no_grad():
        plain = diffusion.trajectory(net, noise, sampler=sampler, steps=6)
    assert recorded.calls == plain.calls
    np.testing.assert_allclose(recorded.y.detach(), plain.y, rtol=1e-12)


def test_times_that_ask_for_a_gradient_are_refused() -> None:
    net, q = diffusion.Denoiser(network), torch.tensor([1.0, 0.5, 0.1], requires_grad=True)
    for grid in (q, list(q)):
        with pytest.raises(TypeError, match="expected grid without a gradient, received a tensor that requires one"):
            diffusion.sample(net, torch.from_numpy(NOISE), sampler="ddim", grid=grid)


def test_a_gradient_asked_for_late_is_refused_not_dropped() -> None:
    weight = torch.tensor(0.9, dtype=torch.float64, requires_grad=True)
    net = diffusion.Denoiser(lambda x, t: x * (weight if t[0] < 0.5 else 0.9))
    with pytest.raises(TypeError, match=r"all or none of whose outputs ask for a gradient"):
        diffusion.sample(net, torch.from_numpy(NOISE), sampler="ddim", steps=6)
    noise = torch.from_numpy(NOISE).requires_grad_()
    assert torch.autograd.grad(diffusion.sample(net, noise, sampler="ddim", steps=6).sum(), weight)[0] != 0


@pytest.mark.parametrize("make", [np.array, torch.tensor])
@pytest.mark.parametrize("sampler", ["deis-tab3", "unipc3", "deis-rho-rk4"])
@pytest.mark.parametrize("spoil", ["state", "times"])
def test_networks_that_write_into_their_input_are_noticed(spoil: str, sampler: str, make: Callable[..., Any]) -> None:
    def writing(x: Any, t: Any) -> Any:
        if spoil == "state":
            x *= 0.9
        else:
            t *= 1000
        return 0.5 * x

    with pytest.raises(ValueError, match=r"leave its arguments as they are|read-only"):
        diffusion.sample(diffusion.Denoiser(writing), make(NOISE), sampler=sampler, steps=6)


@pytest.mark.parametrize("make", [np.array, torch.tensor])
def test_guidance_may_have_a_network_that_uses_its_memory_again(make: Callable[..., Any]) -> None:
    memory = make(np.zeros((2, 3)))

    def reused(x: Any, t: Any, weight: float) -> Any:
        memory[:] = network(x, t, weight)
        return memory

    ends = [
        diffusion.sample(
            diffusion.guidance.classifier_free(
                diffusion.Denoiser(function, condition={"weight": 0.9}), 2.0, unconditional={"weight": 0.8}
            ),
            make(NOISE),
            steps=6,
        )
        for function in (network, reused)
    ]
    np.testing.assert_array_equal(*ends)


@pytest.mark.parametrize("make", [np.array, torch.tensor])
@pytest.mark.parametrize("run", [diffusion.sample, diffusion.trajectory])
def test_an_interrupt_keeps_what_was_reached(run: Callable[..., Any], make: Callable[..., Any]) -> None:
    calls = [0]

    def interrupted(x: Any, t: Any) -> Any:
        calls[0] += 1
        if calls[0] > 4:
            raise KeyboardInterrupt
        return 0.9 * x

    with pytest.raises(KeyboardInterrupt) as raised:
        run(diffusion.Denoiser(interrupted), make(NOISE), steps=8)
    solution = raised.value.solution
    assert 0 < solution.t[-1] < 1
    assert tuple(solution.y_end.shape) == (2, 3)


@pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning")
@pytest.mark.parametrize("sampler", ["unipc2", "unipc3", "unipc3-noise", "deis-tab3", "edm-heun"])
def test_a_network_that_raises_leaves_the_state_that_the_run_had_reached(sampler: str) -> None:
    def reached(after: int, again: bool, callback: Callable[..., Any] | None) -> Any:
        calls, memory = [0], torch.zeros(2, 3, dtype=torch.float64)

        def raising(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            calls[0] += 1
            if calls[0] > after:
                raise RuntimeError
            value = 0.9 * x + 0.1 * torch.sin(3 * x) * t[0]
            return memory.copy_(value) if again else value

        with pytest.raises(RuntimeError) as raised:
            diffusion.sample(
                diffusion.Denoiser(raising), torch.from_numpy(NOISE), sampler=sampler, steps=7, callback=callback
            )
        return raised.value

    for after in range(1, 7):
        found, whole = reached(after, False, None).solution, reached(after, False, lambda t, x: None).solution
        assert (found.t[-1], found.stats, found.message) == (whole.t[-1], whole.stats, whole.message)
        np.testing.assert_allclose(found.y_end, whole.y_end, rtol=1e-12, atol=1e-13)
    error = reached(5, True, None)
    same = np.allclose(error.solution.y_end, reached(5, True, lambda t, x: None).solution.y_end, rtol=1e-12)
    assert same or any("the state kept is the predicted one" in note for note in error.__notes__)
