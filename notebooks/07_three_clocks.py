# %% [markdown]
# # Every sampler is one method: the three clocks
#
# DDIM, DEIS, DPM-Solver, DPM-Solver++, UniPC, EDM … are published as different algorithms. Each is an exponential
# integrator, known from ODEs, and differs from the others in three choices of a clock only:
#
# 1. the clock in which **the linear part is constant** (the *gauge*),
# 2. the clock in which **the history is interpolated**,
# 3. the clock in which **the grid is uniform**.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np

import diffusion
import expint
import expint.plot
from diffusion.process.gauge import GAUGES

quick = "EXPINT_QUICK" in os.environ

# %% [markdown]
# ## The clocks

# %%
schedule = diffusion.VP.linear(0.1, 20.0)
t = np.linspace(schedule.t_end, schedule.t_start, 200)
fig, axes = plt.subplots(1, 4, figsize=(12, 2.8), layout="constrained")
for ax, name in zip(axes, ("lambda", "rho", "angle", "flow"), strict=True):
    clock = diffusion.clock.clock(name)
    ax.plot(t, clock.value(schedule, t))
    grid = diffusion.grids.uniform(10, name, schedule=schedule)
    ax.plot(grid, clock.value(schedule, grid), "o", markersize=4)
    ax.set(xlabel="t", title=name)
fig.suptitle("Four clocks of one schedule, and ten steps uniform in each")

# %% [markdown]
# ## The gauges
#
# With $y = a(s)x_0 + b(s)\epsilon$ the flow is $y' = a'x_0 + b'\epsilon$. Expressed by what the network predicts it is
# $y' = Ly + n\cdot\text{prediction}$, and a gauge is a choice for which $L$ and $n$ are constant. They are derived:

# %%
for name, gauge in GAUGES.items():
    print(f"{name:9} clock {gauge.clock.name:15} y' = {gauge.linear} y + {gauge.nonlinear} · {gauge.predicts}")
assert (GAUGES["noise"].linear, GAUGES["data"].linear, GAUGES["rho"].linear) == (1, -1, 0)

# %% [markdown]
# ## The catalogue is a table
#
# One row for each sampler; there is no other code for it.

# %%
names = ["ddim", "deis-tab3", "deis-rhoab3", "dpm2m", "dpmpp-2m", "dpmpp-3m", "unipc3", "edm-heun", "ipndm"]
print(f"{'sampler':13}{'method':14}{'L constant in':16}{'history in':12}")
for name in names:
    one = diffusion.sampler(name)
    print(f"{name:13}{one.method.name:14}{one.gauge.name:16}{one.interpolate_in or one.gauge.clock.name:12}")

# %% [markdown]
# A literal transcription of DPM-Solver++(2M) against its row of the table:


# %%
def dpmpp_2m(denoiser, x, times):
    lam = schedule.half_log_snr(times)
    sigma, alpha = schedule.sigma(times), schedule.alpha(times)
    old = None
    for i in range(len(times) - 1):
        new = denoiser.predict(x, times[i], "data")
        h = lam[i + 1] - lam[i]
        estimate = new
        if old is not None:
            r = (lam[i] - lam[i - 1]) / h
            # the exact moment φ₂ where the paper has φ₁/2
            phi = expint.phi.phi_functions(-h, 2)
            estimate = new + phi[2] / phi[1] / r * (new - old)
        x = sigma[i + 1] / sigma[i] * x - alpha[i + 1] * np.expm1(-h) * estimate
        old = new
    return x


angles = 2 * np.pi * np.arange(5) / 5
mixture = diffusion.models.gaussian_mixture(
    np.ones(5) / 5,
    2 * np.stack([np.cos(angles), np.sin(angles)], axis=1),
    np.tile(0.05 * np.eye(2), (5, 1, 1)),
    schedule,
)
noise = np.random.default_rng(0).standard_normal((200 if quick else 1000, 2))
grid = diffusion.grids.uniform(10, "lambda", schedule=schedule)
by_hand = dpmpp_2m(mixture, noise, grid)
declared = diffusion.sample(mixture, noise, sampler="dpmpp-2m", grid=grid)
print(f"largest difference {abs(by_hand - declared).max():.1e}")
assert np.allclose(by_hand, declared, atol=1e-10)

# %% [markdown]
# ## The first clock does not matter at order one
#
# Exponential Euler is the same map in every gauge of noise, data and ρ: DDIM. From order two on the gauges differ.

# %%
first = {
    gauge: diffusion.sample(mixture, noise, sampler=f"adams1-{gauge}", grid=grid) for gauge in ("noise", "data", "rho")
}
third = {gauge: diffusion.sample(mixture, noise, sampler=f"adams3-{gauge}", grid=grid) for gauge in first}
assert all(np.allclose(x, first["rho"], atol=1e-9) for x in first.values())
assert not any(np.allclose(third[gauge], third["rho"], atol=1e-3) for gauge in ("noise", "data"))

# %% [markdown]
# ## So: which clocks are best?
#
# The same method, Adams of order 3 with a ramp, in each gauge on each grid, ten network calls, error to the exact flow.

# %%
reference = diffusion.sample(mixture, noise, sampler="deis-rho-rk4", steps=300)


def power(exponent, clock):
    return lambda steps, schedule: diffusion.grids.power(steps, exponent, clock, schedule=schedule)


gauges = ["noise", "data", "rho", "velocity", "flow"]
rules = {
    "t": power(1, "t"),
    "√t": power(2, "t"),
    "λ": power(1, "lambda"),
    "ρ^(1/7)": power(7, "rho"),
    "angle": power(1, "angle"),
}
table = np.empty((len(gauges), len(rules)))
for i, gauge in enumerate(gauges):
    for j, rule in enumerate(rules.values()):
        one = diffusion.Sampler(f"adams3-{gauge}", expint.Adams(3, ramp=True), GAUGES[gauge], rule)
        x = diffusion.sample(mixture, noise, sampler=one, steps=10)
        table[i, j] = np.median(np.linalg.norm(x - reference, axis=1))
fig, ax = plt.subplots(figsize=(6, 4), layout="constrained")
picture = ax.imshow(np.log10(table), cmap="viridis_r")
ax.set_xticks(range(len(rules)), rules)
ax.set_yticks(range(len(gauges)), gauges)
ax.set(xlabel="grid uniform in", ylabel="gauge", title="Adams 3, ten calls: log₁₀ of the median error")
for (i, j), value in np.ndenumerate(table):
    ax.text(
        j, i, f"{np.log10(value):.1f}", ha="center", va="center", color="white" if value > np.median(table) else "black"
    )
fig.colorbar(picture, ax=ax)

# %% [markdown]
# The grid moves the error by more than the gauge does. And the order is that of the method, in every gauge.

# %%
assert np.ptp(np.log10(table), axis=1).mean() > 0.5
counts = [20, 40, 80, 160]
series = {}
for gauge in ("noise", "data", "rho"):
    errors = []
    for count in counts:
        times = diffusion.grids.uniform(count, "lambda", schedule=schedule)
        x = diffusion.sample(mixture, noise, sampler=f"adams3-{gauge}", grid=times)
        errors.append(np.median(np.linalg.norm(x - reference, axis=1)))
    series[f"adams3 in the {gauge} gauge"] = (counts, errors)
    slope = np.polyfit(np.log(counts[1:]), np.log(errors[1:]), 1)[0]
    print(f"{gauge:6} slope {slope:.2f}")
    assert -3.6 < slope < -2.4
expint.plot.curves(series, orders=[-3], xlabel="steps", ylabel="median error", title="One method, one order")
