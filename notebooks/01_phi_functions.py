# %% [markdown]
# # φ-functions, and why cancellation matters
#
# Every exponential integrator is a linear combination of vectors whose coefficients are φ-functions of $z = hL$:
#
# $$\varphi_0(z) = e^z, \qquad \varphi_k(z) = \int_0^1 e^{(1-s)z} \frac{s^{k-1}}{(k-1)!}\,ds, \qquad
# \varphi_k(z) = z\,\varphi_{k+1}(z) + \frac{1}{k!}.$$
#
# They are harmless functions. The textbook formula for them is not.

# %%
import os
from fractions import Fraction

import matplotlib.pyplot as plt
import mpmath
import numpy as np

import expint
import expint.plot

quick = "EXPINT_QUICK" in os.environ  # fewer points and steps, the same story

# %%
z = np.linspace(-8, 2, 200)
fig, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for k, values in enumerate(expint.phi.phi_functions(z, 4)):
    ax.plot(z, values, label=rf"$\varphi_{k}$")
ax.set(xlabel="z", ylim=(0, 2), title="φ-functions on the real axis: smooth, positive, increasing")
ax.legend()

# %% [markdown]
# ## The textbook formula
#
# $\varphi_{k+1}(z) = (\varphi_k(z) - 1/k!)/z$ subtracts two numbers that agree in almost all digits when $z$ is small.
# Each application loses the digits of $|z|$ once more: $\varphi_3$ at $z = 10^{-3}$ keeps seven digits of sixteen, at
# $10^{-6}$ none.


# %%
def textbook(z, p):
    """φ_0 … φ_p by the recurrence upwards."""
    values = [np.exp(z)]
    factorial = 1.0
    for k in range(p):
        factorial *= max(k, 1)
        values.append((values[-1] - 1 / factorial) / z)
    return values


def exact(k, z):
    """φ_k(z) with fifty digits, by its series: φ_k(z) = ₁F₁(1; k+1; z)/k!."""
    with mpmath.workdps(50):
        return complex(mpmath.hyp1f1(1, k + 1, mpmath.mpmathify(complex(z))) / mpmath.factorial(k))


def contour(z, p, points=32):
    """φ_p as the mean of the textbook formula over a unit circle round z (Kassam and Trefethen 2005)."""
    circle = np.exp(2j * np.pi * (np.arange(points) + 0.5) / points)
    return textbook(np.asarray(z, dtype=complex)[..., None] + circle, p)[p].mean(axis=-1)


sizes = np.logspace(-12, 2, 29 if quick else 113)
phi3 = np.array([exact(3, -size) for size in sizes])
errors = {
    "textbook recurrence": abs(textbook(-sizes, 3)[3] - phi3) / abs(phi3),
    "contour, 32 points": abs(contour(-sizes, 3) - phi3) / abs(phi3),
    "expint": abs(expint.phi.phi_functions(-sizes, 3)[3] - phi3) / abs(phi3),
}
ax = expint.plot.curves(
    {name: (sizes, np.maximum(error, 1e-17)) for name, error in errors.items()},
    xlabel="|z|",
    ylabel="relative error of φ₃(-|z|)",
    title="Three ways to the same number, in double precision",
)
ax.axhline(np.finfo(float).eps, color="0.5", linewidth=0.8, linestyle=":")

assert errors["expint"].max() < 1e-14
assert errors["contour, 32 points"].max() < 1e-12
assert errors["textbook recurrence"][sizes < 1e-5].max() > 1  # not a digit left

# %% [markdown]
# ## A trap: taking the real part
#
# For a real problem it is tempting to keep only the real part of the contour mean. On a *real* spectrum nothing
# happens. On the imaginary spectrum of a wave equation $\varphi_k(iy)$ is complex, and the real part is another
# function.

