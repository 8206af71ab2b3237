# %% [markdown]
# # Stiff PDEs: Kuramoto–Sivashinsky, Korteweg–de Vries, Gray–Scott, Navier–Stokes
#
# In Fourier space a PDE is a list of ordinary differential equations whose linear part is diagonal: high derivatives
# become large numbers, and an explicit method must take tiny steps for modes in which nothing happens. An exponential
# integrator integrates them exactly. What is left to resolve is the nonlinearity.

# %%
import os

import matplotlib.pyplot as plt
import numpy as np

import expint
import expint.plot

quick = "EXPINT_QUICK" in os.environ

# %% [markdown]
# ## Kuramoto–Sivashinsky: chaos with a fourth derivative
#
# $u_t = -u_{xx} - u_{xxxx} - u u_x$. The largest eigenvalue is $-240$, and the steps below are 1/4: twenty times what
# the classical Runge–Kutta method could take, and the ratio grows with the fourth power of the number of points.

# %%
problem = expint.problems.kuramoto_sivashinsky(t_end=80.0 if quick else 150.0)
solution = expint.solve(problem, "krogstad4", step=0.25)
expint.plot.space_time(solution, problem)
print(solution)
assert solution.success
assert 0.25 * abs(problem.linear).max() > 20 * 2.8  # 2.8: where the classical Runge–Kutta method turns unstable

# %% [markdown]
# ## Korteweg–de Vries: two solitons meet
#
# $u_t = -u_{xxx} - u u_x$. The spectrum is imaginary: nothing is damped, everything oscillates. After the encounter
# each soliton is what it was before, only shifted. Two integrals are conserved; we watch one, the square of $u$.

# %%
problem = expint.problems.two_solitons(n=256)
solution = expint.solve(problem, "etd34", rtol=1e-5 if quick else 1e-8)
expint.plot.space_time(solution, problem, cmap="magma", vmin=0.0)
u = problem.physical(solution.y)
energy = np.sum(u**2, axis=1)
print(f"{solution.stats.steps} steps; relative drift of ∫u²: {abs(energy / energy[0] - 1).max():.1e}")
assert abs(energy / energy[0] - 1).max() < 1e-3
assert abs(u[-1].max() / u[0].max() - 1) < 0.05  # the taller soliton has its height again

# %% [markdown]
# One soliton has a closed form: here is the error itself, over the work.

# %%
problem = expint.problems.korteweg_de_vries(speed=256.0, t_end=0.005)
exact = problem.exact(problem.t_span[1])
names = ["lawson-rk4", "cox-matthews4", "hochbruck-ostermann4", "etd35"]
counts = [250, 500, 1000] if quick else [250, 500, 1000, 2000, 4000]
work: dict[str, tuple[list[int], list[float]]] = {name: ([], []) for name in names}
for name in names:
    for count in counts:
        run = expint.solve(problem, name, step=problem.t_span[1] / count)
        work[name][0].append(run.calls)
        work[name][1].append(np.linalg.norm(run.y_end - exact) / np.linalg.norm(exact))
expint.plot.curves(work, xlabel="evaluations of N", ylabel="relative error", orders=[-4], title="One soliton")
for name, (calls, errors) in work.items():
    slope = np.polyfit(np.log(calls[-2:]), np.log(errors[-2:]), 1)[0]
    print(f"{name:24} slope {slope:5.2f}, error {errors[-1]:.1e} after {calls[-1]} evaluations")
    assert errors[-1] < errors[0] / 10

# %% [markdown]
# ## Gray–Scott: spots that divide
#
# Two chemicals in a square: $u_t = D_u \Delta u - u v^2 + F(1-u)$, $v_t = D_v \Delta v + u v^2 - (F+k) v$. The state
# has shape (2, n, n/2+1): any shape is a state, and `linear` is an array that broadcasts to it.

# %%
n = 64 if quick else 128
side, feed, kill = 0.625 * n / 64, 0.035, 0.065
diffusivity = np.array([2e-5, 1e-5])
kx = 2 * np.pi * np.fft.fftfreq(n, side / n)
ky = 2 * np.pi * np.fft.rfftfreq(n, side / n)
k2 = kx[:, None] ** 2 + ky**2
linear = -diffusivity[:, None, None] * k2 - np.array([feed, feed + kill])[:, None, None]


def gray_scott(t, state):
    u, v = np.fft.irfft2(state, s=(n, n))
    reaction = u * v**2
    return np.fft.rfft2(np.stack([feed - reaction, reaction]))


