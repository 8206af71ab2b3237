"""Latents of samplers that are unstable backwards are warned of, and those of others are not."""

import warnings

import numpy as np
import pytest

import diffusion
from diffusion.models.mixture import gaussian_mixture

from .golden import mixture

SCHEDULES = {
    "vp": diffusion.VP.linear(),
    "edm": diffusion.EDM(),
    "flow": diffusion.FlowMatching(),
    "table": diffusion.VP.from_betas(np.linspace(1e-4, 2e-2, 1000)),
}
RNG = np.random.default_rng(0)
DATA = RNG.standard_normal((40, 3)) * [0.3, 0.7, 0.05] + np.where(RNG.random((40, 1)) < 0.5, [1, 0, 0], [0, -1, 0])


def model(schedule):
    return gaussian_mixture([0.5, 0.5], [[1, 0, 0], [0, -1, 0]], [np.diag([0.09, 0.49, 0.0025])] * 2, schedule)


@pytest.mark.parametrize("steps", [10, 40])
@pytest.mark.parametrize(
    "name", ["ddim", "dpmpp-2m", "dpm2m", "unipc3", "lms4", "deis-rhoab3", "adams4-rho", "deis-rhoab1"]
)
@pytest.mark.parametrize("key", SCHEDULES)
def test_latents_far_too_large_are_warned_of_and_no_others(key, name, steps):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        latents = diffusion.encode(model(SCHEDULES[key]), DATA, sampler=name, steps=steps)
    size = np.sqrt(np.mean(latents**2))
    warned = [w for w in seen if w.category is diffusion.UnstableWarning]
    if size > 6.0:
        assert len(warned) == 1
        assert "stable backwards, such as 'ddim'" in str(warned[0].message)
        assert warned[0].filename == __file__
    if size < 1.3:
        assert not warned
    if name in ("ddim", "dpmpp-2m", "dpm2m", "unipc3"):
        assert size < 1.4
        assert not warned


def test_the_factor_said_is_about_that_of_the_latents():
    with pytest.warns(diffusion.UnstableWarning, match=r"'lms4', whose 9 steps .* up to \d\.\de\+02 times too large"):
        latents = diffusion.encode(model(SCHEDULES["table"]), DATA, sampler="lms4", steps=10)
    assert 100.0 < np.sqrt(np.mean(latents**2)) < 1000.0


def test_published_weights_that_are_no_mean_backwards_are_refused():
    network, data = gaussian_mixture(*mixture()[:3], diffusion.VP.linear()), mixture()[3]
    with pytest.raises(ValueError, match=r"ipndm-v whose lengths change gradually, received .* take 'deis-rhoab3'"):
        diffusion.encode(network, data, sampler="ipndm-v", steps=10)
