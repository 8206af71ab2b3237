"""Adapters of networks: what the network sees, and what comes back."""

import math

import numpy as np
import pytest
import torch

import diffusion
from diffusion.adapters.networks import (
    in_dtype,
    with_index,
    with_log_sigma,
    with_preconditioning,
    with_scaled_time,
    with_sigma,
)

X = np.random.default_rng(0).standard_normal((3, 2, 4))
T = np.array([0.1, 0.5, 1.0])
VP = diffusion.VP.linear()


def seen(adapt, x=X, t=T):
    got = []

    def network(x, t, **condition):
        got.append((x, t, condition))
        return x

    adapt(network)(x, t, label=3)
    assert got[0][2] == {"label": 3}
    return got[0][:2]


def test_time_is_scaled():
    np.testing.assert_array_equal(seen(with_scaled_time)[1], 1000 * T)
    np.testing.assert_array_equal(seen(lambda n: with_scaled_time(n, 10.0))[1], 10 * T)


@pytest.mark.parametrize("make", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
def test_time_becomes_the_index_of_the_table(make):
    np.testing.assert_allclose(seen(lambda n: with_index(n, 1000), make(X), make(T))[1], [99, 499, 999])
    index = seen(lambda n: with_index(n, 10, rounded=True), make(X), make(np.array([0.01, 0.26, 1.0])))[1]
    assert str(index.dtype).endswith("int64")
    np.testing.assert_array_equal(index, [0, 2, 9])


def test_the_index_is_that_of_the_table_of_betas():
    betas = np.linspace(1e-4, 2e-2, 50)
    schedule, tabulated = diffusion.VP.from_betas(betas), np.sqrt(np.cumprod(1 - betas))
    index = seen(lambda n: with_index(n, 50, rounded=True), np.ones((50, 1)), np.arange(1, 51) / 50)[1]
    np.testing.assert_allclose(schedule.alpha(np.arange(1, 51) / 50), tabulated[index], rtol=1e-12)


def test_log_sigma_and_sigma_are_those_of_the_scaled_process():
    np.testing.assert_allclose(seen(lambda n: with_log_sigma(n, VP))[1], np.log(VP.rho(T)) / 4, rtol=1e-12)
    x, sigma = seen(lambda n: with_sigma(n, VP))
    np.testing.assert_allclose(sigma, VP.rho(T), rtol=1e-13)
    np.testing.assert_allclose(x, X / VP.alpha(T)[:, None, None], rtol=1e-13)


def test_an_edm_denoiser_serves_a_variance_preserving_schedule():
    edm = diffusion.EDM()
    network = diffusion.models.gaussian_mixture(
        [1.0], np.zeros((1, 4)), np.eye(4)[None] / 4, edm, predicts="data"
    ).network
    mine = diffusion.Denoiser(with_sigma(network, VP), "data", VP)
    same = diffusion.models.gaussian_mixture([1.0], np.zeros((1, 4)), np.eye(4)[None] / 4, VP, predicts="data")
    x = np.random.default_rng(1).standard_normal((3, 4))
    np.testing.assert_allclose(mine(x, 0.6), same(x, 0.6), rtol=1e-12)


@pytest.mark.parametrize("sigma_data", [0.5, 1.5])
@pytest.mark.parametrize("make", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
def test_the_raw_network_of_edm_serves_any_schedule(make, sigma_data):
    """Its denoiser by the formula of Karras et al., D = c_skip x + c_out F(c_in x, c_noise), solved for F."""
    edm = diffusion.EDM(sigma_data=sigma_data)
    denoise = diffusion.models.gaussian_mixture(
        [0.4, 0.6], np.eye(4)[:2], np.eye(4)[None] / 4 + np.zeros((2, 1, 1)), edm
    )

    def raw(scaled, noise_level):
        sigma = (math.e ** (4 * noise_level))[:, None]
        norm = (sigma**2 + sigma_data**2) ** 0.5
        x = norm * scaled
        return (denoise(x, sigma[:, 0]) - sigma_data**2 / norm**2 * x) / (sigma * sigma_data / norm)

    for schedule in (edm, diffusion.FlowMatching()) if sigma_data == 0.5 else (edm,):
        mine = diffusion.Denoiser(with_preconditioning(raw, schedule), "edm", schedule)
        x, t = make(np.random.default_rng(1).standard_normal((3, 4))), 0.6
        expected = denoise(x / schedule.alpha(t), schedule.rho(t))
        np.testing.assert_allclose(mine.predict(x, t, "data"), expected, rtol=1e-10)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("state", [torch.float32, torch.float64])
def test_a_network_of_another_precision_serves_the_state(dtype, state):
    x, t = seen(lambda n: in_dtype(n, dtype), torch.from_numpy(X).to(state), torch.from_numpy(T).to(state))
    assert (x.dtype, t.dtype) == (dtype, torch.float32)  # no time is told in less
    x, t = seen(
        lambda n: in_dtype(n, dtype, cast_time=True), torch.from_numpy(X).to(state), torch.from_numpy(T).to(state)
    )
    assert (x.dtype, t.dtype) == (dtype, dtype)
    layer = torch.nn.Linear(4, 4).to(dtype)
    denoiser = diffusion.Denoiser(in_dtype(lambda x, t: layer(x), dtype), "data", VP)
    assert diffusion.sample(denoiser, torch.from_numpy(X).to(state), sampler="ddim", steps=3).dtype == state


def test_times_rounded_together_are_refused():
    np.testing.assert_array_equal(diffusion.grids.rounded([0.91, 0.52, 0.13], 10), [0.9, 0.5, 0.1])
    with pytest.raises(ValueError, match=r"received 0.52 and 0.48 at index 1, both rounded to 0.5; take fewer"):
        diffusion.grids.rounded([0.91, 0.52, 0.48], 10)


def test_adapters_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="expected factor > 0"):
        with_scaled_time(abs, 0.0)
    with pytest.raises(ValueError, match="expected count to be an integer ≥ 1"):
        with_index(abs, 0)


@pytest.mark.parametrize(
    "adapt",
    [
        lambda net: with_index(in_dtype(net, torch.bfloat16), rounded=True),
        lambda net: with_index(in_dtype(net, torch.bfloat16, cast_time=False)),
    ],
    ids=["rounded", "own precision"],
)
def test_an_index_keeps_its_value_in_low_precision(adapt):
    x, t = seen(adapt, torch.ones(3, 2), torch.tensor([0.401, 0.802, 1.0], dtype=torch.float64))
    assert x.dtype == torch.bfloat16
    np.testing.assert_allclose(t, [400, 801, 999], rtol=1e-14)  # 999 is 1000 in bfloat16
