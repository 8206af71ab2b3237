# %% [markdown]
# # From one data set to another
#
# A network learns the way from a ring to two moons. The same network leads there and back, by a flow or with noise.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
import torch

import diffusion
from diffusion import training

quick = "EXPINT_QUICK" in os.environ

# %% [markdown]
# ## Two data sets, and what is between them
#
# x_t = (1 − t) x₀ + t x₁ + √(t (1 − t)) z.


# %%
def ring(rng, count):
    angle = 2 * np.pi * rng.random(count)
    return 2 * np.stack([np.cos(angle), np.sin(angle)], axis=1) + 0.15 * rng.standard_normal((count, 2))


def moons(rng, count):
    angle, side = np.pi * rng.random(count), rng.integers(2, size=count)
    x = np.where(side, 1 - np.cos(angle), np.cos(angle)) - 0.5
    y = np.where(side, 0.5 - np.sin(angle), np.sin(angle)) - 0.25
    return 1.5 * np.stack([x, y], axis=1) + 0.08 * rng.standard_normal((count, 2))


process = diffusion.Interpolant("linear")
losses = [training.BridgeLoss(process, kind, edge=5e-3) for kind in ("drift", "denoiser")]


def loss(network, data, uniform, noise):
    """Drift and denoiser, from the two halves of one output."""
    return sum(
        own(lambda x, t, k=k: network(x, t)[:, 2 * k : 2 * k + 2], data, uniform, noise) for k, own in enumerate(losses)
    )


torch.manual_seed(0)
network = training.fit(
    training.perceptron(2, 4, width=64),
    loss,
    lambda rng, n: (ring(rng, n), moons(rng, n)),
    steps=500 if quick else 5000,
)

# %% [markdown]
# ## There, with noise of any strength, and back
#
# All have the same laws on the way; the paths of single samples differ.

# %%
rng, grid = np.random.default_rng(7), np.linspace(0.01, 0.99, 41)
start, goal = (torch.from_numpy(law(rng, 1000)).float() for law in (ring, moons))


def led(states, **how):
    seen = []
    end = diffusion.transport(
        process,
        lambda x, t: network(x, t).split(2, dim=1),
        states,
        predicts=("drift", "denoiser"),
        grid=grid,
        callback=lambda t, x: seen.append(x[:12]),
        **how,
    )
    return end.numpy(), torch.stack(seen).numpy()


runs = {
    "flow": led(start),
    "ε = 0.3": led(start, epsilon=0.3, rng=3),
    "ε = 3": led(start, epsilon=3.0, rng=3),
    "back, ε = 0.3": led(goal, epsilon=0.3, rng=3, towards=0),
}
figure, axes = plt.subplots(1, 4, figsize=(13, 3.5), sharex=True, sharey=True)
for panel, (name, (end, paths)) in zip(axes, runs.items()):
    panel.plot(*end.T, ".", ms=2)
    panel.plot(paths[..., 0], paths[..., 1], "k-", lw=0.4)
    panel.set(title=name, aspect="equal", xlim=(-4, 4), ylim=(-4, 4))
figure.tight_layout()


# %% [markdown]
# ## How near
#
# The distance of the projections on 32 lines, beside that of the two data sets.


# %%
def distance(x, y):
    angles = np.pi * (np.arange(32) + 0.5) / 32
    lines = np.stack([np.cos(angles), np.sin(angles)])
    return float(np.abs(np.sort(x @ lines, axis=0) - np.sort(y @ lines, axis=0)).mean())


apart = distance(start.numpy(), goal.numpy())
for name, (end, _) in runs.items():
    left = distance(end, (start if "back" in name else goal).numpy())
    print(f"{name:14} {left:.3f} of {apart:.3f}")
    assert left < 0.5 * apart
