# %% [markdown]
# # DEIS, from the paper's equation to images
#
# Zhang and Chen (2023) sample diffusion models with an exponential integrator. This notebook goes the same way in five
# moves, each of which can be checked: the equation, its linear part, the right variable, the polynomial, the grid.

# %%
import os
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import torch

import diffusion
import diffusion.plot
import expint.plot

quick = "EXPINT_QUICK" in os.environ
torch.set_num_threads(1)

# %% [markdown]
# ## 1. The equation
#
# A diffusion model knows, at each time $t$, the noise $\epsilon(x, t)$ in $x = \alpha x_0 + \sigma\epsilon$. The
# probability-flow equation carries noise to data without further randomness:
#
# $$\frac{dx}{dt} = f(t)\,x + \frac{g(t)^2}{2\sigma(t)}\,\epsilon(x, t), \qquad f = \frac{\dot\alpha}{\alpha}, \quad
# g^2 = -2\sigma^2\dot\lambda, \quad \lambda = \log\frac{\alpha}{\sigma}.$$
#
# To measure errors we take data whose $\epsilon$ is known exactly: a mixture of Gaussians in the plane, narrow, as the
# set of all images is thin in the space of all pixels.

# %%
schedule = diffusion.VP.linear(0.1, 20.0)
angles = 2 * np.pi * np.arange(6) / 6
mixture = diffusion.models.gaussian_mixture(
    np.ones(6) / 6,
    2 * np.stack([np.cos(angles), np.sin(angles)], axis=1),
    np.tile(1e-4 * np.eye(2), (6, 1, 1)),
    schedule,
    predicts="noise",
)
noise = np.random.default_rng(0).standard_normal((200 if quick else 1000, 2))
reference = diffusion.trajectory(mixture, noise, sampler="deis-rho-rk4", steps=200)
fig, ax = plt.subplots(figsize=(5, 5), layout="constrained")
for path in reference.y.transpose(1, 0, 2)[:60]:
    ax.plot(*path.T, color="0.8", linewidth=0.6)
ax.plot(*noise.T, ".", markersize=2, color="tab:red", label="noise")
ax.plot(*reference.y_end.T, ".", markersize=3, color="tab:blue", label="data")
ax.set(title="The probability flow carries noise to data", aspect="equal", xlim=(-3.5, 3.5), ylim=(-3.5, 3.5))
ax.legend(loc="upper right")


def error(x):
    """Median distance to the reference: a few paths near the borders between modes would dominate a mean."""
    return float(np.median(np.linalg.norm(x - reference.y_end, axis=1)))


# %% [markdown]
# ## 2. The linear part, exactly
#
# Euler's method treats both terms alike. An exponential integrator takes $f(t)x$ exactly. Both freeze the network over
# a step. That alone decides little: it matters *what* is frozen. The score $-\epsilon/\sigma$ changes fast as
# $\sigma \to 0$, while $\epsilon$ hardly does.


# %%
def march(times, step):
    x = noise.copy()
    for t, s in pairwise(times):
        x = step(x, float(t), float(s), mixture.predict(x, t, "noise"))
    return x


def euler(x, t, s, eps):
    rate = schedule.half_log_snr_rate(t)
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    f = rate * sigma**2 / (alpha**2 + sigma**2)  # of a variance-preserving process
    return x + (s - t) * (f * x - rate * sigma * eps)


def frozen_score(x, t, s, eps):
    nodes, weights = np.polynomial.legendre.leggauss(16)
    tau = t + (s - t) * (nodes + 1) / 2
    drift = -schedule.half_log_snr_rate(tau) * schedule.sigma(tau) ** 2 / schedule.alpha(tau)
    integral = (s - t) / 2 * np.sum(weights * drift)  # of g²/2 over α
    return schedule.alpha(s) * (x / schedule.alpha(t) + integral * eps / schedule.sigma(t))


def frozen_noise(x, t, s, eps):
    rho_t, rho_s = (schedule.sigma(time) / schedule.alpha(time) for time in (t, s))
    return schedule.alpha(s) * (x / schedule.alpha(t) + (rho_s - rho_t) * eps)


counts = [5, 10, 20, 40, 80]
errors = {}
for name, step in (("Euler", euler), ("score frozen", frozen_score), ("noise frozen: DDIM", frozen_noise)):
    errors[name] = [error(march(diffusion.grids.power(n, 2, "t", schedule=schedule), step)) for n in counts]
