"""The Allen–Cahn equation, periodic and on a Chebyshev grid."""

from __future__ import annotations

import numpy as np

from expint.backend import Array, array_namespace
from expint.operators import Dense
from expint.problem import SemilinearProblem
from expint.problems.parameters import parameters, square_parameters
from expint.problems.pseudospectral import pseudospectral
from expint.spectral import Chebyshev, Fourier

__all__ = ["allen_cahn", "allen_cahn_chebyshev"]

_EQUATION = r"u_t = \epsilon u_{xx} + u - u^3"


@parameters
def allen_cahn(
    n: int = 256, epsilon: float = 5e-3, t_end: float = 500.0, like: Array | None = None
) -> SemilinearProblem:
    r"""Return u_t = ε u_xx + u - u³ on [0, 2π], periodic: metastable fronts.

    In Fourier space L = 1 - ε k² and N(v) = -F[(F⁻¹v)³]; u(x, 0) = ⅓ tanh(2 sin x) - e^{-23.5(x-π/2)²}
    + e^{-27(x-4.2)²} + e^{-38(x-5.4)²}.

    Parameters
    ----------
    n
        Grid points.
    epsilon
        The diffusion coefficient ε, positive.

    References
    ----------
    Chebfun's ``spin`` demonstration "AC"; Montanelli and Bootland (2020), Math. Comput. Simul. 178, 307.
    """
    grid = Fourier(n, length=2 * np.pi, like=like)
    xp, x = array_namespace(grid.x), grid.x
    u0 = xp.tanh(2 * xp.sin(x)) / 3 - xp.exp(-23.5 * (x - np.pi / 2) ** 2)
    u0 = u0 + xp.exp(-27 * (x - 4.2) ** 2) + xp.exp(-38 * (x - 5.4) ** 2)
    return pseudospectral(
        grid,
        1 - epsilon * grid.k**2,
        lambda u: -(u**3),
        grid.fft(u0),
        t_end,
        name="Allen–Cahn",
        equation=_EQUATION,
        source="Montanelli and Bootland (2020), Math. Comput. Simul. 178, 307",
    )


@square_parameters
def allen_cahn_chebyshev(n: int = 50, epsilon: float = 1e-3, t_end: float = 70.0) -> SemilinearProblem:
    r"""Return u_t = ε u_xx + u - u³ on [-1, 1], u(±1) = ±1, by Chebyshev collocation: a dense, non-normal L.

    With u = w + x the inner values w vanish at the ends: L = ε D² on the n - 1 inner points (D² x = 0) and
    N(w) = u - u³; u(x, 0) = 0.53 x + 0.47 sin(-1.5πx).

    Parameters
    ----------
    n
        Polynomial degree.
    epsilon
        The diffusion coefficient ε, positive.

    References
    ----------
    Kassam and Trefethen (2005), SIAM J. Sci. Comput. 26, 1214.
    """
    grid = Chebyshev(n)
    x = grid.x[1:-1]

    def nonlinear(t: float, w: Array) -> Array:
        del t
        u = w + x
        return u - u**3

    def physical(w: Array) -> Array:
        ends = np.ones((*w.shape[:-1], 1))
        return np.concatenate([-ends, w + x, ends], axis=-1)

    return SemilinearProblem(
        linear=Dense(epsilon * grid.interior_laplacian),
        nonlinear=nonlinear,
        y0=0.53 * x + 0.47 * np.sin(-1.5 * np.pi * x) - x,
        t_span=(0.0, t_end),
        physical=physical,
        x=grid.x,
        name="Allen–Cahn (Chebyshev)",
        equation=_EQUATION,
        source="Kassam and Trefethen (2005), SIAM J. Sci. Comput. 26, 1214",
    )
