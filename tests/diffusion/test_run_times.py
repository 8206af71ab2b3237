"""The times of a run are times of its schedule, that of σ = 0 too: α, σ, λ, callbacks, and going on from any."""

import math

import numpy as np
import pytest
import torch

import diffusion
from diffusion.models.mixture import gaussian_mixture

BETAS = np.linspace(1e-4, 2e-2, 1000)
SCHEDULES = {
    "vp": diffusion.VP.linear(),
    "cosine": diffusion.VP.cosine(),
    "sub-vp": diffusion.SubVP(),
    "ve": diffusion.VE(),
    "ve-late": diffusion.VE(t_end=0.1),
    "edm": diffusion.EDM(),
    "flow": diffusion.FlowMatching(shift=3.0),
    "flow to 0": diffusion.FlowMatching(t_end=0.0),
    "flow from 1": diffusion.FlowMatching(t_start=1.0),
    "flow from 1 to 0": diffusion.FlowMatching(t_start=1.0, t_end=0.0),
    **{f"table in {name}": diffusion.VP.from_betas(BETAS, name) for name in ("log-alpha", "log-rho", "rho", "angle")},
    "zero-terminal": diffusion.VP.zero_terminal_snr(BETAS),
}
ONE_STEP = ["ddim", "dpm2", "dpmpp-3s", "edm-heun", "deis-rho-rk4", "krogstad4-data"]
MULTISTEP = ["deis-tab3", "ipndm", "dpm3m", "dpmpp-2m", "unipc3", "lms4", "adams3-velocity", "adams3-flow-data", "auto"]
FROM_NOISE = ["ddim", "dpmpp-2m", "unipc3", "adams3-velocity", "adams3-flow", "krogstad4-data"]  # where α = 0 at first
NOISE = np.random.default_rng(0).standard_normal((3, 2))


def model(schedule):
    """Return the denoiser of one Gaussian: of several modes a restart may choose another."""
    return gaussian_mixture([1.0], [[0.5, -0.5]], [np.diag([0.04, 0.3])], schedule, predicts="velocity")


def grid_of(schedule, steps, to_zero):
    """Return times uniform in λ between ends of the schedule, and the time of σ = 0 after them if asked for."""
    ends = np.clip(schedule.half_log_snr(np.array([schedule.t_start, schedule.t_end])), -6.0, 6.0)
    inner = schedule.time(np.linspace(*ends, steps + 1))[1:-1]
    times = [schedule.t_start, *inner.tolist(), schedule.t_end]
    return [*times, schedule.t_clean] if to_zero and schedule.t_clean < schedule.t_end else times


def starts_by(schedule):
    return FROM_NOISE if schedule.alpha(schedule.t_start) == 0.0 else ONE_STEP + MULTISTEP


CASES = [(key, name) for key, schedule in SCHEDULES.items() for name in starts_by(schedule)]


@pytest.mark.parametrize("key", SCHEDULES)
def test_every_schedule_knows_the_time_at_which_there_is_no_noise(key):
    schedule = SCHEDULES[key]
    t = schedule.t_clean
    assert t <= schedule.t_end
    for at in (t, np.array([t]), torch.tensor([t], dtype=torch.float64)):
        found = [
            np.asarray(quantity(at)).item()
            for quantity in (schedule.alpha, schedule.sigma, schedule.half_log_snr, schedule.rho)
        ]
        assert found == [1.0, 0.0, math.inf, 0.0]
        assert not np.isnan(np.asarray(schedule.half_log_snr_rate(at)))
    assert schedule.time(math.inf) == t


@pytest.mark.parametrize("interpolation", ["log-alpha", "log-rho", "rho", "angle"])
def test_below_its_first_entry_a_table_goes_to_no_noise_at_0_with_constant_beta(interpolation):
    schedule = diffusion.VP.from_betas(BETAS, interpolation)
    t = np.array([0.0, 1e-9, 2.5e-4, 1e-3 * (1 - 1e-12), 1e-3])
    integral = -np.log1p(-BETAS[0]) * t / 1e-3
    np.testing.assert_allclose(schedule.sigma(t), np.sqrt(-np.expm1(-integral)), rtol=1e-9)
    np.testing.assert_allclose(schedule.time(schedule.half_log_snr(t)), t, rtol=1e-12)
    middle, step = 5e-4, 1e-9
    slope = (schedule.half_log_snr(middle + step) - schedule.half_log_snr(middle - step)) / (2 * step)
    assert schedule.half_log_snr_rate(middle) == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("to_zero", [False, True])
