"""The exact denoiser of Gaussian mixtures against high precision, its own density, and the recorded model."""

import mpmath as mp
import numpy as np
import pytest
import torch

from diffusion.models.mixture import gaussian_mixture
from diffusion.process.prediction import PREDICTIONS
from diffusion.process.schedule import EDM, FlowMatching
from diffusion.process.vp import VP

from .golden import mixture

WEIGHTS, MEANS, COVARIANCES, NOISE = mixture()
SCHEDULES = [VP.linear(), EDM(), FlowMatching()]


def exact_mean(x, alpha, sigma):
    """E[x₀|x] of the model, in fifty digits, by matrix inversion."""
    with mp.workdps(50):
        x, alpha, sigma = mp.matrix(x.tolist()), mp.mpf(alpha), mp.mpf(sigma)
        total, mean = mp.mpf(0), mp.zeros(len(x), 1)
        for w, mu, cov in zip(WEIGHTS, MEANS, COVARIANCES):
            mu, cov = mp.matrix(mu.tolist()), mp.matrix(cov.tolist())
            covariance = alpha**2 * cov + sigma**2 * mp.eye(len(x))
            solved = mp.lu_solve(covariance, x - alpha * mu)
            density = w * mp.exp(-((x - alpha * mu).T * solved)[0] / 2) / mp.sqrt(mp.det(covariance))
            total += density
            mean += density * (mu + alpha * cov * solved)
        return np.array([float(value) for value in mean / total])


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("t", [0.002, 0.1, 0.5, 0.99])
def test_the_posterior_mean_matches_fifty_digits(schedule, t):
    model = gaussian_mixture(WEIGHTS, MEANS, COVARIANCES, schedule)
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    x = alpha * MEANS[[0, 1, 2]] + 0.7 * sigma * NOISE.reshape(3, 4)
    expected = [exact_mean(sample, alpha, sigma) for sample in x]
    np.testing.assert_allclose(model(x, t), expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("t", [0.002, 0.3, 0.9])
def test_the_score_is_the_gradient_of_the_log_density(t):
    model = gaussian_mixture(WEIGHTS, MEANS, COVARIANCES, predicts="score")
    x = torch.tensor(NOISE, requires_grad=True)
    (gradient,) = torch.autograd.grad(model.network.log_density(x, t).sum(), x)
    np.testing.assert_allclose(model(x.detach(), t).numpy(), gradient.numpy(), rtol=1e-10, atol=1e-12)


def test_the_density_integrates_to_one():
    model = gaussian_mixture([0.3, 0.7], [[-1.0], [2.0]], [[[0.1]], [[0.5]]])
    x = np.linspace(-12, 12, 4001)[:, None]
    assert np.trapezoid(np.exp(model.network.log_density(x, 0.2)), x[:, 0]) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("kind", PREDICTIONS)
def test_every_kind_of_output_tells_the_same(kind, schedule):
    data = gaussian_mixture(WEIGHTS, MEANS, COVARIANCES, schedule)
    other = gaussian_mixture(WEIGHTS, MEANS, COVARIANCES, schedule, predicts=kind)
    np.testing.assert_allclose(other.predict(NOISE, 0.4, "data"), data(NOISE, 0.4), rtol=1e-10, atol=1e-12)


def test_noise_is_accurate_where_sigma_is_tiny():
    model = gaussian_mixture([1.0], [[0.5]], [[[4.0]]], VP.linear(t_end=1e-9), predicts="noise")
    schedule, x = model.schedule, np.array([[1.7]])
    alpha, sigma = schedule.alpha(1e-8), schedule.sigma(1e-8)
    np.testing.assert_allclose(model(x, 1e-8), sigma * (x - 0.5 * alpha) / (4 * alpha**2 + sigma**2), rtol=1e-14)


@pytest.mark.parametrize("t", [0.3, np.array([0.1, 0.5, 0.9])], ids=["one", "each"])
def test_tensors_and_arrays_single_and_double_agree(t):
    model = gaussian_mixture(WEIGHTS, MEANS, COVARIANCES)
    expected = model(NOISE, t)
    time = t if isinstance(t, float) else torch.tensor(t)
    np.testing.assert_allclose(model(torch.tensor(NOISE), time).numpy(), expected, rtol=1e-12)
    single = model(torch.tensor(NOISE, dtype=torch.float32), time)
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single.numpy(), expected, rtol=1e-4, atol=1e-4)


def test_each_sample_is_denoised_by_itself():
    model = gaussian_mixture(WEIGHTS, MEANS, COVARIANCES)
    times = np.array([0.1, 0.5, 0.9])
    for i in range(3):
        np.testing.assert_allclose(model(NOISE, times)[i : i + 1], model(NOISE[i : i + 1], times[i]), rtol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0], [[0.0, 0.0]], [[[1.0]]]), "weights .K,., means"),
        (([-1.0], [[0.0]], [[[1.0]]]), "positive finite weights"),
        (([1.0], [[0.0]], [[[-1.0]]]), "positive semidefinite"),
        (([1.0], [[0.0, 0.0]], [[[1.0, 0.5], [0.0, 1.0]]]), "symmetric"),
    ],
)
def test_impossible_mixtures_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        gaussian_mixture(*arguments)


def test_states_of_another_size_are_refused():
    with pytest.raises(ValueError, match="4 elements in each sample"):
        gaussian_mixture(WEIGHTS, MEANS, COVARIANCES)(np.ones((2, 3)), 0.5)
