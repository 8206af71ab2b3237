# %% [markdown]
# # Which operator do I have?
#
# $L$ decides what a step costs. All methods are the same tables of coefficients; what changes is how $\varphi_k(hL)$ is
# applied.
#
# | my linear part is … | pass | a step costs |
# | --- | --- | --- |
# | a decay rate, the same for all | a number | a handful of multiplications |
# | diagonal: a Fourier or sine symbol | the array | the same, elementwise |
# | a full matrix, up to a few hundred rows | a square array | a few products with stored matrices |
# | m fields coupled mode by mode | m rows of m symbols, as `BlockDiagonal` | m products per entry |
# | a matrix for each trajectory | an array (…, n, n) | a product for each |
# | a sum over directions, or large and sparse | `KroneckerSum`, `Sparse`, `MatrixFree` | products with its parts |

# %%
import os

import matplotlib.pyplot as plt
import numpy as np

import expint
import expint.plot

quick = "EXPINT_QUICK" in os.environ
available = sorted(name for name in expint.operators.__all__ if name[0].isupper())
print("expint.operators:", ", ".join(available))

# %% [markdown]
# ## One equation, two operators
#
# Heat with a source, $u_t = u_{xx} + 1/(1+u^2)$ on an interval, zero at the ends, by second differences. As a matrix,
# $L$ is dense or sparse. In the sine basis it is diagonal. The solution does not care.

# %%
n = 31 if quick else 63
dx = 1 / (n + 1)
x = dx * np.arange(1, n + 1)
laplacian = (np.diag(np.ones(n - 1), 1) - 2 * np.eye(n) + np.diag(np.ones(n - 1), -1)) / dx**2
sines = np.sqrt(2 * dx) * np.sin(np.pi * np.outer(np.arange(1, n + 1), x))  # orthogonal and symmetric
symbol = -((2 / dx * np.sin(np.pi * dx / 2 * np.arange(1, n + 1))) ** 2)
u0 = x * (1 - x)


def reaction(t, u):
    return 1 / (1 + u**2)


def reaction_in_sines(t, v):
    return sines @ reaction(t, sines @ v)


options = {"method": "krogstad4", "step": 1 / 20}
dense = expint.solve_ivp(reaction, (0, 1), u0, linear=laplacian, **options)
diagonal = expint.solve_ivp(reaction_in_sines, (0, 1), sines @ u0, linear=symbol, **options)
difference = abs(dense.y_end - sines @ diagonal.y_end).max()
print(f"dense and diagonal differ by {difference:.1e}")
assert difference < 1e-12

fig, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
for t, u in list(zip(dense.t, dense.y, strict=True))[::4]:
    ax.plot(x, u, label=f"t = {t:.1f}")
ax.set(xlabel="x", ylabel="u", title="Heat with a source")
ax.legend(fontsize="small")

# %% [markdown]
# The same by products with $L$ alone, where the operators for that are there: a sparse matrix, or a function $v \mapsto
# Lv$ of which nothing else is known. They answer to a tolerance, not to rounding.

# %%
from scipy.sparse import csr_array

others = {
    "Sparse": lambda: expint.operators.Sparse(csr_array(laplacian)),
    "MatrixFree": lambda: expint.operators.MatrixFree(lambda v: laplacian @ v, n),
}
for name, make in others.items():
    if name in available:
        krylov = expint.solve_ivp(reaction, (0, 1), u0, linear=make(), **options)
        print(f"{name} differs from dense by {abs(krylov.y_end - dense.y_end).max():.1e}")
        assert abs(krylov.y_end - dense.y_end).max() < 1e-5

# %% [markdown]
# ## A non-normal matrix
#
# Chebyshev collocation gives a full matrix whose eigenvectors are far from orthogonal, and eigenvalues that grow with
# $n^4$. Diagonalising it would lose digits; `Dense` uses scaling and doubling instead.

# %%
problem = expint.problems.allen_cahn_chebyshev(t_end=40.0 if quick else 70.0)
solution = expint.solve(problem, "etd34", rtol=1e-4)
matrix = problem.linear.matrix
print(f"spectral radius {abs(np.linalg.eigvals(matrix)).max():.0f}, {solution.stats.steps} steps")
expint.plot.space_time(solution, problem)
assert solution.success
u = problem.physical(solution.y_end)
assert abs(abs(u) - 1).min() < 1e-3  # two phases, u = ±1, and a front between them

