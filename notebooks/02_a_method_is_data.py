# %% [markdown]
# # A method is data
#
# A method for $y' = Ly + N(t, y)$ is a table of exact coefficients, each a sum $\sum r\,\varphi_k(cz)$ with rational
# $r$ and $c$. From the table follow its orders, its printed form, its numbers for one operator, its run. Nothing is
# typed twice, and nothing is believed that was not derived.

# %%
import os
from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np

import expint
import expint.plot
from expint.derive import REST, Tableau, phi

quick = "EXPINT_QUICK" in os.environ

# %% [markdown]
# ## Read one

# %%
method = expint.method("krogstad4")
method  # in a notebook this prints as a formula

# %%
print(method)
print(method.cite())

# %% [markdown]
# The entries are numbers one can ask: their Taylor series, their values, equality that is decided, not approximated.

# %%
last = method.b[-1]
print(f"b_4 = {last}  =  {' + '.join(f'({r}) z^{m}' for m, r in enumerate(last.series(4)))} + …")
assert last == 4 * phi(3) - phi(2)
assert phi(0, Fraction(1, 2)) * phi(1, Fraction(1, 2)) == 2 * phi(1) - phi(1, Fraction(1, 2))

# %% [markdown]
# ## Check one
#
# Orders come from rooted trees in two colours (classical: $L$ fixed, $h \to 0$) and from the conditions of Hochbruck
# and Ostermann, Luan and Ostermann (stiff: constants that do not see how large $L$ is). What is violated is written
# out.

# %%
print(method.orders)
assert (method.order, method.stiff_order) == (4, 3)
assert (expint.method("cox-matthews4").order, expint.method("cox-matthews4").stiff_order) == (4, 2)
assert (expint.method("lawson-rk4").order, expint.method("lawson-rk4").stiff_order) == (4, 0)

# %% [markdown]
# A table that is no method is refused at birth, with the reason.

# %%
try:
    Tableau(name="broken", c=(0, 1), a=((), (phi(1),)), b=(phi(1), phi(2)))
except ValueError as reason:
    print(reason)
else:
    raise AssertionError("a tableau whose weights do not sum to one must be refused")

# %% [markdown]
# ## All of them at a glance
#
# Classical order against stiff order. Right and down is what order reduction costs.

# %%
names = [name for name in expint.method_names() if not name.startswith("bootstrap")]
found = [expint.method(name) for name in names]
places: dict[tuple[int, int], list[str]] = {}
for entry in found:
    places.setdefault((entry.order, entry.stiff_order), []).append(entry.name)
fig, ax = plt.subplots(figsize=(6.5, 5), layout="constrained")
for (order, stiff), members in places.items():
    ax.scatter(order, stiff, s=60 * len(members), alpha=0.5, color="tab:blue" if stiff else "tab:red")
    ax.annotate(str(len(members)), (order, stiff), ha="center", va="center", fontsize=8)
ax.plot([0.5, 8.5], [0.5, 8.5], color="0.7", linewidth=0.8)
ax.set(xlabel="order", ylabel="stiff order", title="The catalogue: how many methods have which orders")
assert all(entry.stiff_order <= entry.order for entry in found)

# %% [markdown]
# ## Write one of your own
#
# Two stages, the second at $c_2 = \tfrac23$. The weights of $N$ must reproduce $\int_0^1 e^{(1-s)z} p(s)\,ds$ for
# linear $p$, which means $b_2 c_2 = \varphi_2$; `REST` fills in what the row sums leave. The orders are computed.

# %%
mine = Tableau(
    name="mine",
    c=(0, Fraction(2, 3)),
    a=((), (REST,)),
    b=(REST, Fraction(3, 2) * phi(2)),
    reference="hochbruck_ostermann2005",
)
print(mine)
assert (mine.order, mine.stiff_order) == (2, 2)

# %% [markdown]
# What if we had been content with constants, as a classical method has? Replace $\varphi_2$ by its value at zero, and
# the classical order stays while the stiff order falls.

# %%
cheap = Tableau(name="cheap", c=(0, Fraction(2, 3)), a=((), (REST,)), b=(REST, Fraction(3, 4) * phi(1)))
print(f"mine: order {mine.order}, stiff {mine.stiff_order};  cheap: order {cheap.order}, stiff {cheap.stiff_order}")
assert (cheap.order, cheap.stiff_order) == (2, 1)

# %% [markdown]
# ## Believe it when it is measured
#
# The problem of Hochbruck and Ostermann has an exact solution that does not satisfy the boundary conditions to higher
# order: here the stiff order shows.

# %%
problem = expint.problems.hochbruck_ostermann("nonlocal", n=49 if quick else 199)
exact = problem.exact(1.0)
counts = [8, 16, 32, 64, 128]
measured = {}
for tableau in (expint.method("exponential-euler"), mine, expint.method("hochbruck-ostermann3")):
    ends = [expint.solve(problem, tableau, step=1 / count).y_end for count in counts]
    measured[tableau.name] = [np.linalg.norm(y - exact) / np.linalg.norm(exact) for y in ends]
expint.plot.curves(
    {name: ([1 / count for count in counts], errors) for name, errors in measured.items()},
    orders=[1, 2, 3],
    title="Derived, then believed",
)
for name, errors in measured.items():
    slope = -np.polyfit(np.log(counts), np.log(errors), 1)[0]
    expected = {"exponential-euler": 1, "mine": 2, "hochbruck-ostermann3": 3}[name]
    print(f"{name:20} measured {slope:.2f}")
    assert abs(slope - expected) < 0.25
