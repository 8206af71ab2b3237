"""What a network is told: the right time of the schedule, in the right precision, whatever lies between."""

import pickle

import numpy as np
import pytest
import torch

import diffusion
from diffusion import adapters

BETAS = np.linspace(1e-4, 2e-2, 1000)
TABLE = diffusion.VP.from_betas(BETAS)
SCHEDULES = {
    "vp": diffusion.VP.linear(),
    "cosine": diffusion.VP.cosine(),
    "ve": diffusion.VE(),
    "edm": diffusion.EDM(),
    "table": TABLE,
    "flow": diffusion.FlowMatching(),
    "shifted": diffusion.FlowMatching(shift=3.0),
    "shifted before": diffusion.FlowMatching(shift=3.0, tells="before"),
}
DTYPES = [torch.bfloat16, torch.float16, torch.float32, torch.float64]
# a network near the data of every schedule is not what this is about
pytestmark = pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning")


def told(schedule, grid, adapt=lambda network: network, dtype=torch.float64, guide=lambda denoiser: denoiser):
    """Return what the network is told in a run over the grid: one row for each call."""
    seen = []

    def network(x, t):
        seen.append(t)
        return 0.1 * x

    denoiser = guide(diffusion.Denoiser(adapt(network), "data", schedule))
    diffusion.sample(denoiser, torch.ones(2, 3, dtype=dtype), sampler="ddim", grid=grid)
    assert all(t.shape == (2,) for t in seen)
    return torch.stack(seen)[:, 0]


def sigma_of_shift(t, m=3.0):
    return m * t / (1 + (m - 1) * t)


@pytest.mark.parametrize("key", SCHEDULES)
def test_the_schedule_says_which_time_it_tells(key):
    schedule = SCHEDULES[key]
    grid = np.linspace(schedule.t_start, schedule.t_end, 6)
    expected = sigma_of_shift(grid) if key == "shifted" else grid
    np.testing.assert_allclose(schedule.network_time(grid), expected, rtol=1e-15)
    np.testing.assert_allclose(schedule.time_of_network(expected), grid, rtol=1e-12)
    np.testing.assert_allclose(told(schedule, grid), expected[:-1], rtol=1e-15)


def test_published_flow_networks_are_told_sigma_times_a_thousand():
    grid = [0.9999, 0.75, 0.5, 0.25, 0.01]
    found = told(SCHEDULES["shifted"], grid, adapters.with_scaled_time)
    np.testing.assert_allclose(found, 1000 * sigma_of_shift(np.array(grid[:-1])), rtol=1e-15)


def test_another_time_to_tell_is_refused():
    with pytest.raises(
        ValueError, match=r"expected a time to tell, one of .*received 'afterwards'; did you mean 'after'"
    ):
        diffusion.FlowMatching(tells="afterwards")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("key", SCHEDULES)
def test_times_are_exact_to_single_precision_whatever_the_precision_of_the_state(key, dtype):
    schedule = SCHEDULES[key]
    grid = np.linspace(schedule.t_start, schedule.t_end, 6)
    found = told(schedule, grid, dtype=dtype)
    assert found.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    expected = schedule.network_time(grid[:-1])
    np.testing.assert_array_equal(found.numpy(), expected.astype(found.numpy().dtype))


