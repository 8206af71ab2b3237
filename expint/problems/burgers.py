"""Burgers' equation."""

from __future__ import annotations

import numpy as np

from expint.backend import Array, array_namespace
from expint.problem import SemilinearProblem
from expint.problems.parameters import parameters
from expint.problems.pseudospectral import convection
from expint.spectral import Fourier

__all__ = ["burgers", "burgers_shock"]

_EQUATION = r"u_t = \nu u_{xx} - \tfrac12 (u^2)_x"


@parameters
def burgers(n: int = 128, viscosity: float = 0.03, t_end: float = 1.0, like: Array | None = None) -> SemilinearProblem:
    r"""Return Burgers' equation u_t = ν u_xx - (u²/2)_x on [-π, π], periodic.

    In Fourier space L = -ν k² and N(v) = -(ik/2) F[(F⁻¹v)²]; u(x, 0) = exp(-10 sin²(x/2)), which steepens into a front
    of width ν.

    Parameters
    ----------
    n
        Grid points.
    viscosity
        ν, positive.

    Raises
    ------
    ValueError
        If the viscosity is not positive.

    References
    ----------
    Kassam and Trefethen (2005), SIAM J. Sci. Comput. 26, 1214.
    """
    if viscosity <= 0:
        raise ValueError(f"expected a positive viscosity, received {viscosity}")
    grid = Fourier(n, length=2 * np.pi, start=-np.pi, like=like)
    xp = array_namespace(grid.x)
    return convection(
        grid,
        -viscosity * grid.k**2,
        grid.fft(xp.exp(-10 * xp.sin(grid.x / 2) ** 2)),
        t_end,
        name="Burgers",
        equation=_EQUATION,
        source="Kassam and Trefethen (2005), SIAM J. Sci. Comput. 26, 1214",
    )


@parameters
def burgers_shock(
    n: int = 1024, viscosity: float = 1e-3, t_end: float = 20.0, like: Array | None = None
) -> SemilinearProblem:
    r"""Return Burgers' equation u_t = ν u_xx - (u²/2)_x on [-1, 1], periodic, with a front that stays sharp for long.

    u(x, 0) = (1 - x²) exp(-30(x + ½)²).

    Parameters
    ----------
    n
        Grid points.
    viscosity
        ν, positive.

    References
    ----------
    Chebfun's ``spin`` demonstration "Burg"; Montanelli and Bootland (2020), Math. Comput. Simul. 178, 307.
    """
    grid = Fourier(n, length=2.0, start=-1.0, like=like)
    xp = array_namespace(grid.x)
    return convection(
        grid,
        -viscosity * grid.k**2,
        grid.fft((1 - grid.x**2) * xp.exp(-30 * (grid.x + 0.5) ** 2)),
        t_end,
        name="Burgers, sharp front",
        equation=_EQUATION,
        source="Montanelli and Bootland (2020), Math. Comput. Simul. 178, 307",
    )
