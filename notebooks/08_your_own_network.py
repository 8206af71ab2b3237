# %% [markdown]
# # Your own torch network
#
# A network becomes a sampler's business by three facts: the function, what it predicts, and its noise schedule. Here we
# train one of our own, in the plane, so that everything can be seen, and sample from it.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
import torch

import diffusion
import expint.plot

quick = "EXPINT_QUICK" in os.environ
torch.set_num_threads(1)
generator = torch.Generator().manual_seed(0)

# %% [markdown]
# ## Data and network
#
# Points on two interleaved arcs. The network sees $x$, waves of it and of $\lambda(t)$, and predicts the noise.


# %%
def moons(count):
    angle = torch.pi * torch.rand(count, generator=generator)
    arm = torch.randint(0, 2, (count,), generator=generator)
    arcs = torch.stack([angle.cos() - 0.5, angle.sin() - 0.25], dim=1) * (1 - 2 * arm)[:, None]
    return 1.2 * arcs + 0.03 * torch.randn(count, 2, generator=generator), arm


class Network(torch.nn.Module):
    def __init__(self, width=96):
        super().__init__()
        self.register_buffer("waves", torch.arange(1.0, 5.0) / 4)
        self.register_buffer("octaves", torch.tensor([1.0, 2.0, 4.0, 8.0]))
        self.arms = torch.nn.Embedding(3, 8)  # two arms, and "either"
        self.body = torch.nn.Sequential(
            torch.nn.Linear(2 + 16 + 8 + 8, width),
            torch.nn.SiLU(),
            torch.nn.Linear(width, width),
            torch.nn.SiLU(),
            torch.nn.Linear(width, width),
            torch.nn.SiLU(),
            torch.nn.Linear(width, 2),
        )

    def forward(self, x, t, arm=None):
        arm = torch.full((len(x),), 2) if arm is None else arm.expand(len(x))
        phase = schedule.half_log_snr(t)[:, None] * self.waves
        place = (x[:, :, None] * self.octaves).flatten(1)
        waves = [place.sin(), place.cos(), phase.sin(), phase.cos()]
        return self.body(torch.cat([x, *waves, self.arms(arm)], dim=1))


schedule = diffusion.VP.linear(0.1, 20.0)
torch.manual_seed(0)
network = Network()

# %% [markdown]
# ## Training
#
# The usual loss: guess the noise that was mixed in.

# %%
batches, size = (800 if quick else 6000), 256
optimiser = torch.optim.Adam(network.parameters(), lr=5e-3)
decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, batches)

data, arm = moons(batches * size)
arm = torch.where(torch.rand(len(arm), generator=generator) < 0.5, 2, arm)  # half of the time untold
t = schedule.t_end + (schedule.t_start - schedule.t_end) * torch.rand(len(data), generator=generator)
noise = torch.randn(len(data), 2, generator=generator)
x = schedule.alpha(t)[:, None] * data + schedule.sigma(t)[:, None] * noise

losses = []
for batch in torch.arange(len(data)).split(size):
    loss = (network(x[batch], t[batch], arm[batch]) - noise[batch]).square().mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    decay.step()
    losses.append(loss.item())
network.eval().requires_grad_(False)
print(f"loss {np.mean(losses[:50]):.3f} → {np.mean(losses[-50:]):.3f}")
assert np.mean(losses[-50:]) < 0.7 * np.mean(losses[:50])

# %% [markdown]
# ## One line makes it a denoiser

# %%
mine = diffusion.Denoiser(network, predicts="noise", schedule=schedule)
noise = torch.randn(400 if quick else 2000, 2, generator=generator)
truth, _ = moons(2000)
nearest = lambda x: float(torch.cdist(x, truth).min(dim=1).values.median())

