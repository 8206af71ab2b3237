"""The history clock of DEIS tAB: its coefficients against adaptive quadrature in many digits."""

from itertools import pairwise

import mpmath
import numpy as np
import pytest

import diffusion
import expint
from diffusion.gauge import GAUGES

VP = diffusion.VP.linear(t_end=1e-4)
GRID = diffusion.grids.power(6, 2, clock="t", schedule=VP)


def integral_of_beta(t):
    return t * (mpmath.mpf("0.1") + (20 - mpmath.mpf("0.1")) * t / 2)


def tab_coefficients(times, end):
    """C_j = α(t) ∫ ρ′(τ) ℓ_j(τ) dτ over one step to ``end``, ℓ_j of ``times`` (newest first), by mpmath in √τ."""
    times, end = [mpmath.mpf(float(t)) for t in times], mpmath.mpf(float(end))

    def slope(t):
        growth = integral_of_beta(t)
        return (
            mpmath.exp(growth)
            * (mpmath.mpf("0.1") + (20 - mpmath.mpf("0.1")) * t)
            / 2
            / mpmath.sqrt(mpmath.expm1(growth))
        )

    def basis(j, t):
        return mpmath.fprod((t - o) / (times[j] - o) for i, o in enumerate(times) if i != j)

    alpha = mpmath.exp(-integral_of_beta(end) / 2)
    ends = [mpmath.sqrt(times[0]), mpmath.sqrt(end)]
    with mpmath.workdps(30):
        return [
            alpha * mpmath.quad(lambda r, j=j: slope(r * r) * basis(j, r * r) * 2 * r, ends) for j in range(len(times))
        ]


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_tab_coefficients_agree_with_quadrature_in_thirty_digits(order):
    table = diffusion.sampler(f"deis-tab{order}").plan(VP, GRID).table()
    for i in range(1, len(GRID)):
        nodes = GRID[max(0, i - 1 - order) : i][::-1]
        expected = np.array([float(c) for c in tab_coefficients(nodes, GRID[i])])
        np.testing.assert_allclose(table[i, 1 : 1 + len(nodes)], expected, rtol=1e-13, atol=0)
        np.testing.assert_allclose(table[i, 0], VP.alpha(GRID[i]) / VP.alpha(GRID[i - 1]), rtol=1e-14)


def test_the_first_steps_use_the_slopes_there_are():
    rows = [row for _, row in diffusion.sampler("deis-tab3").plan(VP, GRID).rows]
    assert [len(row.weights) for row in rows] == [1, 2, 3, 4, 5, 5, 5]


@pytest.mark.parametrize("schedule", [VP, diffusion.VP.cosine(), diffusion.EDM(), diffusion.FlowMatching()])
def test_a_history_in_the_clock_of_the_gauge_needs_no_quadrature_and_agrees_with_it(schedule):
    grid = diffusion.grids.power(6, 7, clock="rho", schedule=schedule)
    exact = diffusion.sampler("deis-rhoab2")
    by_quadrature = diffusion.Sampler("rho", exact.method, exact.gauge, exact.grid, interpolate_in="rho")
    np.testing.assert_allclose(
        by_quadrature.plan(schedule, grid).table(), exact.plan(schedule, grid).table(), rtol=1e-9, atol=1e-12
    )


def test_the_history_of_a_one_step_method_is_refused():
    heun = diffusion.sampler("deis-rho-heun")
    odd = diffusion.Sampler("odd", heun.method, heun.gauge, heun.grid, interpolate_in="t")
    with pytest.raises(ValueError, match=r"odd: expected a multistep method .* received lawson-heun2.* leave"):
        odd.plan(VP, GRID)


@pytest.mark.parametrize(
    "schedule",
    [VP, diffusion.VP.cosine(), diffusion.VP.from_betas(np.linspace(1e-4, 2e-2, 1000)), diffusion.FlowMatching()],
    ids=lambda schedule: type(schedule).__name__,
)
def test_rows_sum_to_ddim_even_where_the_noise_outgrows_every_bound(schedule):
    grid = diffusion.grids.power(8, 2, clock="t", schedule=schedule)
    ddim = diffusion.sampler("ddim").plan(schedule, grid).table()[1:, 1]
    for order in range(4):
        table = diffusion.sampler(f"deis-tab{order}").plan(schedule, grid).table()
        np.testing.assert_allclose(table[1:, 1:].sum(axis=1), ddim, rtol=1e-11)


