"""Langevin corrections: beside the algorithm as printed, and their laws in closed form."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import diffusion
import expint
from diffusion import LangevinCorrected

MODEL = diffusion.models.gaussian_mixture([0.3, 0.7], [[-1.0, 0.0], [1.0, 0.5]], [0.1 * np.eye(2)] * 2)
NOISE = np.random.default_rng(0).standard_normal((5, 2))


@pytest.mark.parametrize("schedule", [diffusion.VP.linear(), diffusion.VE(), diffusion.FlowMatching()], ids=repr)
@pytest.mark.parametrize("corrections", [1, 3])
def test_a_run_is_the_algorithm_as_printed(schedule, corrections):
    """Annealed Langevin dynamics and ancestral steps of Song et al. 2021, on recorded noise."""
    model = diffusion.models.gaussian_mixture([0.3, 0.7], MODEL.network.means, [0.1 * np.eye(2)] * 2, schedule)
    sampler = replace(diffusion.sampler("ddpm-langevin"), corrections=corrections, ratio=0.2)
    times = np.linspace(schedule.t_start * 0.9, schedule.t_start * 0.05, 6)
    draws = np.random.default_rng(1).standard_normal((5 * (corrections + 1), 5, 2))
    found = diffusion.sample(
        model, NOISE, sampler=sampler, grid=times, start="state", rng=diffusion.noise.Recorded(draws)
    )
    x, drawn = NOISE, iter(draws)
    for s, t in pairwise(times):
        (a, b), (c, d) = ((float(schedule.alpha(at)), float(schedule.sigma(at))) for at in (s, t))
        for _ in range(corrections):
            score = model.predict(x, s, "score")
            step = (0.2 * b) ** 2 * 2
            x = x + step * score + np.sqrt(2 * step) * next(drawn)
        data, kept = model.predict(x, s, "data"), (d / c) ** 2 / (b / a) ** 2
        x = c * data + c / a * kept * (x - a * data) + d * np.sqrt(1 - kept) * next(drawn)
    np.testing.assert_allclose(found, x, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("ratio", [0.05, 0.16, 0.4])
def test_many_corrections_have_the_stationary_variance_in_closed_form(ratio):
    """Off by less than r²/(1 − r²) of that of the process, from wherever they begin."""
    schedule, own = diffusion.VP.linear(), 0.4
    model = diffusion.models.gaussian_mixture([1.0], [[0.7]], [[[own]]], schedule)
    moves = LangevinCorrected("moves", expint.Adams(1), diffusion.gauge.DATA, uniform, ratio=ratio, corrections=3000)
    for t in (0.8, 0.3):
        alpha, sigma = schedule.alpha(t), schedule.sigma(t)
        law = diffusion.moments(model, sampler=replace(moves, tau=0.0), grid=[t, t - 1e-3], start="state")
        variance, step = alpha**2 * own + sigma**2, 2 * (ratio * sigma) ** 2
        assert law.mean[-2, 0] == pytest.approx(alpha * 0.7, rel=1e-4)
        assert law.covariance[-2, 0, 0] == pytest.approx(variance / (1 - step / (2 * variance)), rel=2e-5)
        assert law.covariance[-2, 0, 0] / variance - 1 < ratio**2 / (1 - ratio**2)


def uniform(steps, schedule):
    return diffusion.grids.uniform(steps, "t", schedule=schedule)


def test_corrections_mend_the_law_of_long_steps():
    model = diffusion.models.gaussian_mixture([1.0], [[0.7]], [[[0.4]]])
    sampler = diffusion.sampler("ddpm-langevin")
    errors = [
        abs(diffusion.moments(model, sampler=own, steps=20).covariance[-1, 0, 0] - 0.4)
        for own in ("ddpm", replace(sampler, corrections=4), replace(sampler, corrections=32))
    ]
    assert errors[2] < 0.6 * errors[0]
    assert errors[2] < 0.7 * errors[1] < 0.7 * errors[0]


def test_a_sample_depends_on_its_own_seed_and_each_move_is_a_call():
    run = diffusion.trajectory(MODEL, NOISE, sampler="ddpm-langevin", steps=6, rng=[3, 1, 4, 1, 5])
    alone = diffusion.sample(MODEL, NOISE[2:3], sampler="ddpm-langevin", steps=6, rng=[4])
    np.testing.assert_array_equal(run.y_end[2:3], alone)
    assert run.calls == 12


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"ratio": 0.0}, ValueError, "ratio"),
        ({"ratio": 0.7}, ValueError, "ratio"),
        ({"corrections": 0}, ValueError, "corrections"),
        ({"corrections": 1.5}, TypeError, "corrections"),
        ({"tau": -1.0}, ValueError, "tau"),
        ({"gauge": diffusion.gauge.NOISE}, ValueError, "gauge of the data"),
        ({"method": expint.Adams(2, ramp=True)}, ValueError, "one-step method"),
    ],
)
def test_corrections_that_cannot_be_are_refused(change, error, match):
    with pytest.raises(error, match=match):
        replace(diffusion.sampler("ddpm-langevin"), **change)
