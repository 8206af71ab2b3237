# %% [markdown]
# # Batches and gradients
#
# A thousand trajectories in one call, each with steps of its own; what torch differentiates through a run, and what it
# keeps for that; a stiff equation that is learned; and a run whose calls do not wait for each other.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.integrate import solve_ivp

import diffusion
import expint

quick = "EXPINT_QUICK" in os.environ
torch.manual_seed(0)

# %% [markdown]
# ## None waits for another
#
# Van der Pol's oscillator with 200 frequencies of its forcing. As one state all share the steps of the fastest; with
# `batched=True` each has its own.

# %%
count = 20 if quick else 200
frequency = np.geomspace(0.5, 100.0, count)[:, None]
y0 = np.tile([[1.0, 0.0]], (count, 1))
turns = np.array([[0.0, 1.0], [-1.0, 0.0]])


def forced(t, y, frequency):
    rest = 0.5 * (1 - y[:, :1] ** 2) * y[:, 1:] + np.cos(frequency * t)
    return np.concatenate([0 * rest, rest], axis=1)


options = {"linear": turns, "method": "expint43", "rtol": 1e-4, "atol": 1e-6}
own = expint.solve_ivp(forced, (0, 20), y0, args=(frequency,), batched=True, **options)
shared = expint.solve_ivp(lambda t, y: forced(t, y, frequency), (0, 20), y0, **options)
assert own.success.all()
print(f"steps of their own: {own.stats.steps.min()} to {own.stats.steps.max()}; shared: {shared.stats.steps}")
print(f"values of N: {own.nfev.sum()} against {count * shared.nfev}")
assert own.nfev.sum() < count * shared.nfev

# %% [markdown]
# A trajectory does not know its neighbours: to the last bit it is what it is alone. One that fails fails alone.

# %%
alone = expint.solve_ivp(forced, (0, 20), y0[3:4], args=(frequency[3:4],), batched=True, **options)
assert np.array_equal(alone.y_end[0], own.y_end[3])

explodes = expint.solve_ivp(lambda t, y: y**2, (0, 2), np.array([[0.1], [1.0], [0.4]]), linear=0.0, batched=True)
print(explodes.success, explodes.t_end, explodes.messages[1], sep="\n")
assert explodes.success.tolist() == [True, False, True]

figure, axes = plt.subplots(1, 2, figsize=(10, 3.6))
axes[0].loglog(frequency, own.stats.steps, ".", label="each its own")
axes[0].axhline(shared.stats.steps, color="C1", label="all the same")
axes[0].set(xlabel="frequency of the forcing", ylabel="steps", title="Steps of 200 trajectories")
axes[0].legend()
for i in (0, count // 4, count // 2):
    run = own[i]
    axes[1].plot(run.t, run.y[:, 0], lw=1, label=f"ω = {frequency[i, 0]:.3g}")
axes[1].set(xlabel="t", ylabel="y", title="Three of them")
axes[1].legend()
figure.tight_layout()

# %% [markdown]
# ## Gradients
#
# `gradient="through"` records all of a run; `gradient="adjoint"` keeps some states, and makes those between them again
# on the way back. The gradients are the same, to rounding: of the start, of L and of what N has learned.

# %%
net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)).double()
symbol = torch.tensor([-1.0, -20.0, -3000.0], dtype=torch.float64, requires_grad=True)


def gradients(way, steps):
    """Return the gradients of a run, and how many numbers were kept for them."""
    start = torch.tensor([1.0, -0.5, 0.3], dtype=torch.float64, requires_grad=True)
    kept = [0]

    def keep(saved):
        kept[0] += saved.numel()
        return saved

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda saved: saved):
        run = expint.solve_ivp(
            lambda t, y: net(y), (0, 1), start, linear=symbol, method="krogstad4", step=1 / steps, gradient=way
        )
        loss = (run.y_end**2).sum()
    found = torch.autograd.grad(loss, [start, symbol, *net.parameters()])
    return torch.cat([own.reshape(-1) for own in found]), kept[0]


ladder = (16, 64) if quick else (16, 32, 64, 128, 256)
numbers = {"through": [], "adjoint": []}
for steps in ladder:
    made = {way: gradients(way, steps) for way in numbers}
    for way, (_, kept) in made.items():
        numbers[way].append(kept)
    assert torch.allclose(made["through"][0], made["adjoint"][0], rtol=1e-9, atol=1e-12)