x = side / n * (np.arange(n) - n / 2)
rng = np.random.default_rng(1)
v0 = sum(
    0.4 * np.exp(-((x[:, None] - a) ** 2 + (x - b) ** 2) / (2 * (side / 40) ** 2))
    for a, b in rng.uniform(-0.35 * side, 0.35 * side, size=(6, 2))
)
times = np.linspace(0, 3000.0 if quick else 8000.0, 5)
solution = expint.solve_ivp(
    gray_scott,
    (0, times[-1]),
    np.fft.rfft2(np.stack([1 - 2 * np.minimum(v0, 0.4), np.minimum(v0, 0.4)])),
    linear=linear,
    method="etd34",
    rtol=1e-3,
    t_eval=times,
)
fig, axes = plt.subplots(1, 5, figsize=(12, 2.8), layout="constrained")
for ax, t, state in zip(axes, solution.t, solution.y, strict=True):
    expint.plot.field(np.fft.irfft2(state[1], s=(n, n)), ax, title=f"t = {t:g}", vmin=0, vmax=0.35)
fig.suptitle("Gray–Scott, concentration v")
stats = solution.stats
print(f"{stats.steps} steps, mean step {times[-1] / stats.steps:.1f}, {stats.rejected} rejected")
final = np.fft.irfft2(solution.y[-1], s=(n, n))
assert solution.success
assert final[1].max() > 0.15  # the pattern lives
assert final.min() > -0.02  # concentrations stay where concentrations are

# %% [markdown]
# ## Navier–Stokes in two dimensions: vortices roll up
#
# The vorticity of an incompressible flow: $\omega_t = \nu \Delta\omega - \mathbf u\cdot\nabla\omega$ with $\mathbf u =
# (\psi_y, -\psi_x)$, $-\Delta\psi = \omega$. Two shear layers roll up into vortices. Products are dealiased by
# the two-thirds rule.

# %%
n, viscosity = (64, 2e-3) if quick else (128, 5e-4)
k = np.fft.fftfreq(n, 1 / n)
kx, ky = np.meshgrid(k, np.arange(n // 2 + 1), indexing="ij")
k2 = kx**2 + ky**2
inverse = np.where(k2 == 0, 0.0, 1 / np.where(k2 == 0, 1, k2))
mask = ((abs(kx) < n / 3) & (ky < n / 3)).astype(float)


def back(v):
    return np.fft.irfft2(v, s=(n, n))


def vorticity(t, w):
    w = w * mask
    psi = w * inverse
    advection = back(1j * ky * psi) * back(1j * kx * w) - back(1j * kx * psi) * back(1j * ky * w)
    return -mask * np.fft.rfft2(advection)


x = 2 * np.pi * np.arange(n) / n
shear = np.where(x < np.pi, 1 / np.cosh(6 * (x - np.pi / 2)) ** 2, -1 / np.cosh(6 * (x - 3 * np.pi / 2)) ** 2)
w0 = 6 * shear[None, :] + 0.3 * np.cos(2 * x)[:, None]
times = np.linspace(0, 6, 5)
solution = expint.solve_ivp(
    vorticity,
    (0, 6),
    np.fft.rfft2(w0) * mask,
    linear=-viscosity * k2,
    method="krogstad4",
    step=0.05 if quick else 0.02,
    t_eval=times,
)
fig, axes = plt.subplots(1, 5, figsize=(12, 2.8), layout="constrained")
for ax, t, w in zip(axes, solution.t, solution.y, strict=True):
    expint.plot.field(back(w).T, ax, title=f"t = {t:g}", cmap="RdBu_r", vmin=-6, vmax=6)
fig.suptitle("Navier–Stokes, vorticity of two shear layers")


def energy(w):
    return 0.5 * np.mean(back(1j * kx * w * inverse) ** 2 + back(1j * ky * w * inverse) ** 2)


def enstrophy(w):
    return 0.5 * np.mean(back(w) ** 2)


# %% [markdown]
# The energy budget $\dot E = -2\nu Z$, with $Z$ the enstrophy, closes: a check that needs no reference solution.

# %%
run = expint.solve_ivp(
    vorticity, (0, 6), np.fft.rfft2(w0) * mask, linear=-viscosity * k2, method="krogstad4", step=0.05
)
energies, enstrophies = (np.array([f(w) for w in run.y]) for f in (energy, enstrophy))
dissipated = 2 * viscosity * np.concatenate([[0], np.cumsum((enstrophies[1:] + enstrophies[:-1]) / 2 * np.diff(run.t))])
fig, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
ax.plot(run.t, energies, label="energy")
ax.plot(run.t, energies + dissipated, label="energy + dissipated")
ax.plot(run.t, enstrophies / enstrophies[0] * energies[0], label="enstrophy (scaled)")
ax.set(xlabel="t", title="The budget closes")
ax.legend()
drift = abs((energies + dissipated) / energies[0] - 1).max()
print(f"relative error of the energy budget: {drift:.1e}")
assert drift < 1e-3
assert np.all(np.diff(enstrophies) < 1e-9)  # in two dimensions it can only fall