# %% [markdown]
# ## A number
#
# Relaxation at one rate, $y' = -\lambda (y - \cos t)$ and its like: $L$ is a number. However stiff, the step follows
# the cosine.

# %%
rate = 1e4
relaxed = expint.solve_ivp(
    lambda t, y: rate * np.cos(t) + 0 * y, (0, 10), [0.0], linear=-rate, method="adams4", step=0.1
)
fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.plot(relaxed.t, relaxed.y[:, 0], "o", markersize=3, label="adams4, step 1000 times the time scale of L")
ax.plot(relaxed.t, np.cos(relaxed.t), linewidth=0.8, label="cos t")
ax.set(xlabel="t", title="Stiff relaxation")
ax.legend(fontsize="small")
assert abs(relaxed.y[1:, 0] - np.cos(relaxed.t[1:])).max() < 1e-2

# %% [markdown]
# ## Two dimensions without a big matrix
#
# On a square $L = A \otimes I + I \otimes A$. With the state kept as a matrix $U$, $LU = AU + UA^T$, and
# $e^{hL}U = e^{hA} U e^{hA^T}$. `KroneckerSum(A, A)` uses this; the dense matrix of the same $L$ has $n^4$ entries.

# %%
m = 8
side = (np.diag(np.ones(m - 1), 1) - 2 * np.eye(m) + np.diag(np.ones(m - 1), -1)) * (m + 1) ** 2
full = np.kron(side, np.eye(m)) + np.kron(np.eye(m), side)
y = np.arange(1, m + 1) / (m + 1)
start = np.outer(np.sin(np.pi * y), np.sin(2 * np.pi * y))
square = expint.solve_ivp(reaction, (0, 0.2), start.ravel(), linear=full, method="krogstad4", step=0.01)
expint.plot.field(square.y_end.reshape(m, m), title="n = 8 × 8, t = 0.2")
if "KroneckerSum" in available:
    summed = expint.solve_ivp(
        reaction, (0, 0.2), start, linear=expint.operators.KroneckerSum(side, side), method="krogstad4", step=0.01
    )
    print(f"Kronecker sum and dense differ by {abs(summed.y_end.ravel() - square.y_end).max():.1e}")
    assert abs(summed.y_end.ravel() - square.y_end).max() < 1e-8

# %% [markdown]
# Without the reaction the answer is known: the mode $\sin \pi x \sin 2\pi y$ decays at the rate of its eigenvalue.

# %%
decay = -4 * (m + 1) ** 2 * (np.sin(np.pi / (2 * (m + 1))) ** 2 + np.sin(np.pi / (m + 1)) ** 2)
heat = expint.solve_ivp(lambda t, u: 0 * u, (0, 0.2), start.ravel(), linear=full, method="exponential-euler", step=0.1)
assert np.allclose(heat.y_end, np.exp(0.2 * decay) * start.ravel(), rtol=1e-10, atol=1e-14)

# %% [markdown]
# ## No linear part at all
#
# Some problems come as $y' = f(t, y)$. Leave `linear` out: at every step $L$ is the Jacobian of $f$ there, given or
# found by differences, complex steps or automatic differentiation. Van der Pol's oscillator rests for long and jumps:
# the steps follow, and the tolerance is kept.

# %%
mu = 50.0


def van_der_pol(t, y):
    return np.array([y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]])


jumps = expint.solve_ivp(van_der_pol, (0, 1.7 * mu), [2.0, 0.0], rtol=1e-4, atol=1e-7, dense_output=True)
print(jumps.message)
fine = np.linspace(0, 1.7 * mu, 600)
fig, (above, below) = plt.subplots(2, 1, figsize=(7, 4.5), sharex=True, layout="constrained")
above.plot(fine, jumps.sol(fine)[:, 0])
above.plot(jumps.t, jumps.y[:, 0], ".", ms=3)
above.set(ylabel="$y_1$", title=f"Van der Pol, µ = {mu:g}: {jumps.stats.steps} steps, {jumps.stats.rejected} rejected")
below.semilogy(jumps.t[1:], np.diff(jumps.t))
below.set(xlabel="t", ylabel="step")
exact = expint.solve_ivp(
    van_der_pol, (0, 1.7 * mu), [2.0, 0.0], rtol=1e-6, atol=1e-9, jac=expint.jacobian.ComplexStep()
)
assert jumps.success
assert abs(jumps.y_end - exact.y_end).max() < 1e-3 * abs(exact.y_end).max()
assert np.diff(jumps.t).max() > 1000 * np.diff(jumps.t).min()
