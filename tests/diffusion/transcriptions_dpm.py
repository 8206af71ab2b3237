"""The DPM-Solvers, UniPC, SA-Solver and samplers on σ, each written out literally as in its paper or reference code.

As in ``transcriptions``, every function takes the noise prediction ``eps(x, t)``, a schedule, a decreasing grid and the
first state, and returns the states at all times of the grid.
"""

from itertools import pairwise
from math import factorial

import numpy as np

from .transcriptions import lagrange


def scales(schedule, t):
    return schedule.alpha(t), schedule.sigma(t), schedule.half_log_snr(t)


def data(eps, schedule):
    """Return the data prediction (x − σ ε)/α."""
    return lambda x, t: (x - schedule.sigma(t) * eps(x, t)) / schedule.alpha(t)


def dpm_solver(eps, schedule, grid, x, order):
    """Lu et al. 2022, eq. (3.7) and algorithms 1 and 2 with r₁ = 1/2, and r₁ = 1/3, r₂ = 2/3."""
    states = [x]
    for s, t in pairwise(grid):
        (a, _, ls), (at, st, lt) = scales(schedule, s), scales(schedule, t)
        h, e = lt - ls, eps(x, s)

        def between(r, ls=ls, h=h):
            time = schedule.time(ls + r * h)
            return time, schedule.alpha(time), schedule.sigma(time)

        if order == 1:
            x = at / a * x - st * np.expm1(h) * e
        elif order == 2:
            s1, a1, g1 = between(1 / 2)
            u = a1 / a * x - g1 * np.expm1(h / 2) * e
            x = at / a * x - st * np.expm1(h) * eps(u, s1)
        else:
            r1, r2 = 1 / 3, 2 / 3
            (s1, a1, g1), (s2, a2, g2) = between(r1), between(r2)
            u1 = a1 / a * x - g1 * np.expm1(r1 * h) * e
            d1 = eps(u1, s1) - e
            u2 = a2 / a * x - g2 * np.expm1(r2 * h) * e - g2 * r2 / r1 * (np.expm1(r2 * h) / (r2 * h) - 1) * d1
            d2 = eps(u2, s2) - e
            x = at / a * x - st * np.expm1(h) * e - st / r2 * (np.expm1(h) / h - 1) * d2
        states.append(x)
    return np.array(states)


def dpm_solver_pp_singlestep(eps, schedule, grid, x, order):
    """Lu et al. 2022 (++), algorithm 1 with r₁ = 1/2, and the third-order step of its code, r₁ = 1/3, r₂ = 2/3."""
    x0, states = data(eps, schedule), [x]
    for s, t in pairwise(grid):
        (_, g, ls), (at, st, lt) = scales(schedule, s), scales(schedule, t)
        h, d = lt - ls, x0(x, s)

        def between(r, ls=ls, h=h):
            time = schedule.time(ls + r * h)
            return time, schedule.alpha(time), schedule.sigma(time)

        if order == 2:
            r = 1 / 2
            s1, a1, g1 = between(r)
            u = g1 / g * x - a1 * np.expm1(-r * h) * d
            mean = (1 - 1 / (2 * r)) * d + 1 / (2 * r) * x0(u, s1)
            x = st / g * x - at * np.expm1(-h) * mean
        else:
            r1, r2 = 1 / 3, 2 / 3
            (s1, a1, g1), (s2, a2, g2) = between(r1), between(r2)
            u1 = g1 / g * x - a1 * np.expm1(-r1 * h) * d
            phi22 = np.expm1(-r2 * h) / (r2 * h) + 1
            u2 = g2 / g * x - a2 * np.expm1(-r2 * h) * d + r2 / r1 * a2 * phi22 * (x0(u1, s1) - d)
            x = st / g * x - at * np.expm1(-h) * d + 1 / r2 * at * (np.expm1(-h) / h + 1) * (x0(u2, s2) - d)
        states.append(x)
    return np.array(states)


