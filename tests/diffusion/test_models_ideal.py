"""The exact denoiser against brute-force sums, its two limits, and its density against its score."""

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion.models.ideal import IdealNetwork, ideal, ideal_digits
from diffusion.models.store import digit_images
from diffusion.process.schedule import EDM
from diffusion.process.vp import VP

SCHEDULE = VP.linear(0.1, 20.0)
EDM_SCHEDULE = EDM()


def brute_force_posterior_mean(data, x, alpha, sigma):
    """Σ d_i e^{−|x − α d_i|²/2σ²} / Σ e^{…}, one sample, 60 digits."""
    with mpmath.workdps(60):
        exact = [[mpmath.mpf(float(v)) for v in point.ravel()] for point in data]
        sample, a, s = [mpmath.mpf(float(v)) for v in x.ravel()], mpmath.mpf(alpha), mpmath.mpf(sigma)
        weights = [mpmath.exp(-sum((p - a * q) ** 2 for p, q in zip(sample, d)) / (2 * s * s)) for d in exact]
        total = mpmath.fsum(weights)
        mean = [mpmath.fsum(w * d[j] for w, d in zip(weights, exact)) / total for j in range(len(sample))]
    return np.array([float(m) for m in mean]).reshape(x.shape)


@given(seed=st.integers(0, 10**6), count=st.integers(1, 6), t=st.floats(1e-3, 1.0))
@settings(deadline=None, max_examples=30)
def test_posterior_mean_equals_the_brute_force_sum(seed, count, t):
    rng = np.random.default_rng(seed)
    data, x = rng.standard_normal((count, 2, 3)), rng.standard_normal((2, 2, 3))
    got = IdealNetwork(data, SCHEDULE)(x, t)
    for row, sample in zip(got, x):
        expected = brute_force_posterior_mean(data, sample, SCHEDULE.alpha(t), SCHEDULE.sigma(t))
        np.testing.assert_allclose(row, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("sigma", [1e-200, 1e-30, 1e-8, 1e-3])
def test_small_noise_returns_the_nearest_data_point(sigma):
    rng = np.random.default_rng(1)
    data, x = rng.standard_normal((50, 4)), rng.standard_normal((9, 4))
    nearest = data[np.argmin(np.sum((x[:, None] - data) ** 2, axis=-1), axis=1)]
    np.testing.assert_array_equal(IdealNetwork(data, EDM_SCHEDULE)(x, sigma), nearest)


def test_small_noise_in_single_precision_returns_the_nearest_digit():
    images = digit_images().images
    shifted = images[:40] + np.float32(1e-3)
    np.testing.assert_array_equal(IdealNetwork(images.astype(np.float64), EDM_SCHEDULE)(shifted, 1e-12), images[:40])


def test_large_noise_returns_the_mean_of_the_data():
    rng = np.random.default_rng(2)
    data, x = rng.standard_normal((50, 4)), 1e6 * rng.standard_normal((9, 4))
    got = IdealNetwork(data, EDM_SCHEDULE)(x, 1e6 * 1e6)
    np.testing.assert_allclose(got, np.broadcast_to(data.mean(axis=0), (9, 4)), atol=1e-5)


def test_one_data_point_is_returned_at_every_noise_level():
    point = np.array([[0.3, -0.7]])
    x = np.random.default_rng(3).standard_normal((5, 2))
    np.testing.assert_allclose(IdealNetwork(point, SCHEDULE)(x, 0.5), np.broadcast_to(point, (5, 2)), rtol=1e-15)


def test_symmetric_pair_gives_the_hyperbolic_tangent():
    # data ±1 with α = 1: E[x₀|x] = tanh(x/σ²)
    x = np.linspace(-2, 2, 9)[:, None]
    got = IdealNetwork(np.array([[1.0], [-1.0]]), EDM_SCHEDULE)(x, 0.8)
    np.testing.assert_allclose(got, np.tanh(x / 0.64), rtol=1e-13, atol=1e-15)


@given(seed=st.integers(0, 10**6), t=st.floats(0.02, 1.0))
@settings(deadline=None, max_examples=20)
def test_score_is_the_gradient_of_the_log_density(seed, t):
    rng = np.random.default_rng(seed)
    network = IdealNetwork(rng.standard_normal((6, 3)), SCHEDULE)
    x = torch.from_numpy(rng.standard_normal((4, 3))).requires_grad_()
    (gradient,) = torch.autograd.grad(network.log_density(x, t).sum(), x)
    score = (SCHEDULE.alpha(t) * network(x, t) - x) / SCHEDULE.sigma(t) ** 2
    torch.testing.assert_close(gradient, score.detach(), rtol=1e-9, atol=1e-9 / SCHEDULE.sigma(t) ** 2)


def test_log_density_of_one_point_is_the_normal_law():
    x = np.random.default_rng(4).standard_normal((5, 3))
    got = IdealNetwork(np.zeros((1, 3)), EDM_SCHEDULE).log_density(x, 0.7)
    expected = -0.5 * np.sum(x**2, axis=1) / 0.49 - 1.5 * np.log(2 * np.pi * 0.49)
    np.testing.assert_allclose(got, expected, rtol=1e-14)


def test_density_integrates_to_one():
    network = IdealNetwork(np.array([[-1.0], [0.2], [1.0]]), SCHEDULE)
    x = np.linspace(-12, 12, 4001)
    for t in (0.05, 0.3, 1.0):
        assert np.trapezoid(np.exp(network.log_density(x[:, None], t)), x) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numpy_and_torch_agree_and_keep_their_dtype(dtype):
    network = ideal_digits().network
    x = np.random.default_rng(5).standard_normal((6, 1, 8, 8)).astype(dtype)
    t = np.linspace(1e-3, 1.0, 6).astype(dtype)
    from_numpy, from_torch = network(x, t), network(torch.from_numpy(x), torch.from_numpy(t))
    assert from_numpy.dtype == np.dtype(dtype)
    assert from_torch.dtype == getattr(torch, dtype)
    np.testing.assert_allclose(from_torch.numpy(), from_numpy, rtol=1e-6, atol=1e-7)


def test_a_sample_does_not_depend_on_its_batch_and_times_may_differ_within_it():
    network = ideal_digits().network
    x = np.random.default_rng(6).standard_normal((6, 1, 8, 8))
    t = np.linspace(0.01, 1.0, 6)
    together = network(x, t)
    for i in range(6):
        np.testing.assert_allclose(network(x[i : i + 1], t[i]), together[i : i + 1], rtol=1e-10, atol=1e-12)


def test_ideal_digits_recovers_slightly_noised_digits():
    images = digit_images().images
    noise = np.random.default_rng(7).standard_normal(images.shape).astype(np.float32)
    x = SCHEDULE.alpha(0.05) * images + SCHEDULE.sigma(0.05) * noise
    np.testing.assert_allclose(ideal_digits().network(x, 0.05), images, atol=1e-3)


def test_ideal_denoiser_predicts_the_data_under_its_schedule():
    denoiser = ideal_digits()
    assert denoiser.predicts == "data"
    assert denoiser.schedule == SCHEDULE


@pytest.mark.parametrize(
    ("x", "t", "error", "message"),
    [
        (np.zeros((2, 8, 8)), 0.5, ValueError, r"expected x of shape \(B, 1, 8, 8\); received \(2, 8, 8\)"),
        (np.zeros((2, 1, 8, 8), dtype=int), 0.5, TypeError, "real floating type; received int64"),
        (np.zeros((2, 1, 8, 8)), np.array([0.1, 0.2, 0.3]), ValueError, r"of shape \(2,\)"),
        ([[0.0]], 0.5, TypeError, "received list"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(x, t, error, message):
    with pytest.raises(error, match=message):
        ideal_digits().network(x, t)


@pytest.mark.parametrize("data", [np.zeros((0, 3)), np.zeros(3), np.array([[np.nan]])])
def test_data_without_points_or_with_nan_are_refused(data):
    with pytest.raises(ValueError, match="expected data of shape"):
        ideal(data, SCHEDULE)
