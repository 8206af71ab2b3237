"""Steps of one-step methods for many trajectories at once, each of a length of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from expint.backend import Array, array_namespace, copied
from expint.derive.kinds.presentation import uniform_step
from expint.derive.kinds.stage import Method, Stage, kind_of_method
from expint.lower.cache import columns_of
from expint.lower.memory import PLAIN, Memory
from expint.run.batch.linear import EachLinear
from expint.run.batch.trees import beside, put

__all__ = ["Batched", "EachMemory", "EachTrial", "is_batched"]

_HERE: tuple[bool, ...] = (True,)
"""One value of N is remembered: that where the step starts."""

EachSlope = Callable[[np.ndarray, np.ndarray, Array], Array]
"""N at times and states of some trajectories, given by number."""


class EachMemory(NamedTuple):
    """What is remembered of each trajectory from step to step.

    Attributes
    ----------
    y, slope
        The state, and N there.
    h, weights
        The length for which the weights were made, nan before the first step, and the weights of all columns of all
        rows, one after the other.
    """

    y: Array
    slope: Array
    h: np.ndarray
    weights: tuple[Array, ...]


class EachTrial(NamedTuple):
    """Steps that are not yet accepted.

    Attributes
    ----------
    y, error
        The new states and the estimates of their errors.
    found
        N there, where an estimate has asked for it; None where it is pending, or where no step looks at it.
    seen
        The values of N that were seen inside the step.
    memory
        The memory where the steps start, with their weights.
    """

    y: Array
    error: Array
    found: Array | None
    seen: tuple[Array, ...]
    memory: EachMemory


class _Row(NamedTuple):
    """A row: its place in units of the step, its columns, and where their weights lie among all."""

    c: float
    columns: tuple[int, ...]
    first: int


class Batched:
    """A one-step method with an error estimate, for y' = L_i y + N(t, y) with L_i fixed.

    Parameters
    ----------
    method
        The method; see ``is_batched``.
    linear
        L of each trajectory.

    Attributes
    ----------
    name, order
        The name of the method, and the order of its error estimate.
    """

    def __init__(self, method: Method, linear: EachLinear) -> None:
        step = uniform_step(1)
        recipe, estimate = method.recipe(step), method.error(step)
        assert estimate is not None  # is_batched says so
        self.method, self.linear, self.name, self.order = method, linear, method.name, int(estimate.order)
        self._accept, self._evaluate = PLAIN.moves()
        self._sums: list[dict[float, np.ndarray]] = []
        self._of_slopes: list[bool] = []
        self._highest: dict[float, int] = {}
        self._rows = [self._row(stage) for stage in recipe]
        self._estimate = self._row(estimate.stage)
        damps = np.real(linear.values).any()  # in most gauges of diffusion L = 0
        self._damped = self._row(estimate.damped) if damps and estimate.damped is not None else None
        self._at_end = len(estimate.stage.stages) == sum(stage.evaluate for stage in recipe)

    def _row(self, stage: Stage) -> _Row:
        """Return a row, and take note of the φ-sums of its columns."""
        columns = columns_of(stage, _HERE, PLAIN)
        first = len(self._sums)
        for i, j in enumerate(columns.held):
            self._sums.append({c: numbers[i] for c, numbers in columns.numbers.items() if numbers[i].any()})
            self._of_slopes.append(j >= PLAIN.fixed)
        for c, k in columns.highest.items():
            self._highest[c] = max(self._highest.get(c, 0), k)
        return _Row(float(stage.c), columns.held, first)

    @property
    def places(self) -> list[float]:
        """Where the method looks at N, in units of the step."""
        return [row.c for row in self._rows]

    @property
    def count(self) -> int:
        """How many weights a step has."""
        return len(self._sums)

    def start(self, y: Array, slope: Array) -> EachMemory:
        """Return the memory where runs begin."""
        return EachMemory(y, slope, np.full(y.shape[0], np.nan), ())

    def euler(self, which: np.ndarray, y: Array, slope: Array, h: np.ndarray) -> Array:
        """Return the states after steps ``h`` of the exponential Euler method, e^{hL} y + h φ_1(hL) N."""
        zeroth, first = self.linear.phi(1, h, which)
        times, cast = self.linear.times, self.linear.cast
        return times(cast(zeroth, y), y) + times(cast(first * beside(h, first), y), slope)

    def attempt(
        self, which: np.ndarray, memory: EachMemory, slope: EachSlope, t: np.ndarray, end: np.ndarray, h: np.ndarray
    ) -> EachTrial:
        """Return steps of lengths ``h``, with sign, of the trajectories ``which``."""
        memory = self._with_weights(which, memory, h)
        columns = self._evaluate(PLAIN.start(memory.y), memory.slope)
        point, seen = memory.y, list[Array]()
        for row in self._rows[:-1]:
            point = self._point(row, memory.weights, columns)
            at = np.clip(t + row.c * h, np.minimum(t, end), np.maximum(t, end)) if 0 <= row.c < 1 else t + row.c * h
            seen.append(slope(which, end if row.c == 1 else at, point))
            columns = self._evaluate(columns, seen[-1])
        point, found = self._point(self._rows[-1], memory.weights, columns), None
        if self._at_end:
            found = slope(which, end, point)
            columns = self._evaluate(columns, found)
        error = self._point(self._damped or self._estimate, memory.weights, columns)
        return EachTrial(point, error, found, tuple(seen), memory)

    def _point(self, row: _Row, weights: Sequence[Array], columns: Memory) -> Array:
        times, total = self.linear.times, None
        with np.errstate(all="ignore"):  # one trajectory that overflows is no warning to the others
            for k, j in enumerate(row.columns, row.first):
                term = times(weights[k], columns[j])
                total = term if total is None else total + term
        return array_namespace(columns[0]).zeros_like(columns[0]) if total is None else total

    def _with_weights(self, which: np.ndarray, memory: EachMemory, h: np.ndarray) -> EachMemory:
        """Return the memory with the weights for steps ``h``, made anew where the length has changed."""
        changed = np.flatnonzero(h != memory.h)
        if not len(changed):
            return memory
        whole = self.linear.cast(np.stack(self._weights(which[changed], h[changed])), memory.y)  # in one go to a device
        made = tuple(whole[k, ...] for k in range(self.count))
        if len(changed) < len(h):
            kept = memory.weights
            if getattr(memory.y, "requires_grad", False) or getattr(memory.slope, "requires_grad", False):
                kept = tuple(copied(own) for own in kept)  # a gradient asks for those of earlier steps again
            made = put(kept, changed, made)
        return memory._replace(h=h, weights=made)

    def _weights(self, which: np.ndarray, h: np.ndarray) -> list[np.ndarray]:
        """Return the weights of all columns: Σ r φ_k(c h L), times h for values of N, each sum in one order."""
        with np.errstate(all="ignore"):
            found = self._sums_of({c: self.linear.phi(k, c * h, which) for c, k in self._highest.items()}, h)
            if self._damped is None:
                return found
            plain, damped = (dict(zip(row.columns, found[row.first :])) for row in (self._estimate, self._damped))
            taken = self.linear.sees_less(which, h, list(plain.values()), list(damped.values()))
            either = [np.where(taken, own, plain.get(j, 0.0)) for j, own in damped.items()]
            return [*found[: self._damped.first], *either]

    def _sums_of(self, tables: dict[float, list[np.ndarray]], h: np.ndarray) -> list[np.ndarray]:
        found = []
        for sums, of_slope in zip(self._sums, self._of_slopes):
            total: Any = None
            for c, numbers in sums.items():
                for k in np.flatnonzero(numbers).tolist():
                    term = numbers[k] * tables[c][k]
                    total = term if total is None else total + term
            found.append(total * beside(h, total) if of_slope else total)
        return found


def is_batched(method: Any) -> bool:
    """Whether a method is for ``Batched``: of one step, with one recipe for all steps, and an estimate of its error."""
    alike = getattr(method, "history", 0) == 1 and getattr(method, "steps_alike", False)
    if not alike or kind_of_method(method) != "fixed L":
        return False
    step = uniform_step(1)
    recipe, estimate = method.recipe(step), method.error(step)
    inner = all(stage.evaluate and not stage.accept for stage in recipe[:-1])
    last = recipe[-1]
    return estimate is not None and inner and last.accept and last.evaluate and last.remember and last.c == 1
