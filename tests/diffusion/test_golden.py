"""The recorded trajectories of the reference implementations, reproduced by the declared samplers."""

import numpy as np
import pytest

import diffusion
import expint
from diffusion.models.mixture import gaussian_mixture
from diffusion.samplers.ends import End, taper
from expint.lower.plan import Plan, Row, Step

from .golden import FOLDER, load, mixture, runs

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


@pytest.mark.parametrize("run", **named(runs("th_deis_tab") + runs("th_deis_rho", method="rho_ab")))
def test_the_preset_of_th_deis_reproduces_its_reference(run):
    assert_runs(run, EPS, f"deis-{run['method'].replace('_', '')}{run['order']}@th-deis", run["tol"])


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


EDM = {f"{low:g}-{high:g}": diffusion.EDM(low, high) for low, high in ((0.002, 80.0), (0.0105, 152.0))}


@pytest.mark.parametrize("run", **named(runs("edm_heun")))
def test_edm_heun_reproduces_its_reference_with_its_grid_and_its_step_to_zero(run):
    schedule = EDM[run["id"].split("/")[1]]
    network = gaussian_mixture(*mixture()[:3], schedule)
    assert_runs(run, network, "edm-heun", run["tol"])
    noise = run["states"][0] / schedule.sigma_max
    found = diffusion.trajectory(network, noise, sampler="edm-heun", steps=run["num_steps"])
    assert_reproduced(run, found.states, 1e-11)
    np.testing.assert_allclose(found.t, run["grid"], rtol=1e-12)


K_DIFFUSION = {
    "sample_euler": "euler",
    "sample_heun": "edm-heun",
    "sample_dpm_2": "dpm2@k-diffusion",
    "sample_dpmpp_2s_ancestral": "dpmpp-2s@k-diffusion",
    "sample_dpmpp_2m": "dpmpp-2m@k-diffusion",
}


@pytest.mark.parametrize("run", **named(runs("kdiffusion")))
def test_k_diffusion_is_reproduced(run):
    network = gaussian_mixture(*mixture()[:3], EDM["0.002-80"])
    name = f"lms{run['args']['order']}@k-diffusion" if run["fn"] == "sample_lms" else K_DIFFUSION[run["fn"]]
    assert_runs(run, network, name, run["tol"])
    found = diffusion.trajectory(network, run["states"][0] / 80.0, sampler=name, steps=len(run["grid"]) - 1)
    assert_reproduced(run, found.states, 1e-9)


UNIPC = {
    "argvalues": runs("unipc_data") + runs("unipc_noise"),
    "ids": [
        f"{'data' if run['predict_x0'] else 'noise'}/{run['id']}" for run in runs("unipc_data") + runs("unipc_noise")
    ],
}


@pytest.mark.parametrize("run", **UNIPC)
def test_unipc_is_reproduced(run):
    name = f"unipc{run['order']}-{run['variant']}{'' if run['predict_x0'] else '-noise'}@unipc"
    sampler = diffusion.sampler(name) if run["lower_order_final"] else diffusion.sampler(name, end=End(correct=False))
    assert_runs(run, EPS, sampler, run["tol"])


DPM = runs("dpm_solver") + runs("dpm_solver_pp")


@pytest.mark.parametrize("run", **named([run for run in DPM if run["method"] == "multistep"]))
def test_dpm_solver_multistep_is_reproduced(run):
    prefix, order = "dpmpp-" if "++" in run["alg"] else "dpm", run["order"]
    if order == 1:
        sampler = "dpm1"
    elif run["solver_type"] == "taylor":
        sampler = diffusion.sampler(f"{prefix}{order}m", end=taper(order))
    else:
        sampler = f"{prefix}{order}m@dpm-solver"
    assert_runs(run, EPS, sampler, run["tol"])


@pytest.mark.parametrize("run", **named([run for run in DPM if run["method"] != "multistep"]))
def test_dpm_solver_singlestep_is_reproduced(run):
    order, gauge = run["order"], "data" if "++" in run["alg"] else "noise"
    orders = run["orders"] or [order] * (len(run["grid"]) - 1)
    if run["method"] == "singlestep":
        assert diffusion.orders_for_calls(run["steps"], order) == orders
    sampler = diffusion.singlestep(orders, gauge, collocated=run["solver_type"] == "taylor")
    assert_runs(run, EPS, sampler, run["tol"])


def test_every_recorded_run_is_reproduced():
    """The files are the models and the families above; each family is run in full."""
    files = {path.stem for path in FOLDER.glob("*.npz")}
    families = {"th_deis_tab", "th_deis_rho", "edm_heun", "kdiffusion", "unipc_data", "unipc_noise"}
    assert files == families | {"dpm_solver", "dpm_solver_pp", "model", "mixture8"}
    assert {run["method"] for run in load("th_deis_rho")} == {"rho_ab", "rho_rk", "ipndm"}
    assert {run["order"] for run in runs("th_deis_rho", method="rho_rk")} == set(TABLEAUX)
    assert {run["fn"] for run in load("kdiffusion")} == {*K_DIFFUSION, "sample_lms"}


@pytest.mark.parametrize("name", ["deis-tab3", "dpmpp-3m", "unipc3"])
def test_the_eight_dimensional_mixture_is_followed_to_its_flow(name):
    network = gaussian_mixture(*mixture("mixture8"), VP, predicts="noise")
    noise = np.random.default_rng(0).standard_normal((32, 8))
    exact = diffusion.sample(network, noise, sampler="dpmpp-3s", steps=300)
    errors = [
        np.median(np.linalg.norm(diffusion.sample(network, noise, sampler=name, steps=n) - exact, axis=1))
        for n in (10, 20, 40)
    ]
    assert errors[0] > 2 * errors[1] > 4 * errors[2]
    assert errors[2] < 0.02
