# %% [markdown]
# # Convergence orders, and how stiffness reduces them
#
# The order of a method says how the error falls with the step: $e \approx C h^p$. The classical order holds for
# $h \to 0$ with the problem fixed. For a PDE that is a promise for another day: the finer the grid, the larger $L$, the
# smaller the step at which it comes true. The *stiff* order is what holds for any $L$, with a constant that does not
# see it (Hochbruck and Ostermann 2005).

# %%
import functools
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import expint
import expint.plot
import expint.study

quick = "EXPINT_QUICK" in os.environ

# %% [markdown]
# ## One call
#
# A study solves problems by methods with step sizes, side by side, and fits slopes. First a problem without stiffness,
# with an exact solution: the classical orders.

# %%
nonstiff = functools.partial(expint.problems.prescribed_spectrum, (-1.0, -2.0, -3.0))
methods = ["exponential-euler", "etd2rk", "etd3rk", "krogstad4", "luan-ostermann5"]
steps = [1 / n for n in (4, 8, 16, 32, 64)]
with ThreadPoolExecutor() as threads:
    classical = expint.study.run({"not stiff": nonstiff}, methods, steps=steps, executor=threads)
print(classical.markdown())
expint.plot.study(classical, "not stiff", orders=[1, 2, 3, 4, 5])
for slope, order in zip(classical.slopes(), (1, 2, 3, 4, 5), strict=True):
    assert abs(slope.slope - order) < 0.3

# %% [markdown]
# ## The same methods on a parabolic problem
#
# $u_t = u_{xx} + \int_0^1 u\,dx + \Phi(x, t)$ with $u = 0$ at the ends and the exact solution $x(1-x)e^t$. Smooth as it
# looks, $u_{xx}$ does not vanish at the ends, and that is what the methods feel. Four methods, all of classical order
# four:

# %%
parabolic = functools.partial(expint.problems.hochbruck_ostermann, "nonlocal", n=49 if quick else 199)
fourth = ["cox-matthews4", "krogstad4", "strehmel-weiner4", "hochbruck-ostermann4"]
assert all(expint.method(name).order == 4 for name in fourth)
finer = [1 / n for n in (8, 16, 32, 64, 128)]
with ThreadPoolExecutor() as threads:
    stiff = expint.study.run(
        {"parabolic": parabolic},
        [*fourth, "lawson-rk4"],
        steps=finer,
        error=expint.study.maximum_error,
        executor=threads,
    )
expint.plot.study(stiff, "parabolic", orders=[1, 4])
print(stiff.markdown())

# %% [markdown]
# The order conditions said so before anything was run. Each method is at least of its stiff order, and Hochbruck and
# Ostermann's, built on the conditions, is the only one of order four. Lawson's, whose coefficients are exponentials
# only, falls to one.

# %%
measured = {slope.method: slope for slope in stiff.slopes()}
print(f"{'method':22}{'order':>6}{'stiff':>6}{'weak':>6}{'measured':>10}")
for name, slope in measured.items():
    method = expint.method(name)
    print(f"{name:22}{method.order:6}{method.stiff_order:6}{method.weak_stiff_order:6}{slope.slope:10.2f}")
    assert slope.slope > method.weak_stiff_order - 0.25
assert measured["hochbruck-ostermann4"].slope > 3.75
assert measured["cox-matthews4"].slope < 3.5
assert measured["lawson-rk4"].slope < 1.5

# %% [markdown]
# ## Where the order goes: the finer the grid, the later it comes
#
# The classical order is there, for steps below $1/\lVert L\rVert$. Refine the grid and that point moves away; the line
# of the stiff order stays.

# %%
grids = [5, 20, 80] if quick else [5, 20, 80, 320]
series = {}
for name, style in (("lawson-rk4", "Lawson 4"), ("hochbruck-ostermann4", "HO 4")):
    for n in grids:
        problem = expint.problems.hochbruck_ostermann("nonlocal", n=n)
        exact = problem.physical(problem.exact(1.0))
        errors = [abs(problem.physical(expint.solve(problem, name, step=step).y_end) - exact).max() for step in finer]
        series[f"{style}, n = {n}"] = (finer, errors)
ax = expint.plot.curves(series, orders=[4], ylabel="largest error", title="Refining the grid")
for line in ax.get_lines():
    line.set_linestyle("-" if line.get_label().startswith("HO") else "--")
finest, coarsest = (series[f"Lawson 4, n = {n}"][1] for n in (grids[-1], grids[0]))
slope_of = lambda errors: -np.diff(np.log(errors))[-1] / np.log(2)
for n, errors in ((grids[0], coarsest), (grids[-1], finest)):
    print(f"Lawson's slope at the smallest steps, n = {n}: {slope_of(errors):.2f}")
assert slope_of(coarsest) > 3.5
assert slope_of(finest) < 1.5

# %% [markdown]
# ## Which step does it take?
#
# What counts in the end is the work for an accuracy. The same study, drawn over evaluations of $N$.

# %%
expint.plot.study(stiff, "parabolic", over="calls")

# %% [markdown]
# A table for the lecture notes, in LaTeX:

# %%
print(stiff.latex())
