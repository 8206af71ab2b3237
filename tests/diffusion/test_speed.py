"""What a run costs beside the network: few operations, no waiting, and the same numbers as the simple way."""

import numpy as np
import pytest
import torch

import diffusion
from benchmarks.tensor_operations import WAITING, Seen, calls_between, operations_per_step
from diffusion.adapters.networks import in_dtype
from diffusion.models.mixture import gaussian_mixture
from diffusion.planning.conversion import Predicted
from diffusion.process.prediction import PREDICTIONS

from .golden import mixture

VP = diffusion.VP.linear()
NOISE = mixture()[3]
MULTISTEP = [
    "deis-tab2",
    "deis-tab3",
    "deis-rhoab3",
    "ipndm",
    "lms4",
    "dpm3m",
    "dpmpp-3m",
    "unipc3",
    "unipc3-noise",
    "sa3",
]
NAMES = [name for name in diffusion.sampler_names() if name != "auto"]
X = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))


def model(predicts, schedule=VP):
    return gaussian_mixture(*mixture()[:3], schedule, predicts=predicts)


@pytest.mark.parametrize("predicts", ["noise", "data", "velocity"])
@pytest.mark.parametrize("name", MULTISTEP)
@pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning")
def test_a_multistep_step_takes_four_tensor_operations_at_most(name, predicts):
    assert operations_per_step(name, X, predicts) <= 4


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning")
@pytest.mark.parametrize("name", MULTISTEP)
def test_nothing_waits_for_a_device_between_the_first_and_the_last_call(name, dtype):
    between = calls_between(name, X, 50, dtype)
    assert between
    assert not set(between) & WAITING


@pytest.mark.parametrize("wait", [lambda x: x.sum().item(), lambda x: x.to("meta"), lambda x: bool((x > 0).any())])
def test_waiting_would_be_seen(wait):
    with Seen() as seen:
        wait(X)
    assert set(seen.names) & WAITING


@pytest.mark.parametrize("predicts", ["noise", "velocity"])
@pytest.mark.parametrize("name", NAMES)
def test_tensors_and_arrays_give_the_same_samples_whatever_the_network_predicts(name, predicts):
    """Tensors are run by the loop over slopes, arrays by the loop over rows."""
    denoiser = model(predicts)
    expected = diffusion.sample(denoiser, NOISE, sampler=name, steps=7)
    found = diffusion.sample(denoiser, torch.from_numpy(NOISE), sampler=name, steps=7)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("gauge", ["noise", "data", "velocity", "flow", "edm"])
@pytest.mark.parametrize("predicts", PREDICTIONS)
def test_a_conversion_folded_into_the_plan_changes_no_sample(gauge, predicts):
    """Against a network that predicts by itself what the gauge wants, where nothing is folded."""
    method = "adams3" if gauge in ("velocity", "flow", "edm") else "adams2"
    grid = diffusion.grids.uniform(6, "lambda", schedule=VP)
    direct, converted = (
        diffusion.sample(model(kind), NOISE, sampler=f"{method}-{gauge}", grid=grid) for kind in (gauge, predicts)
    )
    np.testing.assert_allclose(converted, direct, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("predicts", PREDICTIONS)
@pytest.mark.parametrize("kind", PREDICTIONS)
def test_what_is_evaluated_is_the_prediction_but_for_its_factor(kind, predicts):
    denoiser, plan = model(predicts), diffusion.sampler("ddim").plan(VP, [1.0, 0.6, 0.2, 0.01, 1e-3])
    for x in (NOISE, torch.from_numpy(NOISE)):
        for keep in (True, not isinstance(x, torch.Tensor)):
            ready = Predicted(denoiser, kind).for_run(plan, x, keep=keep)
            for t, factor in ready.factors.items():
                expected = denoiser.predict(x, t, kind)
                np.testing.assert_allclose(factor * ready.slope(t, x), expected, rtol=1e-11, atol=1e-11)


@pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning")  # a network that is made up
@pytest.mark.parametrize("name", ["deis-tab3", "dpmpp-3m", "unipc3", "deis-rho-rk4"])
def test_a_sample_is_the_same_to_the_last_bit_in_any_batch(name):
    noise = torch.randn(5, 3, 7, generator=torch.Generator().manual_seed(1))  # no multiple of a vector register
    denoiser = diffusion.Denoiser(lambda x, t: t[:, None, None] * x / (1 + x * x), "velocity")
    together = diffusion.sample(denoiser, noise, sampler=name, steps=9)
    for i in range(5):
        assert torch.equal(diffusion.sample(denoiser, noise[i : i + 1], sampler=name, steps=9)[0], together[i])


def test_the_network_sees_every_time_of_the_plan_in_its_own_memory():
    seen = []
    denoiser = diffusion.Denoiser(lambda x, t: seen.append(t) or x)
    run = diffusion.trajectory(denoiser, X, sampler="dpmpp-3m", steps=6)
    assert all(t.shape == (2,) and t.dtype == X.dtype and t.is_contiguous() for t in seen)
    np.testing.assert_allclose([float(t[1]) for t in seen], run.t[:-1], rtol=1e-7)


def test_a_network_that_returns_the_same_memory_each_time_is_sampled_as_any_other():
    """As networks captured in CUDA graphs do."""
    memory, denoiser = torch.empty_like(X), diffusion.Denoiser(lambda x, t: t[:, None, None, None] * x)
    captured = diffusion.Denoiser(lambda x, t: memory.copy_(denoiser(x, t)))
    for name in ("deis-tab3", "unipc3"):
        expected = diffusion.sample(denoiser, X, sampler=name, steps=8)
        assert torch.equal(diffusion.sample(captured, X, sampler=name, steps=8), expected)


def test_previews_are_kept_though_evaluations_are_not():
    denoiser, noise = model("velocity"), torch.from_numpy(NOISE)
    run = diffusion.trajectory(denoiser, noise, sampler="dpmpp-3m", steps=6, dense_output=True)
    for t, x, preview in zip(run.t, run.states, run.sol.previews):
        np.testing.assert_allclose(preview, denoiser.predict(x, float(t), "data"), rtol=1e-10, atol=1e-11)


@pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning")
def test_half_precision_states_are_gathered_in_the_precision_of_one_operation():
    exact = diffusion.sample(diffusion.Denoiser(lambda x, t: 0.5 * x), X.double(), sampler="deis-tab3", steps=8)
    network = in_dtype(lambda x, t: 0.5 * x, torch.float32)
    half = diffusion.sample(diffusion.Denoiser(network), X.half(), sampler="deis-tab3", steps=8)
    torch.testing.assert_close(half.double(), exact, rtol=2e-2, atol=2e-2)
