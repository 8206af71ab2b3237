"""DPM-Solver-v3: its published formula, what it becomes for trivial statistics, and its order."""

from dataclasses import replace
from itertools import pairwise
from math import factorial

import numpy as np
import pytest
import torch

import diffusion
import expint
from diffusion import Statistics, dpm_solver_v3
from diffusion.grids.published import uniform_in_lambda
from diffusion.models.mixture import gaussian_mixture
from diffusion.process.gauge import DATA, NOISE
from diffusion.samplers.dpm_solver_v3.tabulated import TabulatedGauge, TabulatedSampler
from expint.derive.kinds.predictor_corrector import PredictorCorrector

from .golden import mixture
from .test_samplers import median_errors, slope

VP = diffusion.VP.linear(t_end=1e-2)
NET = gaussian_mixture(*mixture()[:3], VP, predicts="noise")
NOISE_STATE = mixture()[3]


def smooth_statistics(count, low=-6.0, high=4.0, shape=(1, 2, 2)):
    """Return statistics of another form for each element: smooth in λ, l near 1 and s and b not small."""
    lam = np.linspace(low, high, count)
    phase = np.arange(np.prod(shape)).reshape(shape) / 3
    of_lam = lam.reshape(-1, *[1] * len(shape))
    l = 0.7 + 0.3 * np.tanh(of_lam + phase)
    return Statistics(lam, l, 0.4 * np.sin(of_lam / 2 + phase), 0.3 * np.cos(of_lam / 3 - phase))


def literal(eps, schedule, statistics, grid, x, order, corrector, pseudo_predictor, pseudo_corrector, lower_final):
    """Zheng et al. 2023, eq. (8)–(12) and algorithm 1, with integrals by a fine trapezoidal rule from the first time.

    L = ∫ l, S = ∫ s, I = ∫ e^{L+S}, B = ∫ e^{−S} b, C = ∫ e^{L+S} B, and E_k = ∫ e^{(L+S) − (L+S)_s} (λ − λ_s)^k/k!.
    """
    lam = schedule.half_log_snr(grid)
    points = 16_000
    fine = np.concatenate([[lam[0]], *(np.linspace(a, b, points + 1)[1:] for a, b in pairwise(lam))])
    shape = (-1, 1, 1, 1)
    l, s, b = statistics.at(fine)

    def integral(values):
        steps = np.diff(fine).reshape(shape) * (values[1:] + values[:-1]) / 2
        return np.concatenate([0 * steps[:1], np.cumsum(steps, axis=0)])

    to_l, to_s = integral(l), integral(s)
    to_i = integral(np.exp(to_l + to_s))
    to_b = integral(np.exp(-to_s) * b)
    to_c = integral(np.exp(to_l + to_s) * to_b)

    def at(table, i):
        return table[i * points]

    def update(nodes, slopes, i, x, pseudo):
        """The step from i to i + 1; slopes N at the entries ``nodes`` of the grid, that at i first."""
        alpha, own = schedule.alpha(grid), slice(i * points, (i + 1) * points + 1)
        g = [
            np.exp(at(to_s, i) - at(to_s, j)) * n - np.exp(at(to_s, i)) * (at(to_b, j) - at(to_b, i))
            for j, n in zip(nodes, slopes)
        ]
        h = lam[list(nodes)] - lam[i]
        if len(g) == 1:
            derivatives = []
        elif pseudo:
            table = [list(g)]
            for k in range(1, len(g)):
                table.append([(table[-1][j] - table[-1][j + 1]) / (h[j] - h[j + k]) for j in range(len(g) - k)])
            derivatives = [factorial(k) * table[k][0] for k in range(1, len(g))]
        else:
            powers = np.array([[h[j] ** k for k in range(1, len(g))] for j in range(1, len(g))])
            right = np.array([gj - g[0] for gj in g[1:]]).reshape(len(g) - 1, -1)
            solved = np.linalg.solve(powers, right)
            derivatives = [factorial(k + 1) * row.reshape(x.shape) for k, row in enumerate(solved)]
        di, dc = at(to_i, i + 1) - at(to_i, i), at(to_c, i + 1) - at(to_c, i)
        result = (
            alpha[i + 1] / alpha[i] * np.exp(at(to_l, i) - at(to_l, i + 1)) * x
            - alpha[i + 1] * np.exp(-at(to_l, i + 1) - at(to_s, i)) * di * g[0]
            - alpha[i + 1] * np.exp(-at(to_l, i + 1)) * (dc - at(to_b, i) * di)
        )
        for k, derivative in enumerate(derivatives, start=1):
            kernel = np.exp((to_l + to_s)[own] - at(to_l, i) - at(to_s, i))
            values = kernel * (fine[own].reshape(shape) - lam[i]) ** k / factorial(k)
            steps = np.diff(fine[own]).reshape(shape) * (values[1:] + values[:-1]) / 2
            e_k = steps.sum(axis=0)
            result = result - alpha[i + 1] * np.exp(at(to_l, i) - at(to_l, i + 1)) * e_k * derivative
        return result

    states, slopes, previous = [x], [], 0
    for i in range(len(grid) - 1):
        alpha, sigma = schedule.alpha(grid[i]), schedule.sigma(grid[i])
        slopes.append((sigma * eps(x, grid[i]) - at(l, i) * x) / alpha)
        c_order = previous + pseudo_corrector
        if corrector and c_order > 1:
            nodes = [i - 1, i, *range(i - 2, i - c_order, -1)]
            x = update(nodes, [slopes[j] for j in nodes], i - 1, states[-2], pseudo_corrector)
            states[-1] = x
        previous = min(order, i + 1)
        if lower_final:
            previous = min(previous, len(grid) - 1 - i)
        nodes = range(i, i - previous, -1)
        x = update(nodes, [slopes[j] for j in nodes], i, x, pseudo_predictor)
        states.append(x)
    return np.array(states)


