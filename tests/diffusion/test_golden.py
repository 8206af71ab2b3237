"""The recorded trajectories of the reference implementations, reproduced by the declared samplers."""

import numpy as np
import pytest

import diffusion
import expint
from diffusion.models.mixture import gaussian_mixture
from expint.lower.plan import Plan, Row, Step

from .golden import mixture, runs

VP = diffusion.VP.linear()
EPS = gaussian_mixture(*mixture()[:3], VP, predicts="noise")
TABLEAUX = {"2heun": "heun", "3kutta": "kutta3", "4rk": "rk4"}


def named(configurations):
    return {"argvalues": configurations, "ids": [run["id"] for run in configurations]}


def assert_reproduced(run, states, tolerance):
    scale = np.abs(run["states"]).max()
    np.testing.assert_allclose(states, run["states"], rtol=0, atol=tolerance * scale)


def recorded(network):
    """Return the denoiser and the list of the times and states at which it is called."""
    calls = []

    def call(x, t):
        calls.append((float(t[0]), x))
        return network(x, t)

    return diffusion.Denoiser(call, predicts=network.predicts, schedule=network.schedule), calls


def assert_runs(run, network, sampler, tolerance):
    """Assert that the sampler reproduces the states, and is called at the recorded times and states."""
    denoiser, calls = recorded(network)
    found = diffusion.trajectory(denoiser, run["states"][0], sampler=sampler, grid=run["grid"], start="state")
    assert found.success
    assert_reproduced(run, found.states, tolerance)
    np.testing.assert_allclose([t for t, _ in calls], run["eval_t"], rtol=1e-10)
    np.testing.assert_allclose(
        [x for _, x in calls], run["eval_x"], rtol=0, atol=tolerance * np.abs(run["states"]).max()
    )


@pytest.mark.parametrize("run", **named(runs("th_deis_tab")))
def test_a_plan_of_the_recorded_coefficients_gives_the_recorded_states(run):
    steps = [Step((run["grid"][0],), (Row((1.0,), evaluate=True, accept=True),))]
    for i, weights in enumerate(run["coef"]):
        row = Row(tuple(weights[: i + 2]), evaluate=i + 1 < len(run["coef"]), accept=True)
        steps.append(Step((run["grid"][i + 1],), (row,)))
    plan = Plan(expint.operators.Scalar(0.0), tuple(steps), depth=run["coef"].shape[1] - 1)
    found = expint.run_plan(plan, lambda t, x: EPS(x, t), run["states"][0])
    assert_reproduced(run, found.states, 1e-10)
    assert found.calls == len(run["eval_t"])


@pytest.mark.parametrize("run", **named(runs("th_deis_tab")))
def test_tab_agrees_with_its_reference_to_the_error_of_the_reference_coefficients(run):
    assert_runs(run, EPS, f"deis-tab{run['order']}", 2e-3)


@pytest.mark.parametrize("run", **named(runs("th_deis_rho", method="rho_ab")))
def test_rho_ab_agrees_with_its_reference_to_the_error_of_the_reference_coefficients(run):
    assert_runs(run, EPS, f"deis-rhoab{run['order']}", 1e-4)


@pytest.mark.parametrize("run", **named(runs("th_deis_rho", method="rho_rk")))
def test_runge_kutta_in_rho_reproduces_its_reference(run):
    assert_runs(run, EPS, f"deis-rho-{TABLEAUX[run['order']]}", run["tol"])


@pytest.mark.parametrize("run", **named(runs("th_deis_rho", method="ipndm")))
def test_ipndm_reproduces_its_reference(run):
    assert_runs(run, EPS, "ipndm", run["tol"])


@pytest.mark.parametrize("family", ["th_deis_tab", "th_deis_rho"])
def test_the_published_grid_of_deis_is_recorded(family):
    for run in runs(family):
        clock = {"t": "t", "log": "lambda"}[run["phase"][0]]
        np.testing.assert_allclose(
            diffusion.grids.power(len(run["grid"]) - 1, run["phase"][1], clock, schedule=VP), run["grid"], rtol=1e-10
        )