expint.plot.curves(
    {name: (counts, values) for name, values in errors.items()},
    orders=[-1],
    xlabel="calls",
    title="What is frozen matters",
)
assert errors["noise frozen: DDIM"][1] < min(errors["Euler"][1], errors["score frozen"][1])
ddim = diffusion.sample(mixture, noise, sampler="ddim", steps=20)
assert np.allclose(march(diffusion.grids.power(20, 2, "t", schedule=schedule), frozen_noise), ddim, atol=1e-10)

# %% [markdown]
# ## 3. The right variable
#
# The last function has no $f$ and no $g$ left. With $\rho = \sigma/\alpha$ and $y = x/\alpha$ the equation is
#
# $$\frac{dy}{d\rho} = \epsilon(x, t).$$
#
# No stiffness, nothing linear, and the exponential Euler method is DDIM. All that remains is a quadrature in $\rho$.
#
# ## 4. The polynomial
#
# DEIS extrapolates $\epsilon$ from its last $r + 1$ values, by a polynomial *in t*, and integrates it exactly in
# $\rho$: $y_{i} = y_{i+1} + \sum_j C_{ij}\,\epsilon_{i+j}$, with $C_{ij} = \int \ell_j(t)\,d\rho$. We compute these
# coefficients by quadrature, and find them in the plan that the sampler runs.

# %%
times = diffusion.grids.power(10, 2, "t", schedule=schedule)
plan = diffusion.sampler("deis-tab3").plan(schedule, times)
end, now, history = times[-1], times[-2], times[[-2, -3, -4, -5]]
nodes, weights = np.polynomial.legendre.leggauss(64)
rho = lambda t: schedule.sigma(t) / schedule.alpha(t)
log_rho = np.log(rho(now)) + (np.log(rho(end)) - np.log(rho(now))) * (nodes + 1) / 2
tau = schedule.time(-log_rho)
measure = weights / 2 * (np.log(rho(end)) - np.log(rho(now))) * np.exp(log_rho)
C = []
for own in history:
    others = history[history != own]
    C.append(np.sum(measure * np.prod((tau[:, None] - others) / (own - others), axis=1)))
state, *slopes = plan.steps[-1].rows[-1].weights
print("paper:", np.round(schedule.alpha(end) * np.array(C), 6))
print("plan: ", np.round(np.array(slopes, dtype=float), 6))
assert np.isclose(state, schedule.alpha(end) / schedule.alpha(now), rtol=1e-12)
assert np.allclose(slopes, schedule.alpha(end) * np.array(C), rtol=1e-8)

# %% [markdown]
# Each further value of the history gains an order, except that the first steps have no history: the ramp costs an
# error of its own, small, of second order. On data as narrow as these the gain shows late. The
# Runge–Kutta method has no ramp and its full order four, but pays four calls a step.

# %%
samplers = ["ddim", "deis-tab1", "deis-tab2", "deis-tab3", "deis-rho-rk4"]
orders: dict[str, tuple[list[int], list[float]]] = {name: ([], []) for name in samplers}
for name in samplers:
    for n in counts:
        run = diffusion.trajectory(mixture, noise, sampler=name, steps=n)
        orders[name][0].append(run.calls)
        orders[name][1].append(error(run.y_end))
expint.plot.curves(
    orders, orders=[-1, -4], xlabel="network calls", ylabel="median error", title="DEIS on a Gaussian mixture"
)
assert orders["deis-tab1"][1][2] < orders["ddim"][1][2] / 2
assert orders["deis-tab3"][1][-1] < orders["ddim"][1][-1] / 5
assert orders["deis-rho-rk4"][1][-1] < 1e-5

# %% [markdown]
# ## 5. Images
#
# The same call with a network: a small U-Net of handwritten digits, from the same noise.

# %%
count = 12 if quick else 40
start = torch.randn(count, 1, 8, 8, generator=torch.Generator().manual_seed(1))
net = diffusion.models.digits()
truth = diffusion.sample(net, start, sampler="deis-tab3", steps=30 if quick else 100)
rows = [("ddim", 5), ("deis-tab3", 5), ("ddim", 10), ("deis-tab3", 10)]
fig, axes = plt.subplots(len(rows) + 1, 1, figsize=(6, 5), layout="constrained")
distance = {}
for ax, (name, calls) in zip(axes, rows, strict=False):
    images = diffusion.sample(net, start, sampler=name, steps=calls)
    distance[name, calls] = float((images - truth).square().mean(dim=(1, 2, 3)).sqrt().median())
    diffusion.plot.image_grid(
        images[:12], columns=12, ax=ax, title=f"{name}, {calls} calls: error {distance[name, calls]:.3f}"
    )
diffusion.plot.image_grid(truth[:12], columns=12, ax=axes[-1], title="the exact flow")
assert distance["deis-tab3", 10] < distance["ddim", 10] / 2