def dpm_solver_in_time(eps, schedule, grid, x, order, gauge):
    """DPM-Solver(++) singlestep of its code for ``skip_type="time_uniform"``: r₁ and r₂ from times uniform in t.

    ``singlestep_dpm_solver_second_update`` and ``…_third_update``, solver type "dpmsolver".
    """
    predict, states = eps if gauge == "noise" else data(eps, schedule), [x]
    sign = 1 if gauge == "noise" else -1
    for s, t in pairwise(grid):
        inner = np.linspace(s, t, order + 1)
        lam = schedule.half_log_snr(inner)
        h = lam[-1] - lam[0]
        r1, r2 = (lam[1] - lam[0]) / h, (lam[-2] - lam[0]) / h
        before = schedule.alpha(s) if gauge == "noise" else schedule.sigma(s)
        kept = schedule.alpha if gauge == "noise" else schedule.sigma
        scale = schedule.sigma if gauge == "noise" else schedule.alpha

        def step(at, r, m, h=h, x=x, before=before, kept=kept, scale=scale):
            return kept(at) / before * x - scale(at) * np.expm1(sign * r * h) * m

        m0 = predict(x, s)
        m1 = predict(step(inner[1], r1, m0), inner[1])
        if order == 2:
            x = step(t, 1, m0) - 0.5 / r1 * scale(t) * np.expm1(sign * h) * (m1 - m0)
        else:
            at, z = inner[2], sign * r2 * h
            u2 = step(at, r2, m0) - r2 / r1 * scale(at) * (np.expm1(z) / z - 1) * (m1 - m0)
            m2, z = predict(u2, at), sign * h
            x = step(t, 1, m0) - 1 / r2 * scale(t) * (np.expm1(z) / z - 1) * (m2 - m0)
        states.append(x)
    return np.array(states)


def dpm_solver_multistep(eps, schedule, grid, x, order, gauge, halved=False, twice=2):
    """DPM-Solver(++) multistep of order 2 and 3, solver types "taylor" and, ``halved``, "dpmsolver" on two slopes.

    Lu et al. 2022 (++), algorithm 2 and appendix B. ``twice`` is the factor of the second difference: the Taylor
    expansion has 2, the published code 1.
    """
    predict = eps if gauge == "noise" else data(eps, schedule)
    states, past, lam = [x], [], []
    for s, t in pairwise(grid):
        (a, g, ls), (at, st, lt) = scales(schedule, s), scales(schedule, t)
        past, lam, h = [predict(x, s), *past][:order], [ls, *lam][:order], lt - ls
        sign = 1 if gauge == "noise" else -1
        phi1 = np.expm1(sign * h)
        phi2 = phi1 / h - 1 if gauge == "noise" else phi1 / h + 1
        phi3 = phi2 / h - 1 / 2
        x = at / a * x - st * phi1 * past[0] if gauge == "noise" else st / g * x - at * phi1 * past[0]
        weight = -st if gauge == "noise" else at
        if len(past) == 2:
            d1 = (past[0] - past[1]) / ((ls - lam[1]) / h)
            x = x + weight * (phi2 if not halved else (phi1 if gauge == "noise" else -phi1) / 2) * d1
        elif len(past) == 3:
            r0, r1 = (ls - lam[1]) / h, (lam[1] - lam[2]) / h
            d10, d11 = (past[0] - past[1]) / r0, (past[1] - past[2]) / r1
            d1 = d10 + r0 / (r0 + r1) * (d10 - d11)
            d2 = twice * (d10 - d11) / (r0 + r1)
            x = x + weight * (phi2 * d1 + (phi3 if gauge == "noise" else -phi3) * d2)
        states.append(x)
    return np.array(states)


def unipc(eps, schedule, grid, x, order, gauge, variant):
    """Zhao et al. 2023, algorithms 1 and 2, the last state not corrected; ``variant`` bh1, bh2, or "solved" throughout.

    bh1 and bh2 take 1/2 for the solution of a system of one equation.
    """
    predict = eps if gauge == "noise" else data(eps, schedule)
    states, past, lam = [x], [predict(x, grid[0])], [schedule.half_log_snr(grid[0])]
    for i, (s, t) in enumerate(pairwise(grid)):
        (a, g, ls), (at, st, lt) = scales(schedule, s), scales(schedule, t)
        h, p = lt - ls, len(past)
        hh = h if gauge == "noise" else -h
        ratios = [(earlier - ls) / h for earlier in lam[1:]] + [1.0]
        differences = [(m - past[0]) / r for m, r in zip(past[1:], ratios)]
        b_h = hh if variant == "bh1" else np.expm1(hh)
        matrix = np.array([[r**k for r in ratios] for k in range(p)])
        phi, right = np.expm1(hh) / hh - 1, []
        for k in range(1, p + 1):
            right.append(phi * factorial(k) / b_h)
            phi = phi / hh - 1 / factorial(k + 1)
        half = variant != "solved"
        weights = [0.5] if p == 2 and half else np.linalg.solve(matrix[:-1, :-1], right[:-1]) if p > 1 else []
        corrector = [0.5] if p == 1 and half else np.linalg.solve(matrix, right)
        first, scale = (at / a * x, st) if gauge == "noise" else (st / g * x, at)
        linear = first - scale * np.expm1(hh) * past[0]
        predicted = linear - scale * b_h * sum((w * d for w, d in zip(weights, differences)), start=0 * x)
        x = predicted
        if i < len(grid) - 2:
            new = predict(predicted, t)
            terms = zip(corrector, [*differences, new - past[0]])
            x = linear - scale * b_h * sum(w * d for w, d in terms)
            past, lam = [new, *past][:order], [lt, *lam][:order]
        states.append(x)
    return np.array(states)


