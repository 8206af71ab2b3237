"""Finite differences on [0, 1] with manufactured solutions: parabolic, Schrödinger and hyperbolic type."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from expint.backend import Array
from expint.problem import SemilinearProblem
from expint.problems.parameters import parameters

__all__ = ["hypertest", "paratest", "schroedinger_type"]

_SOURCE = "Berland, Skaflestad and Wright (2007), ACM Trans. Math. Softw. 33, article 4"


@parameters
def paratest(n: int = 199) -> SemilinearProblem:
    r"""Return u_t = u_xx - u u_x + Φ on [0, 1], u = 0 at the ends, with exact solution x(1 - x)e⁻ᵗ.

    Second differences for u_xx and central ones for u_x, in Φ too; the state is the orthonormal sine transform of the
    values at the inner points, in which L is diagonal.

    Parameters
    ----------
    n
        Inner grid points.

    References
    ----------
    Berland, Skaflestad and Wright (2007), ACM Trans. Math. Softw. 33, article 4.
    """
    return _problem(n, 1.0, _advection(n), "parabolic test", r"u_t = u_{xx} - u u_x + \Phi")


@parameters
def hypertest(n: int = 199) -> SemilinearProblem:
    r"""Return i u_t = u_xx - 1/(1 + u²) + Φ on [0, 1], u = 0 at the ends, with exact solution x(1 - x)e⁻ᵗ.

    As ``paratest``; the eigenvalues of L are purely imaginary.

    Parameters
    ----------
    n
        Inner grid points.

    References
    ----------
    Berland, Skaflestad and Wright (2007), ACM Trans. Math. Softw. 33, article 4.
    """
    return _problem(n, -1j, lambda u: -1 / (1 + u * u), "hyperbolic test", r"i u_t = u_{xx} - 1/(1+u^2) + \Phi")


@parameters
def schroedinger_type(n: int = 199) -> SemilinearProblem:
    r"""Return i u_t = u_xx - u u_x + Φ on [0, 1], u = 0 at the ends, with exact solution x(1 - x)e⁻ᵗ.

    As ``paratest``; the eigenvalues of L are purely imaginary, and N takes a derivative.

    Parameters
    ----------
    n
        Inner grid points.

    References
    ----------
    Berland, Skaflestad and Wright (2007), ACM Trans. Math. Softw. 33, article 4.
    """
    return _problem(n, -1j, _advection(n), "Schrödinger-type test", r"i u_t = u_{xx} - u u_x + \Phi")


def _advection(n: int) -> Callable[[Array], Array]:
    def advection(u: Array) -> Array:
        padded = np.concatenate([[0.0], u, [0.0]])
        return -u * (padded[2:] - padded[:-2]) * (n + 1) / 2

    return advection


def _problem(n: int, factor: complex, g: Callable[[Array], Array], name: str, equation: str) -> SemilinearProblem:
    """Return u_t = factor (u_xx + g(u) + Φ) with Φ such that the semidiscrete solution is x(1 - x)e⁻ᵗ."""
    dx = 1.0 / (n + 1)
    x = dx * np.arange(1, n + 1)
    profile = x * (1 - x) * (1.0 if factor == 1.0 else 1.0 + 0j)

    from scipy.fft import dst, idst  # not every import of the library needs it

    def to_sine(u: Array) -> Array:
        return dst(u, type=1, norm="ortho")

    def to_values(v: Array) -> Array:
        return idst(v, type=1, norm="ortho")

    def nonlinear(t: float, v: Array) -> Array:
        exact = np.exp(-t) * profile
        source = -exact / factor + 2 * np.exp(-t) - g(exact)  # second differences of x(1 - x) are -2
        return factor * to_sine(g(to_values(v)) + source)

    return SemilinearProblem(
        linear=-factor * (2 / dx * np.sin(np.pi * dx / 2 * np.arange(1, n + 1))) ** 2,
        nonlinear=nonlinear,
        y0=to_sine(profile),
        t_span=(0.0, 1.0),
        exact=lambda t: to_sine(np.exp(-t) * profile),
        physical=to_values,
        x=x,
        name=name,
        equation=equation,
        source=_SOURCE,
    )
