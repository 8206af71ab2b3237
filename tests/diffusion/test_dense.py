"""Dense output of a run: continuous, of the order of the sampler, without further calls."""

from itertools import pairwise

import numpy as np
import pytest
import torch

import diffusion
from diffusion.models.mixture import gaussian_mixture

from .golden import mixture

SCHEDULE = diffusion.VP.linear(t_end=1e-2)
NET = gaussian_mixture(*mixture()[:3], SCHEDULE, predicts="noise")
NOISE = mixture()[3]
BETAS = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
SCHEDULES = {
    "vp": diffusion.VP.linear(),
    "vp-near-zero": diffusion.VP.linear(t_end=1e-5),
    "cosine": diffusion.VP.cosine(),
    "table": diffusion.VP.from_betas(BETAS),
    "zero-terminal": diffusion.VP.zero_terminal_snr(BETAS),
    "sub-vp": diffusion.SubVP(),
    "ve": diffusion.VE(),
    "ve-wide": diffusion.VE(1e-3, 1e4),
    "edm": diffusion.EDM(),
    "flow": diffusion.FlowMatching(),
    "flow-shifted": diffusion.FlowMatching(shift=5.0),
    "flow-from-noise-to-data": diffusion.FlowMatching(t_start=1.0, t_end=0.0),
}
SAMPLERS = (  # of each gauge, history and kind of step
    "ddim", "deis-tab3", "deis-rhoab3", "deis-rho-rk4", "ipndm", "dpm3m", "dpmpp-3m", "dpmpp-3s", "unipc3", "edm-heun",
    "adams3-velocity", "adams3-flow", "pece3-data",
)  # fmt: skip
GRIDS = {
    "t": lambda n, s: diffusion.grids.uniform(n, "t", schedule=s),
    "sqrt-t": lambda n, s: diffusion.grids.power(n, 2, "t", schedule=s),
    "lambda": lambda n, s: diffusion.grids.uniform(n, "lambda", schedule=s),
    "angle": lambda n, s: diffusion.grids.uniform(n, "angle", schedule=s),
}
STARTS = np.random.default_rng(0).standard_normal((16, 6))
VARIANCES, MEAN = np.array([4, 1, 0.3, 0.05, 1e-3, 0]), np.array([0.5, -1, 0, 0.2, 0.3, -0.4])


def gaussian_errors(schedule, name, grid):
    """Return the relative errors at the times of a run and, the largest of each step, between them."""
    net = gaussian_mixture([1.0], [MEAN], [np.diag(VARIANCES)], schedule, predicts="velocity")
    run = diffusion.trajectory(net, STARTS, sampler=name, grid=grid, dense_output=True)

    def scale(t):
        return np.sqrt(schedule.alpha(t) ** 2 * VARIANCES + schedule.sigma(t) ** 2)

    def error(t, x):
        first = run.t[0]
        ratio = (run.states[0] - schedule.alpha(first) * MEAN) / scale(first)
        exact = schedule.alpha(t) * MEAN + scale(t) * ratio
        return np.linalg.norm(x - exact) / np.linalg.norm(exact)

    inside = [[start + part * (end - start) for part in (0.02, 0.3, 0.7, 0.98)] for start, end in pairwise(run.t)]
    between = [max(error(t, x) for t, x in zip(times, run.sol(times))) for times in inside]
    return np.array([error(t, x) for t, x in zip(run.t, run.states)]), np.array(between)


@pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning")
@pytest.mark.parametrize("name", SCHEDULES)
def test_between_the_steps_a_run_is_as_right_as_at_its_steps(name):
    """Against the exact flow of a Gaussian; what the interpolation adds is 0.5 % of the state at eight steps."""
    schedule, odd, tried = SCHEDULES[name], list(SCHEDULES).index(name) % 2, 0
    for rule in list(GRIDS.values())[odd::2]:
        for sampler in SAMPLERS:
            try:
                at, between = gaussian_errors(schedule, sampler, rule(8, schedule))
            except ValueError:  # at ends where α or σ is 0 many clocks are infinite
                continue
            near = np.maximum(at[:-1], at[1:])
            assert np.all(between < 3 * np.maximum(near, 5e-3)), sampler
            tried += 1
    assert tried >= 3


@pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning")
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_it_is_so_with_every_named_sampler_from_the_first_step_on(schedule):
    """A quarter of the names on each schedule; on all of them 2244 runs have passed."""
    first, tried, rule = list(SCHEDULES).index(schedule) % 4, 0, GRIDS["lambda" if schedule != "zero-terminal" else "t"]
    for sampler in [*(n for n in diffusion.sampler_names()), "adams2-flow", "krogstad4-data"][first::4]:
        try:
            at, between = gaussian_errors(SCHEDULES[schedule], sampler, rule(8, SCHEDULES[schedule]))
        except ValueError:  # where α or σ is 0 many clocks are infinite
            continue
        assert np.all(between < 3 * np.maximum(np.maximum(at[:-1], at[1:]), 5e-3)), sampler
        tried += 1
    assert tried >= (8 if np.isfinite(SCHEDULES[schedule].half_log_snr(SCHEDULES[schedule].t_start)) else 0)