def sa_solver(eps, schedule, grid, x, order, few_steps=False):
    """Xue et al. 2023, eq. (14)–(17) at τ = 0: Lagrange in λ under e^λ; the corrector has the prediction as a node.

    With ``few_steps`` as its code for few steps, which adds a term of O(h³) where there are two slopes.
    """
    x0, states, past, lam = data(eps, schedule), [x], [], []
    points, weights = np.polynomial.legendre.leggauss(24)
    past, lam = [x0(x, grid[0])], [schedule.half_log_snr(grid[0])]
    for i, (s, t) in enumerate(pairwise(grid)):
        (_, g, ls), (_, st, lt) = scales(schedule, s), scales(schedule, t)
        at = (ls + lt) / 2 + (lt - ls) / 2 * points

        def step(nodes, values, at=at, ls=ls, lt=lt, st=st, g=g, x=x):
            kernel = np.exp(at) * weights * (lt - ls) / 2
            weights_of = [np.sum(kernel * lagrange(nodes, j, at)) for j in range(len(nodes))]
            if few_steps and len(nodes) == 2:
                h = lt - ls
                added = np.exp(lt) * (h**2 / 2 - (h - 1 + np.exp(-h)))
                weights_of[0] += added / (nodes[0] - nodes[1])
                weights_of[1] -= added / (nodes[0] - nodes[1])
            return st / g * x + st * sum(w * v for w, v in zip(weights_of, values))

        predicted = step(np.array(lam), past)
        if i == len(grid) - 2:
            states.append(predicted)
            break
        new = x0(predicted, t)
        x = step(np.array([lt, *lam]), [new, *past])
        past, lam = [new, *past][:order], [lt, *lam][:order]
        states.append(x)
    return np.array(states)


def log_rho_ab_coefficients(schedule, grid, order):
    """DEIS with the polynomial in log ρ, as diffusers' ``DEISMultistepScheduler``: α(t) ∫ ℓ_j(log ρ) dρ."""
    points, weights = np.polynomial.legendre.leggauss(24)
    rows = []
    for i, (s, t) in enumerate(pairwise(grid)):
        nodes = np.log(schedule.rho(grid[max(0, i - order) : i + 1][::-1]))
        half, middle = (np.log(schedule.rho(t)) - nodes[0]) / 2, (np.log(schedule.rho(t)) + nodes[0]) / 2
        u = middle + half * points
        c = [schedule.alpha(t) * np.sum(np.exp(u) * half * weights * lagrange(nodes, j, u)) for j in range(len(nodes))]
        rows.append([schedule.alpha(t) / schedule.alpha(s), *c, *[0.0] * (order + 1 - len(nodes))])
    return np.array(rows)


def on_sigma(eps, schedule, grid, x, step):
    """Run a step (d, z, σ, σ′) ↦ z of an ODE dz/dσ = d(z, σ) = (z − x₀)/σ = ε, z = x/α, σ standing for σ/α."""

    def slope(z, rho):
        t = schedule.time(-np.log(rho))
        return eps(schedule.alpha(t) * z, t)

    states = [x]
    for s, t in pairwise(grid):
        z = step(slope, states[-1] / schedule.alpha(s), schedule.rho(s), schedule.rho(t))
        states.append(schedule.alpha(t) * z)
    return np.array(states)


def euler(d, z, s, t):
    """Karras et al. 2022, algorithm 1 without churn and without its correction."""
    return z + (t - s) * d(z, s)


def heun(d, z, s, t):
    """Karras et al. 2022, algorithm 1 without churn."""
    first = d(z, s)
    predicted = z + (t - s) * first
    return z + (t - s) * (first / 2 + d(predicted, t) / 2)


def midpoint(d, z, s, t):
    """k-diffusion's ``sample_dpm_2``: the midpoint in log σ, steps linear in σ."""
    middle = np.exp((np.log(s) + np.log(t)) / 2)
    half = z + (middle - s) * d(z, s)
    return z + (t - s) * d(half, middle)
