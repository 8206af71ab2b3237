"""L couples a few fields with each other, mode by mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from expint.arrays import check_dtype, host_numbers
from expint.backend import Array, is_complex
from expint.operators.base import StoredOperator
from expint.operators.rotations import Rotations, rotations_of
from expint.phi import phi_matrices

__all__ = ["BlockDiagonal"]


class BlockDiagonal(StoredOperator):
    r"""The operator that couples m fields at each mode, or point, with symbols.

    .. math:: (L y)_i = \sum_j B_{ij} \, y_j \quad (\text{elementwise in the modes}).

    The wave equation u_t = v, v_t = u_xx in Fourier space is ``BlockDiagonal([[0 * k, 1 + 0 * k], [-(k**2), 0 * k]])``
    on states of shape (2, len(k)).

    Parameters
    ----------
    blocks
        m rows of m symbols: entry [i][j] is the symbol that couples field j into field i. Symbols are numbers or arrays
        that broadcast against each other to the shape of the modes; an array of shape (m, m, \*modes) does as well.

    Raises
    ------
    ValueError
        If the blocks are not square or not finite, or their symbols do not broadcast against each other.

    Examples
    --------
    >>> import numpy as np, expint
    >>> from expint.operators import BlockDiagonal
    >>> turn = BlockDiagonal([[0.0, 1.0], [-1.0, 0.0]])
    >>> start, half = np.array([1.0, 0.0]), (0.0, np.pi)
    >>> run = expint.solve_ivp(lambda t, y: 0.0 * y, half, start, linear=turn, method="etdrk4", step=np.pi)
    >>> bool(np.allclose(run.y_end, [-1.0, 0.0]))
    True
    """

    def __init__(self, blocks: Sequence[Sequence[Any]] | Array) -> None:
        if not isinstance(blocks, (list, tuple)) and getattr(blocks, "ndim", 0) < 2:
            raise ValueError(
                "expected rows of symbols, where blocks[i][j] couples field j into field i, received "
                f"{type(blocks).__name__}"
            )
        if any(not hasattr(row, "__len__") for row in blocks):
            raise ValueError(
                "expected rows of symbols, where blocks[i][j] couples field j into field i, received numbers"
            )
        rows = [[host_numbers(entry) for entry in row] for row in blocks]
        fields = len(rows)
        if not fields or any(len(row) != fields for row in rows):
            raise ValueError(
                f"expected as many symbols in each row as there are rows, received rows of {[len(r) for r in rows]} "
                f"symbols; blocks[i][j] couples field j into field i"
            )
        entries = [entry for row in rows for entry in row]
        try:
            modes = np.broadcast_shapes(*(entry.shape for entry in entries))
        except ValueError as error:
            raise ValueError(
                "expected symbols that broadcast against each other, received shapes "
                f"{[entry.shape for entry in entries]}"
            ) from error
        dtype = np.complex128 if any(np.iscomplexobj(entry) for entry in entries) else np.float64
        self.blocks = np.array([np.broadcast_to(entry, modes) for entry in entries], dtype=dtype)
        self.blocks = self.blocks.reshape(fields, fields, *modes)
        if not np.all(np.isfinite(self.blocks)):
            bad = int(np.sum(~np.isfinite(self.blocks)))
            raise ValueError(f"expected finite symbols, received {bad} non-finite entries of {self.blocks.size}")
        self.blocks.flags.writeable = False  # forms made of them, on other devices too, would not follow

    def check(self, y0: Array) -> None:
        """Refuse states that do not end in the shape of the fields and modes, and real states for complex symbols."""
        expected = self.blocks.shape[1:]
        if tuple(y0.shape[-len(expected) :]) != expected:
            raise ValueError(
                f"expected a state of shape (…, {', '.join(map(str, expected))}): {expected[0]} fields, then the modes "
                f"of shape {expected[1:]}; received y0 of shape {tuple(y0.shape)}"
            )
        check_dtype(is_complex(self.blocks), y0)

    @property
    def values(self) -> np.ndarray:
        """The blocks."""
        return self.blocks

    def phi(self, p: int, scale: float) -> Sequence[Any]:
        """Return [φ_0(scale B), …, φ_p(scale B)], each of the shape of the blocks."""
        last = np.moveaxis(self.blocks, (0, 1), (-2, -1))
        return [np.moveaxis(value, (-2, -1), (0, 1)) for value in phi_matrices(scale * last, p)]

    def phi_many(self, p: int, scales: np.ndarray) -> Sequence[np.ndarray]:
        """Return [φ_0(s B), …, φ_p(s B)] for several s, all in one go."""
        last = np.moveaxis(self.blocks, (0, 1), (-2, -1))
        return [np.moveaxis(value, (-2, -1), (1, 2)) for value in phi_matrices(np.multiply.outer(scales, last), p)]

    def rotations(self, direction: float = 1.0) -> Rotations | None:
        """Return how fast modes rotate, by the eigenvalues of the blocks."""
        return rotations_of(np.linalg.eigvals(np.moveaxis(self.blocks, (0, 1), (-2, -1))), direction)

    def combine(self, weights: Sequence[Any], columns: Sequence[Array]) -> Array:
        """Return Σ weights_j columns_j, each a small matrix times the fields of a column, mode by mode."""
        modes = (slice(None),) * (self.blocks.ndim - 2)
        total = None
        for weight, column in zip(weights, columns):
            if weight is not None:
                for j in range(self.blocks.shape[0]):
                    term = weight[:, j, ...] * column[(..., slice(j, j + 1), *modes)]
                    if total is None:
                        total = term
                    else:
                        total += term
        return total

    def __repr__(self) -> str:
        kind = "complex" if is_complex(self.blocks) else "real"
        return f"BlockDiagonal({self.blocks.shape[0]} fields, {kind} symbols of shape {self.blocks.shape[2:]})"