OPTIONS = [
    (1, False, False, False),
    (2, True, False, False),
    (3, False, False, False),
    (3, True, False, False),
    (1, True, False, True),
    (2, True, False, True),
    (3, True, True, False),
    (3, False, True, False),
    (3, True, True, True),
]
FAR = pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning")
"""Statistics that are drawn at random, not estimated, lead a run of few steps far from the states of the process."""


@FAR
@pytest.mark.parametrize("lower_final", [True, False])
@pytest.mark.parametrize(("order", "corrector", "pseudo_predictor", "pseudo_corrector"), OPTIONS)
def test_it_is_its_published_formula(order, corrector, pseudo_predictor, pseudo_corrector, lower_final):
    statistics = smooth_statistics(9)
    grid = diffusion.grids.power(7, 2, "t", schedule=VP)
    options = {"corrector": corrector, "pseudo_predictor": pseudo_predictor, "pseudo_corrector": pseudo_corrector}
    end = None if lower_final else diffusion.End(correct=False)
    sampler = dpm_solver_v3(statistics, order, **options, end=end)
    found = diffusion.trajectory(NET, NOISE_STATE, sampler=sampler, grid=grid)
    expected = literal(NET, VP, statistics, grid, NOISE_STATE, order, **options, lower_final=lower_final)
    assert found.calls == len(grid) - 1
    np.testing.assert_allclose(found.states, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("kind", "gauge"), [("data", DATA), ("noise", NOISE)])
@pytest.mark.parametrize(
    "method",
    [expint.Adams(1), expint.Adams(3, ramp=True), PredictorCorrector(3, ramp=True)],
    ids=["ddim", "adams3", "unipc3"],
)
def test_with_trivial_statistics_a_method_is_what_it_is_in_the_gauge_of_the_prediction(method, kind, gauge):
    known = diffusion.Sampler("known", method, gauge, uniform_in_lambda)
    tabulated = TabulatedSampler("tabulated", method, TabulatedGauge(Statistics.of_prediction(kind)), uniform_in_lambda)
    expected, found = (diffusion.trajectory(NET, NOISE_STATE, sampler=s, steps=8) for s in (known, tabulated))
    assert found.calls == expected.calls
    np.testing.assert_allclose(found.states, expected.states, rtol=0, atol=1e-11)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_with_trivial_statistics_and_no_corrector_it_is_dpm_solver(order):
    for kind, name in (("data", "dpmpp-{}m"), ("noise", "dpm{}m")):
        known = "dpm1" if order == 1 else diffusion.sampler(name.format(order), end=diffusion.taper(order))
        sampler = dpm_solver_v3(Statistics.of_prediction(kind), order, corrector=False)
        found = diffusion.sample(NET, NOISE_STATE, sampler=sampler, steps=7)
        np.testing.assert_allclose(
            found, diffusion.sample(NET, NOISE_STATE, sampler=known, steps=7), rtol=0, atol=1e-12
        )


