"""The numbers of exponential Adams pairs of changing order and step, for one operator."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from expint.backend import Array, array_namespace, is_numpy
from expint.derive.pair_numbers import PairNumbers, pair_numbers
from expint.derive.phisum import Terms
from expint.derive.predictor_corrector import PredictorCorrector
from expint.lower.cache import PhiTables
from expint.operators.base import Operator, StoredOperator
from expint.operators.diagonal import Diagonal
from expint.operators.scalar import Scalar

__all__ = ["PairCache", "PairRows"]

_BYTES = 2**28
"""How much memory the weights of steps may take, …"""

_ENTRIES = (4, 128)
"""… but of at least so many steps they are kept, and of no more than so many."""


class PairRows(NamedTuple):
    """The numbers of one step of one pair: what is predicted, corrected and estimated.

    Attributes
    ----------
    predict
        The weights of y_n and of q past slopes, newest first: a tuple, or one array whose first axis counts them.
    correct
        The weight of the difference d_q between the slope found and the slope foreseen.
    estimates
        By the number k = q - 1, q, q + 1 of past slopes, as far as it can be had: the weight of d_k in the estimate of
        the local error, of order k.
    foreseen
        By the same k: the numbers by which k past slopes, newest first, foresee the next one.
    """

    predict: Any
    correct: Any
    estimates: dict[int, Any]
    foreseen: dict[int, np.ndarray]


class PairCache:
    """Makes the rows of the pairs of up to ``method.q`` past slopes; equal steps on equal histories share them.

    Parameters
    ----------
    method
        A predictor–corrector pair in the mode PEC.
    operator, like
        As in ``lower``.
    stacked
        Whether the weights of the predictor come as one array: for operators that multiply NumPy arrays elementwise,
        by default there.
    """

    START: tuple[float | None, ...] = (0.0,)
    """The memory after N(y_0)."""

    def __init__(
        self,
        method: PredictorCorrector,
        operator: Operator,
        like: Array,
        stacked: bool | None = None,
    ) -> None:
        self.method, self.operator, self.like = method, operator, like
        elementwise = isinstance(operator, Diagonal | Scalar) and is_numpy(array_namespace(like))
        self.stacked = elementwise if stacked is None else stacked
        self._real = like.real.dtype if self.stacked else np.float64
        self._tables: OrderedDict[float, PhiTables] = OrderedDict()
        self._rows: OrderedDict[Any, PairRows] = OrderedDict()
        self._most = _ENTRIES[1]

    def rows(self, h: float, memory: tuple[float, ...], q: int) -> PairRows:
        """Return the rows of a step of length ``h`` with q past slopes.

        Parameters
        ----------
        h
            The length of the step, with sign.
        memory
            The positions t_j - t_n of q or q + 1 remembered slopes, newest first.
        q
            The number of past slopes of the predictor.
        """
        key = (h, memory, q)
        found = self._rows.get(key)
        if found is None:  # the oldest goes first: to see which was used last would cost every step
            found = self._rows[key] = self._make(h, pair_numbers(tuple(at / h for at in memory), q), q)
            while len(self._rows) > self._most:
                self._rows.popitem(last=False)
        return found

    def _make(self, h: float, numbers: PairNumbers, q: int) -> PairRows:
        count = numbers.foreseen.shape[1]
        orders = [k for k in (q - 1, q, q + 1) if 1 <= k <= count]
        matrix = np.zeros((2 + q + len(orders), count + 2))  # rows: weights; columns: φ_0, …, φ_{count+1}
        matrix[0, 0] = 1.0
        matrix[1 : q + 1, 1 : q + 1] = h * numbers.past
        matrix[q + 1, 1:] = h * numbers.corrections[q]
        for row, k in enumerate(orders, q + 2):
            matrix[row, 1:] = h * (numbers.corrections[k] - numbers.corrections[k - 1])
        weights = self._weigh(matrix, self._table(h))
        return PairRows(
            weights[: q + 1],
            weights[q + 1],
            dict(zip(orders, weights[q + 2 :])),
            {k: numbers.foreseen[k, :k].astype(self._real) for k in orders},
        )

    def _weigh(self, matrix: np.ndarray, table: PhiTables) -> Any:
        """Return the weights Σ_m matrix_jm φ_m(hL)."""
        keys = tuple((m, 1) for m in range(matrix.shape[1]))
        if not isinstance(self.operator, StoredOperator):
            columns: Sequence[Terms] = [{key: r for key, r in zip(keys, row) if r} for row in matrix.tolist()]
            return self.operator.row(columns, [1.0] * len(columns), table, self.like)
        table.require(({keys[-1]: 1},))
        stack = table.stack(keys)
        weights = (matrix @ stack.reshape(len(stack), -1)).reshape(len(matrix), *stack.shape[1:])
        self._most = min(max(_BYTES // weights.nbytes, _ENTRIES[0]), _ENTRIES[1])
        if not self.stacked:
            return tuple(self.operator.cast(weight, self.like) for weight in weights)
        beside = (1,) * (self.like.ndim + 1 - weights.ndim)  # so that axes of the state that L lacks stay free
        return weights.astype(self.like.dtype).reshape(len(matrix), *beside, *weights.shape[1:])

    def _table(self, h: float) -> PhiTables:
        if h in self._tables:
            self._tables.move_to_end(h)
        else:
            self._tables[h] = PhiTables(self.operator, h, least=self.method.q + 1)
            while len(self._tables) > self._most:
                self._tables.popitem(last=False)
        return self._tables[h]
