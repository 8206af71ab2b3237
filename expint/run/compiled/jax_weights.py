"""Weights made inside what JAX compiles: of a step size, and of an elementwise L, that are arguments."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from expint.backend import Array
from expint.derive import Method
from expint.derive.algebra.phisum import Terms
from expint.lower import lower
from expint.operators.base import Operator, PhiTable
from expint.phi import phi_functions
from expint.run.compiled.jax_scan import time_dtype
from expint.run.compiled.stacked import Numbers, stacked

__all__ = ["Recipes", "Recorded", "Weigher"]


class Recorded(Operator):
    """Takes the place of L where rows are laid out: their weights are the φ-sums themselves."""

    def check(self, y0: Array) -> None:
        """Accept any state."""

    def damps(self, span: float) -> bool:
        """Return False: what is to be done where L damps is decided with its numbers."""
        del span
        return False

    def row(
        self, columns: Sequence[Terms], factors: Sequence[float], table: PhiTable, like: Array | None
    ) -> tuple[Terms | None, ...]:
        """Return the φ-sums."""
        del factors, table, like
        return tuple(terms or None for terms in columns)

    def combine(self, weights: Sequence[Any], columns: Sequence[Array]) -> Array:
        """Refuse: a plan of φ-sums is not run."""
        del weights
        raise TypeError(f"expected weights, received φ-sums of {len(columns)} columns; run the plan of an operator")

    def product(self, like: Array) -> Callable[[Array], Array]:
        """Refuse: there is no L."""
        raise TypeError(f"expected an operator, received one that stands for any, beside {like!r}")


class Weigher:
    """Makes the weights of rows from their φ-sums, a step size and an elementwise L, all of which may be traced.

    Parameters
    ----------
    rows
        For each row one entry for each column: a φ-sum, a tuple of several, whose weights are stacked, or None.
    fixed
        The number of columns before the values of N, whose weights are multiplied by the step size.
    """

    def __init__(self, rows: Sequence[Sequence[Any]], fixed: int) -> None:
        self._rows, self._fixed = rows, fixed
        self._highest: dict[float, int] = {}
        for terms in (terms for row in rows for own in row for terms in _each(own)):
            for k, c in terms:
                self._highest[float(c)] = max(self._highest.get(float(c), 0), k)

    def __call__(self, h: Any, linear: Any, dtype: Any) -> tuple[tuple[Array | None, ...], ...]:
        """Return the weights, row by row, in the precision of ``dtype``; real where L is."""
        z, nodes = jnp.asarray(h) * jnp.asarray(linear), [c for c in self._highest if c]
        multiples = jnp.stack([c * z for c in nodes]) if nodes else z
        # All at once, and not again for each weight that reads them: compiling them is most of the time to compile.
        values = jax.lax.optimization_barrier(phi_functions(multiples, max(self._highest.values())))
        tables = {c: [value[place] for value in values] for place, c in enumerate(nodes)}
        tables[0.0] = [1.0 / math.factorial(k) for k in range(self._highest.get(0.0, 0) + 1)]
        real = jnp.finfo(dtype).dtype

        def weight(terms: Terms, j: int) -> Array:
            total = jnp.asarray(_sum(terms, tables) * (1.0 if j < self._fixed else h))
            return total.astype(jnp.result_type(real, jnp.complex64) if jnp.iscomplexobj(total) else real)

        def of(own: Any, j: int) -> Array | None:
            if own is None or not isinstance(own, tuple):
                return None if own is None else weight(own, j)
            return jnp.stack(jnp.broadcast_arrays(*(weight(terms, j) for terms in own)))

        return tuple(tuple(of(own, j) for j, own in enumerate(row)) for row in self._rows)


class Recipes:
    """All steps of a method on a uniform grid, exact: numbers for a step size and an elementwise L are made of them.

    Attributes
    ----------
    program
        The plan without its numbers.
    """

    def __init__(self, method: Method, steps: int) -> None:
        plan = lower(method, Recorded(), np.arange(steps + 1.0))
        self.program, self._sums = stacked(plan, tuple, lambda terms: {} if terms is None else terms)
        rows = [row for of_piece in self._sums.weights for row in of_piece]
        self._weigher = Weigher(rows, self.program.layout.fixed)

    def numbers(self, start: Any, h: Any, linear: Any, dtype: Any) -> Numbers:
        """Return the numbers of a run from ``start`` with steps of length ``h``, all of which may be traced.

        Parameters
        ----------
        start, h
            Time and step size.
        linear
            L: a number, or the symbol of an elementwise one.
        dtype
            That of the states.
        """
        rows, kind = iter(self._weigher(h, linear, dtype)), time_dtype(dtype)
        weights = tuple(tuple(next(rows) for _ in of_piece) for of_piece in self._sums.weights)
        times = tuple(jnp.asarray(start + h * jnp.asarray(own), kind) for own in self._sums.times)
        return Numbers(weights, self._sums.which, times)


def _sum(terms: Terms, tables: Mapping[float, Sequence[Any]]) -> Any:
    """Return Σ r φ_k(c z) of one φ-sum, by tables of φ_k(c z) for each c."""
    return sum(float(r) * tables[float(c)][k] for (k, c), r in terms.items())


def _each(own: Any) -> Sequence[Terms]:
    """Return the φ-sums of a column: one, several, or none."""
    return () if own is None else own if isinstance(own, tuple) else (own,)
