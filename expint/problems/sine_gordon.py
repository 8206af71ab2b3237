"""The sine-Gordon equation: a system whose linear part couples its two fields, mode by mode."""

from __future__ import annotations

import math

import numpy as np

from expint.backend import Array, array_namespace
from expint.operators import BlockDiagonal
from expint.problem import SemilinearProblem
from expint.problems.parameters import parameters
from expint.spectral import Fourier

__all__ = ["sine_gordon"]


@parameters
def sine_gordon(
    n: int = 128, frequency: float = 0.5, length: float = 40.0, t_end: float = 10.0, like: Array | None = None
) -> SemilinearProblem:
    r"""Return u_tt = u_xx - sin u, periodic, as the system u_t = w, w_t = u_xx - sin u, started from a breather.

    In Fourier space L has the blocks ((0, 1), (-k², 0)) and N(v) = (0, -F[sin u]); states have shape (2, n//2 + 1). The
    breather is u = 4 arctan(κ sin(ωt) / (ω cosh(κx))) with κ = √(1 - ω²), exact on the line; at the ends of a period of
    40 it is 1e-7 in size for ω = 1/2.

    Parameters
    ----------
    n
        Grid points.
    frequency
        ω, between 0 and 1.
    length
        The period.

    Raises
    ------
    ValueError
        If the frequency is not between 0 and 1.

    References
    ----------
    Berland, Skaflestad and Wright (2007), ACM Trans. Math. Softw. 33, article 4; Ablowitz, Kaup, Newell and Segur
    (1973), Phys. Rev. Lett. 30, 1262.
    """
    if not 0 < frequency < 1:
        raise ValueError(f"expected a frequency between 0 and 1, received {frequency}")
    grid = Fourier(n, length=length, start=-length / 2, like=like)
    xp = array_namespace(grid.x)
    kappa = np.sqrt(1 - frequency**2)
    envelope = kappa / (frequency * xp.cosh(kappa * grid.x))

    def exact(t: float) -> Array:
        height = envelope * math.sin(frequency * t)
        rate = 4 * envelope * frequency * math.cos(frequency * t) / (1 + height**2)
        return grid.fft(xp.stack([4 * xp.atan(height), rate]))

    def nonlinear(t: float, v: Array) -> Array:
        del t
        force = -grid.fft(xp.sin(grid.ifft(v[..., 0, :])))
        return xp.stack([0 * force, force], axis=-2)

    one = xp.ones_like(grid.k)
    return SemilinearProblem(
        linear=BlockDiagonal([[0 * one, one], [-(grid.k**2), 0 * one]]),
        nonlinear=nonlinear,
        y0=exact(0.0),
        t_span=(0.0, t_end),
        exact=exact,
        physical=grid.ifft,
        x=grid.x,
        name="sine-Gordon",
        equation=r"u_{tt} = u_{xx} - \sin u",
        source="Berland, Skaflestad and Wright (2007), ACM Trans. Math. Softw. 33, article 4",
        remarks=f"the exact solution is that on the line; a period of {length} changes it by about "
        f"{8 / frequency * np.exp(-kappa * length / 2):.0e}",
    )
