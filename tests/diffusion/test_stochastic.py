"""Stochastic samplers: literal formulas of their papers, exact covariances, orders, identities, and what is refused."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import sympy

import diffusion
import expint
from benchmarks import stochastic_orders
from diffusion.process import gauge
from diffusion.process.sde import sde
from diffusion.process.strength import Constant, Eta, ExtendedReverse, Fresh
from diffusion.samplers.stochastic.catalogue import STOCHASTIC

MEAN, COVARIANCE = np.array([0.4, -1.0]), np.array([[0.5, 0.2], [0.2, 0.3]])
VP = diffusion.VP.linear()
SCHEDULES = {
    "vp": VP,
    "cosine": diffusion.VP.cosine(),
    "edm": diffusion.EDM(0.02, 20.0),
    "flow": diffusion.FlowMatching(),
    "table": diffusion.VP.from_betas(np.linspace(1e-4, 2e-2, 1000)),
}
GAUGES = {"data": gauge.DATA, "noise": gauge.NOISE, "rho": gauge.RHO, "between": gauge.interpolated(0.25)}


def gaussian(schedule=VP):
    return diffusion.models.gaussian_mixture([1.0], [MEAN], [COVARIANCE], schedule, predicts="data")


def mixture(schedule=VP):
    means = [[-1.0, 0.0], [1.0, 0.5]]
    return diffusion.models.gaussian_mixture([0.3, 0.7], means, [0.1 * np.eye(2)] * 2, schedule, predicts="data")


def times_of(schedule, steps=7):
    first = schedule.t_start if float(schedule.alpha(schedule.t_start)) > 0 else 0.98 * schedule.t_start
    lam = np.linspace(*schedule.half_log_snr(np.array([first, max(schedule.t_end, 0.02)])), steps + 1)
    return np.asarray(schedule.time(lam))


def draws(steps, columns=1, batch=3, seed=5):
    return np.random.default_rng(seed).standard_normal((steps, columns, batch, 2))


# Literal transcriptions --------------------------------------------------------------------------------------------
def ddpm(data, schedule, times, x, noise):
    """Ho et al. 2020, eq. (6)–(7) for α = √ᾱ: the posterior q(x_t | x_s, x₀), noise of variance β̃."""
    states = [x]
    for (s, t), (own,) in zip(pairwise(times), noise):
        bar_s, bar_t = float(schedule.alpha(s)) ** 2, float(schedule.alpha(t)) ** 2
        beta = 1 - bar_s / bar_t
        mean = np.sqrt(bar_t) * beta / (1 - bar_s) * data(x, s) + np.sqrt(1 - beta) * (1 - bar_t) / (1 - bar_s) * x
        x = mean + np.sqrt((1 - bar_t) / (1 - bar_s) * beta) * own
        states.append(x)
    return np.array(states)


def ddim_eta(eta):
    def formula(data, schedule, times, x, noise):
        """Song, Meng & Ermon 2021, eq. (12) and (16)."""
        states = [x]
        for (s, t), (own,) in zip(pairwise(times), noise):
            (a_s, a_t), (s_s, s_t) = (np.asarray(of(np.array([s, t]))) for of in (schedule.alpha, schedule.sigma))
            x0 = data(x, s)
            eps = (x - a_s * x0) / s_s
            fresh = eta * s_t / s_s * np.sqrt(1 - a_s**2 / a_t**2)
            x = a_t * x0 + np.sqrt(1 - a_t**2 - fresh**2) * eps + fresh * own
            states.append(x)
        return np.array(states)

    return formula


def euler_ancestral(data, schedule, times, x, noise):
    """k-diffusion's sample_euler_ancestral: σ_up, σ_down, a step of Euler, noise."""
    states = [x]
    for (s, t), (own,) in zip(pairwise(times), noise):
        up = min(t, np.sqrt(t**2 * (s**2 - t**2) / s**2))
        down = np.sqrt(t**2 - up**2)
        x = x + (x - data(x, s)) / s * (down - s) + up * own
        states.append(x)
    return np.array(states)


def dpm2_ancestral(data, schedule, times, x, noise):
    """k-diffusion's sample_dpm_2_ancestral."""
    states = [x]
    for (s, t), (own,) in zip(pairwise(times), noise):
        up = min(t, np.sqrt(t**2 * (s**2 - t**2) / s**2))
        down = np.sqrt(t**2 - up**2)
        middle = np.exp((np.log(s) + np.log(down)) / 2)
        inside = x + (x - data(x, s)) / s * (middle - s)
        x = x + (inside - data(inside, middle)) / middle * (down - s) + up * own
        states.append(x)
    return np.array(states)


def dpmpp_2s_ancestral(data, schedule, times, x, noise):
    """k-diffusion's sample_dpmpp_2s_ancestral."""
    states = [x]
    for (s, t), (own,) in zip(pairwise(times), noise):
        up = min(t, np.sqrt(t**2 * (s**2 - t**2) / s**2))
        down = np.sqrt(t**2 - up**2)
        h = np.log(s) - np.log(down)
        middle = np.exp(np.log(s) - h / 2)
        inside = (middle / s) * x - np.expm1(-h / 2) * data(x, s)
        x = (down / s) * x - np.expm1(-h) * data(inside, middle) + up * own
        states.append(x)
    return np.array(states)


