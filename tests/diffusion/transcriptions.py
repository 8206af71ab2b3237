"""Published samplers, each written out literally in a few lines, for comparison with the declared ones.

Every function takes the noise prediction ``eps(x, t)``, a VP-like schedule, a decreasing grid of times and the first
state, and returns the states at all times of the grid. Only ``schedule.alpha``, ``sigma``, ``rho``, ``half_log_snr``,
``half_log_snr_rate`` and ``time`` are used: nothing of the machinery that is under test.
"""

from itertools import pairwise

import numpy as np

HEUN = ([0, 1], [[], [1]], [1 / 2, 1 / 2])
KUTTA3 = ([0, 1 / 2, 1], [[], [1 / 2], [-1, 2]], [1 / 6, 2 / 3, 1 / 6])
HEUN3 = ([0, 1 / 3, 2 / 3], [[], [1 / 3], [0, 2 / 3]], [1 / 4, 0, 3 / 4])
RALSTON3 = ([0, 1 / 2, 3 / 4], [[], [1 / 2], [0, 3 / 4]], [2 / 9, 1 / 3, 4 / 9])
SSPRK3 = ([0, 1, 1 / 2], [[], [1], [1 / 4, 1 / 4]], [1 / 6, 1 / 6, 2 / 3])
VDH3 = ([0, 8 / 15, 2 / 3], [[], [8 / 15], [1 / 4, 5 / 12]], [1 / 4, 0, 3 / 4])
RK4 = ([0, 1 / 2, 1 / 2, 1], [[], [1 / 2], [0, 1 / 2], [0, 0, 1]], [1 / 6, 1 / 3, 1 / 3, 1 / 6])


def ddim(eps, schedule, grid, x):
    """Song, Meng & Ermon 2021, eq. (12) with σ_t = 0."""
    states = [x]
    for s, t in pairwise(grid):
        noise = eps(x, s)
        x0 = (x - schedule.sigma(s) * noise) / schedule.alpha(s)
        x = schedule.alpha(t) * x0 + schedule.sigma(t) * noise
        states.append(x)
    return np.array(states)


def lagrange(nodes, j, at):
    """Return the j-th Lagrange polynomial of the nodes."""
    return np.prod([(at - nodes[k]) / (nodes[j] - nodes[k]) for k in range(len(nodes)) if k != j], axis=0) + 0 * at


def tab_coefficients(schedule, grid, order):
    """DEIS tAB: per step (Ψ, C_0 … C_r), newest ε first; C_j = α(t) ∫ ρ′(τ) ℓ_j(τ) dτ with ℓ_j of the last times.

    The integral is by 200 Gauss–Legendre nodes in √τ; the first steps use the times there are.
    """
    points, weights = np.polynomial.legendre.leggauss(200)
    rows = []
    for i, (s, t) in enumerate(pairwise(grid)):
        nodes = grid[max(0, i - order) : i + 1][::-1]
        half, middle = (np.sqrt(t) - np.sqrt(s)) / 2, (np.sqrt(t) + np.sqrt(s)) / 2
        root = middle + half * points
        slope = -schedule.rho(root**2) * schedule.half_log_snr_rate(root**2) * 2 * root * half * weights
        c = [schedule.alpha(t) * np.sum(slope * lagrange(nodes, j, root**2)) for j in range(len(nodes))]
        rows.append([schedule.alpha(t) / schedule.alpha(s), *c, *[0.0] * (order + 1 - len(nodes))])
    return np.array(rows)


def rhoab_coefficients(schedule, grid, order):
    """DEIS ρAB: as tAB with the polynomial in ρ, whose integral is that of a polynomial."""
    rows = []
    for i, (s, t) in enumerate(pairwise(grid)):
        nodes = schedule.rho(grid[max(0, i - order) : i + 1][::-1])
        c = []
        for j in range(len(nodes)):
            others = np.delete(nodes, j)
            antiderivative = np.polyint(np.atleast_1d(np.poly(others)) / np.prod(nodes[j] - others))
            c.append(
                schedule.alpha(t) * (np.polyval(antiderivative, schedule.rho(t)) - np.polyval(antiderivative, nodes[0]))
            )
        rows.append([schedule.alpha(t) / schedule.alpha(s), *c, *[0.0] * (order + 1 - len(nodes))])
    return np.array(rows)


def riemann_coefficients(schedule, grid, order, clock="t", points=10_000):
    """th_deis' own numbers for tAB and ρAB: the integral by a left Riemann sum in the clock of the polynomial."""
    to = {"t": lambda t: t, "rho": schedule.rho}[clock]
    weight = {"t": lambda t: -schedule.rho(t) * schedule.half_log_snr_rate(t), "rho": lambda t: 0 * t + 1}[clock]
    rows = []
    for i, (s, t) in enumerate(pairwise(grid)):
        nodes = to(grid[max(0, i - order) : i + 1][::-1])
        u, step = np.linspace(nodes[0], to(t), points, endpoint=False, retstep=True)
        c = [schedule.alpha(t) * np.sum(weight(u) * lagrange(nodes, j, u)) * step for j in range(len(nodes))]
        rows.append([schedule.alpha(t) / schedule.alpha(s), *c, *[0.0] * (order + 1 - len(nodes))])
    return np.array(rows)


