"""Takes the place of a cache of steps inside what JAX compiles: the numbers of a step are traced."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from expint.backend import Array
from expint.derive import Method
from expint.derive.kinds.presentation import uniform_step
from expint.lower import Row
from expint.lower.cache import LoweredStep, PhiTables, StepCache, lower_stage
from expint.lower.damped import sees_less
from expint.operators.base import Operator
from expint.run.compiled.jax_weights import Recorded, Weigher

__all__ = ["TracedCache"]


class TracedCache:
    """Takes the place of a ``StepCache``: the numbers of a step are given, since they are traced."""

    START = StepCache.START

    def __init__(self, method: Method, operator: Operator) -> None:
        exact = StepCache(method, Recorded(), None)
        self.method, self.operator, self.layout = method, operator, exact.layout
        self._exact = exact.step(0.0, 1.0, exact.START)
        estimate = self._exact.error
        assert estimate is not None  # checked at the door
        rows = [*(row.weights for row in self._exact.rows), estimate.weights]
        damped = method.error(uniform_step(1)).damped  # type: ignore[union-attr]  # there is an estimate
        self._damps = damped is not None
        if damped is not None:
            tables = PhiTables(Recorded(), 1.0)
            rows.append(lower_stage(damped, Recorded(), 1.0, (True,), None, tables, self.layout).weights)
        self._weigher = Weigher(rows, self.layout.fixed)
        self._weights: Any = None
        self.evaluations = sum(row.evaluate for row in self._exact.rows)

    def weights(self, h: Array, linear: Any, dtype: Any) -> Any:
        """Return the weights of all rows, and those of the estimate, for a step of length ``h`` with its sign."""
        rows = self._weigher(h, linear, dtype)
        if not self._damps:
            return rows
        *rest, plain, damped = rows
        taken = sees_less(jnp.asarray(h * linear), plain, damped)
        either = tuple(
            None if own is None else jnp.where(taken, own, 0.0 if other is None else other)
            for own, other in zip(damped, plain, strict=True)
        )
        return (*rest, either)

    def give(self, weights: Any) -> None:
        """Take the weights of the next step."""
        self._weights = weights

    def step(self, start: Any, h: Any, memory: Any) -> LoweredStep:
        """Return the step with these weights; all its points lie where those of the exact one do."""
        del start, h, memory
        exact, (*rows, estimate) = self._exact, self._weights
        assert exact.error is not None
        made = tuple(Row(own, row.evaluate, row.accept) for own, row in zip(rows, exact.rows))
        return exact._replace(rows=made, error=exact.error._replace(weights=estimate))