def edm_stochastic(data, schedule, times, x, noise):
    """Karras et al. 2022, algorithm 2, with S_churn = 40, S_tmin = 0.05, S_tmax = 50, S_noise = 1.003."""
    states, draw = [x], iter(noise[:, 0])
    for s, t in pairwise(times):
        gamma = min(40 / (len(times) - 1), np.sqrt(2) - 1) if 0.05 <= s <= 50 else 0.0
        raised = s + gamma * s
        if gamma and raised <= schedule.t_start:
            x = x + np.sqrt(raised**2 - s**2) * 1.003 * next(draw)
            states.append(x)
        else:
            raised = s
        next(draw)
        slope = (x - data(x, raised)) / raised
        ahead = x + (t - raised) * slope
        x = x + (t - raised) * (slope + (ahead - data(ahead, t)) / t) / 2
        states.append(x)
    return np.array(states)


def sde_dpmpp_2m(data, schedule, times, x, noise):
    """Lu et al. 2022, SDE-DPM-Solver++(2M), eq. of appendix B.4 with the exact integral of the difference."""
    states, old = [x], None
    lam = np.asarray(schedule.half_log_snr(np.array(times)))
    for i, ((s, t), (own,)) in enumerate(zip(pairwise(times), noise)):
        h = lam[i + 1] - lam[i]
        a_t, s_t, s_s = float(schedule.alpha(t)), float(schedule.sigma(t)), float(schedule.sigma(s))
        x0 = data(x, s)
        new = s_t / s_s * np.exp(-h) * x + a_t * (1 - np.exp(-2 * h)) * x0 + s_t * np.sqrt(1 - np.exp(-2 * h)) * own
        if old is not None:
            d1 = (x0 - old) / (lam[i] - lam[i - 1]) * h
            new = new + a_t * ((1 - np.exp(-2 * h)) / (-2 * h) + 1) * d1
        x, old = new, x0
        states.append(x)
    return np.array(states)


def k_diffusion_2m_sde(data, schedule, times, x, noise):
    """k-diffusion's sample_dpmpp_2m_sde, solver_type="midpoint", eta = 1."""
    states, old, h_last = [x], None, None
    for (s, t), (own,) in zip(pairwise(times), noise):
        denoised, h = data(x, s), np.log(s) - np.log(t)
        eta_h = h
        new = t / s * np.exp(-eta_h) * x + -np.expm1(-h - eta_h) * denoised
        if old is not None:
            new = new + 0.5 * -np.expm1(-h - eta_h) * (h / h_last) * (denoised - old)
        x = new + own * t * np.sqrt(-np.expm1(-2 * eta_h))
        old, h_last = denoised, h
        states.append(x)
    return np.array(states)


def k_diffusion_3m_sde(data, schedule, times, x, noise):
    """k-diffusion's sample_dpmpp_3m_sde, eta = 1."""
    states, one, two, h1, h2 = [x], None, None, None, None
    for (s, t), (own,) in zip(pairwise(times), noise):
        denoised, h = data(x, s), np.log(s) - np.log(t)
        h_eta = 2 * h
        new = np.exp(-h_eta) * x - np.expm1(-h_eta) * denoised
        if two is not None:
            r0, r1 = h1 / h, h2 / h
            d1_0, d1_1 = (denoised - one) / r0, (one - two) / r1
            d1 = d1_0 + (d1_0 - d1_1) * r0 / (r0 + r1)
            d2 = (d1_0 - d1_1) / (r0 + r1)
            phi_2 = np.expm1(-h_eta) / h_eta + 1
            phi_3 = phi_2 / h_eta - 0.5
            new = new + phi_2 * d1 - phi_3 * d2
        elif one is not None:
            new = new + (np.expm1(-h_eta) / h_eta + 1) * (denoised - one) / (h1 / h)
        x = new + own * t * np.sqrt(-np.expm1(-2 * h))
        one, two, h1, h2 = denoised, one, h, h1
        states.append(x)
    return np.array(states)


def k_diffusion_sde(data, schedule, times, x, noise):
    """k-diffusion's sample_dpmpp_sde, eta = 1, r = 1/2, its two noises those of one path of the SDE.

    Its own are correlated as increments of a Brownian motion in σ are.
    """
    states = [x]
    for (s, t), (one, two) in zip(pairwise(times), noise):
        h = np.log(s) - np.log(t)
        middle = np.exp(np.log(s) - h / 2)
        inside_up = np.sqrt(middle**2 * (s**2 - middle**2) / s**2)
        down = np.sqrt(middle**2 - inside_up**2)
        inside = (down / s) * x - np.expm1(np.log(down) - np.log(s)) * data(x, s) + inside_up * one
        up = np.sqrt(t**2 * (s**2 - t**2) / s**2)
        down = np.sqrt(t**2 - up**2)
        path = np.exp(-h) * inside_up * one + np.sqrt(up**2 - np.exp(-2 * h) * inside_up**2) * two
        x = (down / s) * x - np.expm1(np.log(down) - np.log(s)) * data(inside, middle) + path
        states.append(x)
    return np.array(states)


