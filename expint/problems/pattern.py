"""Pattern-forming equations: Ginzburg–Landau, Swift–Hohenberg, Cahn–Hilliard, Nikolaevskiy."""

from __future__ import annotations

import numpy as np

from expint.backend import Array, array_namespace
from expint.operators import Diagonal
from expint.problem import SemilinearProblem
from expint.problems.parameters import parameters, square_parameters
from expint.problems.plane import Plane
from expint.problems.pseudospectral import convection, pseudospectral
from expint.spectral import Fourier

__all__ = ["cahn_hilliard", "ginzburg_landau", "ginzburg_landau_plane", "nikolaevskiy", "swift_hohenberg"]

_SPIN = "Montanelli and Bootland (2020), Math. Comput. Simul. 178, 307"


@parameters
def ginzburg_landau(
    n: int = 64,
    dispersion: float = 1.0,
    rotation: float = 1.3,
    wave: int = 1,
    t_end: float = 10.0,
    like: Array | None = None,
) -> SemilinearProblem:
    r"""Return u_t = u + (1 + iα)u_xx - (1 + iβ)|u|²u on [0, 8π], periodic, whose plane waves are known.

    In Fourier space L = 1 - (1 + iα)k² and N(v) = -(1 + iβ)F[|u|²u]. The plane wave is u = R e^{i(qx - ωt)} with
    R² = 1 - q² and ω = αq² + βR².

    Parameters
    ----------
    n
        Grid points.
    dispersion, rotation
        α and β.
    wave
        The number of waves in the period: q = wave/4, at most 3 so that |q| < 1.

    Raises
    ------
    ValueError
        If no plane wave of that number exists.

    References
    ----------
    Aranson and Kramer (2002), Rev. Mod. Phys. 74, 99.
    """
    if abs(wave) > 3:
        raise ValueError(f"expected a wave between -3 and 3, received {wave}; no others exist in this period")
    grid = Fourier(n, length=8 * np.pi, real=False, like=like)
    xp, q = array_namespace(grid.x), wave / 4
    amplitude = np.sqrt(1 - q * q)
    omega = dispersion * q * q + rotation * amplitude**2

    def exact(t: float) -> Array:
        return grid.fft(amplitude * xp.exp(1j * (q * grid.x - omega * t)))

    return pseudospectral(
        grid,
        1 - (1 + 1j * dispersion) * grid.k**2,
        lambda u: (u.real**2 + u.imag**2) * u,
        exact(0.0),
        t_end,
        factor=-(1 + 1j * rotation),
        exact=exact,
        name="Ginzburg–Landau, plane wave",
        equation=r"u_t = u + (1 + i\alpha) u_{xx} - (1 + i\beta) |u|^2 u",
        source="Aranson and Kramer (2002), Rev. Mod. Phys. 74, 99",
    )


@square_parameters
def ginzburg_landau_plane(
    n: int = 128, rotation: float = 1.3, t_end: float = 100.0, like: Array | None = None
) -> SemilinearProblem:
    r"""Return u_t = u + Δu - (1 + iβ)u|u|² on a periodic square of side 200: spiral waves.

    In Fourier space L = 1 - k² and N(v) = -(1 + iβ)F[|u|²u]; at first three Gaussians of width 10 and different phases.

    Parameters
    ----------
    n
        Grid points in each direction.
    rotation
        β.

    References
    ----------
    Berland, Skaflestad and Wright (2007), ACM Trans. Math. Softw. 33, article 4.
    """
    grid = Plane(n, 200.0, real=False, like=like)
    xp = array_namespace(grid.x)
    centres = ((70.0, 70.0, 0.0), (130.0, 80.0, 2.0), (95.0, 135.0, 4.0))
    u0 = sum(xp.exp(-((grid.x - a) ** 2 + (grid.y - b) ** 2) / 200 + 1j * phase) for a, b, phase in centres)
    return pseudospectral(
        grid,
        Diagonal(1 - grid.k2),
        lambda u: (u.real**2 + u.imag**2) * u,
        grid.fft(u0),
        t_end,
        factor=-(1 + 1j * rotation),
        name="Ginzburg–Landau (plane)",
        equation=r"u_t = u + \Delta u - (1 + i\beta) u |u|^2",
        source="Berland, Skaflestad and Wright (2007), ACM Trans. Math. Softw. 33, article 4",
    )


