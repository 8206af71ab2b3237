"""Small problems with exact solutions, for measuring orders on any spectrum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from expint.arguments import seen
from expint.arrays import complex_values
from expint.backend import Array
from expint.problem import SemilinearProblem
from expint.problems.parameters import parameters

__all__ = ["prescribed_spectrum", "riccati"]


@parameters
def riccati() -> SemilinearProblem:
    r"""Return y' = -y + y², y(0) = 1/5, on [0, 0.8]; y(t) = 1/(1 + 4eᵗ)."""
    return SemilinearProblem(
        linear=-1.0,
        nonlinear=lambda t, y: y**2,  # noqa: ARG005  # N(t, y)
        y0=np.array(0.2),
        t_span=(0.0, 0.8),
        exact=lambda t: np.asarray(1 / (1 + 4 * np.exp(t))),
        name="Riccati",
        equation=r"y' = -y + y^2",
        source="elementary",
    )


@parameters
def prescribed_spectrum(symbol: Sequence[complex], t_end: float = 1.0) -> SemilinearProblem:
    r"""Return y' = Λ y + g(y) - g(y*(t)) + y*'(t) - Λ y*(t) with exact solution y*, for any diagonal Λ.

    Component j of the solution is y*_j = e^{iω_j t}/(1 + j) with ω_j = 1 + j/2 (its real part if Λ is real), and g
    couples the components: g_j(y) = y_j y_{j+1} (cyclically). Non-autonomous and nonlinear, on the spectrum of one's
    choice.

    Parameters
    ----------
    symbol
        The diagonal of Λ: real numbers, or complex ones.

    Raises
    ------
    ValueError
        If the symbol is no list of numbers.
    """
    eigenvalues = complex_values("symbol", symbol)
    if eigenvalues.ndim != 1 or not eigenvalues.size:
        raise ValueError(f"expected symbol as a list of numbers, received {seen(symbol)}")
    real = not np.iscomplexobj(eigenvalues)
    j = np.arange(len(eigenvalues))
    following, rotation = np.roll(j, -1), 1j * (1 + j / 2)

    def wave(t: float) -> Array:
        return np.exp(rotation * t) / (1 + j)

    def part(values: Array) -> Array:
        return values.real if real else values

    def g(y: Array) -> Array:
        return y * y[..., following]

    def nonlinear(t: float, y: Array) -> Array:
        now = wave(t)
        exact = part(now)
        return g(y) - g(exact) + part(rotation * now) - eigenvalues * exact

    return SemilinearProblem(
        linear=eigenvalues,
        nonlinear=nonlinear,
        y0=part(wave(0.0)),
        t_span=(0.0, t_end),
        exact=lambda t: part(wave(t)),
        name="manufactured solution on a given spectrum",
        equation=r"y' = \Lambda y + g(y) + \Phi(t)",
        source="manufactured",
    )
