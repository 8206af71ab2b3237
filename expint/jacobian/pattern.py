"""Sparsity patterns: columns that share no row are differentiated together."""

from __future__ import annotations

from typing import Any

import numpy as np

from expint.arguments import seen
from expint.backend import to_numpy

__all__ = ["Pattern"]


class Pattern:
    """Where a matrix may be other than zero, with its columns in groups.

    Parameters
    ----------
    sparsity
        A matrix or sparse matrix of shape (n, n); its entries other than zero are the pattern.

    Attributes
    ----------
    n
        The number of rows and columns.
    structure
        The pattern as a sparse matrix.
    groups
        For each group a boolean vector that marks its columns: no two of them have a common row.

    Raises
    ------
    ValueError
        If it is not square.

    References
    ----------
    Curtis, Powell and Reid (1974), IMA J. Appl. Math. 13, 117.
    """

    def __init__(self, sparsity: Any) -> None:
        from scipy import sparse  # slow to import, and few runs have a pattern

        given = sparsity if sparse.issparse(sparsity) else to_numpy(sparsity)
        if given.ndim != 2 or given.shape[0] != given.shape[1] or given.dtype.kind not in "biufc":
            raise ValueError(f"expected a sparsity pattern of shape (n, n), received {seen(sparsity)}")
        structure = sparse.csc_array(given)
        structure.eliminate_zeros()
        self.n, self.structure = structure.shape[0], structure
        self._rows, self._columns = structure.nonzero()
        self._group = _colour(structure)
        self.groups = [self._group == colour for colour in range(int(self._group.max(initial=-1)) + 1)]

    def fill(self, changes: list[np.ndarray], increments: np.ndarray) -> Any:
        """Return the sparse matrix from the change of the function along each group, column j by increments_j."""
        from scipy import sparse

        table = np.stack(changes)
        values = table[self._group[self._columns], self._rows] / increments[self._columns]
        return sparse.csr_array((values, (self._rows, self._columns)), shape=(self.n, self.n))


def _colour(structure: Any) -> np.ndarray:
    """Return a colour for each column of a CSC matrix, greedily, the fullest columns first."""
    columns = [structure.indices[a:b] for a, b in zip(structure.indptr[:-1], structure.indptr[1:])]
    colours = np.full(len(columns), -1)
    taken: list[np.ndarray] = []
    for j in sorted(range(len(columns)), key=lambda j: -len(columns[j])):
        rows = columns[j]
        free = (colour for colour, used in enumerate(taken) if not used[rows].any())
        colour = next(free, len(taken))
        if colour == len(taken):
            taken.append(np.zeros(structure.shape[0], dtype=bool))
        taken[colour][rows] = True
        colours[j] = colour
    return colours
