"""Dense output of a run: continuous, of the order of the sampler, without further calls."""

import numpy as np
import pytest
import torch

import diffusion
from diffusion.models.mixture import gaussian_mixture

from .golden import mixture

SCHEDULE = diffusion.VP.linear(t_end=1e-2)
NET = gaussian_mixture(*mixture()[:3], SCHEDULE, predicts="noise")
NOISE = mixture()[3]


def dense(name, steps, noise=NOISE, **arguments):
    grid = diffusion.grids.uniform(steps, "lambda", schedule=SCHEDULE)
    return diffusion.trajectory(NET, noise, sampler=name, grid=grid, dense_output=True, **arguments)


@pytest.mark.parametrize("name", ["ddim", "deis-tab2", "dpmpp-2m", "unipc3", "deis-rho-rk4", "adams2-velocity"])
def test_the_dense_output_goes_through_the_states_of_the_run(name):
    run = dense(name, 8)
    np.testing.assert_allclose(run.sol(run.t), run.states, rtol=1e-12, atol=1e-13)
    for t in run.t[1:-1]:
        around = run.sol([t * (1 - 1e-9), t * (1 + 1e-9)])
        np.testing.assert_allclose(around[0], around[1], rtol=0, atol=1e-6)


def test_it_costs_no_further_calls():
    calls = []
    counted = diffusion.Denoiser(lambda x, t: calls.append(t) or NET(x, t), schedule=SCHEDULE)
    run = diffusion.trajectory(counted, NOISE, sampler="deis-tab2", steps=8, dense_output=True)
    run.sol(np.linspace(0.02, 0.9, 7))
    assert len(calls) == run.calls == 8


@pytest.mark.parametrize(("name", "order"), [("ddim", 1), ("dpmpp-2m", 2), ("unipc3-noise", 3), ("deis-rho-rk4", 4)])
def test_between_the_steps_the_error_is_of_the_order_of_the_sampler(name, order):
    between = SCHEDULE.time(np.linspace(-1.0, 1.0, 9))
    reference = dense("deis-rho-rk4", 640).sol(between)
    errors = [np.median(np.abs(dense(name, n).sol(between) - reference)) for n in (40, 80)]
    assert np.log2(errors[0] / errors[1]) > order - 0.4


@pytest.mark.parametrize("name", [*(n for n in diffusion.sampler_names() if n != "auto"), "adams2-flow", "pece3-data"])
def test_the_slope_at_each_time_of_the_run_is_a_node_also_where_the_state_is_corrected_afterwards(name):
    run = dense(name, 7)
    np.testing.assert_array_equal(run.sol.t[:7], run.t[:-1])
    assert len(run.sol.previews) == len(run.sol.t)


def test_previews_are_the_predicted_data():
    run = dense("deis-tab2", 8)
    np.testing.assert_array_equal(run.sol.t, run.t[:-1])
    for t, x, preview in zip(run.t, run.states, run.sol.previews):
        np.testing.assert_allclose(preview, NET.predict(x, float(t), "data"), rtol=1e-10, atol=1e-11)


def test_a_run_to_zero_noise_is_dense_as_far_as_there_is_noise():
    for name in ("edm-heun", "dpmpp-2m@k-diffusion"):
        run = diffusion.trajectory(NET, NOISE, sampler=name, steps=8, dense_output=True)
        np.testing.assert_allclose(run.sol(run.t[:-1]), run.states[:-1], rtol=1e-12, atol=1e-13)
        for t in (1.5, 1e-3, 0.0, float("nan")):
            with pytest.raises(ValueError, match=rf"expected a time between 1 and 0.01, .* σ > 0; received {t:g}"):
                run.sol(t)


def test_a_run_to_zero_noise_on_a_table_is_dense_too():
    net = diffusion.Denoiser(lambda x, t: 0.5 * x, "data", diffusion.VP.from_betas(np.linspace(1e-4, 2e-2, 100)))
    run = diffusion.trajectory(net, NOISE, sampler="edm-heun", steps=8, dense_output=True)
    np.testing.assert_allclose(run.sol(run.t[:-1]), run.states[:-1], rtol=1e-12, atol=1e-13)


def test_tensors_stay_tensors():
    run = dense("deis-tab2", 6, torch.from_numpy(NOISE).float())
    assert run.sol(0.3).dtype == torch.float32
    assert run.sol([0.3, 0.2]).shape == (2, *NOISE.shape)
