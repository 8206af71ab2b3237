# %% [markdown]
# # Noise
#
# The same laws with any strength of noise: what it changes, what it costs, and what it forgives.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np

import diffusion

quick = "EXPINT_QUICK" in os.environ
count = 500 if quick else 4000

# %% [markdown]
# ## One family, one law
#
# dx = (flow) − τ² σ ε dλ + √2 τ σ dW. What the noise adds, its drift takes away: for every τ the samples at a time have
# the density of the process. Their paths differ.

# %%
schedule = diffusion.VP.linear()
weights, means, variances = np.array([0.3, 0.7]), np.array([-1.0, 1.0]), np.array([0.04, 0.09])
net = diffusion.models.gaussian_mixture(weights, means[:, None], variances[:, None, None], schedule)
noise = np.random.default_rng(0).standard_normal((count, 1))
levels = np.linspace(float(schedule.half_log_snr(schedule.t_start)), 3.0, 513)
grid = schedule.time(levels[:: 8 if quick else 4])
runs = {}
for tau in (0.0, 0.5, 1.0, 2.0):
    sampler = diffusion.sampler("dpmpp-2m", stochasticity=tau)
    runs[tau] = diffusion.trajectory(net, noise, sampler=sampler, grid=grid, rng=7 if tau else None)

figure, axes = plt.subplots(2, 4, figsize=(13, 5.2), sharex="row", sharey="row")
edge = np.linspace(-2.2, 2.2, 45)
middle = (edge[1:] + edge[:-1]) / 2
density = sum(
    w * np.exp(-((middle - m) ** 2) / (2 * v)) / np.sqrt(2 * np.pi * v) for w, m, v in zip(weights, means, variances)
)
for (tau, run), (above, below) in zip(runs.items(), axes.T):
    above.plot(run.t, run.y[:, :12, 0], lw=0.7)
    above.set(title=f"τ = {tau:g}", xlabel="t", xlim=(1, 0))
    below.hist(run.y_end[:, 0], edge, density=True, color="0.8")
    below.plot(middle, density, "k", lw=1)
    share = float((run.y_end < 0).mean())
    print(f"τ = {tau:g}: {share:.3f} of the samples in the smaller mode, of which {weights[0]:g} is")
    assert abs(share - weights[0]) < (0.1 if quick else 0.04)
axes[0, 0].set_ylabel("x")
axes[1, 0].set_ylabel("density")
figure.tight_layout()

# %% [markdown]
# ## Noise is a function of the seed
#
# A sample depends on its own seed, not on its batch. And a Brownian path is one object: with more steps it is refined,
# so that runs of different steps come to the same sample. Below one sample of each of six paths, by 8, 32 and 512
# steps, and the distance to that of the finest run.

# %%
seeds = list(range(24))
start = noise[: len(seeds)]
sampler = diffusion.sampler("dpmpp-2m-sde")
whole, alone = (
    diffusion.sample(net, x, sampler=sampler, steps=10, rng=own)
    for x, own in ((start, seeds), (start[5:6], seeds[5:6]))
)
assert np.array_equal(whole[5:6], alone)

path = diffusion.noise.BrownianPath(seeds, depth=12)
counts = (8, 16, 32, 64, 128) if quick else (8, 16, 32, 64, 128, 256)


