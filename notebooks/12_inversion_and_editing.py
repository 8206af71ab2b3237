# %% [markdown]
# # Inversion and editing
#
# An image, and the noise from which a sampler draws it: found exactly, it gives the image back to rounding, and under
# another label another image.

# %%
import os
import warnings

import matplotlib.pyplot as plt
import numpy as np
import torch

import diffusion
import diffusion.plot
from diffusion.models.frechet import classifier
from diffusion.models.store import digit_images

quick = "EXPINT_QUICK" in os.environ

# %% [markdown]
# ## There and back
#
# DDIM run backwards is an inverse up to its error. BDIA adds the state before to each step, so that the step can be
# undone.

# %%
net = diffusion.models.gaussian_mixture([0.3, 0.7], [[1.0, 0.5], [-1.0, 0.0]], [0.1 * np.eye(2), 0.05 * np.eye(2)])
data = diffusion.sample(net, np.random.default_rng(0).standard_normal((100, 2)), steps=20)


def rms(x):
    return float(np.sqrt(np.mean(np.asarray(x) ** 2)))


ladder = (8, 16, 32) if quick else (5, 10, 20, 40, 80)
there = {"ddim": [], "bdia": []}
for steps in ladder:
    noise = diffusion.encode(net, data, sampler="ddim", steps=steps)
    there["ddim"].append(rms(diffusion.sample(net, noise, sampler="ddim", steps=steps) - data))
    there["bdia"].append(rms(diffusion.sample(net, diffusion.invert(net, data, steps=steps)) - data))
assert max(there["bdia"]) < 1e-13 < 1e-3 < min(there["ddim"])

# %% [markdown]
# Exact does not mean useful. With γ < 1 a step forgets by γ forwards, and errors grow by 1/γ a step backwards: the
# image comes back, from latents that are no noise.

# %%
gammas = (0.5, 0.7, 0.9, 1.0)
scales = []
for gamma in gammas:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", diffusion.UnstableWarning)
        latent = diffusion.invert(net, data, sampler=diffusion.reversible("ddim", gamma), steps=30)
    scales.append((rms(latent.noise), latent.amplification))
    print(f"γ = {gamma}: latents {scales[-1][0]:.2g}, amplification {latent.amplification:.1g}")
assert scales[0][0] > 100.0
assert scales[-1][0] < 1.2

figure, axes = plt.subplots(1, 2, figsize=(10, 3.6))
for name, errors in there.items():
    axes[0].loglog(ladder, errors, "o-", label=name)
axes[0].set(xlabel="steps", ylabel="what comes back, less what went in", title="There and back")
axes[0].legend()
axes[1].semilogy(gammas, np.array(scales), "o-", label=["latents, rms", "amplification"])
axes[1].set(xlabel="γ", title="Latents of thirty steps")
axes[1].legend()
figure.tight_layout()

# %% [markdown]
# ## Another digit
#
# Held-out digits are inverted under their own label. Sampled under the next one they keep their slant and their stroke.

# %%
store = digit_images()
which = [int(np.flatnonzero(store.held_out & (store.labels == k))[1]) for k in range(10)]
images, labels = (torch.from_numpy(np.array(part[which])) for part in (store.images, store.labels))
other = (labels + 1) % 10
steps = 10 if quick else 50
latent = diffusion.invert(diffusion.models.digits(labels), images, steps=steps)
again = diffusion.sample(diffusion.models.digits(labels), latent)
edited = diffusion.sample(diffusion.models.digits(other), latent)
assert float((again - images).abs().max()) < 1e-3
called = classifier()(edited).argmax(dim=1)
print("called", called.tolist(), "for", other.tolist())
assert int((called == other).sum()) >= 7

figure, axes = plt.subplots(3, figsize=(7, 3), layout="constrained")
for ax, (title, row) in zip(axes, {"real": images, "back": again, "the next digit": edited}.items()):
    diffusion.plot.image_grid(row, columns=10, ax=ax, title=title)

# %% [markdown]
# ## The way from a latent
#
# `trajectory` takes a latent as well: what the network thinks of the image on the way, without further calls.

# %%
run = diffusion.trajectory(diffusion.models.digits(other), latent, dense_output=True)
shown = run.sol.previews[:: max(1, len(run.sol.previews) // 5)][:5]
figure, axes = plt.subplots(len(shown), figsize=(7, 0.9 * len(shown)), layout="constrained")
for ax, t, row in zip(axes, run.sol.t[:: max(1, len(run.sol.t) // 5)], shown):
    diffusion.plot.image_grid(row, columns=10, ax=ax, title=f"what is predicted at t = {t:.2f}")
