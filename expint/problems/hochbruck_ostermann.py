"""The two test problems of Hochbruck and Ostermann on which order reduction shows."""

from __future__ import annotations

from typing import Literal

import numpy as np

from expint.arguments import text
from expint.backend import Array
from expint.problem import SemilinearProblem
from expint.problems.parameters import parameters

__all__ = ["hochbruck_ostermann"]


@parameters
def hochbruck_ostermann(term: Literal["local", "nonlocal"] = "local", n: int = 199) -> SemilinearProblem:
    r"""Return u_t = u_xx + g(u) + Φ(x, t) on [0, 1], u = 0 at the ends, with exact solution x(1 - x)eᵗ.

    Local: g(u) = 1/(1 + u²). Nonlocal: g(u) = ∫₀¹ u dx. Second differences on n inner points; they and the rectangle
    rule are used in Φ too, so that the semidiscrete problem has the same exact solution. The state is the orthonormal
    sine transform (DST-I) of u, in which L is diagonal with entries -(4/Δx²) sin²(kπΔx/2). The solution does not
    satisfy the boundary conditions to higher order (u_xx ≠ 0 at the ends), which is what costs most methods their
    order.

    Parameters
    ----------
    term
        "local" or "nonlocal".
    n
        Inner grid points.

    Raises
    ------
    ValueError
        If ``term`` is neither.

    References
    ----------
    Hochbruck and Ostermann (2005), SIAM J. Numer. Anal. 43, 1069, section 6.
    """
    if text("term", term) not in ("local", "nonlocal"):
        raise ValueError(f"expected term to be 'local' or 'nonlocal', received {term!r}")
    dx = 1.0 / (n + 1)
    x = dx * np.arange(1, n + 1)
    profile = x * (1 - x)

    def g(u: Array) -> Array:
        return 1 / (1 + u**2) if term == "local" else dx * np.sum(u) * np.ones(n)

    from scipy.fft import dst, idst  # not every import of the library needs it

    def to_sine(u: Array) -> Array:
        return dst(u, type=1, norm="ortho")

    def to_values(v: Array) -> Array:
        return idst(v, type=1, norm="ortho")

    def nonlinear(t: float, v: Array) -> Array:
        exact = np.exp(t) * profile
        source = exact + 2 * np.exp(t) - g(exact)  # u_t - u_xx - g(u) at the exact solution
        return to_sine(g(to_values(v)) + source)

    return SemilinearProblem(
        linear=-((2 / dx * np.sin(np.pi * dx / 2 * np.arange(1, n + 1))) ** 2),
        nonlinear=nonlinear,
        y0=to_sine(profile),
        t_span=(0.0, 1.0),
        exact=lambda t: to_sine(np.exp(t) * profile),
        physical=to_values,
        x=x,
        name=f"Hochbruck–Ostermann ({term})",
        equation=r"u_t = u_{xx} + 1/(1+u^2) + \Phi" if term == "local" else r"u_t = u_{xx} + \int_0^1 u\,dx + \Phi",
        source="Hochbruck and Ostermann (2005), SIAM J. Numer. Anal. 43, 1069",
    )
