"""Grids and boundary conditions: Fourier, cosine, sine and Chebyshev series, finite differences, in any dimension.

What needs SciPy's algebra is loaded at first use: it would double the time of importing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from expint.spectral.boundary import Boundary, BoundaryWarning, dirichlet, neumann, robin
from expint.spectral.chebyshev import Chebyshev
from expint.spectral.fourier import Fourier

if TYPE_CHECKING:
    from expint.spectral.grid import Grid
    from expint.spectral.names import Cosine, Differences, Sine

__all__ = [
    "Boundary",
    "BoundaryWarning",
    "Chebyshev",
    "Cosine",
    "Differences",
    "Fourier",
    "Grid",
    "Sine",
    "dirichlet",
    "neumann",
    "robin",
]

_ON_DEMAND = {"Cosine": "names", "Differences": "names", "Grid": "grid", "Sine": "names"}


def __getattr__(name: str) -> Any:
    if name not in _ON_DEMAND:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ON_DEMAND[name]}"), name)
