"""Grids by the name of what they are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from expint.spectral.grid import Grid

__all__ = ["Cosine", "Differences", "Sine"]


def Cosine(shape: int | Sequence[int], length: float | Sequence[float], **options: Any) -> Grid:
    """Return a grid between insulated walls, ∂u/∂n = 0: ``Grid(shape, length, boundary="neumann", …)``.

    Parameters
    ----------
    shape, length, options
        As in ``Grid``, but for the boundary and the basis.

    Raises
    ------
    ValueError, TypeError
        As ``Grid``.

    Examples
    --------
    >>> Cosine((64, 64), length=50.0)
    Grid(64×64 points on 50×50, cosine × cosine, real)
    """
    return Grid(shape, length, boundary="neumann", basis="series", **options)


def Sine(shape: int | Sequence[int], length: float | Sequence[float], **options: Any) -> Grid:
    """Return a grid between walls where u = 0: ``Grid(shape, length, boundary="dirichlet", …)``.

    Parameters
    ----------
    shape, length, options
        As in ``Grid``, but for the boundary and the basis.

    Raises
    ------
    ValueError, TypeError
        As ``Grid``.

    Examples
    --------
    >>> import numpy as np, expint
    >>> grid = expint.spectral.Sine(16, length=np.pi)
    >>> bool(np.allclose(grid.laplacian @ np.sin(2 * grid.x), -4 * np.sin(2 * grid.x)))
    True
    """
    return Grid(shape, length, boundary="dirichlet", basis="series", **options)


def Differences(
    shape: int | Sequence[int],
    length: float | Sequence[float],
    *,
    order: int = 2,
    boundary: Any = "dirichlet",
    stretch: Any = None,
    **options: Any,
) -> Grid:
    """Return a grid of finite differences of order 2, 4 or 6: ``Grid(shape, length, basis="differences", …)``.

    Parameters
    ----------
    shape, length, order, boundary, stretch, options
        As in ``Grid``, but for the basis.

    Raises
    ------
    ValueError, TypeError
        As ``Grid``.

    Examples
    --------
    >>> import expint
    >>> grid = expint.spectral.Differences(32, length=1.0, order=4)
    >>> grid.x.shape
    (32,)
    """
    return Grid(shape, length, basis="differences", order=order, boundary=boundary, stretch=stretch, **options)
