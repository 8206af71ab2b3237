"""L is a number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from expint.arguments import seen
from expint.arrays import check_constant, check_dtype
from expint.backend import Array, to_numpy
from expint.derive.algebra.phisum import Terms
from expint.operators.base import PhiTable, StoredOperator
from expint.operators.columns import Columns
from expint.operators.sums import linear_combination
from expint.phi import phi_functions

__all__ = ["Scalar"]


class Scalar(StoredOperator):
    """The operator y ↦ l y for a real or complex number l. Weights are Python numbers and live on no device.

    Raises
    ------
    ValueError
        If l is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from expint.operators import Scalar
    >>> (Scalar(-2.0) @ np.array([1.0, 3.0])).tolist()
    [-2.0, -6.0]
    """

    elementwise = True
    numeric = True

    def __init__(self, value: complex) -> None:
        check_constant(value)
        given: Any = value
        single = hasattr(given, "shape") and not given.shape
        number = to_numpy(given).item() if single else given
        if np.ma.is_masked(given) or isinstance(number, bool) or not isinstance(number, (int, float, complex)):
            raise TypeError(
                f"expected a number as linear operator, received {value!r}; arrays are for Diagonal and Dense"
            )
        try:
            self.value: complex = float(number.real) if number.imag == 0.0 else number
        except OverflowError:
            self.value = math.inf
        if not np.isfinite(self.value):
            raise ValueError(f"expected a finite number as linear operator, received {seen(value)}")

    def check(self, y0: Array) -> None:
        """Accept any shape; refuse a complex number on a real state."""
        check_dtype(isinstance(self.value, complex), y0)

    @property
    def values(self) -> complex:
        """The number l."""
        return self.value

    def phi(self, p: int, scale: float) -> Sequence[Any]:
        """Return [φ_0(scale l), …, φ_p(scale l)]."""
        if self.value == 0:
            return [1.0 / math.factorial(k) for k in range(p + 1)]
        return phi_functions(scale * self.value, p)

    def needs(self, columns: Columns) -> Mapping[float, int]:
        """Return the highest index k that occurs with each c; for l = 0 nothing, since φ_k = 1/k!."""
        return columns.highest if self.value else {}

    def row(
        self, columns: Sequence[Terms], factors: Sequence[float], table: PhiTable, like: Array | None
    ) -> tuple[Any, ...]:
        """Return the weights of one row."""
        if self.value != 0:
            return super().row(columns, factors, table, like)
        return tuple(
            factor * math.fsum(float(r) / math.factorial(k) for (k, _), r in terms.items()) if terms else None
            for terms, factor in zip(columns, factors)
        )

    def cast(self, weight: Any, like: Array | None) -> complex:
        """Return the weight as a Python number, which takes the precision of any state it meets."""
        del like
        number: complex = weight.item() if hasattr(weight, "item") else weight
        return number

    def combine(self, weights: Sequence[Any], columns: Sequence[Array]) -> Array:
        """Return Σ weights_j columns_j."""
        return linear_combination(weights, columns)

    def __repr__(self) -> str:
        return f"Scalar({self.value!r})"
