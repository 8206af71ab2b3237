"""The literal transcriptions reproduce the recorded reference trajectories: they mean what the references do."""

import numpy as np
import pytest

from diffusion.models.mixture import gaussian_mixture
from diffusion.process.schedule import EDM
from diffusion.process.vp import VP

from . import transcriptions as literal
from .golden import mixture, runs

SCHEDULE = VP.linear()
EPS = gaussian_mixture(*mixture()[:3], SCHEDULE, predicts="noise")
TABLEAUX = {"2heun": literal.HEUN, "3kutta": literal.KUTTA3, "4rk": literal.RK4}
CLOCKS = {"t_ab": "t", "rho_ab": "rho"}
MULTISTEP = runs("th_deis_tab") + runs("th_deis_rho", method="rho_ab")


def named(configurations):
    return {"argvalues": configurations, "ids": [run["id"] for run in configurations]}


def recording(network):
    calls = []

    def call(x, t):
        calls.append((float(t), x))
        return network(x, t)

    return call, calls


def assert_reproduces(run, states, calls, tolerance):
    scale = np.abs(run["states"]).max()
    np.testing.assert_allclose(states, run["states"], rtol=0, atol=tolerance * scale)
    np.testing.assert_allclose([t for t, _ in calls], run["eval_t"], rtol=1e-11)
    np.testing.assert_allclose([x for _, x in calls], run["eval_x"], rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("run", **named(runs("th_deis_tab")))
def test_tab_with_the_recorded_coefficients_reproduces_the_recorded_states(run):
    eps, calls = recording(EPS)
    states = literal.multistep(eps, run["coef"], run["grid"], run["states"][0])
    assert_reproduces(run, states, calls, 1e-10)


@pytest.mark.parametrize("run", **named(runs("th_deis_tab")))
def test_the_recorded_coefficients_are_a_left_riemann_sum_of_the_exact_ones(run):
    grid, order = run["grid"], run["order"]
    np.testing.assert_allclose(literal.riemann_coefficients(SCHEDULE, grid, order), run["coef"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(literal.tab_coefficients(SCHEDULE, grid, order), run["coef"], rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("run", **named(MULTISTEP))
def test_adams_with_a_riemann_sum_reproduces_the_recorded_states(run):
    eps, calls = recording(EPS)
    coefficients = literal.riemann_coefficients(SCHEDULE, run["grid"], run["order"], CLOCKS[run["method"]])
    assert_reproduces(run, literal.multistep(eps, coefficients, run["grid"], run["states"][0]), calls, 1e-9)


@pytest.mark.parametrize("run", **named(MULTISTEP))
def test_adams_with_exact_coefficients_agrees_to_the_error_of_the_riemann_sum(run):
    eps, calls = recording(EPS)
    exact = {"t_ab": literal.tab_coefficients, "rho_ab": literal.rhoab_coefficients}[run["method"]]
    states = literal.multistep(eps, exact(SCHEDULE, run["grid"], run["order"]), run["grid"], run["states"][0])
    assert_reproduces(run, states, calls, 2e-3)


@pytest.mark.parametrize("run", **named(runs("th_deis_rho", method="rho_rk")))
def test_runge_kutta_in_rho_reproduces_the_recorded_states(run):
    eps, calls = recording(EPS)
    states = literal.rho_rk(eps, SCHEDULE, run["grid"], run["states"][0], TABLEAUX[run["order"]])
    assert_reproduces(run, states, calls, 1e-10)


@pytest.mark.parametrize("run", **named(runs("th_deis_rho", method="ipndm")))
def test_ipndm_reproduces_the_recorded_states(run):
    eps, calls = recording(EPS)
    assert_reproduces(run, literal.ipndm(eps, SCHEDULE, run["grid"], run["states"][0]), calls, 1e-10)


@pytest.mark.parametrize("run", **named(runs("edm_heun")))
def test_heun_in_sigma_reproduces_the_recorded_states(run):
    low, high = map(float, run["id"].split("/")[1].split("-"))
    denoise, calls = recording(gaussian_mixture(*mixture()[:3], EDM(low, high)))
    assert_reproduces(run, literal.edm_heun(denoise, run["grid"], run["states"][0]), calls, run["tol"])


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_the_rows_of_every_adams_method_sum_to_ddim(order):
    grid = np.linspace(1.0, 1e-3, 7)
    alpha, sigma = SCHEDULE.alpha(grid), SCHEDULE.sigma(grid)
    ddim = sigma[1:] - alpha[1:] / alpha[:-1] * sigma[:-1]
    for coefficients in (literal.tab_coefficients, literal.rhoab_coefficients):
        np.testing.assert_allclose(coefficients(SCHEDULE, grid, order)[:, 1:].sum(axis=1), ddim, rtol=1e-11)


def test_adams_of_order_zero_is_ddim():
    grid, x = np.linspace(1.0, 1e-3, 7), mixture()[3]
    expected = literal.ddim(EPS, SCHEDULE, grid, x)
    for coefficients in (literal.tab_coefficients, literal.rhoab_coefficients):
        states = literal.multistep(EPS, coefficients(SCHEDULE, grid, 0), grid, x)
        np.testing.assert_allclose(states, expected, rtol=1e-11, atol=1e-12)
