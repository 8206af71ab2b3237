"""Grids: uniform where they say, the reference's own, and refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusion import grids
from diffusion.process.clock import CLOCKS
from diffusion.process.schedule import EDM, FlowMatching
from diffusion.process.vp import VP

from .golden import load

SCHEDULE = VP.linear()


@pytest.mark.parametrize("run", [*load("th_deis_tab"), *load("th_deis_rho")], ids=lambda run: run["id"])
def test_the_grids_of_th_deis_are_uniform_in_t_and_in_lambda(run):
    clock = {"t": "t", "log": "lambda"}[run["phase"][0]]
    ours = grids.power(len(run["grid"]) - 1, run["phase"][1], clock, schedule=SCHEDULE)
    np.testing.assert_allclose(ours, run["grid"], rtol=1e-12)


@pytest.mark.parametrize("run", load("edm_heun"), ids=lambda run: run["id"])
def test_the_grid_of_edm_is_karras_followed_by_zero(run):
    low, high = map(float, run["id"].split("/")[1].split("-"))
    ours = grids.karras(run["num_steps"] - 1, run["rho"], schedule=EDM(low, high))
    np.testing.assert_allclose([*ours, 0.0], run["grid"], rtol=1e-13)


@pytest.mark.parametrize("name", CLOCKS)
@given(steps=st.integers(1, 60), exponent=st.sampled_from([0.5, 1, 2, 3, 7]))
def test_a_power_grid_is_uniform_in_the_root_of_its_clock(name, steps, exponent):
    if name == "lambda":
        exponent = 1
    grid = grids.power(steps, exponent, name, schedule=SCHEDULE)
    roots = CLOCKS[name].value(SCHEDULE, grid) ** (1 / exponent)
    np.testing.assert_allclose(np.diff(roots), (roots[-1] - roots[0]) / steps, rtol=1e-8)
    assert (grid[0], grid[-1], len(grid), grid.dtype) == (1.0, 1e-3, steps + 1, np.float64)
    np.testing.assert_array_equal(grids.check(grid, SCHEDULE), grid)


def test_a_power_of_t_is_its_closed_form():
    i = np.arange(11) / 10
    np.testing.assert_allclose(
        grids.power(10, 2, clock="t", schedule=SCHEDULE), (1 + i * (np.sqrt(1e-3) - 1)) ** 2, rtol=1e-13
    )


def test_uniform_is_the_first_power_and_karras_the_seventh_of_rho():
    for clock in CLOCKS:
        np.testing.assert_array_equal(
            grids.uniform(7, clock, schedule=SCHEDULE), grids.power(7, 1, clock, schedule=SCHEDULE)
        )
    np.testing.assert_array_equal(grids.karras(7, schedule=EDM()), grids.power(7, 7, "rho", schedule=EDM()))


def test_the_ends_can_be_chosen():
    grid = grids.uniform(4, schedule=SCHEDULE, t_start=0.8, t_end=0.4)
    np.testing.assert_allclose(grid, [0.8, 0.7, 0.6, 0.5, 0.4])


def test_bounded_clocks_reach_infinite_noise():
    schedule = FlowMatching(t_start=1.0)
    np.testing.assert_allclose(grids.uniform(2, "flow", schedule=schedule), [1.0, 0.5005, 0.001], rtol=1e-12)
    with pytest.raises(ValueError, match="clock 'lambda' finite"):
        grids.uniform(2, "lambda", schedule=schedule)


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: grids.uniform(0, schedule=SCHEDULE), ValueError, "steps to be an integer ≥ 1"),
        (lambda: grids.uniform(2.5, schedule=SCHEDULE), TypeError, "steps to be an integer, received 2.5"),
        (lambda: grids.uniform(2, schedule="vp"), TypeError, "expected a NoiseSchedule; received str"),
        (lambda: grids.uniform(2, "lamda", schedule=SCHEDULE), ValueError, "did you mean 'lambda'"),
        (lambda: grids.uniform(2, schedule=SCHEDULE, t_start=0.1, t_end=0.2), ValueError, "t_start > t_end"),
        (lambda: grids.power(2, 0, schedule=SCHEDULE), ValueError, "exponent > 0"),
        (lambda: grids.power(2, 2, "lambda", schedule=SCHEDULE), ValueError, "not negative for exponent 2"),
        (lambda: grids.check([1.0], SCHEDULE), ValueError, "at least two times"),
        (lambda: grids.check([[1.0, 0.5]], SCHEDULE), ValueError, "one dimension"),
        (lambda: grids.check([1.0, float("nan"), 0.1], SCHEDULE), ValueError, "received nan at index 1"),
        (lambda: grids.check([1.0, 0.5, 0.5], SCHEDULE), ValueError, "0.5 followed by 0.5 at index 1"),
        (lambda: grids.check([0.1, 1.0], SCHEDULE), ValueError, "strictly decreasing"),
        (lambda: grids.check([1.1, 0.5], SCHEDULE), ValueError, "within the schedule's range"),
        (lambda: grids.check([1.0, 1e-4], SCHEDULE), ValueError, "within the schedule's range"),
        (lambda: grids.check(["a", "b"], SCHEDULE), ValueError, "grid of real times"),
    ],
)
def test_impossible_grids_are_refused(build, error, message):
    with pytest.raises(error, match=message):
        build()


def test_rounding_at_the_ends_is_forgiven():
    np.testing.assert_allclose(grids.check([1.0 + 1e-12, 0.5, 1e-3 - 1e-15], SCHEDULE), [1.0, 0.5, 1e-3])


def test_lists_tuples_and_tensors_are_grids():
    torch = pytest.importorskip("torch")
    for grid in ([1.0, 0.5], (1.0, 0.5), torch.tensor([1.0, 0.5], dtype=torch.float64)):
        np.testing.assert_array_equal(grids.check(grid, SCHEDULE), [1.0, 0.5])


def test_timesteps_are_spaced_by_the_rules_of_their_names():
    schedule = VP.from_betas(np.linspace(0.01, 0.2, 10))  # ten timesteps, t = 0.1 … 1
    for spacing, spare, expected in (
        ("linspace", 0, [1.0, 0.7, 0.4, 0.1]),  # 9, 6, 3, 0
        ("linspace", 1, [1.0, 0.8, 0.5, 0.3]),  # 9, 6.75, 4.5, 2.25, rounded to even
        ("leading", 0, [0.7, 0.5, 0.3, 0.1]),  # 6, 4, 2, 0
        ("leading", 1, [0.9, 0.7, 0.5, 0.3]),  # 8, 6, 4, 2
        ("trailing", 1, [1.0, 0.8, 0.5, 0.2]),  # 10, 7.5, 5, 2.5, rounded to even, less 1
    ):
        found = grids.timesteps(4, spacing, schedule=schedule, spare=spare)
        np.testing.assert_allclose(found, [*expected, 0.0], rtol=1e-15)
    shifted = grids.timesteps(4, "leading", schedule=schedule, offset=1, final="sigma_min")
    np.testing.assert_allclose(shifted, [1.0, 0.8, 0.6, 0.4, 0.1], rtol=1e-15)


def test_timesteps_that_cannot_be_are_refused():
    schedule = VP.from_betas(np.linspace(0.01, 0.2, 10))
    with pytest.raises(ValueError, match=r"stay apart when rounded to 1/10.*take fewer steps than 20"):
        grids.timesteps(20, schedule=schedule)
    with pytest.raises(ValueError, match=r"received 0.1 followed by 0.1"):
        grids.timesteps(10, "trailing", schedule=schedule, final="sigma_min")
    with pytest.raises(ValueError, match=r"variance-preserving schedule.*received EDM; take another grid"):
        grids.timesteps(4, schedule=EDM())
    with pytest.raises(ValueError, match="did you mean 'leading'"):
        grids.timesteps(4, "leeding", schedule=schedule)
    with pytest.raises(ValueError, match="did you mean 'zero'"):
        grids.timesteps(4, schedule=schedule, final="zeros")


def test_times_are_moved_to_the_nearest_that_are_known():
    schedule = EDM(0.02, 20.0)
    known = np.geomspace(20.0, 0.02, 50)
    grid = grids.nearest(grids.karras(8, schedule=schedule), known)
    assert set(grid) <= set(known)
    assert np.all(np.diff(grid) < 0)
    half = np.abs(grids.karras(8, schedule=schedule)[:, None] - known).min(axis=1)
    np.testing.assert_allclose(np.abs(grid - grids.karras(8, schedule=schedule)), half)
    with pytest.raises(ValueError, match=r"stay apart when moved to one of 50.*at index \d+, both moved to"):
        grids.nearest(grids.karras(60, schedule=schedule), known)


@pytest.mark.parametrize("interpolation", ["log-alpha", "log-rho", "rho", "angle"])
def test_published_noise_levels_rounded_to_three_places_are_those_of_the_table(interpolation):
    """Align your steps, Sabour et al. 2024, for Stable Diffusion 1.5: 14.615 and 0.029 for 14.6146 and 0.02917."""
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    schedule = VP.from_betas(betas, interpolation)
    sigmas = np.array([14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029])
    times = grids.check(schedule.time(-np.log(sigmas)), schedule)
    assert (times[0], times[-1]) == (1.0, 0.001)
    np.testing.assert_allclose(schedule.rho(times[1:-1]), sigmas[1:-1], rtol=1e-12)
    with pytest.raises(ValueError, match="expected times within the schedule's range"):
        grids.check([1.001, 0.5], schedule)
    with pytest.raises(ValueError, match="expected times within the schedule's range"):
        grids.check([1.0, 0.0009], schedule)
