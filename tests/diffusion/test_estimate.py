"""The estimated statistics of networks for which they are known."""

import sys

import numpy as np
import pytest
import torch

import diffusion
from diffusion.models.mixture import gaussian_mixture

SCHEDULES = {
    "edm": diffusion.EDM(0.05, 5.0),
    "vp": diffusion.VP.linear(t_end=1e-2),
    "table": diffusion.VP.from_betas(np.linspace(1e-3, 2e-1, 50)),
}
MEAN, VARIANCE = np.array([0.4, -0.2]), np.array([0.3, 1.2])


def noise(count, size=2, seed=0):
    return torch.randn(count, size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("predicts", ["noise", "data", "velocity"])
def test_the_statistics_of_a_gaussian_are_known(schedule, predicts):
    """ρ ε = (z − μ) ρ²/(v + ρ²), so that l is the fraction, N = −l μ is one number, and N′ = −l′ μ is all offset."""
    network = gaussian_mixture([1.0], MEAN[None], np.diag(VARIANCE)[None], schedule, predicts=predicts)
    found = diffusion.estimate_statistics(network, noise(4), steps=30)
    square = np.exp(-2 * found.half_log_snr)[:, None]
    l = square / (VARIANCE + square)
    np.testing.assert_allclose(found.linear, l, rtol=1e-9)
    inner = slice(3, -3)  # l′ is that of a spline
    dl = -2 * square * VARIANCE / (VARIANCE + square) ** 2
    np.testing.assert_allclose(found.slope, 0, atol=1e-12)
    np.testing.assert_allclose(found.offset[inner], (-MEAN * dl)[inner], atol=2e-3)


def test_off_diagonal_derivatives_average_out():
    covariance = np.array([[1.0, 0.6], [0.6, 0.5]])
    schedule = SCHEDULES["edm"]
    network = gaussian_mixture([1.0], MEAN[None], covariance[None], schedule)
    found = diffusion.estimate_statistics(
        network, noise(200), steps=4, probes=4, generator=torch.Generator().manual_seed(1)
    )
    for lam, l in zip(found.half_log_snr, found.linear):
        square = np.exp(-2 * lam)
        exact = np.diag(square * np.linalg.inv(covariance + square * np.eye(2)))
        np.testing.assert_allclose(l, exact, atol=0.06)


def mixture_of_two():
    means = np.array([[1.0, -0.5], [-1.0, 0.8]])
    return gaussian_mixture([0.4, 0.6], means, 0.1 * np.eye(2)[None] * np.ones((2, 1, 1)), SCHEDULES["edm"])


def test_slope_and_offset_are_those_of_the_regression_of_differences_along_the_flow():
    """N′ is known a second time: from N at neighbouring times of one run."""
    network, x = mixture_of_two(), noise(40)
    steps = 200
    found = diffusion.estimate_statistics(network, x, steps=steps, sampler="unipc3")
    run = diffusion.trajectory(network, x, sampler="unipc3", steps=steps)
    kind = diffusion.samplers.dpm_solver_v3.tabulated.TabulatedGauge(found).predicts
    n = np.array(
        [
            diffusion.convert(network(state, t), state, 1.0, t, "data", kind)
            for t, state in zip(run.t.tolist(), run.states.numpy())
        ]
    )
    dn = np.gradient(n, found.half_log_snr, axis=0)
    inner = slice(20, -20, 20)
    covariance = np.mean((n - n.mean(1, keepdims=True)) * (dn - dn.mean(1, keepdims=True)), axis=1)
    s = covariance / n.var(axis=1)
    np.testing.assert_allclose(found.slope[inner], s[inner], atol=5e-3)
    np.testing.assert_allclose(found.offset[inner], (dn.mean(1) - s * n.mean(1))[inner], atol=5e-3)


def test_batches_change_nothing():
    network = gaussian_mixture([1.0], MEAN[None], np.diag(VARIANCE)[None], SCHEDULES["edm"])
    together, apart = (diffusion.estimate_statistics(network, noise(6), steps=4, batch=batch) for batch in (6, 4))
    np.testing.assert_allclose(apart.linear, together.linear, rtol=1e-12)
    np.testing.assert_allclose(apart.offset, together.offset, rtol=1e-9, atol=1e-12)


def test_a_sampler_with_the_statistics_of_a_network_is_better_at_few_calls():
    network = gaussian_mixture([1.0], MEAN[None], np.diag(VARIANCE)[None], SCHEDULES["edm"])
    statistics = diffusion.estimate_statistics(network, noise(4), steps=60)
    exact = diffusion.sample(network, noise(20), sampler="deis-rho-rk4", steps=100)

    def error(sampler):
        return float((diffusion.sample(network, noise(20), sampler=sampler, steps=5) - exact).abs().max())

    assert error(diffusion.dpm_solver_v3(statistics, 2)) < error("dpmpp-2m") / 100


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"noise": np.zeros((2, 2))}, TypeError, "noise to be a torch tensor, received an array"),
        ({"noise": noise(1)}, ValueError, "at least two samples, received 1"),
        ({"probes": 0}, ValueError, "probes to be an integer ≥ 1, received 0"),
        ({"batch": 1.5}, TypeError, r"batch to be an integer, received 1\.5"),
        ({"steps": None}, ValueError, "either steps= .* received neither"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments, error, message):
    given = {"noise": noise(2), "steps": 3, **arguments}
    with pytest.raises(error, match=message):
        diffusion.estimate_statistics(mixture_of_two(), given.pop("noise"), **given)


def test_a_run_that_fails_is_an_error():
    broken = diffusion.Denoiser(lambda x, t: x / (t[:, None] > 0.5), schedule=SCHEDULES["vp"])
    with pytest.raises(diffusion.SamplingError, match="inf or nan"):
        diffusion.estimate_statistics(broken, noise(2), steps=4)


def test_a_missing_torch_is_named_with_the_line_that_installs_it(monkeypatch):
    network, start = diffusion.Denoiser(lambda x, t: x, "noise"), noise(4)
    monkeypatch.setitem(sys.modules, "torch", None)  # as if it were not installed
    with pytest.raises(ImportError, match=r"this needs torch, .* pip install") as failed:
        diffusion.estimate_statistics(network, start, steps=3)
    assert "digits" not in str(failed.value)
