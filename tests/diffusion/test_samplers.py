"""The catalogue: each sampler against its published formula, its order, its calls, its name."""

from functools import cache

import numpy as np
import pytest

import diffusion
import expint
from diffusion.gauge import DATA, NOISE, RHO
from diffusion.models.mixture import gaussian_mixture
from diffusion.samplers import uniform_in_lambda

from . import transcriptions as literal
from .golden import mixture

VP = diffusion.VP.linear()
SCHEDULES = {
    "linear": VP,
    "cosine": diffusion.VP.cosine(t_start=0.98),
    "edm": diffusion.EDM(0.01, 20.0),
    "flow": diffusion.FlowMatching(t_start=0.9),
}
PUBLISHED = {
    "ddim": literal.ddim,
    **{
        f"deis-tab{r}": lambda eps, s, g, x, r=r: literal.multistep(eps, literal.tab_coefficients(s, g, r), g, x)
        for r in range(4)
    },
    **{
        f"deis-rhoab{r}": lambda eps, s, g, x, r=r: literal.multistep(eps, literal.rhoab_coefficients(s, g, r), g, x)
        for r in range(4)
    },
    "deis-rho-heun": lambda *run: literal.rho_rk(*run, literal.HEUN),
    "deis-rho-kutta3": lambda *run: literal.rho_rk(*run, literal.KUTTA3),
    "deis-rho-rk4": lambda *run: literal.rho_rk(*run, literal.RK4),
    "ipndm": literal.ipndm,
}
CALLS = {
    **dict.fromkeys(("deis-rho-heun", "dpm2", "dpmpp-2s", "edm-heun", "dpm2@k-diffusion", "dpmpp-2s@k-diffusion"), 2),
    **dict.fromkeys(("deis-rho-kutta3", "dpm3", "dpmpp-3s"), 3),
    "deis-rho-rk4": 4,
}


def model(schedule, predicts="noise"):
    return gaussian_mixture(*mixture()[:3], schedule, predicts=predicts)


def start(schedule):
    return mixture()[3] * schedule.noise_scale(schedule.t_start)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("name", PUBLISHED)
def test_a_sampler_is_its_published_formula(name, schedule):
    grid = diffusion.grids.power(7, 2, clock="t", schedule=schedule)
    network, x = model(schedule), start(schedule)
    expected = PUBLISHED[name](network, schedule, grid, x)
    found = diffusion.trajectory(network, x, sampler=name, grid=grid, start="state").states
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["ddim", "dpm1", "euler"])
def test_first_order_samplers_agree_in_every_gauge(name):
    grid = diffusion.grids.uniform(6, clock="lambda", schedule=VP)
    expected = literal.ddim(model(VP), VP, grid, start(VP))
    for predicts in ("noise", "data", "velocity", "score", "flow"):
        found = diffusion.trajectory(model(VP, predicts), start(VP), sampler=name, grid=grid, start="state").states
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("name", diffusion.sampler_names())
def test_calls_are_those_of_the_method_and_one_per_step_for_multistep_samplers(name):
    steps = 6
    calls = []
    network = model(VP)
    denoiser = diffusion.Denoiser(lambda x, t: calls.append(t) or network(x, t), schedule=VP)
    run = diffusion.trajectory(denoiser, mixture()[3], sampler=name, steps=steps)
    sampler = diffusion.sampler(name)
    stages = CALLS.get(name, 1)
    expected = steps * stages if sampler.end.zero is None else (steps - 1) * stages + 1
    assert run.calls == len(calls) == expected
    if sampler.method.history > 1:
        assert run.calls == steps


ORDERS = {
    "ddim": 1,
    **{
        f"deis-{kind}{r}": min(r + 1, 2) for kind in ("tab", "rhoab") for r in range(4)
    },  # an Euler start costs the rest
    "deis-rho-heun": 2,
    "deis-rho-kutta3": 3,
    "deis-rho-rk4": 4,
    "dpm1": 1,
    "dpm2": 2,
    "dpm3": 3,
    "dpm2m": 2,
    "dpm3m": 2,
    "dpmpp-2s": 2,
    "dpmpp-2m": 2,
    "dpmpp-3s": 3,
    "dpmpp-3m": 2,
    "euler": 1,
    "edm-heun": 2,
    "lms4": 2,
}


@cache
def order_problem():
    """Return a schedule, a denoiser, samples of its process at t_start, and their ends to ten digits.

    The noise level of the start is moderate, so that the error of the first step counts.
    """
    schedule = diffusion.EDM(0.05, 1.5)
    (weights, means, covariances, _), generator = mixture(), np.random.default_rng(0)
    component = generator.choice(len(weights), 48, p=weights)
    spread = np.einsum("nij,nj->ni", np.linalg.cholesky(covariances)[component], generator.standard_normal((48, 4)))
    x = means[component] + spread + 1.5 * generator.standard_normal((48, 4))
    reference = diffusion.sample(
        model(schedule), x, sampler="deis-rho-rk4", grid=fine_grid(schedule, 1000), start="state"
    )
    return schedule, model(schedule), x, reference


def fine_grid(schedule, steps):
    return diffusion.grids.uniform(steps, clock="lambda", schedule=schedule)


def median_errors(sampler, steps):
    schedule, network, x, reference = order_problem()
    ends = [diffusion.sample(network, x, sampler=sampler, grid=fine_grid(schedule, n), start="state") for n in steps]
    return [np.median(np.linalg.norm(end - reference, axis=1)) for end in ends]


def slope(steps, errors):
    return -np.polyfit(np.log(steps), np.log(errors), 1)[0]


@pytest.mark.parametrize("name", ORDERS)
def test_the_measured_order_is_the_computed_one(name):
    steps = (160, 320) if diffusion.sampler(name).method.history > 1 else (60, 120)
    assert abs(slope(steps, median_errors(name, steps)) - ORDERS[name]) < 0.15


@pytest.mark.parametrize("order", [3, 4])
@pytest.mark.parametrize("gauge", [NOISE, DATA, RHO], ids=lambda gauge: gauge.name)
def test_a_runge_kutta_start_keeps_the_order_of_adams(gauge, order):
    sampler = diffusion.Sampler("adams", expint.Adams(order), gauge, uniform_in_lambda)
    assert abs(slope((160, 320), median_errors(sampler, (160, 320))) - order) < 0.15


def test_names_resolve_whatever_their_case_and_separators():
    assert diffusion.sampler("DEIS_tAB3") is diffusion.sampler("deis-tab3")
    assert diffusion.sampler(diffusion.sampler("ddim")) is diffusion.sampler("ddim")
    assert set(diffusion.sampler_names()) >= {"ddim", "ipndm", "deis-tab3", "deis-rho-rk4"}


@pytest.mark.parametrize(("name", "near"), [("dies-tab3", "deis-tab3"), ("DDIMM", "ddim"), ("ipndm4", "ipndm")])
def test_a_misspelt_sampler_gets_a_suggestion(name, near):
    with pytest.raises(ValueError, match=f"received '{name}'; did you mean '{near}'"):
        diffusion.sampler(name)


def test_a_sampler_that_is_no_name_is_refused():
    with pytest.raises(TypeError, match=r"expected the name of a sampler.*received int"):
        diffusion.sampler(3)


@pytest.mark.parametrize("name", diffusion.sampler_names())
def test_every_sampler_cites_its_source(name):
    assert diffusion.sampler(name).cite().startswith("@")


def test_plans_are_made_once():
    sampler = diffusion.sampler("deis-tab3")
    grid = sampler.grid(5, VP)
    assert sampler.plan(VP, grid) is sampler.plan(diffusion.VP.linear(), list(grid))
