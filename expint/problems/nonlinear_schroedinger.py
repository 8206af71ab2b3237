"""The cubic Schrödinger equation: a purely imaginary spectrum with a quadratic symbol."""

from __future__ import annotations

from typing import Any

import numpy as np

from expint.backend import Array, array_namespace
from expint.problem import SemilinearProblem
from expint.problems.parameters import parameters
from expint.problems.pseudospectral import pseudospectral
from expint.spectral import Fourier

__all__ = ["schroedinger_breather", "schroedinger_potential", "schroedinger_soliton"]

_EQUATION = r"u_t = i u_{xx} + i |u|^2 u"


@parameters
def schroedinger_soliton(
    n: int = 256, eta: float = 1.0, speed: float = 1.0, t_end: float = 5.0, like: Array | None = None
) -> SemilinearProblem:
    r"""Return u_t = i u_xx + i|u|²u on [-8π, 8π], periodic, started from one bright soliton.

    In Fourier space L = -i k² and N(v) = i F[|u|²u]. The soliton is
    u = √2 η sech(η(x - ct)) exp(i(cx/2 + (η² - c²/4)t)); its wave number c/2 fits the period where c is a multiple of
    1/4, and it has decayed to 4e-11 at the ends.

    Parameters
    ----------
    n
        Grid points.
    eta
        η, the inverse width.
    speed
        c, a multiple of 1/4.

    Raises
    ------
    ValueError
        If the wave number of the soliton does not fit the period.

    References
    ----------
    Zakharov and Shabat (1972), Sov. Phys. JETP 34, 62.
    """
    if (4 * speed) % 1:
        raise ValueError(f"expected speed to be a multiple of 1/4, so that the wave fits the period, received {speed}")
    grid = Fourier(n, length=16 * np.pi, start=-8 * np.pi, real=False, like=like)
    xp = array_namespace(grid.x)

    def exact(t: float) -> Array:
        near = (grid.x - speed * t + 8 * np.pi) % (16 * np.pi) - 8 * np.pi  # x - ct in the period around the soliton
        phase = speed / 2 * (near + speed * t) + (eta**2 - speed**2 / 4) * t
        return grid.fft(np.sqrt(2) * eta / xp.cosh(eta * near) * xp.exp(1j * phase))

    source = "Zakharov and Shabat (1972), Sov. Phys. JETP 34, 62"
    return _problem(grid, exact(0.0), t_end, exact=exact, name="Schrödinger, soliton", source=source)


@parameters
def schroedinger_breather(n: int = 256, t_end: float = 20.0, like: Array | None = None) -> SemilinearProblem:
    r"""Return u_t = i u_xx + i|u|²u on [-π, π], periodic, started from a breather.

    u(x, 0) = 2B²/(2 - √2 √(2 - B²) cos x) - 1 with B = 1, where the modulational instability of the plane wave comes
    and goes.

    Parameters
    ----------
    n
        Grid points.

    References
    ----------
    Chebfun's ``spin`` demonstration "NLS"; Montanelli and Bootland (2020), Math. Comput. Simul. 178, 307.
    """
    grid = Fourier(n, length=2 * np.pi, start=-np.pi, real=False, like=like)
    xp = array_namespace(grid.x)
    u0 = 2 / (2 - np.sqrt(2) * xp.cos(grid.x)) - 1 + 0j
    source = "Montanelli and Bootland (2020), Math. Comput. Simul. 178, 307"
    return _problem(grid, grid.fft(u0), t_end, name="Schrödinger, breather", source=source)


@parameters
def schroedinger_potential(
    n: int = 256, strength: float = 1.0, t_end: float = 1.0, like: Array | None = None
) -> SemilinearProblem:
    r"""Return i ψ_t = -ψ_xx + (V(x) + λ|ψ|²)ψ on [-π, π], periodic, V = 1/(1 + sin²x), ψ(x, 0) = e^{sin 2x}.

    In Fourier space L = -i k² and N(v) = -i F[(V + λ|ψ|²)ψ].

    Parameters
    ----------
    n
        Grid points.
    strength
        λ; 0 gives the linear equation.

    References
    ----------
    Berland, Skaflestad and Wright (2007), ACM Trans. Math. Softw. 33, article 4.
    """
    grid = Fourier(n, length=2 * np.pi, start=-np.pi, real=False, like=like)
    xp = array_namespace(grid.x)
    potential = 1 / (1 + xp.sin(grid.x) ** 2)
    return _problem(
        grid,
        grid.fft(xp.exp(xp.sin(2 * grid.x)) + 0j),
        t_end,
        potential,
        -strength,
        name="Schrödinger, potential",
        equation=r"i \psi_t = -\psi_{xx} + (V + \lambda |\psi|^2) \psi",
        source="Berland, Skaflestad and Wright (2007), ACM Trans. Math. Softw. 33, article 4",
    )


def _problem(
    grid: Fourier,
    v0: Array,
    t_end: float,
    potential: Array | float = 0.0,
    strength: float = 1.0,
    **known: Any,
) -> SemilinearProblem:
    """Return u_t = i u_xx + i(λ|u|² - V)u."""

    def reaction(u: Array) -> Array:
        return (strength * (u.real**2 + u.imag**2) - potential) * u

    return pseudospectral(grid, -1j * grid.k**2, reaction, v0, t_end, factor=1j, **{"equation": _EQUATION, **known})
