"""What all periodic problems share: L and the transforms act on Fourier coefficients, N on values at the points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from expint.backend import Array
from expint.problem import SemilinearProblem
from expint.problems.plane import Plane
from expint.spectral import Fourier

__all__ = ["convection", "pseudospectral"]


def pseudospectral(
    grid: Fourier | Plane,
    linear: Any,
    reaction: Callable[[Array], Array],
    v0: Array,
    t_end: float,
    *,
    factor: Array | None = None,
    **known: Any,
) -> SemilinearProblem:
    r"""Return v_t = L v + s F[g(F⁻¹v)] from t = 0.

    Parameters
    ----------
    grid
        A periodic grid with its transforms F and F⁻¹; ``like`` of the grid decides on the array library.
    linear
        L, as operator or symbol.
    reaction
        g, from values on the grid to values on the grid.
    v0
        The initial Fourier coefficients.
    t_end
        End of the time interval.
    factor
        The symbol s, 1 by default.
    known
        Further attributes of the problem: name, equation, source, exact, …
    """

    def plain(t: float, v: Array) -> Array:
        del t
        return grid.fft(reaction(grid.ifft(v)))

    def scaled(t: float, v: Array) -> Array:
        del t
        return factor * grid.fft(reaction(grid.ifft(v)))

    return SemilinearProblem(
        linear=linear,
        nonlinear=plain if factor is None else scaled,
        y0=v0,
        t_span=(0.0, t_end),
        physical=grid.ifft,
        x=grid.x,
        **known,
    )


def convection(grid: Fourier, linear: Any, v0: Array, t_end: float, **known: Any) -> SemilinearProblem:
    """Return u_t = Lu - (u²/2)_x in Fourier space: N(v) = -(ik/2) F[(F⁻¹v)²]."""
    return pseudospectral(grid, linear, lambda u: u * u, v0, t_end, factor=-0.5 * grid.derivative, **known)
