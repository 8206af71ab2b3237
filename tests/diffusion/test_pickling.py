"""What a user holds goes to another process and comes back, and is copied: it is what it was."""

import copy
import pickle
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
import torch

import diffusion
import expint
from diffusion.models.mixture import gaussian_mixture
from diffusion.process import clock, gauge, prediction
from diffusion.samplers.automatic import Automatic
from diffusion.samplers.catalogue import SAMPLERS
from diffusion.samplers.order_of_runs import order_of_runs

VP = diffusion.VP.linear()
NET = gaussian_mixture([1.0], [[0.5, 0.0]], [0.2 * np.eye(2)], VP, predicts="noise")
NOISE = np.random.default_rng(0).standard_normal((2, 2))
COMPOSED = ["krogstad4-data", "adams3-edm", "adams3-velocity", "adams3-flow", "adams3-flow-data", "unipc7-noise"]
STATISTICS = diffusion.Statistics.of_prediction("data")
SAMPLER_OBJECTS = {
    **SAMPLERS,
    **{name: diffusion.sampler(name) for name in COMPOSED},
    "customised": diffusion.sampler("dpmpp-3m", start="corrected", end=diffusion.taper(3)),
    "interpolated": diffusion.Sampler(
        "between", expint.Adams(2, ramp=True), gauge.interpolated(0.25), diffusion.grids.published.uniform_in_lambda
    ),
    "of edm": diffusion.Sampler(
        "of-edm", expint.Adams(2, ramp=True), gauge.edm(1.0 / 3.0), diffusion.grids.published.karras
    ),
    "of a network": diffusion.dpm_solver_v3(STATISTICS, 2),
    "singlestep": diffusion.singlestep([3, 2, 1]),
    "collocated": diffusion.singlestep([3, 2, 1], "noise", collocated=True),
}
WAYS = {"pickle": lambda thing: pickle.loads(pickle.dumps(thing)), "copy": copy.copy, "deepcopy": copy.deepcopy}
SCHEDULES = [
    VP,
    diffusion.VP.cosine(),
    diffusion.VP.from_betas(np.linspace(1e-4, 2e-2, 50)),
    diffusion.VE(),
    diffusion.VEPower(),
    diffusion.EDM(),
    diffusion.FlowMatching(shift=2.0),
    diffusion.SubVP(),
    diffusion.MeanReverting("linear", 0.2),
]


@pytest.fixture(params=WAYS)
def again(request):
    return WAYS[request.param]


def plan_of(sampler):
    schedule = diffusion.EDM(sigma_data=1.0 / 3.0) if sampler.name == "of-edm" else VP
    times = np.linspace(schedule.t_start, max(schedule.t_end, 0.01), 7)
    return made(sampler, schedule, times).plan(schedule, times)


def made(sampler, schedule, times):
    """The sampler itself, or the one that a rule makes for these times."""
    return sampler.on(schedule, times) if isinstance(sampler, Automatic) else sampler


@pytest.mark.parametrize("key", SAMPLER_OBJECTS)
def test_every_sampler_makes_the_same_plan_again(key, again):
    sampler = SAMPLER_OBJECTS[key]
    other = again(sampler)
    if key != "of a network":
        np.testing.assert_array_equal(plan_of(other).table(), plan_of(sampler).table())
    if isinstance(sampler, Automatic):
        assert other == sampler
        return
    if hasattr(sampler.method, "q") and key != "of a network":  # tableaus are equal to themselves only
        assert other == sampler
    assert other.name == sampler.name
    assert order_of_runs(other) == order_of_runs(sampler)


@pytest.mark.parametrize("thing", [*gauge.GAUGES.values(), gauge.edm(), gauge.edm(0.1), gauge.interpolated(0.1)])
def test_every_gauge_is_found_again(thing, again):
    assert again(thing) == thing


@pytest.mark.parametrize("thing", [*clock.CLOCKS.values(), clock.edm_angle(), clock.edm_angle(1.0 / 3.0)])
def test_every_clock_is_found_again(thing, again):
    assert again(thing) == thing


@pytest.mark.parametrize("kind", prediction.PREDICTIONS)
def test_every_kind_of_prediction_is_found_again(kind, again):
    assert again(prediction.PREDICTIONS[kind]) is prediction.PREDICTIONS[kind]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: type(schedule).__name__)
def test_every_schedule_is_equal_again(schedule, again):
    assert again(schedule) == schedule
    assert again(schedule).sigma(0.3) == schedule.sigma(0.3)


def pull(x, t):
    return -x * t


@pytest.mark.parametrize(
    "denoiser",
    [
        NET,
        diffusion.models.ideal(NOISE, VP),
        diffusion.guidance.classifier_free(NET, 2.0, unconditional={}, interval=(0.1, 0.9), rescale=0.5),
        diffusion.guidance.classifier_guided(NET, pull, 0.1),
        diffusion.guidance.thresholded(NET),
        diffusion.Denoiser(diffusion.adapters.with_sigma(NET.network, VP), "noise", VP),
    ],
)
def test_every_denoiser_predicts_the_same_again(denoiser, again):
    np.testing.assert_array_equal(again(denoiser)(NOISE, 0.5), denoiser(NOISE, 0.5))


@pytest.mark.parametrize("make", [np.asarray, torch.from_numpy])
@pytest.mark.parametrize("name", ["deis-tab3", "unipc2", "of a network"])
def test_trajectories_are_the_same_again_between_their_steps_too(name, make, again):
    run = diffusion.trajectory(NET, make(NOISE), sampler=SAMPLER_OBJECTS[name], steps=6, dense_output=True)
    other = again(run)
    np.testing.assert_array_equal(np.asarray(other.y), np.asarray(run.y))
    np.testing.assert_array_equal(np.asarray(other.sol(0.4)), np.asarray(run.sol(0.4)))


def test_plans_are_the_same_again(again):
    plan = plan_of(SAMPLERS["deis-tab3"])
    np.testing.assert_array_equal(again(plan).table(), plan.table())


def test_an_error_keeps_what_it_knows(again):
    with pytest.raises(diffusion.SamplingError) as caught:
        diffusion.sample(diffusion.Denoiser(not_finite), NOISE, steps=5)
    other = again(caught.value)
    assert (type(other), str(other)) == (diffusion.SamplingError, str(caught.value))
    np.testing.assert_array_equal(other.solution.y, caught.value.solution.y)
    failure = expint.run.tolerance.AdaptiveFailure(expint.solution.Status.NON_FINITE, "a sentence")
    assert (again(failure).status, str(again(failure))) == (failure.status, "a sentence")


def not_finite(x, t):
    return np.where(t[:, None] < 0.5, np.nan, 0.1) * x


def run_in_worker(sampler):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return diffusion.sample(diffusion.Denoiser(not_finite), NOISE, sampler=sampler, steps=5)


def test_a_sampler_goes_to_a_worker_and_its_error_comes_back():
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        with pytest.raises(diffusion.SamplingError, match="inf or nan in call"):
            pool.submit(run_in_worker, SAMPLER_OBJECTS["customised"]).result(timeout=120)
        assert pool.submit(abs, -1).result(timeout=120) == 1  # the pool is whole