@pytest.mark.parametrize("guided", [False, True])
@pytest.mark.parametrize("inner", [None, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [1000, 250])
def test_every_index_of_a_table_is_itself(count, dtype, inner, guided):
    """With what cuts off behind the point, too: 940.9999 is index 940 to a lookup."""
    schedule = diffusion.VP.from_betas(BETAS[::-1][:count][::-1])
    indices = np.arange(count)[::-7]

    def adapt(network):
        return adapters.with_index(network if inner is None else adapters.in_dtype(network, inner))

    def guide(denoiser):
        return diffusion.guidance.thresholded(denoiser, 1.0, 100.0) if guided else denoiser

    found = told(schedule, (indices + 1) / count, adapt, dtype, guide)
    np.testing.assert_array_equal(found.long().numpy(), indices[:-1])
    np.testing.assert_array_equal(found.double().numpy(), indices[:-1])


def test_the_index_counts_the_table_of_the_denoiser_and_a_given_count_is_heeded():
    short = diffusion.VP.from_betas(np.linspace(1e-3, 0.2, 50))
    grid = np.array([50, 30, 10, 1]) / 50
    np.testing.assert_array_equal(told(short, grid, adapters.with_index), [49, 29, 9])
    np.testing.assert_array_equal(told(short, grid, lambda n: adapters.with_index(n, rounded=True)), [49, 29, 9])
    np.testing.assert_array_equal(told(short, grid, lambda n: adapters.with_index(n, 1000)), [999, 599, 199])
    both = lambda n: adapters.in_dtype(adapters.with_index(n), torch.float32)
    np.testing.assert_array_equal(told(short, grid, both), [49, 29, 9])
    np.testing.assert_allclose(told(diffusion.VP.linear(), [1.0, 0.5, 0.1], adapters.with_index), [999, 499])


@pytest.mark.parametrize("adapt", ["with_sigma", "with_log_sigma", "with_preconditioning"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("key", ["cosine", "flow", "shifted", "shifted before"])
def test_noise_levels_near_the_ends_are_as_exact_as_single_precision_tells_them(key, dtype, adapt):
    """From t itself in single precision 1 − t = 1e-4 were off by 6e-4."""
    schedule = SCHEDULES[key]
    grid = [schedule.t_start, 0.5, schedule.t_end]
    found = told(schedule, grid, lambda n: getattr(adapters, adapt)(n, schedule), dtype).double().numpy()
    rho = schedule.sigma(np.array(grid)) / schedule.alpha(np.array(grid))
    expected = rho if adapt == "with_sigma" else 0.25 * np.log(rho)
    np.testing.assert_allclose(found, expected[:-1], rtol=2e-7, atol=1e-8)


def test_a_network_of_the_other_direction_is_that_of_ours():
    schedule = diffusion.FlowMatching(shift=2.0)
    ours = diffusion.models.gaussian_mixture([1.0], [[0.5, 1.0]], [0.1 * np.eye(2)], schedule, predicts="flow")
    theirs = adapters.with_reversed_flow(lambda x, s: -ours.network(x, 1.0 - s))
    x = np.random.default_rng(0).standard_normal((3, 2))
    for t in (0.3, np.array([0.9, 0.5, 0.1])):
        found = diffusion.Denoiser(theirs, "flow", schedule)(x, t)
        np.testing.assert_allclose(found, ours(x, t), rtol=1e-12)


def test_a_network_whose_time_runs_backwards_is_told_the_time_from_the_end():
    schedule = diffusion.VP.linear()
    ours = diffusion.models.gaussian_mixture([1.0], [[0.5, 1.0]], [0.1 * np.eye(2)], schedule, predicts="noise")
    theirs = adapters.with_reversed_time(lambda x, s: ours.network(x, 1.5 - s), end=1.5)
    x = np.random.default_rng(0).standard_normal((3, 2))
    found = diffusion.sample(diffusion.Denoiser(theirs, "noise", schedule), x, steps=6)
    np.testing.assert_allclose(found, diffusion.sample(ours, x, steps=6), rtol=1e-11)


def test_a_shift_moves_the_grid_and_nothing_else():
    """The same network on the same noise levels gives the same samples, whatever t they have."""
    plain, shifted = diffusion.FlowMatching(), SCHEDULES["shifted"]
    network = diffusion.models.gaussian_mixture([1.0], [[0.5, 1.0]], [0.1 * np.eye(2)], plain, predicts="flow").network
    x, tau = np.random.default_rng(0).standard_normal((3, 2)), np.linspace(0.99, 0.01, 8)
    a = diffusion.sample(diffusion.Denoiser(network, "flow", plain), x, sampler="dpmpp-2m", grid=tau)
    b = diffusion.sample(diffusion.Denoiser(network, "flow", shifted), x, sampler="dpmpp-2m", grid=tau / (3 - 2 * tau))
    np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("key", SCHEDULES)
def test_whole_numbers_as_times_are_numbers(key):
    schedule = SCHEDULES[key]
    for quantity in (schedule.alpha, schedule.sigma, schedule.rho, schedule.half_log_snr, schedule.half_log_snr_rate):
        expected = quantity(1.0)
        for t in (torch.tensor([1]), torch.tensor([1], dtype=torch.int32), np.array([1]), np.array([1], np.uint8)):
            found = np.asarray(quantity(t))
            assert found.dtype.kind == "f"
            np.testing.assert_allclose(found, [expected], rtol=1e-5, atol=1e-7)  # torch makes single precision of them
    for lam in (torch.tensor([1]), np.array([1])):
        np.testing.assert_allclose(np.asarray(schedule.time(lam)), [schedule.time(1.0)], rtol=1e-5)


@pytest.mark.parametrize(
    "adapted",
    [
        adapters.with_scaled_time(torch.sin),
        adapters.with_index(torch.sin),
        adapters.with_sigma(torch.sin, TABLE),
        adapters.with_log_sigma(torch.sin, TABLE),
        adapters.with_preconditioning(torch.sin, TABLE),
        adapters.with_reversed_flow(torch.sin),
        adapters.with_reversed_time(torch.sin),
        adapters.in_dtype(torch.sin, torch.bfloat16),
    ],
)
def test_adapted_networks_can_be_sent_to_another_process(adapted):
    again = pickle.loads(pickle.dumps(adapted))
    assert type(again) is type(adapted)
    assert again.network is torch.sin


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (
            lambda: adapters.with_scaled_time("net"),
            TypeError,
            r"network to be a function \(x, t, \*\*condition\), received .* of type str",
        ),
        (lambda: adapters.in_dtype(None, torch.float32), TypeError, "network to be a function .* received None"),
        (lambda: adapters.with_sigma(abs, "vp"), TypeError, "schedule to be a NoiseSchedule, received .* of type str"),
        (lambda: adapters.with_log_sigma(abs, TABLE, float("nan")), ValueError, "expected factor > 0, received nan"),
        (lambda: adapters.with_index(abs, 999.5), TypeError, "expected count to be an integer"),
    ],
)
def test_what_cannot_be_adapted_is_refused(build, error, message):
    with pytest.raises(error, match=message):
        build()
