"""The interface of th_deis: its recorded runs, its functions, and its tables."""

from functools import cache

import numpy as np
import pytest
import torch

import diffusion
from diffusion.adapters import th_deis
from diffusion.models.mixture import gaussian_mixture

from .golden import mixture, runs

VP = diffusion.VP.linear()
EPS = gaussian_mixture(*mixture()[:3], VP, predicts="noise")
SDE = th_deis.VPSDE(*th_deis.get_linear_alpha_fns(0.1, 20.0), sampling_eps=1e-3, sampling_T=1.0)
NOISE = torch.from_numpy(mixture()[3])


def eps_fn(x, t):
    assert t.shape == ()
    return EPS(x, t.reshape(1).repeat(x.shape[0]) if hasattr(t, "device") and torch.is_tensor(t) else np.full(3, t))


@cache
def fine_flow():
    return torch.from_numpy(diffusion.sample(EPS, NOISE.numpy(), sampler="dpmpp-3s", steps=200))


def names(run):
    return run["id"]


def sampled(run, **changes):
    method, order = run["method"], run["order"]
    chosen = {"rk_method": order} if method == "rho_rk" else {} if method == "ipndm" else {"ab_order": order}
    steps = len(run["grid"]) - 1
    sampler_fn = th_deis.get_sampler(SDE, eps_fn, *run["phase"], steps, method=method, **chosen, **changes)
    return sampler_fn(run["states"][0])


@pytest.mark.parametrize("run", runs("th_deis_tab") + runs("th_deis_rho"), ids=names)
def test_recorded_runs_are_reproduced(run):
    scale = np.abs(run["states"]).max()
    sums = run["method"] in ("t_ab", "rho_ab")
    exact = 2e-3 if sums else run["tol"]  # their sums are off by that much
    np.testing.assert_allclose(sampled(run), run["states"][-1], rtol=0, atol=exact * scale)
    if sums:
        np.testing.assert_allclose(sampled(run, exact=False), run["states"][-1], rtol=0, atol=run["tol"] * scale)


@pytest.mark.parametrize("method", ["t_ab", "rho_ab", "rho_rk", "ipndm"])
@pytest.mark.parametrize("phase", [("t", 2.0), ("rho", 7.0), ("log", 1.0)])
def test_every_method_on_every_grid_is_the_sampler_of_our_name(method, phase):
    ours = {"t_ab": "deis-tab3", "rho_ab": "deis-rhoab3", "rho_rk": "deis-rho-kutta3", "ipndm": "ipndm"}[method]
    found = th_deis.get_sampler(SDE, eps_fn, *phase, 6, method=method)(NOISE)
    clock = {"t": "t", "rho": "rho", "log": "lambda"}[phase[0]]
    grid = diffusion.grids.power(6, phase[1], clock, schedule=VP)
    grid = diffusion.grids.uniform(6, schedule=VP) if method == "ipndm" else grid
    expected = diffusion.sample(EPS, NOISE, sampler=ours, grid=grid)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("rk_method", ["1euler", "2heun", "3kutta", "3ral", "3heun", "3vdh", "3ssprk", "4rk"])
def test_every_runge_kutta_method_converges_to_the_flow_with_its_order(rk_method):
    flow = fine_flow()
    errors = [
        (th_deis.get_sampler(SDE, eps_fn, "log", 1.0, n, rk_method=rk_method)(NOISE) - flow).abs().max()
        for n in (20, 40)
    ]
    assert errors[0] / errors[1] > 0.7 * 2 ** int(rk_method[0])


def of_numpy(t):
    return np.exp(-0.5 * t**2 * 19.9 - t * 0.1)


def time_of(alpha):
    return (-0.1 + np.sqrt(0.01 - 2 * 19.9 * np.log(alpha))) / 19.9


def test_functions_of_ones_own_give_what_the_formula_gives():
    own = th_deis.VPSDE(of_numpy, time_of, 1e-3, 1.0)
    for method in ("t_ab", "rho_ab", "rho_rk"):
        found = th_deis.get_sampler(own, eps_fn, "t", 2.0, 7, method=method)(NOISE)
        expected = th_deis.get_sampler(SDE, eps_fn, "t", 2.0, 7, method=method)(NOISE)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


