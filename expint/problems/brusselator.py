"""The Brusselator with diffusion on an interval, by finite differences."""

from __future__ import annotations

import numpy as np

from expint.backend import Array
from expint.operators import Dense
from expint.problem import SemilinearProblem
from expint.problems.parameters import parameters

__all__ = ["brusselator"]


@parameters
def brusselator(n: int = 100, diffusion: float = 0.02, t_end: float = 10.0) -> SemilinearProblem:
    r"""Return u_t = 1 + u²v - 4u + αu_xx, v_t = 3u - u²v + αv_xx on [0, 1] with u = 1, v = 3 at the ends.

    Second differences on n inner points; states have shape (2, n), and L = α D² acts on each field. u = 1 + sin(2πx),
    v = 3 at first.

    Parameters
    ----------
    n
        Inner grid points.
    diffusion
        α.

    References
    ----------
    Hairer and Wanner, Solving Ordinary Differential Equations II (1996), section IV.10.
    """
    dx = 1.0 / (n + 1)
    x = dx * np.arange(1, n + 1)
    second = (np.diag(np.ones(n - 1), 1) + np.diag(np.ones(n - 1), -1) - 2 * np.eye(n)) * diffusion / dx**2
    ends = np.zeros((2, n))
    ends[:, [0, -1]] = diffusion / dx**2 * np.array([[1.0], [3.0]])

    def nonlinear(t: float, y: Array) -> Array:
        del t
        u, v = y[..., 0, :], y[..., 1, :]
        together = u * u * v
        return ends + np.stack([1 + together - 4 * u, 3 * u - together], axis=-2)

    def jacobian(t: float, y: Array) -> Array:
        del t
        u, v = y
        blocks = [
            [second + np.diag(2 * u * v - 4), np.diag(u * u)],
            [np.diag(3 - 2 * u * v), second - np.diag(u * u)],
        ]
        return np.block(blocks)

    return SemilinearProblem(
        linear=Dense(second),
        nonlinear=nonlinear,
        y0=np.stack([1 + np.sin(2 * np.pi * x), np.full(n, 3.0)]),
        t_span=(0.0, t_end),
        jacobian=jacobian,
        x=x,
        name="Brusselator",
        equation=r"u_t = 1 + u^2 v - 4u + \alpha u_{xx}, \quad v_t = 3u - u^2 v + \alpha v_{xx}",
        source="Hairer and Wanner, Solving Ordinary Differential Equations II (1996), section IV.10",
    )
