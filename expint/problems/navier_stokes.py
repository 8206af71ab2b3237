"""The Navier–Stokes equations in the plane, as one equation for the vorticity."""

from __future__ import annotations

import math

import numpy as np

from expint.backend import Array, array_namespace
from expint.operators import Diagonal
from expint.problem import SemilinearProblem
from expint.problems.parameters import square_parameters
from expint.problems.plane import Plane

__all__ = ["double_shear_layer", "kolmogorov_flow", "taylor_green"]


@square_parameters
def taylor_green(
    n: int = 32, viscosity: float = 0.05, waves: int = 2, t_end: float = 2.0, like: Array | None = None
) -> SemilinearProblem:
    r"""Return ω_t + u·∇ω = νΔω on [0, 2π]², periodic, started from the vortices of Taylor and Green.

    With k = ``waves`` the exact solution is ω = 2k cos(kx) cos(ky) e^{-2νk²t}: u·∇ω vanishes, which an aliased or wrong
    nonlinear term does not.

    Parameters
    ----------
    n
        Grid points in each direction.
    viscosity
        ν.
    waves
        k.

    References
    ----------
    Taylor and Green (1937), Proc. R. Soc. Lond. A 158, 499.
    """
    grid = Plane(n, 2 * np.pi, like=like)
    xp = array_namespace(grid.x)
    start = grid.fft(2 * waves * xp.cos(waves * grid.x) * xp.cos(waves * grid.y))

    def exact(t: float) -> Array:
        return start * math.exp(-2 * viscosity * waves**2 * t)

    problem = _problem(grid, viscosity, start, 0 * start, t_end)
    return SemilinearProblem(
        **{**vars(problem), "exact": exact, "name": "Navier–Stokes, Taylor–Green vortices"},
    )


@square_parameters
def kolmogorov_flow(
    n: int = 64,
    viscosity: float = 0.02,
    waves: int = 4,
    t_end: float = 20.0,
    seed: int = 0,
    like: Array | None = None,
) -> SemilinearProblem:
    r"""Return ω_t + u·∇ω = νΔω - k cos(ky) on [0, 2π]², periodic: a shear flow driven until it is unstable.

    Starts from smooth noise of size 2. Products are dealiased by the rule of two thirds.

    Parameters
    ----------
    n
        Grid points in each direction.
    viscosity
        ν.
    waves
        k, the wave number of the force.
    seed
        Of the noise.

    References
    ----------
    Meshalkin and Sinai (1961), J. Appl. Math. Mech. 25, 1700.
    """
    grid = Plane(n, 2 * np.pi, like=like)
    xp = array_namespace(grid.x)
    force = grid.fft(-waves * xp.cos(waves * grid.y))
    problem = _problem(grid, viscosity, grid.fft(2 * grid.smooth_noise(seed, 4)), force, t_end)
    return SemilinearProblem(
        **{
            **vars(problem),
            "name": "Navier–Stokes, Kolmogorov flow",
            "equation": problem.equation + r" - k \cos(k y)",
            "source": "Meshalkin and Sinai (1961), J. Appl. Math. Mech. 25, 1700",
        },
    )


@square_parameters
def double_shear_layer(
    n: int = 128, viscosity: float = 5e-4, disturbance: float = 0.05, t_end: float = 10.0, like: Array | None = None
) -> SemilinearProblem:
    r"""Return ω_t + u·∇ω = νΔω on [0, 2π]², periodic, for two thin shear layers that roll up into vortices.

    The flow is u = tanh((y - π/2)/ρ) below y = π and tanh((3π/2 - y)/ρ) above with ρ = π/15, disturbed by v = δ sin x;
    so ω = δ cos x ∓ sech²(…)/ρ. Products are dealiased by the rule of two thirds.

    Parameters
    ----------
    n
        Grid points in each direction.
    viscosity
        ν.
    disturbance
        δ.

    References
    ----------
    Bell, Colella and Glaz (1989), J. Comput. Phys. 85, 257.
    """
    grid = Plane(n, 2 * np.pi, like=like)
    xp, width = array_namespace(grid.x), np.pi / 15
    below, above = (1 / xp.cosh((grid.y - at) / width) ** 2 / width for at in (np.pi / 2, 3 * np.pi / 2))
    start = grid.dealias(grid.fft(disturbance * xp.cos(grid.x) + xp.where(grid.y <= np.pi, -below, above)))
    problem = _problem(grid, viscosity, start, 0 * start, t_end)
    return SemilinearProblem(
        **{
            **vars(problem),
            "name": "Navier–Stokes, double shear layer",
            "source": "Bell, Colella and Glaz (1989), J. Comput. Phys. 85, 257",
        },
    )


def _problem(grid: Plane, viscosity: float, start: Array, force: Array, t_end: float) -> SemilinearProblem:
    inverse = 1 / (grid.k2 + (grid.k2 == 0))  # of -Δ; the mean of the stream function does not matter

    def nonlinear(t: float, v: Array) -> Array:
        del t
        v = grid.dealias(v)
        stream = inverse * v
        flow_x, flow_y = grid.ifft(1j * grid.ky * stream), grid.ifft(-1j * grid.kx * stream)
        vorticity = grid.ifft(v)
        flux = 1j * (grid.kx * grid.fft(flow_x * vorticity) + grid.ky * grid.fft(flow_y * vorticity))
        return force - grid.dealias(flux)

    return SemilinearProblem(
        linear=Diagonal(-viscosity * grid.k2),
        nonlinear=nonlinear,
        y0=start,
        t_span=(0.0, t_end),
        physical=grid.ifft,
        x=grid.x,
        equation=r"\omega_t + u \cdot \nabla \omega = \nu \Delta \omega",
        source="Taylor and Green (1937), Proc. R. Soc. Lond. A 158, 499",
    )