def test_the_cosine_is_solved_to_the_flow_of_its_process():
    sde = th_deis.VPSDE(*th_deis.get_cos_alpha_fns(), sampling_eps=1e-3, sampling_T=0.9946)
    network = gaussian_mixture(*mixture()[:3], sde.schedule, predicts="noise")

    def eps(x, t):
        return network(x, t.reshape(1).repeat(3))

    at = np.array([0.01, 0.4, 0.99])
    rate = (sde.schedule.half_log_snr(at + 1e-6) - sde.schedule.half_log_snr(at - 1e-6)) / 2e-6
    np.testing.assert_allclose(sde.schedule.half_log_snr_rate(at), rate, rtol=1e-6)
    squared, back = th_deis.get_cos_alpha_fns()
    np.testing.assert_allclose(squared(at), np.cos((at + 0.008) / 1.008 * np.pi / 2) ** 2, rtol=1e-14)
    np.testing.assert_allclose(back(squared(at)), at, rtol=1e-10)
    fine = diffusion.sample(
        network, NOISE, sampler="dpmpp-3s", grid=diffusion.grids.uniform(120, "lambda", schedule=sde.schedule)
    )
    found = th_deis.get_sampler(sde, eps, "t", 2.0, 60, method="t_ab")(NOISE)
    assert (found - fine).abs().max() < 2e-3


def test_a_table_is_linear_between_its_entries_and_networks_are_told_the_index():
    betas = np.linspace(1e-4, 0.02, 1000)
    table = np.cumprod(1.0 - betas)
    sde = th_deis.DiscreteVPSDE(torch.from_numpy(table))
    at = np.array([0.0, 3.0, 3.25, 500.7, 999.0])
    np.testing.assert_allclose(
        sde.schedule.alpha(sde.times(at)) ** 2, np.interp(at, np.arange(1000), table), rtol=1e-11
    )
    told = []

    def eps(x, t):
        told.append(float(t))
        return 0 * x

    th_deis.get_sampler(sde, eps, "t", 2.0, 10, method="t_ab")(NOISE)
    np.testing.assert_allclose(told, np.linspace(np.sqrt(999), 0, 11)[:-1] ** 2, rtol=1e-12)


def test_coefficients_of_a_table_are_the_integrals_over_its_pieces():
    table = np.cumprod(1.0 - np.linspace(1e-3, 0.2, 40))
    sde = th_deis.DiscreteVPSDE(table)
    recorded = []

    def eps(x, t):
        recorded.append(float(t))
        return torch.full_like(x, 1.0 + 0.1 * float(t))  # linear in the index: two slopes integrate it exactly

    state = torch.zeros(1, 1, dtype=torch.float64)
    found = float(th_deis.get_sampler(sde, eps, "t", 1.0, 4, method="t_ab", ab_order=1)(state))
    index = np.linspace(39.0, 0.0, 5)

    def rho(i):
        alpha = np.interp(i, np.arange(40), table)
        return np.sqrt((1 - alpha) / alpha)

    fine = np.linspace(0.0, 39.0, 39 * 4000 + 1)
    slopes = 1.0 + 0.1 * fine
    total = np.sum((slopes[1:] + slopes[:-1]) / 2 * np.diff(rho(fine)))
    first = (rho(index[0]) - rho(index[1])) * slopes[-1]  # the first step has one slope: that at its start
    mean = np.sum((slopes[1:] + slopes[:-1]) / 2 * np.diff(rho(fine)) * (fine[1:] > index[1] + 1e-9))
    assert abs(found - -(total - mean + first) * np.sqrt(table[0])) < 1e-6


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("x", 1.0, 5), "ts_phase"),
        (("log", 2.0, 5), "ts_order=1"),
        (("t", -1.0, 5), "ts_order"),
        (("t", 1.0, 0), "num_step"),
        (("t", 1.0, 5, "ab"), "method"),
        (("t", 1.0, 5, "t_ab", 9), "ab_order"),
        (("t", 1.0, 5, "rho_rk", 3, "3rk"), "rk_method"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments, says):
    with pytest.raises(ValueError, match=says):
        th_deis.get_sampler(SDE, eps_fn, *arguments)


def test_functions_that_are_not_inverse_or_in_single_precision_are_refused():
    with pytest.raises(ValueError, match="inverse"):
        th_deis.VPSDE(of_numpy, lambda alpha: alpha, 1e-3, 1.0)
    with pytest.raises(TypeError, match="double precision"):
        th_deis.VPSDE(lambda t: of_numpy(t).astype(np.float32), time_of, 1e-3, 1.0)
    with pytest.raises(ValueError, match="exact=False"):
        th_deis.get_sampler(SDE, eps_fn, "t", 1.0, 5, method="ipndm", exact=False)
    with pytest.raises(TypeError, match="process"):
        th_deis.get_sampler(VP, eps_fn, "t", 1.0, 5)
