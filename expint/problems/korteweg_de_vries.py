"""The Korteweg–de Vries equation: a purely imaginary, stiff spectrum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from expint.arguments import number, numbers
from expint.backend import Array, array_namespace
from expint.problem import SemilinearProblem
from expint.problems.parameters import parameters
from expint.problems.pseudospectral import convection
from expint.spectral import Fourier

__all__ = ["korteweg_de_vries", "two_solitons"]

_EQUATION = r"u_t = -u_{xxx} - u u_x"
_SOURCE = "Kassam and Trefethen (2005), SIAM J. Sci. Comput. 26, 1214"


@parameters
def korteweg_de_vries(
    n: int = 256, speed: float = 625.0, t_end: float | None = None, like: Array | None = None
) -> SemilinearProblem:
    r"""Return u_t = -u_xxx - u u_x on [-π, π], periodic, started from one soliton.

    In Fourier space L = i k³ and N(v) = -(ik/2) F[(F⁻¹v)²]. The soliton of speed c is
    u = 3c sech²(√c (x - ct)/2); for c = 625 it is narrow enough for the period 2π not to matter
    (sech² is 1e-33 at the ends), so that the exact solution is known.

    Parameters
    ----------
    n
        Grid points; 256 resolve the soliton of speed 625 to about 1e-7 relative, 512 to rounding.
    speed
        c, positive.
    t_end
        End of the time interval; by default 2π/c, after which the soliton is back where it started.

    References
    ----------
    Kassam and Trefethen (2005), SIAM J. Sci. Comput. 26, 1214.
    """
    period = 2 * np.pi / number("speed", speed, above=0.0)
    grid = Fourier(n, length=2 * np.pi, start=-np.pi, like=like)
    xp = array_namespace(grid.x)

    def exact(t: float) -> Array:
        # the image of x - ct in [-π, π)
        shifted = grid.x - speed * t
        shifted = shifted - 2 * np.pi * xp.floor((shifted + np.pi) / (2 * np.pi))
        return grid.fft(3 * speed / xp.cosh(np.sqrt(speed) * shifted / 2) ** 2)

    return convection(
        grid,
        -grid.third_derivative,
        exact(0.0),
        period if t_end is None else t_end,
        exact=exact,
        name="Korteweg–de Vries",
        equation=_EQUATION,
        source=_SOURCE,
    )


@parameters
def two_solitons(
    n: int = 512, amplitudes: Sequence[float] = (25.0, 16.0), t_end: float = 0.006, like: Array | None = None
) -> SemilinearProblem:
    r"""Return u_t = -u_xxx - u u_x on [-π, π] with two solitons 3A² sech²(A(x - x₀)/2) at x₀ = -2 and -1.

    Parameters
    ----------
    n
        Grid points.
    amplitudes
        The two values of A; the speed of a soliton is A².
    t_end
        End of the time interval; the faster soliton overtakes the slower at about t = 0.003.

    Raises
    ------
    ValueError
        If there are not two amplitudes.

    References
    ----------
    Kassam and Trefethen (2005), SIAM J. Sci. Comput. 26, 1214.
    """
    grid = Fourier(n, length=2 * np.pi, start=-np.pi, like=like)
    xp = array_namespace(grid.x)
    given = numbers("amplitudes", amplitudes)
    if len(given) != 2:
        raise ValueError(f"expected two amplitudes, received {len(given)}")
    first, second = given
    u0 = 3 * first**2 / xp.cosh(first * (grid.x + 2) / 2) ** 2 + 3 * second**2 / xp.cosh(second * (grid.x + 1) / 2) ** 2
    return convection(
        grid,
        -grid.third_derivative,
        grid.fft(u0),
        t_end,
        name="Korteweg–de Vries, two solitons",
        equation=_EQUATION,
        source=_SOURCE,
    )