def seeds_2(data, schedule, times, x, noise):
    """Gonzalez et al. 2023, algorithm 2: two stages whose noises are one path."""
    states = [x]
    lam = np.asarray(schedule.half_log_snr(np.array(times)))
    for i, ((s, t), (one, two)) in enumerate(zip(pairwise(times), noise)):
        h = lam[i + 1] - lam[i]
        m = float(schedule.time(np.array(lam[i] + h / 2)))
        (a_s, a_m, a_t), (s_s, s_m, s_t) = (
            np.asarray(of(np.array([s, m, t]))) for of in (schedule.alpha, schedule.sigma)
        )
        eps = (x - a_s * data(x, s)) / s_s
        u = a_m / a_s * x - 2 * s_m * np.expm1(h / 2) * eps + s_m * np.sqrt(np.expm1(h)) * one
        eps = (u - a_m * data(u, m)) / s_m
        both = np.sqrt(np.exp(2 * h) - np.exp(h)) * one + np.sqrt(np.expm1(h)) * two
        x = a_t / a_s * x - 2 * s_t * np.expm1(h) * eps + s_t * both
        states.append(x)
    return np.array(states)


def er_sde(order):
    def formula(data, schedule, times, x, noise):
        """Cui et al. 2023, algorithms for orders 2 and 3, their sums over 200 points taken by quadrature."""
        nodes, weights = np.polynomial.legendre.leggauss(60)
        states, old, slope_old, before, before2 = [x], None, None, None, None

        def psi(rho):
            return rho * (np.exp(rho**0.3) + 10)

        for (s, t), (own,) in zip(pairwise(times), noise):
            (a_s, a_t), (s_s, s_t) = (np.asarray(of(np.array([s, t]))) for of in (schedule.alpha, schedule.sigma))
            now, then, x0 = s_s / a_s, s_t / a_t, data(x, s)
            r = psi(then) / psi(now)
            z = r * x / a_s + (1 - r) * x0 + np.sqrt(then**2 - now**2 * r**2) * own
            u = np.log(then) + (np.log(now) - np.log(then)) * (1 + nodes) / 2  # the points in log ρ
            du = (np.log(now) - np.log(then)) / 2 * weights * np.exp(u)
            slope = None
            if old is not None:
                slope = (x0 - old) / (now - before)
                z = z + (then - now + np.sum(du / psi(np.exp(u))) * psi(then)) * slope
            if order == 3 and slope_old is not None:
                second = 2 * (slope - slope_old) / (now - before2)
                z = z + ((then - now) ** 2 / 2 + np.sum(du * (np.exp(u) - now) / psi(np.exp(u))) * psi(then)) * second
            x, old, slope_old, before, before2 = a_t * z, x0, slope, now, before
            states.append(x)
        return np.array(states)

    return formula


def er_sde_1(data, schedule, times, x, noise):
    """Cui et al. 2023, first order, φ(ρ) = ρ (e^{ρ^0.3} + 10), in x/α."""

    def psi(rho):
        return rho * (np.exp(rho**0.3) + 10)

    states = [x]
    for (s, t), (own,) in zip(pairwise(times), noise):
        (a_s, a_t), (s_s, s_t) = (np.asarray(of(np.array([s, t]))) for of in (schedule.alpha, schedule.sigma))
        r = psi(s_t / a_t) / psi(s_s / a_s)
        fresh = np.sqrt((s_t / a_t) ** 2 - (s_s / a_s) ** 2 * r**2)
        x = a_t * (r * x / a_s + (1 - r) * data(x, s) + fresh * own)
        states.append(x)
    return np.array(states)


def sa_solver(tau, corrected):
    def formula(data, schedule, times, x, noise):
        """Xue et al. 2023, eq. (14) and (17): integrals of Lagrange polynomials in λ by quadrature, one noise."""
        lam = np.asarray(schedule.half_log_snr(np.array(times)))
        nodes, weights = np.polynomial.legendre.leggauss(40)
        known, states = [], [x]
        for i, ((s, t), (own,)) in enumerate(zip(pairwise(times), noise)):
            if len(known) <= i:
                known.append(data(x, s))
            h, s_t, s_s = lam[i + 1] - lam[i], float(schedule.sigma(t)), float(schedule.sigma(s))
            u = lam[i] + h * (1 + nodes) / 2

            def step(points, s_t=s_t, s_s=s_s, h=h, u=u, i=i, x=x, t=t, own=own):
                total = s_t / s_s * np.exp(-(tau**2) * h) * x + s_t * np.sqrt(1 - np.exp(-2 * tau**2 * h)) * own
                kernel = (1 + tau**2) * np.exp(u - lam[i + 1]) * np.exp(-(tau**2) * (lam[i + 1] - u))
                for j, value in points.items():
                    lagrange = np.prod([(u - lam[k]) / (lam[j] - lam[k]) for k in points if k != j], axis=0) + 0 * u
                    total = total + float(schedule.alpha(t)) * h / 2 * np.sum(weights * kernel * lagrange) * value
                return total

            past = {j: known[j] for j in range(max(0, i - 2), i + 1)}
            new = step(past)
            if corrected and i + 2 < len(times):
                known.append(data(new, t))
                new = step({**past, i + 1: known[-1]})
            x = new
            states.append(x)
        return np.array(states)

    return formula


def lcm(data, schedule, times, x, noise):
    """Luo et al. 2023: the data, and noise anew."""
    states = [x]
    for (s, t), (own,) in zip(pairwise(times), noise):
        x = float(schedule.alpha(t)) * data(x, s) + float(schedule.sigma(t)) * own
        states.append(x)
    return np.array(states)