# %%
y = np.linspace(0.01, 12, 200)
phi1 = expint.phi.phi_functions(1j * y, 1)[1]
fig, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
ax.plot(y, phi1.real, label=r"Re $\varphi_1(iy)$")
ax.plot(y, phi1.imag, label=r"Im $\varphi_1(iy)$")
ax.set(xlabel="y", title="On the imaginary axis both parts matter")
ax.legend()
assert abs(phi1.imag).max() > 0.7

# %% [markdown]
# ## What it does to a solution
#
# The same method, Cox and Matthews' of order four, with coefficients from each formula, on fronts that diffuse slowly:
# $u_t = \epsilon u_{xx} + u - u^3$ with $\epsilon = 10^{-4}$ and $L = \epsilon\partial_x^2$. A tableau is data: its
# entries are sums $\sum r\,\varphi_k(cz)$, so we can evaluate them as we like and step by hand.


# %%
def solve(problem, tableau, steps, phi):
    """Step through t_span with coefficients from ``phi(z, k)``."""
    h = (problem.t_span[1] - problem.t_span[0]) / steps
    z = h * problem.linear

    def number(weight):
        return sum(float(r) * (phi(float(c) * z, k) if c else 1.0) for (k, c), r in weight.terms.items())

    def exponential(c):
        return np.exp(float(c) * z)

    a, b = [[number(w) for w in row] for row in tableau.a], [number(w) for w in tableau.b]
    y = problem.y0
    for n in range(steps):
        slopes = []
        for c, row in zip(tableau.c, a, strict=True):
            point = exponential(c) * y + h * sum((w * s for w, s in zip(row, slopes, strict=True)), 0 * y)
            slopes.append(problem.nonlinear((n + float(c)) * h, point))
        y = exponential(1) * y + h * sum(w * s for w, s in zip(b, slopes, strict=True))
    return y


grid = expint.spectral.Fourier(64)


def reaction(t, v):
    u = grid.ifft(v)
    return grid.fft(u - u**3)


problem = expint.SemilinearProblem(
    linear=-1e-4 * grid.k**2, nonlinear=reaction, y0=grid.fft(0.5 * np.sin(grid.x)), t_span=(0.0, 2.0)
)
cox_matthews = expint.method("cox-matthews4")
assert cox_matthews.c == (0, Fraction(1, 2), Fraction(1, 2), 1)

counts = [4, 8, 16, 32, 64, 128] + ([] if quick else [256, 512, 1024])
reference = expint.solve(problem, "luan-ostermann5", step=2 / (4 * counts[-1])).y_end


def error(y):
    return np.linalg.norm(y - reference) / np.linalg.norm(reference)


def careless(z, k):
    with np.errstate(all="ignore"):
        return np.where(z == 0, 1 / float(mpmath.factorial(k)), textbook(np.where(z == 0, 1, z), k)[k])


def careful(z, k):
    return expint.phi.phi_functions(z, k)[k]


steps = [2 / count for count in counts]
by_formula = {
    "textbook φ": [error(solve(problem, cox_matthews, count, careless)) for count in counts],
    "careful φ": [error(solve(problem, cox_matthews, count, careful)) for count in counts],
}
library = [error(expint.solve(problem, cox_matthews, step=step).y_end) for step in steps]
expint.plot.curves(
    {name: (steps, values) for name, values in by_formula.items()},
    orders=[4],
    title="One method, two formulas for its coefficients",
    ylabel="relative error at t = 2",
)

# %% [markdown]
# With the careless formula the error grows as the steps get *smaller*, since $|z|$ does. With the careful one it falls
# with the fourth power of the step down to rounding. And a dozen lines of stepping by hand give the numbers of the
# library.

# %%
assert by_formula["textbook φ"][-1] > 1e4 * by_formula["careful φ"][-1]
assert np.allclose(by_formula["careful φ"], library, rtol=1e-3, atol=1e-12)
slope = np.polyfit(np.log(steps[:4]), np.log(by_formula["careful φ"][:4]), 1)[0]
print(f"measured order {slope:.2f}")
assert 3.5 < slope < 4.5
