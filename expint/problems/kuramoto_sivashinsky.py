"""The Kuramoto–Sivashinsky equation."""

from __future__ import annotations

import numpy as np

from expint.backend import Array, array_namespace
from expint.problem import SemilinearProblem
from expint.problems.parameters import parameters
from expint.problems.pseudospectral import convection
from expint.spectral import Fourier

__all__ = ["kuramoto_sivashinsky"]


@parameters
def kuramoto_sivashinsky(n: int = 128, t_end: float = 150.0, like: Array | None = None) -> SemilinearProblem:
    r"""Return the Kuramoto–Sivashinsky equation u_t = -u_xx - u_xxxx - u u_x on [0, 32π], periodic.

    In Fourier space L = k² - k⁴ and N(v) = -(ik/2) F[(F⁻¹v)²]; u(x, 0) = cos(x/16)(1 + sin(x/16)). Stiff (k⁴) and
    chaotic: for t beyond about 50 trajectories of different methods separate whatever the tolerance.

    Parameters
    ----------
    n
        Grid points.

    References
    ----------
    Kassam and Trefethen (2005), SIAM J. Sci. Comput. 26, 1214.
    """
    grid = Fourier(n, length=32 * np.pi, like=like)
    xp = array_namespace(grid.x)
    return convection(
        grid,
        grid.k**2 - grid.k**4,
        grid.fft(xp.cos(grid.x / 16) * (1 + xp.sin(grid.x / 16))),
        t_end,
        name="Kuramoto–Sivashinsky",
        equation=r"u_t = -u_{xx} - u_{xxxx} - u u_x",
        source="Kassam and Trefethen (2005), SIAM J. Sci. Comput. 26, 1214",
    )