def multistep(eps, coefficients, grid, x):
    """DEIS AB (Zhang & Chen 2023, eq. 14): x ← Ψ x + Σ_j C_j ε_{i−j}, one call per step, no correction."""
    states, past = [x], []
    for s, (psi, *c) in zip(grid[:-1], coefficients):
        past = [eps(x, s), *past][: len(c)]
        x = psi * x + sum(weight * noise for weight, noise in zip(c, past))
        states.append(x)
    return np.array(states)


def rho_rk(eps, schedule, grid, x, tableau):
    """DEIS ρRK: a classical Runge–Kutta method for dz/dρ = ε(α z, t(ρ)), z = x/α."""
    nodes, a, b = tableau
    states = [x]
    for s, t in pairwise(grid):
        z, rho, h = x / schedule.alpha(s), schedule.rho(s), schedule.rho(t) - schedule.rho(s)
        slopes = []
        for node, row in zip(nodes, a):
            time = {0: s, 1: t}.get(node, schedule.time(-np.log(rho + node * h)))
            slopes.append(eps(schedule.alpha(time) * (z + h * sum(w * k for w, k in zip(row, slopes))), time))
        x = schedule.alpha(t) * (z + h * sum(w * k for w, k in zip(b, slopes)))
        states.append(x)
    return np.array(states)


def ipndm(eps, schedule, grid, x):
    """iPNDM: DDIM with ε replaced by its Adams–Bashforth mean of fixed weights, of order 1, 2, 3, 4, 4, …"""
    table = [[1], [3 / 2, -1 / 2], [23 / 12, -16 / 12, 5 / 12], [55 / 24, -59 / 24, 37 / 24, -9 / 24]]
    states, past = [x], []
    for s, t in pairwise(grid):
        past = [eps(x, s), *past][:4]
        noise = sum(w * e for w, e in zip(table[len(past) - 1], past))
        x0 = (x - schedule.sigma(s) * noise) / schedule.alpha(s)
        x = schedule.alpha(t) * x0 + schedule.sigma(t) * noise
        states.append(x)
    return np.array(states)


def pndm(eps, schedule, grid, x):
    """PNDM in its "plms" form: ε is a mean of those at both ends in the first step, then as in iPNDM."""
    table = [[1], [3 / 2, -1 / 2], [23 / 12, -16 / 12, 5 / 12], [55 / 24, -59 / 24, 37 / 24, -9 / 24]]

    def transfer(x, noise, s, t):
        return schedule.alpha(t) * (x - schedule.sigma(s) * noise) / schedule.alpha(s) + schedule.sigma(t) * noise

    states, past = [x], []
    for s, t in pairwise(grid):
        past = [eps(x, s), *past][:4]
        noise = sum(w * e for w, e in zip(table[len(past) - 1], past))
        if len(past) == 1:
            noise = (past[0] + eps(transfer(x, noise, s, t), t)) / 2
        x = transfer(x, noise, s, t)
        states.append(x)
    return np.array(states)


def ipndm_v(eps, schedule, grid, x):
    """iPNDM_v of diff-sampler, on σ standing for σ/α: its weights for steps of different length, brackets as they are.

    Exact weights of three and four slopes would have (1 − A) B where it has 1 − A B.
    """
    rho = schedule.rho(grid)
    states, past = [x], []
    for i, (s, t) in enumerate(pairwise(grid)):
        past = [eps(x, s), *past][:4]
        h = [rho[j + 1] - rho[j] for j in range(i, max(-1, i - 4), -1)]
        c1 = c2 = c3 = c4 = 0.0
        if i == 0:
            c1 = 1.0
        if i >= 1:
            hn, h1 = h[:2]
            c1, c2 = (2 + hn / h1) / 2, -(hn / h1) / 2
        if i >= 2:
            h2 = h[2]
            t1 = (1 - hn / (3 * (hn + h1)) * (hn * (hn + h1)) / (h1 * (h1 + h2))) / 2
            c1, c2, c3 = c1 + t1, c2 - (1 + h1 / h2) * t1, t1 * h1 / h2
        if i >= 3:
            h3 = h[3]
            t2 = (1 - hn / (3 * (hn + h1))) / 2 + (1 - hn / (2 * (hn + h1))) * hn / (6 * (hn + h1 + h2))
            t2 = t2 * (hn * (hn + h1) * (hn + h1 + h2)) / (h1 * (h1 + h2) * (h1 + h2 + h3))
            c1 = c1 + t2
            c2 = c2 - (1 + (h1 / h2) + (h1 * (h1 + h2) / (h2 * (h2 + h3)))) * t2
            c3 = c3 + ((h1 / h2) + (h1 * (h1 + h2) / (h2 * (h2 + h3)) * (1 + h2 / h3))) * t2
            c4 = -t2 * (h1 * (h1 + h2) / (h2 * (h2 + h3))) * h1 / h2
        slope = sum(c * d for c, d in zip((c1, c2, c3, c4), past))
        x = schedule.alpha(t) * (x / schedule.alpha(s) + h[0] * slope)
        states.append(x)
    return np.array(states)


def edm_heun(denoise, grid, x):
    """Karras et al. 2022, algorithm 1 without churn, on σ: trapezoidal steps, an Euler step where σ becomes 0."""
    states = [x]
    for s, t in pairwise(grid):
        d = (x - denoise(x, s)) / s
        euler = x + (t - s) * d
        x = euler if t == 0 else x + (t - s) * (d + (euler - denoise(euler, t)) / t) / 2
        states.append(x)
    return np.array(states)
