"""The Kawahara equation: Korteweg–de Vries with fifth-order dispersion."""

from __future__ import annotations

import numpy as np

from expint.backend import Array, array_namespace
from expint.problem import SemilinearProblem
from expint.problems.parameters import parameters
from expint.problems.pseudospectral import convection
from expint.spectral import Fourier

__all__ = ["kawahara"]


@parameters
def kawahara(n: int = 256, t_end: float = 100.0, like: Array | None = None) -> SemilinearProblem:
    r"""Return u_t = -u u_x - u_xxx + u_xxxxx on [-100, 100], periodic, started from its soliton.

    In Fourier space L = i(k³ + k⁵) and N(v) = -(ik/2)F[u²]. The soliton is
    u = (105/169) sech⁴((x - 36t/169)/(2√13)), 1e-23 at the ends of the period.

    Parameters
    ----------
    n
        Grid points.

    References
    ----------
    Kawahara (1972), J. Phys. Soc. Japan 33, 260; Yamamoto and Takizawa (1981), J. Phys. Soc. Japan 50, 1421.
    """
    grid = Fourier(n, length=200.0, start=-100.0, like=like)
    xp, k = array_namespace(grid.x), grid.derivative.imag

    def exact(t: float) -> Array:
        near = (grid.x - 36 * t / 169 + 100) % 200 - 100
        return grid.fft(105 / 169 / xp.cosh(near / (2 * np.sqrt(13))) ** 4)

    return convection(
        grid,
        1j * (k**3 + k**5),
        exact(0.0),
        t_end,
        exact=exact,
        name="Kawahara",
        equation=r"u_t = -u u_x - u_{xxx} + u_{xxxxx}",
        source="Kawahara (1972), J. Phys. Soc. Japan 33, 260",
    )