def refined(steps):
    times = schedule.time(levels[:: 512 // steps])
    return diffusion.trajectory(net, start, sampler=sampler, grid=times, rng=path)


finest = refined(256 if quick else 512)
errors = {steps: float(np.median(abs(refined(steps).y_end - finest.y_end))) for steps in counts}

figure, axes = plt.subplots(1, 2, figsize=(11, 3.6))
for color, steps in zip(("C1", "C2", "k"), (8, 32, 512)):
    run = finest if steps == 512 else refined(steps)
    lam = schedule.half_log_snr(run.t)
    axes[0].plot(lam, run.y[:, :6, 0], color, lw=0.6 if steps == 512 else 1.2, marker="." if steps < 512 else None)
axes[0].set(title="Six paths by 8, 32 and many steps", xlabel="λ", ylabel="x")
axes[1].loglog(errors.keys(), errors.values(), "o-")
axes[1].loglog(counts, [4 * errors[counts[-1]] * counts[-1] / 4 / n for n in counts], "k:", label="1 / steps")
axes[1].set(title="Median distance to the finest run", xlabel="steps")
axes[1].legend()
figure.tight_layout()
assert errors[counts[-1]] < errors[8] / 8

# %% [markdown]
# ## What a step is worth
#
# On Gaussian data mean and covariance of a run are known without a draw. A history of two predictions makes the law of
# second order; a first-order step needs the square of the steps.

# %%
gaussian = diffusion.models.gaussian_mixture(
    [1.0], [[0.4, -1.0]], [[[0.5, 0.2], [0.2, 0.3]]], schedule, predicts="data"
)


def law(t):
    alpha, sigma = float(schedule.alpha(t)), float(schedule.sigma(t))
    return alpha * np.array([0.4, -1.0]), alpha**2 * np.array([[0.5, 0.2], [0.2, 0.3]]) + sigma**2 * np.eye(2)


def error(name, steps):
    own = diffusion.sampler(name)
    times = schedule.time(np.linspace(levels[0], 3.0, steps + 1))
    found = diffusion.moments(gaussian, sampler=own, grid=times, start="state", initial=law(schedule.t_start))
    mean, covariance = law(float(times[-1]))
    return max(abs(found.mean[-1] - mean).max(), abs(found.covariance[-1] - covariance).max())


ladder = (20, 40, 80) if quick else (10, 20, 40, 80, 160, 320)
named = {"ddpm": 1, "er-sde-1": 1, "dpmpp-2m-sde": 2, "er-sde-2": 2, "dpmpp-2s-sde": 2}
figure, axes = plt.subplots(1, 2, figsize=(11, 3.8))
for name, order in named.items():
    found = [error(name, n) for n in ladder]
    axes[0].loglog(ladder, found, "o-", label=name)
    slope = np.log2(found[-2] / found[-1])
    print(f"{name:14} order of the law {slope:.2f}")
    assert slope > order - 0.3
axes[0].set(title="Error of the law", xlabel="steps")
axes[0].legend()

# %% [markdown]
# ## What noise forgives
#
# A flow carries an error of its start to the end. Noise forgets it, the more the stronger: of a mean that is off by 1/2
# at the time t there is left at the end, exactly:

# %%
times = (0.1, 0.2, 0.4) if quick else (0.05, 0.1, 0.15, 0.2, 0.3, 0.4)
before = np.full(len(times), np.inf)
for tau in (0.0, 0.5, 1.0, 2.0):
    left = []
    for t in times:
        mean, covariance = law(t)
        own = schedule.time(np.linspace(float(schedule.half_log_snr(t)), 3.0, 161))
        chosen = diffusion.sampler("dpmpp-2m", stochasticity=tau)
        given = {"sampler": chosen, "grid": own, "start": "state"}
        ends = [diffusion.moments(gaussian, initial=(mean + by, covariance), **given).mean[-1] for by in (0.0, 0.5)]
        left.append(float(np.linalg.norm(ends[1] - ends[0])))
    axes[1].semilogy(times, left, "o-", label=f"τ = {tau:g}")
    assert np.all(left < before)
    before = np.array(left)
axes[1].set(title="What is left of an error of the mean", xlabel="t of the error")
axes[1].legend()
figure.tight_layout()

# %% [markdown]
# ## Noise in the velocity
#
# In critically damped Langevin dynamics each number has a velocity, and noise comes to that alone: paths of the data
# are smooth. The law at the end is the same again.

# %%
process = diffusion.CriticallyDamped()
score = process.gaussian([0.0], [[0.25]])
pairs = np.random.default_rng(1).standard_normal((count, 1, 2))
figure, axes = plt.subplots(1, 3, figsize=(12, 3.4))
for panel, tau in zip(axes, (0.0, 1.0)):
    seen = []
    u = diffusion.sample_with_velocity(
        process,
        score,
        pairs,
        steps=60,
        stochasticity=tau,
        rng=7 if tau else None,
        callback=lambda t, u, seen=seen: seen.append((t, u[:10, 0])),
    )
    panel.plot([t for t, _ in seen], [own[:, 0] for _, own in seen], lw=0.8)
    panel.set(title=f"positions, τ = {tau:g}", xlabel="t", xlim=(1, 0))
    assert abs(u[..., 0].std() - 0.5) < (0.05 if quick else 0.03)
axes[2].plot([t for t, _ in seen], [own[:, 1] for _, own in seen], lw=0.8)
axes[2].set(title="velocities, τ = 1", xlabel="t", xlim=(1, 0))
figure.tight_layout()
