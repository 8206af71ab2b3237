"""L of each trajectory of a batch: φ-functions at a step size of its own, and their products with states."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np

from expint.backend import Array, array_namespace, asarray_like, is_complex, is_numpy
from expint.lower.damped import sees_less
from expint.operators import BlockDiagonal, Dense, Diagonal, Operator, Scalar
from expint.operators.base import StoredOperator
from expint.phi import phi_functions, phi_matrices
from expint.phi.short_arrays import MOST
from expint.run.batch.trees import beside, sum_of_each

__all__ = ["EachLinear", "each_linear"]


class EachLinear(ABC):
    """L of each trajectory.

    Parameters
    ----------
    values
        The numbers of L: their first axis counts trajectories, and has length 1 where all have one L.
    operator
        By the number of a trajectory its L, as an operator.

    Attributes
    ----------
    rungs
        As in ``Operator``.
    """

    def __init__(self, values: np.ndarray, operator: Callable[[int], Operator]) -> None:
        self.values, self.operator, self.rungs = values, operator, operator(0).rungs if len(values) else 1

    @property
    def size(self) -> int:
        """How many numbers the weight of one column has for one trajectory."""
        return int(np.prod(self.values.shape[1:]))

    def phi(self, p: int, scales: np.ndarray, which: np.ndarray) -> list[np.ndarray]:
        """Return [φ_0(s_i L_i), …, φ_p(s_i L_i)] for the trajectories ``which``, counted by the first axis.

        Where all have one L, equal s share what they cost.
        """
        if len(self.values) > 1:
            return self._phi(p, scales.reshape(-1, *(1,) * (self.values.ndim - 1)) * self.values[which])
        apart, place = np.unique(scales, return_inverse=True)
        found = self._phi(p, apart.reshape(-1, *(1,) * (self.values.ndim - 1)) * self.values)
        return [own[place] for own in found]

    @abstractmethod
    def _phi(self, p: int, z: np.ndarray) -> list[np.ndarray]:
        """Return φ_0, …, φ_p of operators whose numbers are ``z``, each with the digits that it has alone."""

    @abstractmethod
    def times(self, weight: Array, column: Array) -> Array:
        """Return the products of weights with states, trajectory by trajectory."""

    def damps(self, which: np.ndarray, h: np.ndarray) -> np.ndarray:
        """Return whether a mode may decay by a factor e or more within a step, for each; see ``may_damp``."""
        del h
        return np.ones(len(which), dtype=bool)

    def sees_less(
        self, which: np.ndarray, h: np.ndarray, plain: Sequence[np.ndarray], damped: Sequence[np.ndarray]
    ) -> np.ndarray:
        """Return where the row ``damped`` of weights is to be taken; see ``expint.lower.damped``."""
        del plain
        return beside(self.damps(which, h), damped[0])

    def _own(self, which: np.ndarray) -> np.ndarray:
        """Return the numbers of L of the trajectories ``which``."""
        return (
            self.values[which]
            if len(self.values) > 1
            else np.broadcast_to(self.values, (len(which), *self.values.shape[1:]))
        )

    def cast(self, weight: np.ndarray, like: Array) -> Array:
        """Return weights in the library, precision and on the device of the states."""
        return asarray_like(weight.astype(np.complex128, copy=False) if is_complex(like) else weight, like)


class _Elementwise(EachLinear):
    """L multiplies elementwise: numbers and symbols, of shape (trajectories, *state) or one that broadcasts to it."""

    def _phi(self, p: int, z: np.ndarray) -> list[np.ndarray]:
        if z.size > MOST:
            return phi_functions(z, p)
        flat = np.zeros(MOST + 1, z.dtype)  # a few numbers alone are found another way, with other roundings
        flat[: z.size] = z.reshape(-1)
        return [own[: z.size].reshape(z.shape) for own in phi_functions(flat, p)]

    def times(self, weight: Array, column: Array) -> Array:
        return weight * column

    def damps(self, which: np.ndarray, h: np.ndarray) -> np.ndarray:
        return np.min(np.real(self._own(which)).reshape(len(which), -1) * h[:, None], axis=1) <= -1

    def sees_less(
        self, which: np.ndarray, h: np.ndarray, plain: Sequence[np.ndarray], damped: Sequence[np.ndarray]
    ) -> np.ndarray:
        own = self._own(which)
        return sees_less(beside(h, own) * own, plain, damped)


class _Matrices(EachLinear):
    """L is a matrix that acts on the last axis of the state: of shape (trajectories, n, n)."""

    def _phi(self, p: int, z: np.ndarray) -> list[np.ndarray]:
        return phi_matrices(z, p)

    def times(self, weight: Array, column: Array) -> Array:
        xp = array_namespace(column)
        rows = xp.reshape(column, (weight.shape[0], -1, weight.shape[-1]))
        if is_numpy(xp):  # every product is one of its own
            return (rows @ np.swapaxes(weight, -1, -2)).reshape(column.shape)
        products = weight[:, None, :, :] * rows[:, :, None, :]
        return xp.reshape(sum_of_each(xp.reshape(products, (-1, weight.shape[-1]))), column.shape)

    def damps(self, which: np.ndarray, h: np.ndarray) -> np.ndarray:
        hermitian = self.values + np.swapaxes(self.values, -1, -2).conj()
        size = np.max(np.sum(np.abs(hermitian), axis=-1), axis=-1)
        return (size[which] if len(size) > 1 else size[0]) * np.abs(h) >= 2.0


class _Blocks(EachLinear):
    """L couples m fields at each mode: of shape (trajectories, m, m, *modes)."""

    def _phi(self, p: int, z: np.ndarray) -> list[np.ndarray]:
        last = np.moveaxis(z, (1, 2), (-2, -1))
        return [np.moveaxis(own, (-2, -1), (1, 2)) for own in phi_matrices(last, p)]

    def times(self, weight: Array, column: Array) -> Array:
        total = weight[:, :, 0, ...] * column[:, :1, ...]
        for j in range(1, weight.shape[2]):
            total = total + weight[:, :, j, ...] * column[:, j : j + 1, ...]
        return total


def each_linear(operator: Operator | Sequence[Operator], shape: tuple[int, ...]) -> EachLinear | None:
    """Return L of each trajectory of states of a ``shape`` whose first axis counts them.

    None is returned for operators that are not vectorised.

    Parameters
    ----------
    operator
        One operator on the states of all trajectories, or one for each of them.
    """
    if not isinstance(operator, Operator):
        return _of_list(operator, len(shape) - 1)
    if isinstance(operator, Scalar | Diagonal):
        symbol = _beside_states(np.asarray(operator.values), len(shape))
        return _Elementwise(symbol, lambda i: _elementwise(symbol[min(i, len(symbol) - 1)]))
    if isinstance(operator, Dense) and operator.matrix.ndim == 2 and len(shape) > 1:
        return _Matrices(operator.matrix[None], lambda _: operator)
    if isinstance(operator, Dense) and operator.matrix.ndim == 3 and len(shape) == 2:
        return _Matrices(operator.matrix, lambda i: Dense(operator.matrix[i]))
    if isinstance(operator, BlockDiagonal) and operator.blocks.ndim == len(shape):
        return _Blocks(operator.blocks[None], lambda _: operator)
    return None


def _of_list(operators: Sequence[Operator], axes: int) -> EachLinear | None:
    """Return operators of one kind, one for each trajectory; states have so many ``axes``."""
    kinds = {type(own) for own in operators}
    stored = [own for own in operators if isinstance(own, StoredOperator)]
    if len(kinds) != 1 or len({np.shape(own.values) for own in stored}) != 1:
        return None
    kind, values = kinds.pop(), np.stack([np.asarray(own.values) for own in stored])
    if kind in (Scalar, Diagonal):
        symbol = np.stack([_beside_states(own, axes) for own in values])
        return _Elementwise(symbol, operators.__getitem__)
    if kind is Dense and values.ndim == 3:
        return _Matrices(values, operators.__getitem__)
    if kind is BlockDiagonal and values.ndim == axes + 2:
        return _Blocks(values, operators.__getitem__)
    return None


def _beside_states(symbol: np.ndarray, axes: int) -> np.ndarray:
    return symbol.reshape(*(1,) * (axes - symbol.ndim), *symbol.shape)


def _elementwise(symbol: np.ndarray) -> Operator:
    return Diagonal(symbol) if symbol.ndim else Scalar(symbol.item())
