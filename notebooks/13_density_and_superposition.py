# %% [markdown]
# # Density and superposition
#
# The equation that carries noise to data carries densities as well. Known along a path, they weigh several models.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np

import diffusion
from diffusion.guidance import superpose

quick = "EXPINT_QUICK" in os.environ

# %% [markdown]
# ## How likely are data?
#
# A mixture knows its density: what a few calls find is compared with it.

# %%
schedule = diffusion.FlowMatching()
net = diffusion.models.gaussian_mixture(
    [0.3, 0.7], [[1.0, 0.5], [-1.0, 0.0]], [0.1 * np.eye(2), 0.05 * np.eye(2)], schedule
)
data = diffusion.sample(net, np.random.default_rng(0).standard_normal((100, 2)), steps=20)
exact = net.network.log_density(data, schedule.t_end)
prior = {"prior": lambda x: net.network.log_density(x, schedule.t_start)}
calls = (40, 80) if quick else (40, 80, 160, 320)
errors = {}
for name, each in (("lawson-rk4-flow", 4), ("adams3-velocity", 1), ("dpmpp-2m", 1)):
    found = [diffusion.log_likelihood(net, data, sampler=name, steps=n // each, **prior) for n in calls]
    errors[name] = [float(np.median(abs(nats - exact))) for nats in found]
assert errors["lawson-rk4-flow"][1] < 1e-2
assert errors["lawson-rk4-flow"][1] < errors["dpmpp-2m"][1]

side = np.linspace(-2.2, 2.2, 16 if quick else 60)
points = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
nats = diffusion.log_likelihood(net, points, steps=10 if quick else 30)

figure, axes = plt.subplots(1, 2, figsize=(10, 3.8))
axes[0].contourf(side, side, np.exp(nats).reshape(len(side), -1), levels=20, cmap="Blues")
axes[0].plot(*data.T, "k.", markersize=3)
axes[0].set(title="The density that a sampler finds, and samples", aspect="equal")
for name, found in errors.items():
    axes[1].loglog(calls, found, "o-", label=name)
axes[1].set(xlabel="calls", ylabel="median error, nats", title="Log-likelihood")
axes[1].legend()
figure.tight_layout()

# %% [markdown]
# ## Either, both, or the average
#
# Two models of two modes each. By "or" the likelier model leads, and samples are of the mixture of both. By "and"
# samples lie where both find them equally likely. An average of the predictions does neither.

# %%
covariance = 0.16 * np.eye(2)
one = diffusion.models.gaussian_mixture([0.5, 0.5], [[-3.0, 0.0], [0.0, 3.0]], [covariance] * 2)
other = diffusion.models.gaussian_mixture([0.5, 0.5], [[3.0, 0.0], [0.0, -3.0]], [covariance] * 2)
noise = np.random.default_rng(1).standard_normal((200 if quick else 1000, 2))
steps = 30 if quick else 100
made = {}
for name, mode in (("or", "or"), ("and", "and"), ("average", [0.5, 0.5])):
    run = diffusion.trajectory(superpose([one, other], mode), noise, sampler="dpmpp-2m-sde", steps=steps, rng=3)
    made[name] = run.y[-1]


def apart(x):
    return np.mean(np.abs(one.network.log_density(x, 1e-3) - other.network.log_density(x, 1e-3)))


print({name: round(float(apart(x)), 2) for name, x in made.items()})
assert apart(made["and"]) < apart(made["average"]) < apart(made["or"])

figure, axes = plt.subplots(1, 3, figsize=(10, 3.6), sharex=True, sharey=True)
for ax, (name, x) in zip(axes, made.items()):
    ax.plot(*x.T, ".", markersize=2)
    ax.plot([-3, 0], [0, 3], "C1x", [3, 0], [0, -3], "C2x", markersize=9)
    ax.set(title=name, aspect="equal")
figure.tight_layout()

# %% [markdown]
# ## Steered
#
# An offset in "or" is a prior weight: any share of the first model can be asked for.

# %%
asked = (0.1, 0.5, 0.9) if quick else (0.1, 0.25, 0.5, 0.75, 0.9)
shares = []
for share in asked:
    either = superpose([one, other], "or", offsets=[np.log(share / (1 - share)), 0.0])
    x = diffusion.sample(either, noise, sampler="dpmpp-2m-sde", steps=steps, rng=5)
    shares.append(float(np.mean(one.network.log_density(x, 1e-3) > other.network.log_density(x, 1e-3))))
assert np.max(np.abs(np.subtract(shares, asked))) < 0.1
figure, ax = plt.subplots(figsize=(4, 3.6))
ax.plot([0, 1], [0, 1], "k:", asked, shares, "o")
ax.set(xlabel="share asked for", ylabel="share found", title="How many are of the first model")
figure.tight_layout()