def test_the_quadrature_is_exact_where_the_signal_vanishes():
    """On the straight path ρ = t/(1 − t), and ∫ ρ′ (t − t_0) dt = ρ(t)(t − t_0) + log(1 − t) + t, up to a constant."""
    schedule = diffusion.FlowMatching()
    grid = np.array([0.9999, 0.99, 0.7])
    weights = diffusion.sampler("deis-tab1").plan(schedule, grid).table()[2, 1:3] / schedule.alpha(0.7)

    def antiderivative(t):
        return schedule.rho(t) * (t - grid[1]) + np.log1p(-t) + t

    moment = antiderivative(0.7) - antiderivative(grid[1])
    np.testing.assert_allclose(weights[1] * (grid[0] - grid[1]), moment, rtol=1e-12)
    np.testing.assert_allclose(weights.sum(), schedule.rho(0.7) - schedule.rho(grid[1]), rtol=1e-12)


@pytest.mark.parametrize("interpolation", ["log-alpha", "rho"])
@pytest.mark.parametrize("gauge", ["rho", "noise"])
@pytest.mark.parametrize("backwards", [False, True])
def test_on_a_table_integrals_are_exact_between_its_kinks(gauge, interpolation, backwards):
    """α(t) ∫ e^{(s_1 − s)L} ℓ_j(t) ds, cell by cell."""
    schedule = diffusion.VP.from_betas(np.linspace(1e-4, 2e-2, 100), interpolation)
    grid = diffusion.grids.power(6, 2, "t", schedule=schedule)[:: -1 if backwards else 1]
    sampler = diffusion.Sampler(
        "tab", expint.Adams(4, ramp=True), GAUGES[gauge], diffusion.published_grids.quadratic_in_t, interpolate_in="t"
    )
    table = sampler.plan(schedule, grid).table()[1:, 1:]
    points, weights = np.polynomial.legendre.leggauss(60)
    for i, row in enumerate(table):
        s, t = grid[i : i + 2]
        nodes = grid[max(0, i - 3) : i + 1][::-1]
        inside = [knot for knot in schedule.kinks if min(s, t) < knot < max(s, t)]
        ends = np.sort([s, *inside, t])[:: 1 if s < t else -1]
        expected = np.zeros(4)
        for a, b in pairwise(ends):
            tau = (a + b) / 2 + (b - a) / 2 * points
            slope = -schedule.rho(tau) * schedule.half_log_snr_rate(tau) * (b - a) / 2 * weights
            for j in range(len(nodes)):
                others = np.delete(nodes, j)
                basis = np.prod([(tau - other) / (nodes[j] - other) for other in others], axis=0) + 0 * tau
                expected[j] += schedule.alpha(t) * np.sum(slope * basis)
        np.testing.assert_allclose(row, expected, rtol=0, atol=1e-11 * np.abs(expected).max())


@pytest.mark.parametrize("interpolation", ["log-alpha", "rho", "angle"])
@pytest.mark.parametrize("last", [0.02, 0.01, 0.008])
def test_on_a_table_the_step_to_zero_noise_is_exact_for_polynomials_in_t(interpolation, last):
    schedule = diffusion.VP.from_betas(np.linspace(1e-4, 2e-2, 100), interpolation, t_end=0.008)

    def noise(t):
        return 0.3 + 0.9 * t - 0.2 * t * t

    def slope(v, start):  # dρ/dv · noise with t = start + v², smooth where ρ behaves like √(t − start)
        t = start + v * v
        return -2 * v * schedule.rho(t) * schedule.half_log_snr_rate(t) * noise(t)

    denoiser = diffusion.Denoiser(lambda x, t: 0 * x + noise(t)[:, None], "noise", schedule)
    sampler = diffusion.sampler("deis-tab2", end=diffusion.End(zero=3))
    run = diffusion.trajectory(denoiser, np.ones((1, 1)), sampler=sampler, grid=[1.0, 0.6, 0.3, last, 0.0])
    clean = float(schedule.time(340.0))
    ends = [clean, *(kink for kink in schedule.kinks if clean < kink < last - 1e-12), last]
    nodes, weights = np.polynomial.legendre.leggauss(16)
    change = sum(
        root / 2 * np.sum(weights * slope(root / 2 * (1 + nodes), start))
        for start, root in ((start, np.sqrt(end - start)) for start, end in pairwise(ends))
    )
    found = float(run.y[-2, 0, 0]) / schedule.alpha(last) - float(run.y[-1, 0, 0])
    np.testing.assert_allclose(found, change, rtol=1e-12)
