"""Chebyshev points on [-1, 1] and their differentiation matrix."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from expint.arguments import checked, integer
from expint.spectral.weights import chebyshev_matrix, chebyshev_points

__all__ = ["Chebyshev"]


class Chebyshev:
    r"""Chebyshev points cos(jπ/n), j = 0…n, on [-1, 1], ascending, with their differentiation matrix.

    Parameters
    ----------
    n
        Polynomial degree; there are n + 1 points, both ends among them. A list or tuple of numbers of inner points, one
        for each axis, makes a ``Grid`` of Chebyshev points instead: ``Chebyshev((32, 32), length=2, start=-1,
        boundary="dirichlet")``, whose other arguments are those of ``Grid``.

    Attributes
    ----------
    x
        The points, shape (n + 1,).
    derivative
        The matrix of d/dx, shape (n + 1, n + 1); rows sum to zero exactly up to rounding (negative-sum trick).

    Raises
    ------
    ValueError
        If n is smaller than 2, or too large for a full matrix.
    TypeError
        If n is no integer.

    Examples
    --------
    >>> import numpy as np
    >>> from expint.spectral import Chebyshev
    >>> basis = Chebyshev(8)
    >>> float(basis.x[0]), float(basis.x[-1])
    (-1.0, 1.0)
    """

    def __new__(cls, n: Any = None, **options: Any) -> Any:
        """Return the points on an interval, or a grid of several axes."""
        if not isinstance(n, list | tuple):
            if options:
                raise TypeError(
                    f"expected the degree alone for points on [-1, 1], received {', '.join(options)}, too; write "
                    "Chebyshev((n,), …) for a grid on another interval"
                )
            return super().__new__(cls)
        from expint.spectral.grid import Grid  # which needs SciPy's sparse algebra

        given: dict[str, Any] = {"length": 2.0, "start": -1.0, "boundary": "dirichlet"}
        return Grid(n, **given | options | {"basis": "chebyshev"})

    @checked(n=partial(integer, least=None, most=20_000))
    def __init__(self, n: int) -> None:
        if n < 2:
            raise ValueError(f"expected polynomial degree n of at least 2, received {n}")
        self.n = n
        self.x = chebyshev_points(n)
        self.derivative = chebyshev_matrix(self.x)

    @property
    def interior_laplacian(self) -> np.ndarray:
        """The matrix of d²/dx² on the inner points for functions that vanish at both ends, shape (n - 1, n - 1)."""
        inner: np.ndarray = (self.derivative @ self.derivative)[1:-1, 1:-1]
        return inner

    def __repr__(self) -> str:
        return f"Chebyshev({self.n + 1} points on [-1, 1])"