assert numbers["adjoint"][-1] < numbers["through"][-1] / 10

# %% [markdown]
# ## A stiff equation that is learned
#
# Its first component follows the second within a thousandth of the time. An explicit method would take four thousand
# calls for a run; here every step is as long as the data allow.

# %%
times = np.concatenate([[0.0], np.geomspace(5e-4, 2.0, 12)])


def stiff(t, y):
    return [-1000 * y[0] + 300 * np.sin(y[1]), -y[1] + y[0] * y[1]]


exact = solve_ivp(stiff, (0, 2), [1.0, 1.5], method="Radau", t_eval=times, rtol=1e-10, atol=1e-12)
data = torch.tensor(exact.y.T)
rest = torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.Tanh(), torch.nn.Linear(16, 2)).double()
logarithms = torch.tensor([5.0, 0.0], dtype=torch.float64, requires_grad=True)  # of the rates
sizes = torch.tensor([100.0, 1.0], dtype=torch.float64)


def states():
    return expint.solve_ivp(
        lambda t, y: sizes * rest(y),
        (0, 2),
        data[0],
        linear=-torch.exp(logarithms),
        method="etd2rk",
        grid=times,
        gradient="adjoint",
    ).y


def loss():
    learner.zero_grad()
    off = ((states() - data) ** 2).mean()
    off.backward()
    return off


learner = torch.optim.LBFGS(
    [logarithms, *rest.parameters()], max_iter=5 if quick else 60, line_search_fn="strong_wolfe"
)
before, first = states().detach(), loss().item()
learner.step(loss)
after, last = states().detach(), loss().item()
print(f"loss {first:.1e} → {last:.1e}, rates {[round(own) for own in torch.exp(logarithms).tolist()]} of [1000, 1]")
assert last < first / (2 if quick else 100)

figure, axes = plt.subplots(1, 2, figsize=(10, 3.6))
for way, kept in numbers.items():
    axes[0].loglog(ladder, kept, "o-", label=way)
axes[0].set(xlabel="steps", ylabel="numbers kept", title="What a gradient keeps")
axes[0].set_xticks(ladder, ladder)
axes[0].minorticks_off()
axes[0].legend()
for k, name in enumerate(("fast", "slow")):
    axes[1].semilogx(times[1:], exact.y[k, 1:], "o", color=f"C{k}", label=f"{name}, data")
    axes[1].semilogx(times[1:], before[1:, k], ":", color=f"C{k}")
    axes[1].semilogx(times[1:], after[1:, k], "-", color=f"C{k}")
axes[1].set(xlabel="t", title="Before learning (dotted) and after")
axes[1].legend()
figure.tight_layout()

# %% [markdown]
# ## Calls that do not wait
#
# Picard iteration takes the predictions of a run for known, asks the network for all states in one call, and does so
# again until nothing changes. Rounds hardly grow with the number of steps: what changes along the run is the same.

# %%
mixture = diffusion.models.gaussian_mixture([0.3, 0.7], [[1.0, 0.5], [-1.0, 0.0]], [0.1 * np.eye(2), 0.05 * np.eye(2)])
noise = np.random.default_rng(1).standard_normal((16, 2))
many = (25, 50) if quick else (25, 50, 100, 200, 400)
rounds = {}
for tolerance in (1e-2, 1e-3, 0.0):
    runs = [
        diffusion.sample_in_parallel(mixture, noise, sampler="dpmpp-2m", steps=steps, tolerance=tolerance)
        for steps in many
    ]
    rounds[tolerance] = [run.rounds.max() for run in runs]
one_by_one = diffusion.sample(mixture, noise, sampler="dpmpp-2m", steps=many[-1])
assert np.allclose(runs[-1].samples, one_by_one, rtol=1e-12)
assert rounds[1e-3][-1] < many[-1] / 2

figure, axis = plt.subplots(figsize=(5, 3.6))
axis.loglog(many, many, "k:", label="one by one")
for tolerance, own in rounds.items():
    axis.loglog(many, own, "o-", label=f"tolerance {tolerance:g}")
axis.set(xlabel="steps", ylabel="rounds of the network", title="How often a run waits")
axis.set_xticks(many, many)
axis.set_yticks(many, many)
axis.minorticks_off()
axis.legend()
figure.tight_layout()