fig, axes = plt.subplots(1, 4, figsize=(12, 3.2), layout="constrained", sharex=True, sharey=True)
axes[0].plot(*truth.T, ".", markersize=1.5, color="0.5")
axes[0].set(title="data", aspect="equal", xlim=(-2.2, 2.2), ylim=(-2.2, 2.2))
for ax, (name, steps) in zip(axes[1:], (("ddim", 5), ("deis-tab3", 5), ("deis-tab3", 20)), strict=True):
    samples = diffusion.sample(mine, noise, sampler=name, steps=steps)
    ax.plot(*samples.T, ".", markersize=1.5)
    ax.set(title=f"{name}, {steps} calls", aspect="equal")
    print(f"{name:10} {steps:3} calls: median distance to the data {nearest(samples):.3f}")
print(f"noise itself: {nearest(noise):.3f}")
assert nearest(diffusion.sample(mine, noise, sampler="deis-tab3", steps=20)) < 0.6 * nearest(noise)

# %% [markdown]
# ## Which sampler, how many calls?
#
# The exact flow of *this network* is the measure: solve it finely once, then compare.

# %%
reference = diffusion.sample(mine, noise, sampler="deis-rho-rk4", steps=60 if quick else 200)
counts = [5, 10, 20, 40]
series = {}
for name in ("ddim", "deis-tab3", "dpmpp-2m", "unipc3"):
    ends = [diffusion.sample(mine, noise, sampler=name, steps=count) for count in counts]
    series[name] = (counts, [float((x - reference).norm(dim=1).median()) for x in ends])
expint.plot.curves(series, xlabel="network calls", ylabel="median error", title="A network of one's own", orders=[-1])
assert series["deis-tab3"][1][1] < series["ddim"][1][1]

# %% [markdown]
# ## Conditions, guidance by hand, and the way back
#
# What else the network takes goes into `condition`. A denoiser is a function, so guidance is a function of two of them.

# %%
first = diffusion.Denoiser(network, "noise", schedule, condition={"arm": torch.tensor(0)})


def guided(x, t, strength=2.0):
    free, told = network(x, t), network(x, t, torch.tensor(0))
    return free + strength * (told - free)


strong = diffusion.Denoiser(guided, "noise", schedule)
fig, axes = plt.subplots(1, 2, figsize=(7, 3.4), layout="constrained", sharex=True, sharey=True)
for ax, (title, denoiser) in zip(axes, (("arm 0", first), ("arm 0, guidance 2", strong)), strict=True):
    ax.plot(*truth.T, ".", markersize=1, color="0.85")
    ax.plot(*diffusion.sample(denoiser, noise, sampler="deis-tab3", steps=20).T, ".", markersize=2)
    ax.set(title=title, aspect="equal", xlim=(-2.2, 2.2), ylim=(-2.2, 2.2))

data, _ = moons(100)
latent = diffusion.encode(mine, data, sampler="deis-tab3", steps=60)
again = diffusion.sample(mine, latent, sampler="deis-tab3", steps=60)
print(
    f"data → noise → data: median error {float((again - data).norm(dim=1).median()):.1e}; latent std {latent.std():.2f}"
)
assert float((again - data).norm(dim=1).median()) < 0.02
assert 0.8 < float(latent.std()) < 1.2

# %% [markdown]
# ## A network trained in discrete time
#
# Networks of the DDPM kind count steps 0 … 999 and know a table of β. Give the table, and rescale the time.

# %%
betas = np.linspace(1e-4, 2e-2, 1000)
table = diffusion.VP.from_betas(betas)
print(f"t in [{table.t_end:g}, {table.t_start:g}]")
assert np.isclose(float(table.alpha(1.0)) ** 2, np.prod(1 - betas), rtol=1e-9)

# %% [markdown]
# ## When it does not fit
#
# Mistakes are met at the door, with what was expected.

# %%
try:
    diffusion.sample(diffusion.Denoiser(lambda x, t: x[:, :1], "noise", schedule), noise, sampler="ddim", steps=5)
except ValueError as reason:
    print(reason)
else:
    raise AssertionError("a network of the wrong output shape must be refused")
