"""The protocol of linear operators: make the weights of a row, and combine columns with them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from numbers import Number
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from expint.arrays import floating
from expint.backend import Array, is_array
from expint.derive.algebra.phisum import Terms
from expint.operators.columns import Columns
from expint.operators.rotations import Rotations, rotations_of
from expint.operators.sums import sum_of_products
from expint.phi import phi_functions

__all__ = [
    "Act",
    "Operator",
    "PhiTable",
    "StoredOperator",
    "Use",
]


class PhiTable(Protocol):
    """Values of φ-functions of one operator at one step size, computed before a row reads them.

    Examples
    --------
    >>> import numpy as np
    >>> from expint.lower.cache import PhiTables
    >>> from expint.operators import Scalar
    >>> table = PhiTables(Scalar(-1.0), 0.5)
    >>> table.require({1.0: 1})
    >>> np.allclose(table.values(1.0), [np.exp(-0.5), (1 - np.exp(-0.5)) / 0.5])
    True
    """

    @property
    def step(self) -> float:
        """The step size h."""

    def require(self, highest: Mapping[float, int]) -> None:
        """Compute φ_0(c h L), …, φ_k(c h L) for each c and its highest index k."""

    def values(self, c: float) -> np.ndarray:
        """Return φ_k(c h L), as far as ``needs`` asked, as one host array whose first axis counts k."""


class Use(NamedTuple):
    """What an operator is prepared for.

    Attributes
    ----------
    steps
        "equal"; "changing", where φ-functions are computed again and again; "between", states at many times between
        the steps; None where it is not known.
    tolerance
        (rtol, atol) of a run whose errors are measured against atol + rtol |y|. Operators that are applied by
        iterations end them in keeping with it.
    whole
        Whether sums along the axes of a grid stay what they are, so that they can be added factor by factor.
    """

    steps: Literal["equal", "changing", "between"] | None = None
    tolerance: tuple[float, float] | None = None
    whole: bool = False


USE = Use()
"""Nothing is known of the run."""


Act = Callable[[Columns, Sequence[float], PhiTable, Sequence[Array | None]], Array]
"""What applies a row whose weights are not kept; see ``Operator.acting``."""


class Operator(ABC):
    """A linear operator L acting on states of the shape of y0.

    A subclass gives ``check``, ``row``, ``combine`` and ``product``. ``needs`` says which φ-functions a row reads;
    they are in the table before ``row`` is called. ``prepare`` may return a form that costs less in a run.

    Examples
    --------
    >>> import numpy as np
    >>> from expint.operators import Operator, as_operator
    >>> waves = as_operator(1j * np.arange(3.0), np.ones(3, complex))
    >>> isinstance(waves, Operator), waves
    (True, Diagonal(complex symbol of shape (3,)))
    >>> (waves + waves) @ np.ones(3, complex)
    array([0.+0.j, 0.+2.j, 0.+4.j])
    """

    rungs = 8
    """How many step sizes within a factor of two adaptive runs choose from: each new one costs new φ-functions."""

    numeric = False
    """Whether its weights are numbers, or arrays of one number for each band of coordinates."""

    @abstractmethod
    def check(self, y0: Array) -> None:
        """Raise ValueError or TypeError if L cannot act on states like ``y0``."""

    def needs(self, columns: Columns) -> Mapping[float, int]:
        """Return what ``row`` reads of its table: for each c the highest index k of φ_k(c h L)."""
        del columns
        return {}

    @abstractmethod
    def row(
        self, columns: Sequence[Terms], factors: Sequence[float], table: PhiTable, like: Array | None
    ) -> tuple[Any, ...]:
        """Return the weights of one row: one for each column, None where the weight is exactly zero.

        Parameters
        ----------
        columns
            The φ-sum of each column.
        factors
            The number that multiplies each of them (1 for states, h for values of N).
        table
            φ_k(c h L), computed as far as ``needs`` says.
        like
            A state whose namespace, precision and device the weights take; None leaves them on the host.
        """

    @abstractmethod
    def combine(self, weights: Sequence[Any], columns: Sequence[Array]) -> Array:
        """Return the point Σ_j weights_j columns_j as a new array."""

    @abstractmethod
    def product(self, like: Array) -> Callable[[Array], Array]:
        """Return v ↦ L v for arrays of the shape, precision and device of ``like``."""

    __array_ufunc__ = None  # numbers and arrays of NumPy leave sums and products to the operator

    def __matmul__(self, u: Array) -> Array:
        """Return L u for a state u, as `floating` takes it."""
        if not is_array(u):
            return NotImplemented
        u = floating(u)
        self.check(u)
        return self.product(u)(u)

    def __mul__(self, factor: complex) -> Operator:
        """Return c L for a number c; nothing is filled in, and a complex factor asks for complex states."""
        if not isinstance(factor, Number) or isinstance(factor, bool):
            return NotImplemented
        return _arithmetic().multiple(self, factor)

    __rmul__ = __mul__

    def __truediv__(self, divisor: complex) -> Operator:
        """Return L / c for a number c."""
        return self * (1 / divisor) if isinstance(divisor, Number) else NotImplemented

    def __neg__(self) -> Operator:
        """Return -L."""
        return self * -1.0

    def __add__(self, other: Any) -> Operator:
        """Return the sum with an operator, or with a number c, which stands for c times the identity."""
        if not isinstance(other, Operator | Number) or isinstance(other, bool):
            return NotImplemented
        return _arithmetic().total(self, other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Operator:
        """Return the difference of operators, or of one and a number."""
        if not isinstance(other, Operator | Number) or isinstance(other, bool):
            return NotImplemented
        return self + -other  # type: ignore[operator]  # operators and numbers negate

    def __rsub__(self, other: Any) -> Operator:
        """Return a number minus the operator."""
        return -self + other

    def combiner(self) -> Callable[[Sequence[Any], Sequence[Array]], Array]:
        """Return the function that combines columns during one run: ``combine``, or a faster form.

        The function caches transforms by column identity during the run and reuses its working memory. Columns must
        not be mutated in place while the run lasts.
        """
        return self.combine

    def acting(self) -> Act:
        """Return (columns, factors, table, vectors) ↦ Σ_j (Σ_k,c r φ_k(c h L)) v_j for rows of one step only.

        The arguments are those of ``row``, and the v_j, of which the first is an array and None stands for zero. The
        table computes what it lacks. Weights that serve no other step need not be formed.
        """
        combine = self.combiner()

        def act(columns: Columns, factors: Sequence[float], table: PhiTable, vectors: Sequence[Array | None]) -> Array:
            table.require(self.needs(columns))
            weights = self.row(columns, factors, table, vectors[0])
            return combine([None if v is None else w for w, v in zip(weights, vectors)], vectors)

        return act

    def prepare(self, use: Use = USE) -> Operator:
        """Return the operator that a run works with.

        It is this one, a simpler one to which it amounts, or a form whose φ-functions cost less for the purpose.
        """
        del use
        return self

    def reduced(self) -> Operator:
        """Return ``prepare()``, of which this is an earlier name."""
        return self.prepare()

    def for_steps(self, changing: bool) -> Operator:
        """Return ``prepare`` for steps, of which this is an earlier name."""
        return self.prepare(Use("changing" if changing else "equal"))

    def for_points(self) -> Operator:
        """Return ``prepare`` for times between the steps, of which this is an earlier name."""
        return self.prepare(Use("between"))

    def within(self, rtol: float, atol: float) -> Operator:
        """Return ``prepare`` for a tolerance, of which this is an earlier name."""
        return self.prepare(Use(tolerance=(rtol, atol)))

    def damps(self, span: float) -> bool:
        """Whether some mode decays by a factor e or more within a time of the signed length ``span``.

        Assumed True where the eigenvalues are unknown.
        """
        del span
        return True

    def rotations(self, direction: float = 1.0) -> Rotations | None:
        """Return how fast modes may rotate in runs forwards (1) or backwards (-1) in time; None where it is unknown."""
        del direction
        return None

    def turns(self, span: float) -> bool:
        """Whether some mode may rotate by more than one radian within a time of the signed length ``span``.

        Assumed True where the eigenvalues are unknown.
        """
        known = self.rotations(math.copysign(1.0, span))
        return known is None or any(rotation.rate * abs(span) > 1 for rotation in known)


def _arithmetic() -> Any:
    """Return what knows the sums of all operators; imported when one is asked for."""
    return import_module("expint.operators.addition.arithmetic")


class StoredOperator(Operator):
    """An operator whose φ-functions are formed and stored: numbers, diagonals, small matrices."""

    elementwise = False
    """Whether they are those of the numbers in ``values``, one by one."""

    @property
    @abstractmethod
    def values(self) -> Any:
        """L on the host in the form of its φ-functions: a number, a symbol, a matrix."""

    @abstractmethod
    def phi(self, p: int, scale: float) -> Sequence[Any]:
        """Return [φ_0(scale L), …, φ_p(scale L)]."""

    def damps(self, span: float) -> bool:
        """Whether some mode decays by a factor e or more within a time of the signed length ``span``."""
        return not self.elementwise or bool(np.min(np.real(self.values) * span) <= -1)

    def rotations(self, direction: float = 1.0) -> Rotations | None:
        """Return how fast modes rotate."""
        return rotations_of(self.values, direction) if self.elementwise else None

    def phi_many(self, p: int, scales: np.ndarray) -> Sequence[np.ndarray]:
        """Return [φ_0(s L), …, φ_p(s L)] for several s, which the first axis of each array counts."""
        if self.elementwise:
            return phi_functions(np.multiply.outer(scales, self.values), p)
        evaluate = self.evaluator()
        return [np.stack(values) for values in zip(*(evaluate(p, scale) for scale in scales.tolist()))]

    def evaluator(self) -> Callable[[int, float], Sequence[Any]]:
        """Return ``phi`` for one run: a form of it that may remember what it has computed as long as the run lasts."""
        return self.phi

    @abstractmethod
    def cast(self, weight: Any, like: Array | None) -> Any:
        """Return a host weight in the form in which ``combine`` wants it."""

    def needs(self, columns: Columns) -> Mapping[float, int]:
        """Return the highest index k that occurs with each c."""
        return columns.highest

    def row(
        self, columns: Sequence[Terms], factors: Sequence[float], table: PhiTable, like: Array | None
    ) -> tuple[Any, ...]:
        """Return the weights of one row, Σ_k,c r φ_k(c h L) for each column."""
        known = columns if isinstance(columns, Columns) else Columns(columns)
        weights: list[Any] = [None] * len(known)
        if known.held:
            scales = np.array([[factors[j]] for j in known.held])
            products = [(scales * rs, table.values(c)[: rs.shape[1]]) for c, rs in known.numbers.items()]
            for j, weight in zip(known.held, self.cast_all(sum_of_products(products), like)):
                weights[j] = weight
        return tuple(weights)

    def cast_all(self, weights: np.ndarray, like: Array | None) -> Iterable[Any]:
        """Return host weights, counted by the first axis, each in the form in which ``combine`` wants it."""
        return [self.cast(weight, like) for weight in weights]

    def product(self, like: Array) -> Callable[[Array], Array]:
        """Return v ↦ L v: L is a weight like any other."""
        weight = (self.cast(self.values, like),)
        return lambda v: self.combine(weight, (v,))