@pytest.mark.parametrize(("key", "name"), CASES)
def test_the_times_of_a_run_are_times_of_its_schedule(key, name, to_zero):
    schedule, seen = SCHEDULES[key], []

    def callback(t, x):  # what inpainting does: known data, as noisy as the state
        alpha, sigma = schedule.alpha(t), schedule.sigma(t)
        x[:, :1] = alpha * 0.3 + sigma * NOISE[:, :1]
        seen.append((alpha, sigma, schedule.half_log_snr(t)))

    grid = grid_of(schedule, 8, to_zero)
    run = diffusion.trajectory(model(schedule), NOISE, sampler=name, grid=grid, callback=callback)
    assert len(seen) == len(run.t) == len(grid)
    assert not np.isnan(seen).any()
    np.testing.assert_allclose(run.t, grid, rtol=1e-15)
    assert np.isfinite(run.y).all()
    if schedule.sigma(run.t[-1]) == 0.0:
        np.testing.assert_array_equal(run.y[-1, :, 0], 0.3)


@pytest.mark.parametrize("to_zero", [False, True])
@pytest.mark.parametrize(("key", "name"), CASES)
def test_a_run_goes_on_from_each_of_its_states(key, name, to_zero):
    """One-step samplers to rounding; the others begin anew, off by their error."""
    schedule = SCHEDULES[key]
    run = diffusion.trajectory(model(schedule), NOISE, sampler=name, grid=grid_of(schedule, 12, to_zero))
    for k in (0, 5, len(run.t) - 2):
        more = diffusion.sample(model(schedule), run.states[k], sampler=name, grid=run.t[k:], start="state")
        if name in ONE_STEP or k == 0:
            np.testing.assert_allclose(more, run.y[-1], rtol=1e-9, atol=1e-10)
        else:
            assert np.abs(more - run.y[-1]).max() < 0.3


@pytest.mark.parametrize("key", SCHEDULES)
def test_a_grid_that_ends_in_0_leads_to_no_noise_where_the_schedule_ends_before(key):
    schedule = SCHEDULES[key]
    if schedule.t_end == 0.0:
        return
    grid = grid_of(schedule, 8, False)
    run = diffusion.trajectory(model(schedule), NOISE, sampler="dpmpp-2m", grid=[*grid, 0.0])
    assert run.t[-1] == schedule.t_clean
    data = model(schedule).predict(run.y[-2], float(run.t[-2]), "data")
    np.testing.assert_allclose(run.y[-1], data, rtol=1e-10)
    one = diffusion.sample(model(schedule), run.y[-2], sampler="deis-tab3", grid=[grid[-1], 0.0], start="state")
    np.testing.assert_allclose(one, data, rtol=1e-10)


def test_the_statistics_of_a_network_serve_a_run_that_goes_on():
    schedule, sampler = SCHEDULES["vp"], diffusion.dpm_solver_v3(diffusion.Statistics.of_prediction("data"), 1)
    run = diffusion.trajectory(model(schedule), NOISE, sampler=sampler, grid=grid_of(schedule, 6, True))
    assert run.t[-1] == 0.0
    for k in range(1, len(run.t) - 1):
        more = diffusion.sample(model(schedule), run.states[k], sampler=sampler, grid=run.t[k:], start="state")
        assert np.abs(more - run.y[-1]).max() < 0.3


def test_fewer_steps_than_the_sampler_has_last_methods_are_refused():
    sampler = diffusion.singlestep([3, 2, 1])
    with pytest.raises(ValueError, match=r"expected at least 3 steps for singlestep3-data, .* received 2; take more"):
        diffusion.sample(model(SCHEDULES["vp"]), NOISE, sampler=sampler, steps=2)
