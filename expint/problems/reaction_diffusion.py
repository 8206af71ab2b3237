"""Systems of two reacting and diffusing species, periodic in one dimension or two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from expint.backend import Array, array_namespace
from expint.operators import Diagonal
from expint.problem import SemilinearProblem
from expint.problems.parameters import parameters, square_parameters
from expint.problems.plane import Plane
from expint.problems.pseudospectral import pseudospectral
from expint.spectral import Fourier

__all__ = ["fitzhugh_nagumo", "gray_scott", "gray_scott_plane", "schnakenberg"]

Reaction = Callable[[Array, Array], tuple[Array, Array]]


@parameters
def gray_scott(
    n: int = 256, feed: float = 0.02, decay: float = 0.0862, t_end: float = 8000.0, like: Array | None = None
) -> SemilinearProblem:
    r"""Return the Gray–Scott equations on [-50, 50], periodic, in which pulses split.

    u_t = u_xx + b(1 - u) - uv² and v_t = 0.01 v_xx - dv + uv². In Fourier space L = (-k² - b, -k²/100 - d); states
    have shape (2, n//2 + 1). u(x, 0) = 1 - ½ sin¹⁰⁰(π(x - 50)/100), v(x, 0) = ¼ sin¹⁰⁰(π(x - 50)/100).

    Parameters
    ----------
    n
        Grid points.
    feed, decay
        b and d.

    References
    ----------
    Chebfun's ``spin`` demonstration "GS"; Montanelli and Bootland (2020), Math. Comput. Simul. 178, 307.
    """
    grid = Fourier(n, length=100.0, start=-50.0, like=like)
    pulse = array_namespace(grid.x).sin(np.pi * (grid.x - 50) / 100) ** 100

    def reaction(u: Array, v: Array) -> tuple[Array, Array]:
        together = u * v * v
        return feed - together, together

    return _problem(
        grid,
        [-(grid.k**2) - feed, -0.01 * grid.k**2 - decay],
        reaction,
        [1 - pulse / 2, pulse / 4],
        t_end,
        name="Gray–Scott",
        equation=r"u_t = u_{xx} + b(1-u) - u v^2, \quad v_t = 0.01 v_{xx} - d v + u v^2",
        source="Montanelli and Bootland (2020), Math. Comput. Simul. 178, 307",
    )


@square_parameters
def gray_scott_plane(
    n: int = 128, length: float = 1.25, t_end: float = 5000.0, like: Array | None = None
) -> SemilinearProblem:
    r"""Return the Gray–Scott equations on a periodic square, where spots divide.

    u_t = D_u Δu - uv² + α(1 - u) and v_t = D_v Δv + uv² - (α + β)v with D_u = 2·10⁻⁵, D_v = 10⁻⁵, α = 0.035, β = 0.065.
    At first u = 1 - s/2 and v = s/4 with the spot s = e^{-150 (x² + 2y²)}, x and y counted from the centre.

    Parameters
    ----------
    n
        Grid points in each direction; the distance of two should be 0.0125 at most.
    length
        The period.

    References
    ----------
    Pearson (1993), Science 261, 189.
    """
    grid = Plane(n, length, like=like)
    x, y = grid.x - length / 2, grid.y - length / 2
    spot = array_namespace(grid.x).exp(-150 * (x * x + 2 * y * y))

    def reaction(u: Array, v: Array) -> tuple[Array, Array]:
        together = u * v * v
        return 0.035 - together, together

    return _problem(
        grid,
        [-2e-5 * grid.k2 - 0.035, -1e-5 * grid.k2 - 0.1],
        reaction,
        [1 - spot / 2, spot / 4],
        t_end,
        name="Gray–Scott (plane)",
        equation=r"u_t = D_u \Delta u - u v^2 + \alpha(1-u), \quad v_t = D_v \Delta v + u v^2 - (\alpha+\beta) v",
        source="Pearson (1993), Science 261, 189",
    )


@parameters
def schnakenberg(n: int = 128, t_end: float = 10.0, like: Array | None = None) -> SemilinearProblem:
    r"""Return Schnakenberg's equations on [0, 2π], periodic: a Turing pattern.

    u_t = u_xx + γ(a - u + u²v) and v_t = d v_xx + γ(b - u²v) with a = 0.1, b = 0.9, d = 40, γ = 30; the homogeneous
    state u = a + b, v = b/(a + b)² is disturbed by 0.01 (cos 2x, sin 3x).

    Parameters
    ----------
    n
        Grid points.

    References
    ----------
    Schnakenberg (1979), J. Theor. Biol. 81, 389; Murray, Mathematical Biology II (2003), section 2.4.
    """
    grid, a, b, d, gamma = Fourier(n, like=like), 0.1, 0.9, 40.0, 30.0
    xp = array_namespace(grid.x)

    def reaction(u: Array, v: Array) -> tuple[Array, Array]:
        together = gamma * u * u * v
        return gamma * a + together, gamma * b - together

    return _problem(
        grid,
        [-(grid.k**2) - gamma, -d * grid.k**2],
        reaction,
        [a + b + 0.01 * xp.cos(2 * grid.x), b / (a + b) ** 2 + 0.01 * xp.sin(3 * grid.x)],
        t_end,
        name="Schnakenberg",
        equation=r"u_t = u_{xx} + \gamma(a - u + u^2 v), \quad v_t = d v_{xx} + \gamma(b - u^2 v)",
        source="Schnakenberg (1979), J. Theor. Biol. 81, 389",
    )


@parameters
def fitzhugh_nagumo(n: int = 256, t_end: float = 100.0, like: Array | None = None) -> SemilinearProblem:
    r"""Return the FitzHugh–Nagumo equations on [0, 200], periodic: two pulses that run apart.

    u_t = u_xx + u(1 - u)(u - a) - w and w_t = ε(u - γw) with a = 0.1, ε = 0.005, γ = 2; u(x, 0) = e^{-((x - 100)/5)²},
    w(x, 0) = 0. Only one of the two fields diffuses.

    Parameters
    ----------
    n
        Grid points.

    References
    ----------
    FitzHugh (1961), Biophys. J. 1, 445; Nagumo, Arimoto and Yoshizawa (1962), Proc. IRE 50, 2061.
    """
    grid, a, epsilon, gamma = Fourier(n, length=200.0, like=like), 0.1, 0.005, 2.0

    def reaction(u: Array, w: Array) -> tuple[Array, Array]:
        return u * u * (1 + a - u) - w, epsilon * u

    return _problem(
        grid,
        [-(grid.k**2) - a, 0 * grid.k - epsilon * gamma],
        reaction,
        [array_namespace(grid.x).exp(-(((grid.x - 100) / 5) ** 2)), 0 * grid.x],
        t_end,
        name="FitzHugh–Nagumo",
        equation=r"u_t = u_{xx} + u(1-u)(u-a) - w, \quad w_t = \epsilon(u - \gamma w)",
        source="FitzHugh (1961), Biophys. J. 1, 445",
    )


def _problem(
    grid: Fourier | Plane, symbols: list[Array], reaction: Reaction, start: list[Array], t_end: float, **known: Any
) -> SemilinearProblem:
    xp, axis = array_namespace(grid.x), -1 - grid.x.ndim  # where a state counts its species

    def together(fields: Array) -> Array:
        first, second = xp.moveaxis(fields, axis, 0)
        return xp.stack(reaction(first, second), axis=axis)

    return pseudospectral(grid, Diagonal(xp.stack(symbols)), together, grid.fft(xp.stack(start)), t_end, **known)
