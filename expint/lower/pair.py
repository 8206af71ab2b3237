"""The numbers of exponential Adams methods and pairs of changing order and step, for one operator."""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from expint.backend import Array, array_namespace, is_numpy
from expint.derive.algebra.phisum import Terms
from expint.derive.algebra.spread import spread
from expint.derive.kinds.adams import Adams
from expint.derive.kinds.predictor_corrector import PredictorCorrector
from expint.lower.cache import PhiTables, weigh
from expint.lower.memory import PLAIN
from expint.lower.pair_numbers import pair_numbers
from expint.operators.base import StoredOperator
from expint.operators.diagonal import Diagonal
from expint.operators.scalar import Scalar
from expint.operators.sums import real_product
from expint.phi.doubling import doubled

__all__ = ["AdamsCache", "AdamsRows"]

_BYTES = 2**28
"""How much memory the weights of steps may take, …"""

_ENTRIES = (4, 128)
"""… but of at least so many steps they are kept, and of no more than so many."""

_DOUBLINGS = (4, 1024)
"""So often φ-functions of at most so many numbers are doubled to reach a longer step, those of more only once.
Measured: beyond these limits doubling costs as much as evaluating φ-functions again."""


class AdamsRows(NamedTuple):
    """The numbers of one step of one order: what is predicted, corrected and estimated.

    Attributes
    ----------
    predict
        The weights of y_n and of q past slopes, newest first: a tuple, or one array whose first axis counts them.
    correct
        The weight of d_q, the evaluated minus the extrapolated value of N; None in the mode PE, which
        stays with what is predicted.
    order
        q: how many slopes are looked at. Of slopes that nearly coincide it is one.
    estimates
        By the number k = q - 1, q, q + 1 of past slopes, as far as it can be had: the weight of d_k in the estimate of
        the local error, of order k. In the mode PE that is the correction itself (Milne), otherwise the correction
        less that of one past slope fewer.
    foreseen
        By the same k: the numbers by which k past slopes, newest first, foresee the next one.
    memory
        Where the slopes lie once the step is done, seen from its end, newest first; no more than are looked at.
    """

    predict: Any
    correct: Any
    order: int
    estimates: dict[int, Any]
    foreseen: dict[int, np.ndarray]
    memory: tuple[float, ...]


