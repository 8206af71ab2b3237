"""What is kept between runs never outlives what it was made of."""

import gc
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import pytest

import diffusion
from diffusion.planning.plan import plan_sampler
from diffusion.process.keeping import is_value
from diffusion.process.schedule import NoiseSchedule
from diffusion.samplers.catalogue import SAMPLERS

NOISE = np.random.default_rng(0).standard_normal((3, 4))


class Own(NoiseSchedule):
    """A schedule of the user's own, α = cos, σ = sin of ``power`` · t, that may be changed."""

    t_start, t_end = 1.0, 0.01

    def __init__(self, power=1.0):
        self.power = power

    def _alpha(self, xp, t):
        return xp.cos(self.power * t)

    def _sigma(self, xp, t):
        return xp.sin(self.power * t)

    def _half_log_snr(self, xp, t):
        return -xp.log(xp.tan(self.power * t))

    def _rate(self, xp, t):
        return -2.0 * self.power / xp.sin(2.0 * self.power * t)

    def _time(self, xp, lam):
        return xp.atan2(xp.exp(-lam), xp.ones_like(lam)) / self.power


class Heir(diffusion.EDM):
    """A frozen schedule of ours with a factor that is not."""

    factor = 1.0

    def _sigma(self, xp, t):
        return self.factor * t

    def _half_log_snr(self, xp, t):
        return -xp.log(self.factor * t)

    def _time(self, xp, lam):
        return xp.exp(-lam) / self.factor


@dataclass(frozen=True)
class Frozen(Own):
    """One that compares equal whatever is in its list."""

    name: str = "frozen"

    @property
    def power(self):
        return _POWER[0]


_POWER = [1.0]


def change_own(schedule):
    schedule.power = 1.3


def change_heir(schedule):
    type(schedule).factor = 1.7


def change_frozen(schedule):
    del schedule
    _POWER[0] = 1.3


CASES = {"own": (Own, change_own), "heir": (Heir, change_heir), "frozen": (Frozen, change_frozen)}


@pytest.fixture(autouse=True)
def _unchanged():
    yield
    Heir.factor, _POWER[0] = 1.0, 1.0


def network(x, t):
    return np.tanh(x) * (0.5 + 0.1 * t[:, None])


@pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("predicts", ["noise", "data", "velocity"])
@pytest.mark.parametrize("name", ["deis-tab3", "deis-rhoab2", "dpmpp-2m", "dpm3", "unipc3", "adams3-velocity", "ddim"])
def test_a_schedule_of_ones_own_that_is_changed_between_two_runs_is_heeded(name, predicts, case):
    make, change = CASES[case]
    schedule = make()
    denoiser = diffusion.Denoiser(network, predicts, schedule)
    grid = np.linspace(1.0, 0.05, 7)
    before = diffusion.sample(denoiser, NOISE, sampler=name, grid=grid)
    change(schedule)
    found = diffusion.sample(denoiser, NOISE, sampler=name, grid=grid)
    fresh = make(1.3) if case == "own" else make()
    expected = diffusion.sample(diffusion.Denoiser(network, predicts, fresh), NOISE, sampler=name, grid=grid)
    np.testing.assert_array_equal(found, expected)
    assert np.abs(found - before).max() > 1e-3
    by_number = diffusion.sample(denoiser, NOISE, sampler=name, steps=6)
    again = diffusion.sample(diffusion.Denoiser(network, predicts, fresh), NOISE, sampler=name, steps=6)
    np.testing.assert_array_equal(by_number, again)


@pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning")
def test_a_schedule_of_ones_own_within_one_of_ours_is_heeded():
    class OwnVP(diffusion.process.vp.VPLinear):
        factor = 1.0

        def _integral(self, xp, t):
            return self.factor * super()._integral(xp, t)

        def _integral_time(self, xp, integral):
            return super()._integral_time(xp, integral / self.factor)

    denoiser = diffusion.Denoiser(network, "noise", diffusion.SubVP(OwnVP()))
    before = diffusion.sample(denoiser, NOISE, sampler="dpmpp-2m", grid=[1.0, 0.5, 0.2, 0.1])
    OwnVP.factor = 2.0
    found = diffusion.sample(denoiser, NOISE, sampler="dpmpp-2m", grid=[1.0, 0.5, 0.2, 0.1])
    expected = diffusion.sample(
        diffusion.Denoiser(network, "noise", diffusion.SubVP(OwnVP())),
        NOISE,
        sampler="dpmpp-2m",
        grid=[1.0, 0.5, 0.2, 0.1],
    )
    np.testing.assert_array_equal(found, expected)
    assert np.abs(found - before).max() > 1e-3


@pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning")
@pytest.mark.parametrize("to_zero", [False, True])
def test_a_changed_schedule_is_heeded_with_statistics_of_a_network(to_zero):
    sampler = diffusion.dpm_solver_v3(diffusion.Statistics.of_prediction("data"), 2)
    grid = [1.0, 0.6, 0.3, 0.1, *([0.0] if to_zero else [])]
    schedule = Own()
    denoiser = diffusion.Denoiser(network, "noise", schedule)
    diffusion.trajectory(denoiser, NOISE, sampler=sampler, grid=grid, dense_output=True)
    schedule.power = 1.3
    found = diffusion.trajectory(denoiser, NOISE, sampler=sampler, grid=grid, dense_output=True)
    other = diffusion.Denoiser(network, "noise", Own(1.3))
    expected = diffusion.trajectory(other, NOISE, sampler=sampler, grid=grid, dense_output=True)
    np.testing.assert_array_equal(found.y, expected.y)
    np.testing.assert_array_equal(found.sol.previews, expected.sol.previews)


def test_every_named_sampler_and_schedule_of_ours_is_kept():
    assert all(is_value(sampler) for sampler in SAMPLERS.values())
    schedules = [
        diffusion.VP.linear(),
        diffusion.VP.cosine(),
        diffusion.VP.from_betas(np.linspace(1e-4, 2e-2, 100)),
        diffusion.VE(),
        diffusion.EDM(),
        diffusion.FlowMatching(),
        diffusion.SubVP(),
    ]
    assert all(map(is_value, schedules))
    for schedule in schedules:
        times = np.linspace(schedule.t_start, schedule.t_end, 5)
        sampler = replace(SAMPLERS["dpmpp-2m"], grid=lambda steps, schedule, times=times: times)
        assert sampler.plan(schedule, times) is sampler.plan(schedule, times)


@pytest.mark.parametrize("thing", [[1.0], {"a": 1}, Own(), Heir(), Frozen(), lambda x: x, np.ones(2), (1.0, [2.0])])
def test_what_may_change_is_no_value(thing):
    assert not is_value(thing)


def test_numbers_and_names_are_values():
    assert is_value((1, 2.0, "three", None, Fraction(1, 4), (True,)))


def test_weights_of_one_plan_are_not_taken_for_those_of_another_that_lies_where_it_lay():
    affine, columns = diffusion.samplers.dpm_solver_v3.affine.Affine(), [np.ones((2, 3)), 1.0]
    for number in range(200):
        weights = [np.full((1, 3), float(number)), None]
        assert affine.combine(weights, columns)[0, 0] == number
        del weights
        gc.collect(0)


def test_a_plan_made_once_is_kept_by_value():
    before = plan_sampler(SAMPLERS["ddim"], diffusion.VP.linear(), (1.0, 0.5, 0.1), False, ())
    assert plan_sampler(SAMPLERS["ddim"], diffusion.VP.linear(), (1.0, 0.5, 0.1), False, ()) is before
