r"""What a row combines: the order of columns, which nothing else in the library knows.

.. code-block:: text

    |  y_n  y_{n-1} …  |  ξ_1 …  |   1   y_0   |  N_s … N_2  |  N_n  N_{n-1} …  |
    |     states       |  noise  |  constant   |   stages    |       past       |
    |             fixed in number              |     values, newest first       |

The columns whose number is fixed come first: values come and go during a step, and a row ends with the last value that
it looks at. The weights of a row, the φ-sums of a stage and the factors of a step lie in the same order. Constant are
those that stay what they are during a run: the number 1, and the first state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from expint.backend import Array
from expint.operators.sums import linear_combination

__all__ = ["PLAIN", "Layout", "ListedColumns", "Memory", "Parts", "StackedColumns"]

T = TypeVar("T")

Memory = tuple[Any, ...]
"""The columns themselves. A value: what accepts a state or takes up a value of N returns another one."""


class Parts(NamedTuple):
    """The parts of a row, as they lie in it; see ``Layout.arrange``."""

    states: tuple[Any, ...]
    noise: tuple[Any, ...]
    constant: tuple[Any, ...]
    values: tuple[Any, ...]


class Layout(NamedTuple):
    """Which columns there are beside values of N.

    Attributes
    ----------
    states
        The states y_n, y_{n-1}, …, as many as the method looks at.
    noise
        The number of random columns, drawn anew for each step.
    constant
        Whether there is a column 1.
    first
        Whether the first state y_0 is a column of its own, after the 1, for rows that look at it during the whole run.
    """

    states: int = 1
    noise: int = 0
    constant: bool = False
    first: bool = False

    @classmethod
    def of(cls, method: Any) -> Layout:
        """Return the layout of a method: its attributes ``states`` and ``noise``, by default 1 and 0."""
        return cls(getattr(method, "states", 1), getattr(method, "noise", 0))

    @property
    def fixed(self) -> int:
        """The number of columns before the values of N."""
        return self.states + self.noise + self.constant + self.first

    def arrange(
        self, states: Sequence[T], values: Sequence[T], noise: Sequence[T] = (), constant: Sequence[T] = ()
    ) -> tuple[T, ...]:
        """Return in order what belongs to the columns: arrays, weights, φ-sums or factors.

        Parameters
        ----------
        states, noise, constant
            As many as the layout says.
        values
            What belongs to values of N, newest first.

        Raises
        ------
        ValueError
            If there are more or fewer than the layout says.
        """
        found = (len(states), len(noise), len(constant))
        wanted = (self.states, self.noise, self.constant + self.first)
        if found != wanted:
            raise ValueError(
                f"expected {wanted[0]} states, {wanted[1]} columns of noise and {wanted[2]} constants, "
                f"received {found[0]}, {found[1]} and {found[2]}; give one entry for each column of the layout"
            )
        return (*states, *noise, *constant, *values)

    def factors(self, of_fixed: float, of_values: float, count: int) -> tuple[float, ...]:
        """Return one factor for each of ``count`` columns: that of the fixed ones, and that of values of N."""
        return (of_fixed,) * self.fixed + (of_values,) * (count - self.fixed)

    def parts(self, row: Sequence[Any]) -> Parts:
        """Return the parts of a row: the inverse of ``arrange``."""
        states, noise, fixed = self.states, self.states + self.noise, self.fixed
        return Parts(tuple(row[:states]), tuple(row[states:noise]), tuple(row[noise:fixed]), tuple(row[fixed:]))

    def values(self, row: Sequence[Any]) -> tuple[Any, ...]:
        """Return what belongs to values of N in a row, newest first: the last of its parts."""
        return tuple(row[self.fixed :])

    def start(self, y: Array, earlier: Sequence[Array] = ()) -> Memory:
        """Return the memory before the first value of N: y_0, and the states before it as far as they are known."""
        states = [y, *earlier, *[None] * (self.states - 1 - len(earlier))]
        return self.arrange(states, (), [None] * self.noise, [1.0] * self.constant + [y] * self.first)

    def moves(
        self, depth: int | None = None
    ) -> tuple[Callable[[Memory, Array], Memory], Callable[[Memory, Array], Memory]]:
        """Return accept(memory, point), which makes a point the state, and evaluate(memory, value), which adds an N.

        Parameters
        ----------
        depth
            How many values are kept; None keeps all.
        """
        states, fixed = self.states, self.fixed
        last = None if depth is None else fixed + depth - 1

        def accept(memory: Memory, point: Array) -> Memory:
            return (point,) + memory[: states - 1] + memory[states:]

        def evaluate(memory: Memory, value: Array) -> Memory:
            return memory[:fixed] + (value,) + memory[fixed:last]

        def accept_alone(memory: Memory, point: Array) -> Memory:
            return (point,) + memory[1:]

        def evaluate_alone(memory: Memory, value: Array) -> Memory:
            return (memory[0], value) + memory[1:last]

        return accept_alone if states == 1 else accept, evaluate_alone if fixed == 1 else evaluate

    def moves_back(self) -> tuple[Callable[[Memory], tuple[Any, Memory]], Callable[[Memory], tuple[Any, Memory]]]:
        """Return the transposes of ``moves``, for memories that hold what belongs to each column, such as its adjoint.

        before_accept(memory) returns what belongs to the newest state, which was a point, and the memory before it
        became the state; before_evaluate(memory) what belongs to the newest value of N, and the memory before it was
        added. Where nothing belongs to a column that stands as None.
        """
        states, fixed = self.states, self.fixed

        def before_accept(memory: Memory) -> tuple[Any, Memory]:
            return memory[0], memory[1:states] + (None,) + memory[states:]

        def before_evaluate(memory: Memory) -> tuple[Any, Memory]:
            return memory[fixed] if len(memory) > fixed else None, memory[:fixed] + memory[fixed + 1 :]

        return before_accept, before_evaluate

    def first_of(self, memory: Memory) -> Any:
        """Return what belongs to the column of the first state, None where there is no such column."""
        return memory[self.fixed - 1] if self.first else None

    def with_state(self, memory: Memory, point: Array) -> Memory:
        """Return the memory with another newest state."""
        return (point,) + memory[1:]

    def draw(self, memory: Memory, noise: Sequence[Array]) -> Memory:
        """Return the memory with the random columns of a new step."""
        if len(noise) != self.noise:
            states, _, constant, values = self.parts(memory)
            return self.arrange(states, values, noise, constant)  # which refuses it
        return (*memory[: self.states], *noise, *memory[self.states + self.noise :])

    def keep(self, memory: Memory, count: int) -> Memory:
        """Return the memory with the newest ``count`` values only."""
        return memory[: self.fixed + count]


PLAIN = Layout()
"""That of most methods: the state, and values of N."""


_FEW = 4096
"""Rows of so few real numbers are added in less time by a product with ones than by a sum."""


class ListedColumns:
    """The state and values of N one by one, of any library, for any operator.

    Parameters
    ----------
    combine
        Combines columns.
    depth
        How many values are kept.
    y, value
        The first state, and N there.
    """

    def __init__(self, combine: Callable[[Any, Any], Array], depth: int, y: Array, value: Array) -> None:
        self._combine, (self._accept, self._evaluate) = combine, PLAIN.moves(depth)
        self._columns = self._evaluate(PLAIN.start(y), value)

    def predict(self, weights: Any) -> Array:
        """Return the point with these weights."""
        return self._combine(weights, self._columns)

    def difference(self, foreseen: np.ndarray, value: Array) -> Array:
        """Return the difference between ``value`` and the sum of the newest past values times ``foreseen``."""
        past = PLAIN.parts(self._columns).values[: len(foreseen)]
        return linear_combination([1.0] + (-foreseen).tolist(), [value] + list(past))

    def weigh(self, weight: Any, difference: Array) -> Array:
        """Return weight · difference: a correction or an estimate."""
        return self._combine((weight,), (difference,))

    def accept(self, y: Array, value: Array) -> None:
        """Go on from the state ``y`` with N there."""
        self._columns = self._accept(self._evaluate(self._columns, value), y)

    def pack(self) -> tuple[Any, ...]:
        """Return the columns."""
        return self._columns

    def unpack(self, packed: tuple[Any, ...]) -> None:
        """Take columns that were packed."""
        self._columns = packed


class StackedColumns:
    """The same in one array, for weights that multiply NumPy arrays elementwise: one product and one sum per vector.

    Columns are written from the end of the array to its beginning: the state, and behind it the values, newest first.
    So those of a row are always neighbours. At the beginning the newest values are copied back to the end.

    Parameters
    ----------
    depth, y, value
        As in ``ListedColumns``.
    kernels
        What combines them in one call, where there is such a thing; see ``expint.run.compiled.kernels``.
    """

    def __init__(self, depth: int, y: Array, value: Array, kernels: Any = None) -> None:
        self._depth, self._kernels = depth, kernels
        self._rows = np.empty((2 * (self._depth + 1), *y.shape), y.dtype)
        products = np.empty((self._depth + 1, *y.shape), y.dtype)
        self._products = [products[:count] for count in range(len(products) + 1)]
        self._ones = [np.ones(count, y.dtype) for count in range(len(products) + 1)]
        self._sums = y.ndim != 1 or y.dtype.kind == "c" or y.size > _FEW
        self._flat = self._vectors = self._rows.reshape(len(self._rows), -1)
        if self._flat.dtype.kind == "c":  # real numbers times complex slopes
            self._flat = self._flat.view(self._flat.real.dtype)
        self._foreseen = np.empty_like(y, order="C")
        self._flat_foreseen = self._foreseen.reshape(-1).view(self._flat.dtype)
        self._first = len(self._rows) - 2  # where the state lies
        self._rows[self._first], self._rows[self._first + 1] = y, value

    def predict(self, weights: Any) -> Array:
        """Return the point with these weights."""
        count, first = len(weights), self._first
        if self._kernels is not None:
            point = np.empty(self._rows.shape[1:], self._rows.dtype)
            self._kernels.predicted(weights.reshape(count, -1), self._vectors, first, point.reshape(-1))
            return point
        products = self._products[count]
        np.multiply(weights, self._rows[first : first + count], products)  # faster than out=
        return np.add.reduce(products, 0) if self._sums else self._ones[count].dot(products)

    def difference(self, foreseen: np.ndarray, value: Array) -> Array:
        """Return the difference between ``value`` and the sum of the newest past values times ``foreseen``."""
        start = self._first + 1
        if self._kernels is not None and value.dtype is self._rows.dtype and value.flags.carray:
            found, kind = np.empty_like(value), self._flat.dtype
            self._kernels.difference(
                foreseen, self._flat, start, value.reshape(-1).view(kind), found.reshape(-1).view(kind)
            )
            return found
        foreseen.dot(self._flat[start : start + len(foreseen)], self._flat_foreseen)
        return value - self._foreseen

    def weigh(self, weight: Any, difference: Array) -> Array:
        """Return weight · difference: a correction or an estimate."""
        return weight * difference

    def accept(self, y: Array, value: Array) -> None:
        """Go on from the state ``y`` with N there."""
        if self._first == 0:
            kept = self._rows[1 : self._depth]
            self._first = len(self._rows) - self._depth
            self._rows[self._first + 1 :] = kept
        self._rows[self._first] = value
        self._first -= 1
        self._rows[self._first] = y

    def pack(self) -> tuple[int, np.ndarray]:
        """Return where the state lies, and the columns from there on."""
        return self._first, self._rows[self._first :].copy()

    def unpack(self, packed: tuple[int, np.ndarray]) -> None:
        """Take columns that were packed, to the places where they lay."""
        self._first, rows = packed
        self._rows[self._first :] = rows