ANY = TabulatedGauge(Statistics.of_prediction("data"))
ORDERS = {
    "adams3-corrected": (TabulatedSampler("a", expint.Adams(3), ANY, uniform_in_lambda, start="corrected"), 3),
    "pec4": (TabulatedSampler("p", PredictorCorrector(3, ramp=True), ANY, uniform_in_lambda), 3),
    "1": ({"order": 1, "corrector": False}, 1),
    "2": ({"order": 2}, 2),
    "3": ({"order": 3}, 2),  # its first step is not corrected
    "1-pseudo-corrector": ({"order": 1, "pseudo_corrector": True}, 2),
    "2-pseudo-corrector": ({"order": 2, "pseudo_corrector": True}, 2),
    "3-pseudo-predictor": ({"order": 3, "pseudo_predictor": True, "corrector": False}, 2),
}


@pytest.mark.parametrize(("sampler", "expected"), ORDERS.values(), ids=ORDERS)
def test_the_measured_order_is_the_computed_one(sampler, expected):
    statistics = smooth_statistics(2001, -1.0, 4.0, shape=(4,))
    if isinstance(sampler, dict):
        made = dpm_solver_v3(statistics, **sampler, end=diffusion.End(correct=False))
    else:
        made = replace(sampler, gauge=TabulatedGauge(statistics))
    steps = (40, 80) if expected < 3 else (160, 320)
    assert abs(slope(steps, median_errors(made, steps)) - expected) < 0.15


def test_encoding_goes_the_same_way_back():
    sampler = dpm_solver_v3(smooth_statistics(101), 2, end=diffusion.End(correct=False))
    errors = []
    for steps in (80, 160):
        grid = uniform_in_lambda(steps, VP)
        data = diffusion.sample(NET, NOISE_STATE, sampler=sampler, grid=grid)
        back = diffusion.encode(NET, data, sampler=sampler, grid=grid)
        errors.append(np.median(np.abs(back - NOISE_STATE)))
    assert errors[0] < 0.05
    assert errors[1] < errors[0] / 3


@FAR
def test_a_step_to_zero_noise_ends_in_the_prediction_of_the_data():
    network = gaussian_mixture([1.0], np.array([[0.3, -0.7, 0.1, 0.2]]), 1e-30 * np.eye(4)[None], VP)
    sampler = dpm_solver_v3(smooth_statistics(11), end=diffusion.End(zero=1))
    found = diffusion.trajectory(network, NOISE_STATE, sampler=sampler, steps=8)
    np.testing.assert_allclose(found.states[-1].reshape(3, 4), [[0.3, -0.7, 0.1, 0.2]] * 3, rtol=1e-9)
    assert (found.calls, found.t[-1]) == (8, 0.0)


@FAR
def test_no_slope_is_remembered_across_a_discontinuity():
    edge = float(VP.time(0.0))
    network = diffusion.Denoiser(NET.network, "noise", VP, discontinuities=(edge,))
    sampler = dpm_solver_v3(smooth_statistics(11), end=diffusion.STOP)
    grid = diffusion.grids.through(uniform_in_lambda(8, VP), (edge,))
    at = int(np.flatnonzero(grid == edge)[0])
    found = diffusion.sample(network, NOISE_STATE, sampler=sampler, grid=grid)
    first = diffusion.trajectory(
        NET,
        NOISE_STATE,
        sampler=dpm_solver_v3(smooth_statistics(11), end=diffusion.End(correct=False)),
        grid=grid[: at + 1],
    ).states[-1]
    second = diffusion.sample(NET, first, sampler=sampler, grid=grid[at:], start="state")
    np.testing.assert_allclose(found, second, rtol=0, atol=1e-12)