@pytest.mark.parametrize("schedule", [SCHEDULES["vp"], SCHEDULES["edm"], SCHEDULES["flow-shifted"]])
def test_where_samples_choose_between_modes_it_is_so_too(schedule):
    net = gaussian_mixture(*mixture()[:3], schedule, predicts="velocity")
    for name in ("ddim", "deis-tab3", "deis-rho-rk4", "ipndm", "unipc3", "edm-heun"):
        run = diffusion.trajectory(net, NOISE, sampler=name, steps=16, dense_output=True)
        times = np.array([start + part * (end - start) for start, end in pairwise(run.t) for part in (0, 0.2, 0.6)])
        times = times[times >= schedule.t_end]
        fine = np.unique(np.append(times, diffusion.grids.uniform(200, "lambda", schedule=schedule)))[::-1]
        fine = fine[fine >= times[-1]]
        exact = diffusion.trajectory(net, run.states[0], sampler="adams4-velocity", grid=fine, start="state")
        exact = exact.states[np.searchsorted(-fine, -times)]
        off, size = (np.linalg.norm(x.reshape(*x.shape[:2], -1), axis=-1) for x in (run.sol(times) - exact, exact))
        error = np.median(off / size, axis=1)
        for i in range(0, len(times) - 3, 3):
            assert np.all(error[i + 1 : i + 3] < 3 * max(error[i], error[i + 3], 3e-3)), (name, times[i : i + 3])


def test_on_both_sides_of_an_edge_the_network_is_interpolated_by_itself():
    """Guidance that sets in at t = 0.3: data of another variance, with an exact flow on each side."""
    schedule, edge = SCHEDULES["vp"], 0.3
    before, after = (gaussian_mixture([1.0], [[0.0]], [[[v]]], schedule, predicts="data") for v in (4.0, 0.04))
    net = diffusion.Denoiser(
        lambda x, t: (before if float(t[0]) > edge else after).network(x, t), "data", schedule, discontinuities=(edge,)
    )
    x = np.linspace(-2, 2, 5)[:, None]

    def flow(variance, t, x, to):
        sizes = [np.sqrt(schedule.alpha(at) ** 2 * variance + schedule.sigma(at) ** 2) for at in (t, to)]
        return x * sizes[1] / sizes[0]

    for name in ("unipc3", "deis-tab3", "deis-rho-rk4"):
        grid = [1.0, 0.85, 0.7, 0.55, 0.4, edge, 0.2, 0.12, 0.06, 0.02, 1e-3]
        run = diffusion.trajectory(net, x, sampler=name, grid=grid, dense_output=True)
        for t in (0.45, 0.37, 0.31, 0.29, 0.22, 0.15):
            start = 4.0 if t > edge else 0.04
            n = np.searchsorted(-run.t, -t) - 1
            exact = flow(start, run.t[n], run.states[n], t)
            np.testing.assert_allclose(run.sol(t), exact, rtol=0, atol=0.02 * np.abs(exact).max())


def test_a_run_that_becomes_non_finite_is_dense_as_far_as_it_is_finite():
    net = diffusion.Denoiser(lambda x, t: x * (0.5 if float(t[0]) > 0.3 else np.nan), "data", SCHEDULE)
    run = diffusion.trajectory(net, NOISE, sampler="dpmpp-3m", steps=8, dense_output=True)
    assert not run.success
    assert np.all(np.isfinite(run.sol(np.linspace(run.t[0], run.t[-1], 20))))


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


def test_a_run_to_zero_noise_is_dense_up_to_its_end():
    for name in ("edm-heun", "dpmpp-2m@k-diffusion"):
        run = diffusion.trajectory(NET, NOISE, sampler=name, steps=8, dense_output=True)
        np.testing.assert_allclose(run.sol(run.t), run.states, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(run.sol(1e-12), run.states[-1], rtol=0, atol=1e-5)  # σ = 3e-7 there
        for t in (1.5, -1e-3, float("nan")):
            with pytest.raises(ValueError, match=f"expected a time between 1 and 0, those of the run; received {t:g}"):
                run.sol(t)


def test_a_run_to_zero_noise_on_a_table_is_dense_too():
    net = diffusion.Denoiser(lambda x, t: 0.5 * x, "data", diffusion.VP.from_betas(np.linspace(1e-4, 2e-2, 100)))
    run = diffusion.trajectory(net, NOISE, sampler="edm-heun", steps=8, dense_output=True)
    np.testing.assert_allclose(run.sol(run.t), run.states, rtol=1e-12, atol=1e-13)


def test_tensors_stay_tensors():
    run = dense("deis-tab2", 6, torch.from_numpy(NOISE).float())
    assert run.sol(0.3).dtype == torch.float32
    assert run.sol([0.3, 0.2]).shape == (2, *NOISE.shape)