def tcd(data, schedule, times, x, noise):
    """Zheng et al. 2024, γ = 0.3: DDIM to (1 − γ) t, and the forward process from there to t."""
    states = [x]
    for (s, t), (own,) in zip(pairwise(times), noise):
        d = 0.7 * t
        (a_s, a_d, a_t), (s_s, s_d, s_t) = (
            np.asarray(of(np.array([s, d, t]))) for of in (schedule.alpha, schedule.sigma)
        )
        x0 = data(x, s)
        down = a_d * x0 + s_d * (x - a_s * x0) / s_s
        x = a_t / a_d * down + np.sqrt(s_t**2 - (a_t / a_d * s_d) ** 2) * own
        states.append(x)
    return np.array(states)


ANY, VARIANCE, ALPHA1 = ("vp", "cosine", "edm", "flow", "table"), ("vp", "cosine", "table"), ("edm",)
FORMULAS = {
    "ddpm": (ddpm, VARIANCE, 1),
    "ddim-eta0.5": (ddim_eta(0.5), VARIANCE, 1),
    "ddim-eta1": (ddim_eta(1.0), VARIANCE, 1),
    "euler-ancestral": (euler_ancestral, ALPHA1, 1),
    "dpm2-ancestral": (dpm2_ancestral, ALPHA1, 1),
    "dpmpp-2s-ancestral": (dpmpp_2s_ancestral, ALPHA1, 1),
    "edm-stochastic": (edm_stochastic, ALPHA1, 1),
    "dpmpp-2m-sde": (sde_dpmpp_2m, ANY, 1),
    "dpmpp-2m-sde@k-diffusion": (k_diffusion_2m_sde, ALPHA1, 1),
    "dpmpp-3m-sde@k-diffusion": (k_diffusion_3m_sde, ALPHA1, 1),
    "dpmpp-3m-sde": (sa_solver(1.0, corrected=False), ANY, 1),
    "sa-solver-p": (sa_solver(1.0, corrected=False), ANY, 1),
    "sa-solver": (sa_solver(1.0, corrected=True), ANY, 1),
    "dpmpp-2s-sde": (k_diffusion_sde, ALPHA1, 2),
    "seeds-2": (seeds_2, ANY, 2),
    "er-sde-1": (er_sde_1, ANY, 1),
    "er-sde-2": (er_sde(2), VARIANCE, 1),
    "er-sde-3@er-sde": (er_sde(3), VARIANCE, 1),
    "lcm": (lcm, ANY, 1),
    "tcd": (tcd, ("vp", "flow", "edm"), 1),
}
CASES = [(name, schedule) for name, (_, schedules, _) in FORMULAS.items() for schedule in schedules]


@pytest.mark.filterwarnings("ignore::diffusion.OffScaleWarning")
@pytest.mark.filterwarnings("ignore::diffusion.UnstableWarning")  # seven steps are few for those that keep ε
@pytest.mark.parametrize(("name", "schedule"), CASES, ids=[f"{name} {schedule}" for name, schedule in CASES])
def test_a_stochastic_sampler_is_its_published_formula(name, schedule):
    formula, _, columns = FORMULAS[name]
    process = SCHEDULES[schedule]
    times, network = times_of(process), mixture(process)
    x = 1.3 * np.random.default_rng(2).standard_normal((3, 2)) * float(process.noise_scale(times[0]))
    sampler = replace(diffusion.sampler(name), end=diffusion.End(correct=False))
    noise = draws(20, columns)
    expected = formula(lambda x, t: network.predict(x, float(t), "data"), process, times, x, noise)
    rng = diffusion.noise.Recorded(noise)
    found = diffusion.trajectory(network, x, sampler=sampler, grid=times, start="state", rng=rng).y
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-11 * np.abs(expected).max())


@pytest.mark.parametrize("tau", [0.3, 1.0, 1.7])
@pytest.mark.parametrize("corrected", [True, False])
def test_sa_solver_of_any_strength_is_its_published_formula(tau, corrected):
    times, network, noise = times_of(VP), mixture(), draws(20)
    x = np.random.default_rng(2).standard_normal((3, 2))
    base = "sa3" if corrected else "dpmpp-3m"
    sampler = diffusion.sampler(base, stochasticity=tau)
    data = lambda x, t: network.predict(x, float(t), "data")
    expected = sa_solver(tau, corrected)(data, VP, times, x, noise)
    rng = diffusion.noise.Recorded(noise)
    found = diffusion.trajectory(network, x, sampler=sampler, grid=times, start="state", rng=rng).y
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-11 * np.abs(expected).max())


# The equation and its noise -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", GAUGES)
def test_the_constants_of_the_sde_are_those_that_computer_algebra_finds(name):
    """The drift −τ² b ε λ′ beside the flow, with ε in terms of the state and the prediction."""
    own = GAUGES[name]
    s = sympy.Symbol("s", positive=True)
    a, b = (sympy.Integer(0) + part(sympy, s, sympy.Rational(1, 2)) for part in (own.a, own.b))
    rate = sympy.diff(sympy.log(a / b), s)
    p, q = diffusion.process.prediction.formula(own.predicts, sympy, a, b, sympy.Rational(1, 2))
    y, f, eps = sympy.symbols("y f eps")
    solved = sympy.solve(sympy.Eq(p * (y - b * eps) / a + q * eps, f), eps)[0]  # f = p x₀ + q ε, y = a x₀ + b ε
    drift = sympy.expand(sympy.simplify(-b * rate * solved))
    found = sde(own)
    assert sympy.simplify(drift.coeff(y) - sympy.nsimplify(found.of_linear)) == 0
    assert sympy.simplify(drift.coeff(f) - sympy.nsimplify(found.of_nonlinear)) == 0


