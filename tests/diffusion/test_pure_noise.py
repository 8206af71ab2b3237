"""Runs from pure noise, where α = 0: what survives, and what is refused."""

import numpy as np
import pytest

import diffusion
from diffusion.models.mixture import gaussian_mixture

from .golden import mixture

BETAS = np.linspace(1e-4, 2e-2, 1000)
VP = diffusion.VP.zero_terminal_snr(BETAS)
SCHEDULES = {"zero-terminal": VP, "flow": diffusion.FlowMatching(t_start=1.0)}
NOISE = mixture()[3]
SURVIVE = ("ddim", "euler", "dpm1", "dpmpp-2m", "dpmpp-3s", "unipc3", "adams3-velocity", "adams3-flow", "auto")


def model(schedule, predicts="velocity"):
    return gaussian_mixture(*mixture()[:3], schedule, predicts=predicts)


def grid_of(schedule, steps):
    return diffusion.grids.uniform(steps, "angle", schedule=schedule)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("name", SURVIVE)
def test_samplers_that_use_data_or_velocity_start_from_pure_noise(name, schedule):
    expected = diffusion.sample(model(schedule), NOISE, sampler="lawson-rk4-flow", grid=grid_of(schedule, 400))
    for predicts in ("velocity", "data"):
        coarse, fine = (
            diffusion.sample(model(schedule, predicts), NOISE, sampler=name, grid=grid_of(schedule, n))
            for n in (40, 160)
        )
        assert np.median(np.abs(fine - expected)) < max(np.median(np.abs(coarse - expected)) / 2.5, 2e-5)
        assert np.median(np.abs(fine - expected)) < 0.02


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_the_first_step_from_pure_noise_is_that_of_ddim(schedule):
    """x₀ and ε are kept, and here ε is x."""
    t = grid_of(schedule, 6)
    expected = schedule.sigma(t[1]) * NOISE + schedule.alpha(t[1]) * model(schedule, "data")(NOISE, t[0])
    for name in ("ddim", "dpmpp-2m", "unipc2", "adams1-flow"):
        run = diffusion.trajectory(model(schedule), NOISE, sampler=name, grid=t)
        np.testing.assert_allclose(run.states[1], expected, rtol=1e-12, atol=1e-13)
        assert run.calls == 6


def test_the_limit_is_that_of_tables_that_end_a_little_before_pure_noise():
    times = np.linspace(1.0, 1e-3, 9)
    found = diffusion.sample(model(VP), NOISE, sampler="ddim", grid=times)
    near = np.concatenate([[1.0 - 1e-9], times[1:]])
    np.testing.assert_allclose(found, diffusion.sample(model(VP), NOISE, sampler="ddim", grid=near), atol=1e-6)


@pytest.mark.parametrize("name", ["ddim", "dpmpp-2m", "unipc3", "adams3-velocity"])
def test_encoding_ends_in_pure_noise(name):
    grid = grid_of(VP, 640 if name == "ddim" else 160)
    data = diffusion.sample(model(VP), NOISE, sampler=name, grid=grid)
    back = diffusion.encode(model(VP), data, sampler=name, grid=grid)
    assert np.median(np.abs(back - NOISE)) < 0.02


@pytest.mark.parametrize("name", ["ddim", "unipc3", "adams3-velocity"])
def test_a_noise_prediction_tells_nothing_of_pure_noise(name):
    calls = []
    network = diffusion.Denoiser(lambda x, t: calls.append(t) or x, "noise", VP)
    with pytest.raises(ValueError, match=r"x and a 'noise' prediction determine '\w+'; received α = 0"):
        diffusion.sample(network, NOISE, sampler=name, grid=grid_of(VP, 6))
    assert not calls


def test_samplers_that_remember_noise_predictions_do_not_start_from_pure_noise():
    for name in ("deis-tab3", "dpm2m", "edm-heun"):
        with pytest.raises(ValueError, match=r"clock .* is finite, received t = 1 with α = 0.*uses the data"):
            diffusion.sample(model(VP), NOISE, sampler=name, grid=grid_of(VP, 6))


@pytest.mark.parametrize(("schedule", "end"), [(VP, 0.5), (diffusion.FlowMatching(t_start=1.0), 0.5)])
@pytest.mark.parametrize("name", ["ddim", "dpmpp-2m", "unipc3"])
def test_one_step_from_pure_noise_keeps_the_data_that_the_network_sees_in_it_and_the_noise(name, schedule, end):
    data = model(schedule).predict(NOISE, 1.0, "data")
    found = diffusion.sample(model(schedule), NOISE, sampler=name, grid=[1.0, end])
    np.testing.assert_allclose(found, schedule.alpha(end) * data + schedule.sigma(end) * NOISE, rtol=1e-12)
    np.testing.assert_allclose(diffusion.sample(model(schedule), NOISE, sampler=name, grid=[1.0, 0.0]), data)


@pytest.mark.parametrize("name", ["dpmpp-2m", "unipc3", "adams3-velocity"])
def test_a_run_from_pure_noise_is_continued_between_its_steps(name):
    run = diffusion.trajectory(model(VP), NOISE, sampler=name, grid=grid_of(VP, 12), dense_output=True)
    np.testing.assert_allclose(run.sol(run.t[1:]), run.states[1:], rtol=0, atol=1e-12)
    between = run.sol((run.t[4] + run.t[5]) / 2)
    assert np.all(np.abs(between - run.states[4]) <= np.abs(run.states[5] - run.states[4]).max())