class AdamsCache:
    """Makes the rows of the methods of up to ``method.q`` past slopes; equal steps on equal histories share them.

    Parameters
    ----------
    method
        A predictor–corrector pair, or Adams–Bashforth in the clock of the integration.
    operator, like
        As in ``lower``.
    stacked
        Whether the weights of the predictor come as one array: for operators that multiply NumPy arrays elementwise,
        by default there.
    alone
        Whether the numbers of a step size depend on nothing but it, to the last bit: none is then found from another.
    """

    START: tuple[float | None, ...] = (0.0,)
    """The memory after N(y_0)."""

    def __init__(
        self,
        method: Adams | PredictorCorrector,
        operator: Any,
        like: Array,
        stacked: bool | None = None,
        alone: bool = False,
    ) -> None:
        self.method, self.operator, self.like = method, operator, like
        elementwise = isinstance(operator, Diagonal | Scalar) and is_numpy(array_namespace(like))
        self._corrects = method.mode != "PE"
        self.stacked = elementwise if stacked is None else stacked
        self._real = like.real.dtype if self.stacked else np.float64
        self._alone, self._keeps_real = alone, hasattr(operator, "kernels")  # these multiply numbers of two kinds
        self._evaluate: Any = operator.evaluator() if isinstance(operator, StoredOperator) else None
        self._tables: OrderedDict[float, np.ndarray] = OrderedDict()
        self._rows: OrderedDict[Any, AdamsRows] = OrderedDict()
        self._most = _ENTRIES[1]
        # axes of the state that L lacks stay free
        self._beside = (1,) * (like.ndim - np.ndim(self.operator.values)) if elementwise else ()

    def rows(self, h: float, memory: tuple[float, ...], q: int) -> AdamsRows:
        """Return the rows of a step of length ``h`` with q past slopes.

        Parameters
        ----------
        h
            The length of the step, with sign.
        memory
            The positions t_j - t_n of the remembered slopes, newest first, at least q.
        q
            The number of past slopes of the predictor.
        """
        key = (h, memory, q)
        found = self._rows.get(key)
        if found is None:  # the oldest goes first: to see which was used last would cost every step
            found = self._rows[key] = self._make(h, memory, q)
            while len(self._rows) > self._most:
                self._rows.popitem(last=False)
        return found

    def _make(self, h: float, memory: tuple[float, ...], q: int) -> AdamsRows:
        positions = tuple([round(at / h, 14) for at in memory])
        matrix, foreseen, q, last = _numbers(positions, q, self.method.mode, self._real)
        weights, columns = self._weigh(h, matrix), PLAIN.fixed + last + 1
        return AdamsRows(
            weights[:columns],
            weights[-1] if self._corrects else None,
            q,
            dict(zip(foreseen, weights[columns:])),
            foreseen,
            (0.0, *[at - h for at in memory[: self.method.q - 1]]),
        )

    def _weigh(self, h: float, matrix: np.ndarray) -> Any:
        """Return the weights Σ_m matrix_jm φ_m(hL), those of slopes, which have no φ_0, times h."""
        rows, columns = matrix.shape
        if not isinstance(self.operator, StoredOperator):
            terms: list[Terms] = [{(m, 1): r for m, r in enumerate(row) if r} for row in matrix.tolist()]
            factors = PLAIN.factors(1.0, h, rows)
            return weigh(self.operator, terms, factors, PhiTables(self.operator, h), self.like)
        table = self._table(h)
        weights = real_product(matrix, table.reshape(len(table), -1)[:columns])
        self._most = min(max(_BYTES // weights.nbytes, _ENTRIES[0]), _ENTRIES[1])
        if self.stacked:
            kind = self._real if self._keeps_real and weights.dtype.kind == "f" else self.like.dtype
            return weights.astype(kind, copy=False).reshape(rows, *self._beside, *table.shape[1:])
        return tuple(self.operator.cast_all(weights.reshape(rows, *table.shape[1:]), self.like))

    def _table(self, h: float) -> np.ndarray:
        """Return φ_0(hL), h φ_1(hL), …, h φ_{q+1}(hL) for the largest q, from those of a shorter step where known."""
        found = self._tables.get(h)
        if found is not None:
            return found
        most = 0
        if self._alone:
            self._evaluate = self.operator.evaluator()  # one that remembers nothing
        elif self.operator.elementwise:
            most = _DOUBLINGS[0] if np.size(self.operator.values) <= _DOUBLINGS[1] else 1
        known = next((m for m in range(1, most + 1) if h / 2**m in self._tables), 0)
        if known:
            table = self._tables[h / 2**known]
            for m in range(known - 1, -1, -1):
                table = doubled(table, np.exp(h / 2**m * self.operator.values))
                table[1:] *= 2.0  # the formula is linear in all but φ_0
        else:
            table = np.stack(self._evaluate(self.method.q + 1, h))
            table[1:] *= h
        self._tables[h] = table
        while len(self._tables) > self._most:
            self._tables.popitem(last=False)
        return table


@lru_cache(maxsize=1024)
def _numbers(
    positions: tuple[float, ...], q: int, mode: str, real: np.dtype
) -> tuple[np.ndarray, dict[int, np.ndarray], int, int]:
    """Return the weights of y_n, of the slopes, of the estimates and of a correction over φ_0, h φ_1, h φ_2, ….

    Beside them, by the orders of the estimates, the numbers by which so many slopes foresee the next; how many slopes
    are looked at; and the place of the last of them. Of the slopes at ``positions`` those that nearly coincide with
    newer ones are passed over, and have the weight zero.
    """
    taken, corrects = spread(positions, 1.0, q + 1, predicted=mode == "PEC", ramp=True), mode != "PE"
    count, past = len(taken), np.array(taken)
    q = min(q, count)
    numbers = pair_numbers(tuple([positions[k] for k in taken]), q)
    orders = [k for k in (q - 1, q, q + 1) if 1 <= k <= count]
    first = PLAIN.fixed + taken[q - 1] + 1  # of the estimates
    matrix = np.zeros((first + len(orders) + corrects, count + 2))
    matrix[: PLAIN.fixed, 0] = 1.0
    matrix[PLAIN.fixed + past[:q], 1 : q + 1] = numbers.past
    for row, k in enumerate(orders, first):
        matrix[row, 1:] = numbers.corrections[k] - (numbers.corrections[k - 1] if corrects else 0.0)
    if corrects:
        matrix[-1, 1:] = numbers.corrections[q]
    foreseen = {k: np.zeros(taken[k - 1] + 1, real) for k in orders}
    for k, weights in foreseen.items():
        weights[past[:k]] = numbers.foreseen[k, :k]
    return matrix, foreseen, q, taken[q - 1]


PairCache, PairRows = AdamsCache, AdamsRows
"""Earlier names."""
