"""The linear part that is given apart from the nonlinear term, on the vectors on which a Jacobian acts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from expint.backend import Array, asarray_like, is_sparse, to_numpy
from expint.jacobian.coordinates import Coordinates
from expint.operators import Diagonal, Operator, Scalar

__all__ = ["LinearPart"]


class LinearPart:
    """L on vectors, 0 where it is None.

    Parameters
    ----------
    linear
        L, on states.
    y0
        A state.
    coordinates
        How states become vectors.
    """

    def __init__(self, linear: Operator | None, y0: Array, coordinates: Coordinates) -> None:
        self._linear, self._coordinates, self._like = linear, coordinates, y0
        self._dense: np.ndarray | float | None = None
        self._on_states = linear.product(y0) if linear is not None else None

    def _product(self, v: Array) -> Array:
        assert self._on_states is not None
        return self._coordinates.flat(self._on_states(self._coordinates.back(v)))

    def add_product(self, v: Array, to: Array) -> Array:
        """Return to + L v."""
        return to if self._linear is None else to + self._product(v)

    def added(self, product: Callable[[Array], Array]) -> Callable[[Array], Array]:
        """Return v ↦ product(v) + L v."""
        return product if self._linear is None else lambda v: product(v) + self._product(v)

    def subtracted(self, product: Callable[[Array], Array]) -> Callable[[Array], Array]:
        """Return v ↦ product(v) - L v."""
        return product if self._linear is None else lambda v: product(v) - self._product(v)

    @property
    def dense(self) -> np.ndarray | float:
        """L as a matrix on the host."""
        if self._dense is None:
            n, like = self._coordinates.n, self._coordinates.flat(self._like)
            columns = [] if self._linear is None else [self._product(asarray_like(e, like)) for e in np.eye(n)]
            self._dense = np.stack([to_numpy(column) for column in columns], axis=-1) if columns else 0.0
        return self._dense

    @property
    def sparse(self) -> Any:
        """L as a sparse matrix of SciPy, None if it is known in another form only."""
        from scipy import sparse

        n, linear = self._coordinates.n, self._linear
        if linear is None:
            return sparse.csr_array((n, n))
        if isinstance(linear, (Scalar, Diagonal)):
            symbol = linear.value if isinstance(linear, Scalar) else linear.symbol
            return sparse.diags_array(np.broadcast_to(symbol, self._coordinates.shape).reshape(-1)).tocsr()
        matrix: Any = getattr(linear, "matrix", None)
        return matrix if is_sparse(matrix) and matrix.shape[0] == n else None
