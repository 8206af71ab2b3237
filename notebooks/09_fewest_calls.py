# %% [markdown]
# # The fewest calls
#
# A network, and a few calls of it: what is the best that can be done? From the question to a file with the answer.

# %%
import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import diffusion

quick = "EXPINT_QUICK" in os.environ

# %% [markdown]
# ## The question
#
# A mixture of Gaussians in eight dimensions has an exact denoiser: every error is the solver's. With five calls the
# default sampler is off by a few percent.

# %%
rng = np.random.default_rng(3)
spread = 0.15 * rng.normal(size=(6, 8, 8))
model = diffusion.models.gaussian_mixture(
    rng.uniform(0.5, 1.5, 6), rng.normal(size=(6, 8)), spread @ spread.swapaxes(1, 2) + 0.003 * np.eye(8)
)
starts, unseen = rng.standard_normal((32 if quick else 256, 8)), rng.standard_normal((128 if quick else 1024, 8))
exact = diffusion.sample(model, unseen, steps=100)


def errors(**how):
    found = diffusion.sample(model, unseen, **how)
    return np.linalg.norm(found - exact, axis=1) / np.linalg.norm(exact, axis=1)


calls = 3 if quick else 5
default = errors(steps=calls)
print(f"auto, {calls} calls: median {np.median(default):.1e}, mean {np.mean(default):.1e}")

# %% [markdown]
# ## Times, weights, both
#
# Half of the starts decide; the error below is on starts that neither the fits nor the decision have seen.

# %%
options = {"steps": calls, "iterations": 6 if quick else 40, "teacher": 30 if quick else 50}
tuned = {what: diffusion.tune(model, starts, what=what, **options) for what in ("grid", "rows", "plan")}
found = {"auto": default} | {what: errors(sampler=sampler) for what, sampler in tuned.items()}
for name, e in found.items():
    print(f"{name:5} median {np.median(e):.1e}  mean {np.mean(e):.1e}")
assert np.median(found["plan"]) < np.median(found["grid"]) < np.median(default)
assert np.median(found["plan"]) < np.median(default) / (3 if quick else 6)
assert np.mean(found["plan"]) < np.mean(default)

figure, axes = plt.subplots(1, 2, figsize=(10, 3.6))
for name, e in found.items():
    axes[0].plot(np.sort(e), np.linspace(0, 1, len(e)), label=name)
axes[0].set(xscale="log", xlabel="relative error at the end", ylabel="part of the starts below", title="Errors")
axes[0].legend()
schedule = model.schedule
for height, (name, times) in enumerate(
    {"auto": diffusion.trajectory(model, unseen[:1], steps=calls).t[:-1], "plan": tuned["plan"].times[-calls:]}.items()
):
    axes[1].plot(schedule.half_log_snr(np.asarray(times)), np.full(calls, height), "o", label=name)
axes[1].set(
    yticks=[0, 1], yticklabels=["auto", "plan"], ylim=(-0.5, 1.5), xlabel="λ", title="Where the network is called"
)
figure.tight_layout()

# %% [markdown]
# The tuned plan does not call the network at pure noise: there it could say no more than the mean of the data.
#
# ## Who needs gradients?
#
# Derivatives by differences cost calls. Where a call is dear, the rows can be solved for in closed form.

# %%
cheap = diffusion.tune(model, starts, by="closed-form", what="rows", **options)
spent = {
    "closed form": cheap.report.details["calls of a start"],
    "plan": tuned["plan"].report.details["calls of a start"],
}
closed = errors(sampler=cheap)
print({name: round(value) for name, value in spent.items()}, f"median {np.median(closed):.1e}")
assert np.median(closed) < np.median(default)
assert spent["closed form"] < spent["plan"] / 2

# %% [markdown]
# ## The answer, in a file
#
# Numbers and no code: read without pickle, checked against the schedule of its use, run to the same bits.

# %%
print(tuned["plan"].report)
with tempfile.TemporaryDirectory() as folder:
    tuned["plan"].save(Path(folder) / "plan.safetensors")
    loaded = diffusion.load_sampler(Path(folder) / "plan.safetensors")
assert np.array_equal(
    diffusion.sample(model, unseen, sampler=loaded), diffusion.sample(model, unseen, sampler=tuned["plan"])
)