@pytest.mark.parametrize("tau", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("name", GAUGES)
def test_the_variance_of_a_step_is_the_integral(name, tau):
    from scipy.integrate import quad

    own, (start, end) = GAUGES[name], ((1.5, 0.2) if name == "rho" else (-0.4, 1.1))
    equation = sde(own)
    linear = equation.constants(tau**2)[0]

    def density(s):
        b = float(own.b(math, s, 0.5))
        rate = 1 / s if name == "rho" else 1.0  # |λ′|
        return math.exp(2 * linear * (end - s)) * 2 * tau**2 * b**2 * rate

    expected = abs(quad(density, start, end, epsabs=0, epsrel=1e-13)[0])
    assert equation.variance(tau**2, start, end) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("tau", [0.5, 1.0])
@pytest.mark.parametrize("method", ["exponential-euler", "etd2rk-weak", "hochbruck-ostermann3", "krogstad4", "adams3"])
@pytest.mark.parametrize("name", ["data", "noise", "rho"])
def test_noise_that_no_network_answers_to_has_the_covariance_of_the_sde_at_every_point(name, method, tau):
    """Where f = 0 all points of a run are one Gaussian process: whatever the steps and the stages."""
    own = GAUGES[name]
    sampler = diffusion.Sampler("own", expint.method(method), own, lambda n, s: None, stochasticity=tau)
    times = VP.time(np.array([-1.0, -0.2, 0.1, 1.0]))
    plan = sampler.plan(VP, times)
    columns, steps = plan.layout.noise, len(plan.steps) - 1
    start, points = np.zeros(1 + columns * steps), []

    def zero(t, x):
        points.append((t, x))
        return 0 * x

    def noise(end):
        step = int(np.argmin(np.abs(times - end)))
        return [np.eye(len(start))[1 + columns * (step - 1) + column] for column in range(columns)]

    from expint.run import over_plan

    points += [(state.t, state.y) for state in over_plan(plan, zero, start, noise=noise)]
    scale = [own.scale(np.asarray(VP.alpha(t)), np.asarray(VP.sigma(t))) for t, _ in points]
    s = [float(own.clock.value(VP, np.array([t]))[0]) for t, _ in points]
    equation = sde(own)
    linear = equation.constants(tau**2)[0]
    for (_, x), of_x, at in zip(points, scale, s):
        for (_, z), of_z, then in zip(points, scale, s):
            first, last = sorted([at, then], key=lambda value: abs(value - s[0]))
            variance = (
                0.0 if first == s[0] else equation.variance(tau**2, float(own.clock.value(VP, times[:1])[0]), first)
            )
            expected = of_x * of_z * variance * math.exp(linear * (last - first))
            assert x @ z == pytest.approx(expected, rel=1e-10, abs=1e-12)


def literal_moments(name, schedule, times, columns):
    """Mean and covariance by the literal formula, run on units: of the start and of every noise."""
    network, steps = gaussian(schedule), 2 * (len(times) - 1)
    count = 1 + 2 + 2 * columns * steps
    x, noise = np.zeros((count, 2)), np.zeros((steps, columns, count, 2))
    scale = float(schedule.noise_scale(times[0]))
    x[1:3] = scale * np.eye(2)
    for n in range(columns * steps):
        noise[n // columns, n % columns, 3 + 2 * n : 5 + 2 * n] = np.eye(2)
    predict = lambda x, t: network.predict(x, float(t), "data")
    run = FORMULAS[name][0](predict, schedule, times, x, noise)
    spread = run[:, 1:] - run[:, :1]
    return run[:, 0], np.einsum("nki,nkj->nij", spread, spread)


@pytest.mark.filterwarnings("ignore::diffusion.UnstableWarning")
@pytest.mark.parametrize("name", FORMULAS)
def test_moments_on_gaussian_data_are_those_of_the_published_formula(name):
    _, schedules, columns = FORMULAS[name]
    process = SCHEDULES[schedules[0]]
    times = times_of(process)
    mean, covariance = literal_moments(name, process, times, columns)
    sampler = replace(diffusion.sampler(name), end=diffusion.End(correct=False))
    found = diffusion.moments(gaussian(process), sampler=sampler, grid=times)
    np.testing.assert_allclose(found.mean, mean, rtol=0, atol=1e-12 * np.abs(mean).max())
    np.testing.assert_allclose(found.covariance, covariance, rtol=0, atol=1e-12 * np.abs(covariance).max())


def error_of_law(sampler, steps, schedule=VP, clean=0.05):
    """The largest error of mean and covariance at the end, from the exact law at the start."""
    first = float(schedule.t_start)
    laws = [
        (
            float(schedule.alpha(t)) * MEAN,
            float(schedule.alpha(t)) ** 2 * COVARIANCE + float(schedule.sigma(t)) ** 2 * np.eye(2),
        )
        for t in (first, clean)
    ]
    times = schedule.time(np.linspace(*schedule.half_log_snr(np.array([first, clean])), steps + 1))
    found = diffusion.moments(gaussian(schedule), sampler=sampler, grid=times, start="state", initial=laws[0])
    return max(np.abs(found.mean[-1] - laws[1][0]).max(), np.abs(found.covariance[-1] - laws[1][1]).max())


ORDERS = {  # of the law: (sampler, order, steps); of three stages that see one path of noise it is 2
    "ddpm": ("ddpm", 1, 100),
    "ddim-eta0.5": ("ddim-eta0.5", 1, 100),
    "euler-ancestral": ("euler-ancestral", 1, 100),
    "dpmpp-sde": ("dpmpp-sde", 1, 100),
    "dpmpp-2m-sde": ("dpmpp-2m-sde", 2, 200),
    "dpmpp-3m-sde": ("dpmpp-3m-sde", 2, 200),
    "dpmpp-2s-sde": ("dpmpp-2s-sde", 2, 100),
    "dpmpp-3s-sde": ("dpmpp-3s-sde", 2, 100),
    "sa-solver": ("sa-solver", 2, 200),
    "seeds-1": ("seeds-1", 1, 100),
    "seeds-2": ("seeds-2", 2, 160),
    "seeds-3": ("seeds-3", 2, 100),
    "er-sde-1": ("er-sde-1", 1, 100),
    "er-sde-2": ("er-sde-2", 2, 100),
    "dpm2-ancestral": ("dpm2-ancestral", 2, 60),
    "dpmpp-2s-ancestral": ("dpmpp-2s-ancestral", 2, 60),
}


@pytest.mark.parametrize("name", ORDERS)
def test_the_law_of_gaussian_data_is_reached_with_its_order(name):
    sampler, order, steps = ORDERS[name]
    errors = [error_of_law(sampler, count) for count in (steps, 2 * steps)]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.2)


def test_the_interpolation_polynomial_does_better_than_the_published_quadratic_term():
    exact, published, second = (error_of_law(name, 80) for name in ("er-sde-3", "er-sde-3@er-sde", "er-sde-2"))
    assert exact < 0.2 * published < second


@pytest.mark.parametrize("name", ["dpmpp-2m", "sa3", "dpmpp-2s"])
def test_the_law_does_not_depend_on_the_strength_in_the_limit(name):
    """All strengths have the marginals of the data: errors fall with order 2, whatever τ is."""
    for tau in (0.0, 0.5, 1.5, lambda lam: 1.0 + 0.5 * math.tanh(lam)):
        sampler = diffusion.sampler(name, stochasticity=tau)
        coarse, fine = (error_of_law(sampler, steps) for steps in (60, 240))
        assert fine < 2e-3
        assert math.log(coarse / fine, 4) > 1.6


# Identities -----------------------------------------------------------------------------------------------------------
def same(one, other, schedule=VP):
    times = times_of(schedule)
    return [
        np.testing.assert_allclose(a.table(), b.table(), rtol=1e-11, atol=1e-13)
        for a, b in [[diffusion.sampler(name).plan(schedule, times) for name in (one, other)]]
    ]


def test_eta_one_is_ddpm_is_the_ancestral_step_of_euler_is_the_sde_of_strength_one():
    for other in ("ddim-eta1", "euler-ancestral", "dpmpp-sde", "ddim-sde", "euler-sde"):
        same("ddpm", other)


def test_a_name_with_sde_is_the_sampler_with_strength_one():
    for name in ("dpmpp-2m", "dpmpp-3m", "dpmpp-2s"):
        same(f"{name}-sde", diffusion.sampler(name, stochasticity=1))
    assert diffusion.sampler("UniPC2-SDE").stochasticity == Constant(1.0)
    assert diffusion.sampler("unipc2-bh1-sde@diffusers").method == diffusion.sampler("unipc2-bh1@diffusers").method


def test_strength_zero_is_the_deterministic_sampler_and_asks_for_no_noise():
    for zero in (0, 0.0, Eta(0.0)):
        assert diffusion.sampler("dpmpp-2m", stochasticity=zero) == diffusion.sampler("dpmpp-2m")


def test_a_strength_that_is_a_function_of_lambda_and_constant_is_a_number():
    one, other = (diffusion.sampler("dpmpp-2m", stochasticity=tau) for tau in (0.7, lambda lam: 0.7))
    times = times_of(VP)
    np.testing.assert_allclose(one.plan(VP, times).table(), other.plan(VP, times).table(), rtol=1e-12, atol=1e-14)


def test_the_step_to_zero_noise_is_the_data():
    for name in ("ddpm", "dpmpp-2m-sde@k-diffusion", "deis-rhoab1-sde", "seeds-2"):
        times = [*times_of(VP)[:-1], 0.0]
        plan = diffusion.sampler(name).plan(VP, np.array(times[:-1]), to_zero=True)
        noise = plan.layout.parts(plan.steps[-1].rows[-1].weights).noise
        assert not any(noise)
        found = diffusion.moments(gaussian(), sampler=name, grid=times)
        assert found.t[-1] == 0.0


def test_from_pure_noise_the_first_step_keeps_of_it_what_its_strength_keeps():
    flow = diffusion.FlowMatching()
    for tau, kept in ((1.0, 0.0), (Eta(0.6), 0.8)):
        plan = diffusion.sampler("dpmpp-2m", stochasticity=tau).plan(flow, np.array([1.0, 0.6, 0.3]))
        states, noise, _, values = plan.layout.parts(plan.steps[1].rows[0].weights)
        np.testing.assert_allclose(
            [states[0] or 0.0, noise[0], values[0]], [0.6 * kept, 0.6 * (1 - kept**2) ** 0.5, 0.4]
        )
    one = diffusion.sampler("ddpm").plan(flow, np.array([1.0, 0.3]))
    np.testing.assert_allclose(one.table()[1], [0.0, 0.3, 0.7], atol=1e-15)


def test_infinite_strength_makes_every_state_anew():
    same("lcm", diffusion.sampler("ddim", stochasticity=math.inf))
    plan = diffusion.sampler("dpmpp-2m", stochasticity=Fresh()).plan(VP, times_of(VP))
    assert np.abs(plan.table()[1:, 0]).max() == 0.0
    found = diffusion.moments(gaussian(), sampler="lcm", steps=5)
    assert np.all(np.isfinite(found.covariance))


def test_restarts_go_up_and_down_as_told():
    edm = SCHEDULES["edm"]
    sampler = replace(diffusion.sampler("restart"), restarts=(diffusion.Restart(0.1, 2.0, times=2, steps=3),))
    t = sampler.plan(edm, diffusion.grids.karras(9, schedule=edm), to_zero=True).times
    rises = np.flatnonzero(np.diff(t) > 0)
    assert len(rises) == 2
    np.testing.assert_allclose(t[rises + 1], 2.0)
    np.testing.assert_array_equal(t[rises], t[rises + 4][0])
    fine = replace(sampler, restarts=(diffusion.Restart(0.1, 2.0, times=2, steps=20),))
    exact = diffusion.moments(gaussian(edm), sampler=fine, steps=60)
    assert np.abs(exact.covariance[-1] - COVARIANCE).max() < 0.02


def test_where_there_is_nothing_below_a_time_the_step_leads_to_it():
    plan = diffusion.sampler("tcd").plan(diffusion.VE(), np.array([0.8, 0.4, 0.0]))
    np.testing.assert_array_equal(plan.times, [0.8, 0.4, 0.0])
    assert plan.layout.parts(plan.steps[-1].rows[-1].weights).noise == (None,)


def test_extended_reverse_of_psi_is_the_flow_for_large_noise_and_more_stochastic_below():
    spent = [ExtendedReverse().spent(lam, lam + 0.1) / 0.1 for lam in (-3.0, 0.0, 3.0)]
    assert all(value > 0 for value in spent)
    rho = sympy.Symbol("rho", positive=True)
    psi = rho * (sympy.exp(rho ** sympy.Rational(3, 10)) + 10)
    square = float((sympy.diff(sympy.log(psi), rho) * rho - 1).subs(rho, math.exp(-0.05)))
    assert spent[1] == pytest.approx(square, rel=1e-3)


# What is refused ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "tau", "message"),
    [
        ("ipndm", 1, "expected a history in a clock for stochasticity, received adams4 by the number of the step"),
        ("pndm@diffusers", 1, "expected a history in a clock for stochasticity"),
        ("auto", 1, "expected a sampler that is a method in one gauge .* received 'auto'"),
        ("adams2-velocity", 1, "expected a gauge in which the SDE has constant coefficients, received 'velocity'"),
        ("adams2-flow", 1, "expected a gauge in which the SDE has constant coefficients, received 'flow'"),
        ("singlestep2@diffusers", 1, "expected a sampler whose steps are those of its method .* a Grouped"),
        ("dpmpp-2m", -0.5, "expected the strength τ .* received -0.5"),
        ("dpmpp-2m", float("nan"), "expected the strength τ"),
        ("dpmpp-2m", "much", "expected stochasticity= a number τ ≥ 0 or a function of λ, received 'much'"),
        ("dpmpp-2m", True, "expected stochasticity= a number"),
        ("edm-stochastic", 1, "expected a sampler whose steps are those of its method"),
    ],
)
def test_stochasticity_that_cannot_be_is_refused(name, tau, message):
    with pytest.raises((ValueError, TypeError), match=message):
        diffusion.sampler(name, stochasticity=tau)
    if name != "auto":
        with pytest.raises((ValueError, TypeError), match=message):
            replace(diffusion.sampler(name), stochasticity=tau)


