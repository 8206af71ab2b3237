"""The Kawahara equation: Korteweg–de Vries with fifth-order dispersion."""

from __future__ import annotations

import numpy as np

from expint.backend import Array
from expint.problem import SemilinearProblem
from expint.spectral import Fourier

__all__ = ["kawahara"]


def kawahara(n: int = 256, t_end: float = 100.0) -> SemilinearProblem:
    r"""Return u_t = -u u_x - u_xxx + u_xxxxx on [-100, 100], periodic, started from its soliton.

    In Fourier space L = i(k³ + k⁵) and N(v) = -(ik/2)F[u²]. The soliton is
    u = (105/169) sech⁴((x - 36t/169)/(2√13)), 1e-23 at the ends of the period.

    Parameters
    ----------
    n
        Grid points.
    t_end
        End of the time interval.

    References
    ----------
    Kawahara (1972), J. Phys. Soc. Japan 33, 260; Yamamoto and Takizawa (1981), J. Phys. Soc. Japan 50, 1421.
    """
    grid = Fourier(n, length=200.0, start=-100.0)
    advection, k = -0.5 * grid.derivative, grid.derivative.imag

    def nonlinear(t: float, v: Array) -> Array:
        del t
        return advection * grid.fft(grid.ifft(v) ** 2)

    def exact(t: float) -> Array:
        near = (grid.x - 36 * t / 169 + 100) % 200 - 100
        return grid.fft(105 / 169 / np.cosh(near / (2 * np.sqrt(13))) ** 4)

    return SemilinearProblem(
        linear=1j * (k**3 + k**5),
        nonlinear=nonlinear,
        y0=exact(0.0),
        t_span=(0.0, t_end),
        exact=exact,
        physical=grid.ifft,
        x=grid.x,
        name="Kawahara",
        equation=r"u_t = -u u_x - u_{xxx} + u_{xxxxx}",
        source="Kawahara (1972), J. Phys. Soc. Japan 33, 260",
    )