@square_parameters
def swift_hohenberg(n: int = 96, t_end: float = 800.0, seed: int = 0, like: Array | None = None) -> SemilinearProblem:
    r"""Return u_t = -2Δu - Δ²u - 0.9u - u³ on a periodic square of side 20π: rolls out of noise.

    In Fourier space L = 2k² - k⁴ - 0.9 and N(v) = -F[u³]; at first smooth noise of size 0.1.

    Parameters
    ----------
    n
        Grid points in each direction.
    seed
        Of the noise.

    References
    ----------
    Chebfun's ``spin2`` demonstration "SH"; Swift and Hohenberg (1977), Phys. Rev. A 15, 319.
    """
    grid = Plane(n, 20 * np.pi, like=like)
    return pseudospectral(
        grid,
        Diagonal(2 * grid.k2 - grid.k2**2 - 0.9),
        lambda u: -(u**3),
        grid.fft(0.1 * grid.smooth_noise(seed, 12)),
        t_end,
        name="Swift–Hohenberg",
        equation=r"u_t = -2 \Delta u - \Delta^2 u - 0.9 u - u^3",
        source="Swift and Hohenberg (1977), Phys. Rev. A 15, 319",
    )


@parameters
def cahn_hilliard(n: int = 256, t_end: float = 100.0, like: Array | None = None) -> SemilinearProblem:
    r"""Return u_t = 10⁻²(-u_xx - 10⁻³u_xxxx + (u³)_xx) on [-1, 1], periodic: two phases separate and coarsen.

    In Fourier space L = 10⁻²(k² - 10⁻³k⁴) and N(v) = -10⁻²k² F[u³]; u(x, 0) = 0.2 sin⁵(4πx) - 0.8 sin(πx).

    Parameters
    ----------
    n
        Grid points.

    References
    ----------
    Chebfun's ``spin`` demonstration "CH"; Montanelli and Bootland (2020), Math. Comput. Simul. 178, 307.
    """
    grid = Fourier(n, length=2.0, start=-1.0, like=like)
    xp = array_namespace(grid.x)
    return pseudospectral(
        grid,
        1e-2 * (grid.k**2 - 1e-3 * grid.k**4),
        lambda u: u**3,
        grid.fft(0.2 * xp.sin(4 * np.pi * grid.x) ** 5 - 0.8 * xp.sin(np.pi * grid.x)),
        t_end,
        factor=-1e-2 * grid.k**2,
        name="Cahn–Hilliard",
        equation=r"u_t = 10^{-2} (-u_{xx} - 10^{-3} u_{xxxx} + (u^3)_{xx})",
        source=_SPIN,
    )


@parameters
def nikolaevskiy(n: int = 256, t_end: float = 300.0, like: Array | None = None) -> SemilinearProblem:
    r"""Return u_t = 0.1 u_xx + u_xxxx + u_xxxxxx - u u_x on [0, 32π], periodic: slow chaos at two scales.

    In Fourier space L = -0.1k² + k⁴ - k⁶ and N(v) = -(ik/2)F[u²]; u(x, 0) = cos(x/16)(1 + sin(x/16)).

    Parameters
    ----------
    n
        Grid points.

    References
    ----------
    Chebfun's ``spin`` demonstration "Niko"; Montanelli and Bootland (2020), Math. Comput. Simul. 178, 307.
    """
    grid = Fourier(n, length=32 * np.pi, like=like)
    xp = array_namespace(grid.x)
    return convection(
        grid,
        -0.1 * grid.k**2 + grid.k**4 - grid.k**6,
        grid.fft(xp.cos(grid.x / 16) * (1 + xp.sin(grid.x / 16))),
        t_end,
        name="Nikolaevskiy",
        equation=r"u_t = 0.1 u_{xx} + u_{xxxx} + u_{xxxxxx} - u u_x",
        source=_SPIN,
    )
