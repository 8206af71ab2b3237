"""The Fréchet distance: closed forms, symmetry, and what it says about real digits and noise."""

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diffusion.models import frechet_distance
from diffusion.models.frechet import Gaussian, classifier, classifier_features, fit_gaussian, gaussian_distance
from diffusion.models.store import digit_images

seeds = st.integers(0, 10**6)
sizes = st.integers(1, 8)


def random_gaussian(rng, size, rank=None):
    factor = rng.standard_normal((size, size if rank is None else rank))
    return Gaussian(rng.standard_normal(size), factor @ factor.T)


@given(seed=seeds, size=sizes)
@settings(deadline=None)
def test_distance_of_a_gaussian_to_itself_is_zero_even_if_singular(seed, size):
    p = random_gaussian(np.random.default_rng(seed), size, rank=(size + 1) // 2)
    assert gaussian_distance(p, p) <= 1e-12 * max(1.0, np.trace(p.covariance))


@given(seed=seeds, size=sizes)
@settings(deadline=None)
def test_distance_is_symmetric(seed, size):
    rng = np.random.default_rng(seed)
    p, q = random_gaussian(rng, size), random_gaussian(rng, size)
    assert gaussian_distance(p, q) == pytest.approx(gaussian_distance(q, p), rel=1e-10)


@given(seed=seeds, size=sizes)
@settings(deadline=None)
def test_distance_equals_the_textbook_form_with_a_general_matrix_root(seed, size):
    rng = np.random.default_rng(seed)
    p, q = random_gaussian(rng, size), random_gaussian(rng, size)
    root = scipy.linalg.sqrtm(p.covariance @ q.covariance).real
    expected = np.sum((p.mean - q.mean) ** 2) + np.trace(p.covariance + q.covariance - 2 * root)
    assert gaussian_distance(p, q) == pytest.approx(expected, rel=1e-5, abs=1e-5)


@given(st.floats(-5, 5), st.floats(0.01, 5), st.floats(-5, 5), st.floats(0.01, 5))
def test_distance_of_scalar_gaussians_is_that_of_means_and_deviations(m, s, n, r):
    p, q = (Gaussian(np.array([mean]), np.array([[deviation**2]])) for mean, deviation in ((m, s), (n, r)))
    assert gaussian_distance(p, q) == pytest.approx((m - n) ** 2 + (s - r) ** 2, abs=1e-12)


def test_shifting_a_gaussian_moves_it_by_the_squared_shift():
    p = random_gaussian(np.random.default_rng(0), 5)
    assert gaussian_distance(p, Gaussian(p.mean + 0.3, p.covariance)) == pytest.approx(5 * 0.09, rel=1e-10)


def test_fitted_gaussian_has_the_sample_moments():
    features = np.random.default_rng(1).standard_normal((50, 3))
    p = fit_gaussian(features)
    np.testing.assert_allclose(p.mean, features.mean(axis=0))
    centred = features - features.mean(axis=0)
    np.testing.assert_allclose(p.covariance, centred.T @ centred / 49)


def test_real_digits_are_at_distance_zero_from_themselves():
    assert frechet_distance(digit_images().images) < 1e-9


def test_held_out_digits_are_near_and_noise_is_far():
    images, _, held_out = digit_images()
    near = frechet_distance(images[held_out], reference=images[~held_out])
    noise = np.random.default_rng(2).standard_normal((1000, 1, 8, 8))
    assert near == pytest.approx(frechet_distance(images[~held_out], reference=images[held_out]), rel=1e-9)
    assert 30 * near < frechet_distance(noise)


def test_distance_grows_with_the_noise_added_to_the_digits():
    images = digit_images().images
    noise = np.random.default_rng(3).standard_normal(images.shape).astype(np.float32)
    distances = [frechet_distance(images + level * noise) for level in (0.0, 0.1, 0.2, 0.4, 0.8)]
    assert distances == sorted(distances)


def test_numpy_and_torch_images_give_the_same_distance():
    images = digit_images().images[:200].copy()
    assert frechet_distance(images) == frechet_distance(torch.from_numpy(images))


def test_features_of_an_image_do_not_depend_on_its_batch():
    images = digit_images().images[:9]
    together = classifier_features(images, batch=4)
    assert together.shape == (9, 16)
    alone = np.concatenate([classifier_features(image[None]) for image in images])
    np.testing.assert_allclose(alone, together, rtol=1e-4, atol=1e-5)


def test_classifier_recognises_more_than_97_percent_of_the_held_out_digits():
    images, labels, held_out = digit_images()
    guess = classifier()(torch.from_numpy(images[held_out])).argmax(dim=1).numpy()
    assert held_out.sum() == 359
    assert np.mean(guess == labels[held_out]) > 0.97


def test_images_of_another_shape_too_few_or_not_finite_are_refused():
    with pytest.raises(ValueError, match=r"expected images of shape \(n, 1, 8, 8\); received \(20, 8, 8\)"):
        frechet_distance(np.zeros((20, 8, 8)))
    with pytest.raises(ValueError, match="more than 16 samples"):
        frechet_distance(np.zeros((16, 1, 8, 8)))
    with pytest.raises(ValueError, match="received NaN or infinity"):
        frechet_distance(np.full((20, 1, 8, 8), np.nan))
