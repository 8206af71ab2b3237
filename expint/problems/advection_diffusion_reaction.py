"""Advection, diffusion and reaction on a square: a non-normal L with tensor-product structure."""

from __future__ import annotations

import numpy as np

from expint import operators
from expint.backend import Array
from expint.problem import SemilinearProblem
from expint.problems.parameters import square_parameters

__all__ = ["advection_diffusion_reaction"]


@square_parameters
def advection_diffusion_reaction(
    n: int = 41, diffusion: float = 0.01, advection: float = -1.0, reaction: float = 100.0, t_end: float = 0.08
) -> SemilinearProblem:
    r"""Return u_t = εΔu - α(u_x + u_y) + γu(u - ½)(1 - u) on [0, 1]², without flux through the boundary.

    Central differences on n × n points with ghost points outside; L acts along each axis. At first
    u = 256 (xy(1 - x)(1 - y))² + 0.3.

    Parameters
    ----------
    n
        Grid points in each direction, boundaries included.
    diffusion, advection, reaction
        ε, α and γ.

    References
    ----------
    Hochbruck and Ostermann (2010), Acta Numerica 19, 209; Caliari and Ostermann (2009), Appl. Numer. Math. 59, 568.
    """
    x, dx = np.linspace(0, 1, n), 1 / (n - 1)
    second = np.diag(np.ones(n - 1), 1) + np.diag(np.ones(n - 1), -1) - 2 * np.eye(n)
    second[0, 1] = second[-1, -2] = 2.0
    first = np.diag(np.ones(n - 1), 1) - np.diag(np.ones(n - 1), -1)
    first[0, 1] = first[-1, -2] = 0.0
    factor = diffusion / dx**2 * second - advection / (2 * dx) * first

    def nonlinear(t: float, u: Array) -> Array:
        del t
        return reaction * u * (u - 0.5) * (1 - u)

    profile = x * (1 - x)
    return SemilinearProblem(
        linear=operators.KroneckerSum(factor, factor),
        nonlinear=nonlinear,
        y0=256 * np.outer(profile, profile) ** 2 + 0.3,
        t_span=(0.0, t_end),
        x=x,
        name="advection–diffusion–reaction",
        equation=r"u_t = \epsilon \Delta u - \alpha (u_x + u_y) + \gamma u (u - \tfrac12)(1 - u)",
        source="Hochbruck and Ostermann (2010), Acta Numerica 19, 209",
    )