@pytest.mark.parametrize(
    ("tau", "message"),
    [
        (lambda lam: -1.0, r"expected τ\(λ\) to be finite and not negative, received -1.0 at λ = "),
        (lambda lam: math.nan, r"expected τ\(λ\) to be finite and not negative, received nan"),
    ],
)
def test_a_strength_that_is_negative_somewhere_is_refused_when_it_is_met(tau, message):
    with pytest.raises(ValueError, match=message):
        diffusion.sampler("dpmpp-2m", stochasticity=tau).plan(VP, times_of(VP))


def test_where_the_noise_is_predicted_there_is_no_infinite_strength():
    for name in ("dpm2m", "deis-rhoab1"):
        with pytest.raises(ValueError, match=r"expected a finite strength in the gauge '.*', received τ → ∞"):
            diffusion.sampler(name, stochasticity=math.inf).plan(VP, times_of(VP))


def test_no_noise_leads_back():
    x = np.ones((2, 2))
    for name in ("dpmpp-2m-sde", "edm-stochastic", "ddpm"):
        with pytest.raises(ValueError, match=f"expected a deterministic sampler to run backwards, received '{name}'"):
            diffusion.encode(gaussian(), x, sampler=name, steps=5)
    with pytest.raises(TypeError, match=r"expected a deterministic .* received one"):
        diffusion.freeze("dpmpp-2m-sde", VP, steps=4)
    with pytest.raises(TypeError, match="expected a deterministic plan, received one that draws noise"):
        diffusion.sampler("ddpm").plan(VP, times_of(VP)).canonical()


