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
# has shape (2, n, n/2+1): any shape is a state, and the symbol of L has the same.

# %%
problem = expint.problems.gray_scott_plane(n=64, length=0.8) if quick else expint.problems.gray_scott_plane()
times = np.linspace(0, 3000.0 if quick else 5000.0, 5)
solution = expint.solve(problem, "etd34", t_span=(0, times[-1]), rtol=1e-4, t_eval=times)
fig, axes = plt.subplots(1, 5, figsize=(12, 2.8), layout="constrained")
for ax, t, state in zip(axes, solution.t, solution.y, strict=True):
    expint.plot.field(problem.physical(state)[1], ax, title=f"t = {t:g}", vmin=0, vmax=0.35)
fig.suptitle("Gray–Scott, concentration v")
stats = solution.stats
print(f"{problem.y0.shape}: {stats.steps} steps, mean step {times[-1] / stats.steps:.1f}, {stats.rejected} rejected")
final = problem.physical(solution.y[-1])
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
problem = expint.problems.double_shear_layer(n, viscosity, t_end=8.0)
run = expint.solve(problem, "krogstad4", step=0.05 if quick else 0.02)
fig, axes = plt.subplots(1, 5, figsize=(12, 2.8), layout="constrained")
for ax, at in zip(axes, np.linspace(0, len(run.t) - 1, 5).astype(int)):
    values = problem.physical(run.y[at]).T
    expint.plot.field(values, ax, title=f"t = {run.t[at]:g}", cmap="RdBu_r", vmin=-5, vmax=5)
fig.suptitle("Navier–Stokes, vorticity of two shear layers")

# %% [markdown]
# The energy budget $\dot E = -2\nu Z$, with $Z$ the enstrophy, closes: a check that needs no reference solution.

# %%
k2 = np.fft.fftfreq(n, 1 / n)[:, None] ** 2 + np.arange(n // 2 + 1) ** 2
k2[0, 0] = np.inf  # the mean of the vorticity is no motion
twice = np.where(np.isin(np.arange(n // 2 + 1), (0, n // 2)), 1, 2) / (2 * n**4)  # the real transform keeps half
energies = np.sum(twice * np.abs(run.y) ** 2 / k2, axis=(1, 2))
enstrophies = np.sum(twice * np.abs(run.y) ** 2, axis=(1, 2))
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