@FAR
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tensors_keep_their_precision(dtype):
    sampler = dpm_solver_v3(smooth_statistics(11))
    noise = torch.from_numpy(NOISE_STATE).to(dtype)
    for _ in range(2):  # the second time from what is kept beside the state
        found = diffusion.sample(NET, noise, sampler=sampler, steps=8)
        assert found.dtype == dtype
        expected = diffusion.sample(NET, NOISE_STATE, sampler=sampler, steps=8)
        np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=2e-5 if dtype == torch.float32 else 1e-12)


@pytest.mark.parametrize("make", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
def test_a_run_is_continued_between_its_steps(make):
    sampler = dpm_solver_v3(smooth_statistics(11), 3, end=diffusion.End(correct=False))
    run = diffusion.trajectory(NET, make(NOISE_STATE), sampler=sampler, steps=80, dense_output=True)
    np.testing.assert_allclose(run.sol(run.t), run.states, rtol=0, atol=1e-12)
    between = np.sqrt(run.t[20:60:8] * run.t[21:61:8])
    fine = np.unique(np.concatenate([uniform_in_lambda(400, VP), between]))[::-1]
    exact = diffusion.trajectory(NET, NOISE_STATE, sampler="dpmpp-3s", grid=fine)
    expected = exact.states[[int(np.flatnonzero(exact.t == t)[0]) for t in between]]
    np.testing.assert_allclose(run.sol(between), expected, rtol=0, atol=0.02)
    data = [NET.predict(x, t, "data") for t, x in zip(run.t[:-1].tolist(), np.asarray(run.states))]
    np.testing.assert_allclose(run.sol.previews, data, rtol=0, atol=0.1)


def test_what_has_no_tabulated_form_is_refused():
    gauge = TabulatedGauge(smooth_statistics(11))
    for method in (expint.method("krogstad4"), expint.Adams(4)):  # the latter starts by a Runge–Kutta method
        with pytest.raises(ValueError, match="expected a multistep method that interpolates in λ, received"):
            diffusion.sample(
                NET, NOISE_STATE, sampler=TabulatedSampler("no", method, gauge, uniform_in_lambda), steps=6
            )
    other = TabulatedSampler("tab", expint.Adams(2, ramp=True), gauge, uniform_in_lambda, interpolate_in="t")
    with pytest.raises(ValueError, match="tab: expected a history interpolated in λ"):
        diffusion.sample(NET, NOISE_STATE, sampler=other, steps=6)
    with pytest.raises(ValueError, match=r"samples of the shape of the statistics, \(1, 2, 2\); received .*\(3, 4\)"):
        diffusion.sample(NET, NOISE_STATE.reshape(3, 4), sampler=dpm_solver_v3(smooth_statistics(11)), steps=6)
    with pytest.raises(ValueError, match="within that of the statistics"):
        diffusion.sample(NET, NOISE_STATE, sampler=dpm_solver_v3(smooth_statistics(11, -1.0, 1.0)), steps=6)
    steep = Statistics([-6.0, 4.0], *np.full((3, 2, 1), [[[1.0]], [[-900.0]], [[1.0]]]))
    with pytest.raises(ValueError, match=r"∫ s over a step are finite, received .* up to 900; estimate them with more"):
        diffusion.sample(NET, NOISE_STATE, sampler=dpm_solver_v3(steep), steps=6)
    with pytest.raises(TypeError, match="expected the statistics of a network, received str"):
        dpm_solver_v3("digits.safetensors")
    with pytest.raises(ValueError, match="integer ≥ 1, received 0"):
        dpm_solver_v3(smooth_statistics(3), 0)


def test_each_kind_of_gauge_has_its_kind_of_sampler() -> None:
    method = expint.Adams(2, ramp=True)
    with pytest.raises(TypeError, match="expected a TabulatedGauge, received Gauge"):
        TabulatedSampler("no", method, DATA, uniform_in_lambda)
    plain = diffusion.Sampler("no", method, TabulatedGauge(smooth_statistics(11)), uniform_in_lambda)
    with pytest.raises(TypeError, match=r"expected a diffusion\.Gauge, whose linear part is constant, received Tab"):
        diffusion.sample(NET, NOISE_STATE, sampler=plain, steps=6)