def test_times_that_rise_are_refused_for_the_sde():
    with pytest.raises(ValueError, match="expected times that go from noise to data for a stochastic sampler"):
        diffusion.sampler("ddpm").plan(VP, np.array([0.1, 0.5]))


def test_restarts_outside_the_grid_are_refused():
    for low, high in ((0.001, 2.0), (0.1, 1000.0)):
        sampler = replace(diffusion.sampler("restart"), restarts=((low, high, 1, 2),))
        with pytest.raises(
            ValueError, match=r"expected restarts within the noise levels of the grid, from .* received"
        ):
            sampler.plan(VP, times_of(VP))
    with pytest.raises(ValueError, match="expected high of a restart"):
        replace(diffusion.sampler("restart"), restarts=((2.0, 1.0, 1, 2),))
    with pytest.raises(ValueError, match=r"expected eta .*received 1\.5"):
        diffusion.sampler("ddim", stochasticity=Eta(1.5))
    with pytest.raises(ValueError, match=r"expected eta .*received 2"):
        replace(diffusion.sampler("dpm2-ancestral"), eta=2.0)


def test_moments_want_an_affine_denoiser():
    with pytest.raises(ValueError, match="expected a denoiser that is affine in the state"):
        diffusion.moments(mixture(), sampler="ddpm", steps=3)
    with pytest.raises(ValueError, match="expected initial moments of shapes"):
        diffusion.moments(gaussian(), sampler="ddpm", steps=3, start="state", initial=(np.zeros(3), np.eye(2)))
    with pytest.raises(ValueError, match="expected a mixture, or size="):
        diffusion.moments(diffusion.Denoiser(lambda x, t: 0 * x), sampler="ddpm", steps=3)


@pytest.mark.parametrize("name", STOCHASTIC)
def test_a_stochastic_sampler_is_plain_data(name):
    import pickle

    own = diffusion.sampler(name)
    assert own.stochastic
    again = pickle.loads(pickle.dumps(own))
    times = own.grid(12, VP)
    np.testing.assert_array_equal(again.plan(VP, times).table(), own.plan(VP, times).table())
    assert diffusion.sampler(name.upper()) is own
    assert "@inproceedings" in own.cite()
    assert len(repr(own)) <= 120


# The page -------------------------------------------------------------------------------------------------------------
def test_the_table_of_the_page_is_that_of_the_samplers(capsys):
    page = stochastic_orders.PAGE.halves[1]
    lines = [[cell.strip() for cell in line.strip("| \n").split("|")] for line in page.strip().split("\n")]
    made = [cells for cells, _ in stochastic_orders.static(diffusion.sampler_names(stochastic=True))]
    assert [line[:6] for line in lines[2:]] == made
    stochastic_orders.main(["--quick"])
    assert len(capsys.readouterr().out.splitlines()) == 4


# Beyond Gaussian data -------------------------------------------------------------------------------------------------
def moments_of_a_chain(sampler, times, network, points):
    """The first four moments of the samples of a one-step sampler in one dimension, by its transition densities."""
    plan = sampler.plan(VP, times)
    density = np.exp(network.network.log_density(points[:, None], np.full(points.size, times[0])))
    width, t = points[1] - points[0], times[0]
    for step in plan.steps[1:]:
        (state,), (size,), _, (value,) = plan.layout.parts(step.rows[-1].weights)
        centre = state * points + value * network.predict(points[:, None], t, sampler.gauge.predicts)[:, 0]
        kernel = np.exp(-(((points[:, None] - centre) / size) ** 2) / 2) / (size * math.sqrt(2 * math.pi))
        density, t = kernel @ density * width, step.times[-1]
    return np.array([np.sum(density * points**k) * width for k in range(5)])


@pytest.mark.parametrize("name", ["ddpm", "ddim-eta0.5", "seeds-1", "τ = 1.4"])
def test_the_moments_of_a_mixture_are_reached_with_weak_order_one(name):
    """Samples of a mixture of three, without a draw: the densities of the chain of a one-step sampler."""
    network = diffusion.models.gaussian_mixture(
        [0.3, 0.5, 0.2], [[-1.0], [0.5], [1.5]], [[[0.04]], [[0.1]], [[0.02]]], VP, predicts="data"
    )
    points, lam = np.linspace(-6.0, 6.0, 401), (-2.0, 1.2)
    sampler = diffusion.sampler(name) if "τ" not in name else diffusion.sampler("dpmpp-sde", stochasticity=1.4)
    end = float(VP.time(np.array(lam[1])))
    exact = np.exp(network.network.log_density(points[:, None], np.full(points.size, end)))
    expected = np.array([np.sum(exact * points**k) * 0.03 for k in range(5)])
    errors = []
    for steps in (30, 60):
        times = VP.time(np.linspace(*lam, steps + 1))
        found = moments_of_a_chain(sampler, times, network, points)
        assert found[0] == pytest.approx(1.0, abs=1e-6)
        errors.append(np.abs(found - expected)[1:])
    assert np.log2(np.linalg.norm(errors[0]) / np.linalg.norm(errors[1])) == pytest.approx(1.0, abs=0.25)
