"""Plan: the seam between thinking and running. Numbers only, nothing symbolic."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np

from expint.backend import Array
from expint.lower.canonical import Canonical, canonical, same_map
from expint.lower.memory import PLAIN, Layout
from expint.operators.scalar import Scalar

__all__ = ["Plan", "Row", "Step"]


class Row(NamedTuple):
    """How one new point is combined from the columns in memory.

    Attributes
    ----------
    weights
        One weight for each column, in the order of ``Layout``: for most methods the state y_n, then values of N,
        newest first. None stands for exactly zero.
    evaluate
        Whether N is evaluated at the point and pushed in front of the slopes.
    accept
        Whether the point becomes the state.
    """

    weights: tuple[Any, ...]
    evaluate: bool
    accept: bool


class Step(NamedTuple):
    """One step: its rows, and the time at which the point of each row lies. Steps of equal length share their rows."""

    times: tuple[float, ...]
    rows: tuple[Row, ...]


class Combining(Protocol):
    """What a plan asks of its operator."""

    def combiner(self) -> Callable[[Sequence[Any], Sequence[Array]], Array]:
        """Return what combines columns by the weights of a row, during one run."""


@dataclass(frozen=True, eq=False)
class Plan:
    """All rows of a run on a fixed grid.

    Attributes
    ----------
    operator
        The operator that knows how to combine columns with the weights.
    steps
        The steps in order. The first has one row, y_0 itself, so that N is evaluated there.
    depth
        How many values of N are kept in memory.
    layout
        Which columns there are beside them.
    outputs
        By the time of an evaluation (p, q): what is evaluated there is p x + q f, with f a function that plans to be
        compared have in common. None where they evaluate f itself. Only the canonical form reads it.

    Notes
    -----
    ``one == other`` asks whether two plans are the same map of states, to rounding; see ``canonical``. No hash can
    follow rounding, so a plan is hashed by its identity.
    """

    operator: Combining
    steps: tuple[Step, ...]
    depth: int
    layout: Layout = PLAIN
    outputs: Callable[[float], tuple[float, float]] | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Plan):
            return NotImplemented
        if self is other:
            return True
        if any(not isinstance(plan.operator, Scalar) or plan.layout.noise for plan in (self, other)):
            return False
        return same_map(self.canonical(), other.canonical())

    __hash__ = object.__hash__

    def canonical(self) -> Canonical:
        """Return the coefficients (c, D, τ) that make the plan the map it is; see ``expint.lower.canonical``.

        Raises
        ------
        TypeError
            If the operator is not a ``Scalar``, or the plan draws noise.
        ValueError
            If the plan looks at states before the first one.
        """
        self.require_numbers()
        if self.layout.noise:
            raise TypeError(
                "expected a deterministic plan, received one that draws noise; take that of the deterministic method"
            )
        return self._canonical

    @cached_property
    def _canonical(self) -> Canonical:
        return canonical(tuple(self.rows), self.layout, self.depth, self.outputs)

    @property
    def rows(self) -> Iterator[tuple[float, Row]]:
        """All rows in order, each with its time."""
        return ((t, row) for step in self.steps for t, row in zip(step.times, step.rows))

    @property
    def times(self) -> np.ndarray:
        """The times of the accepted points: the grid."""
        return np.array([step.times[-1] for step in self.steps])

    @property
    def evaluations(self) -> int:
        """How many times N is evaluated: the rows that evaluate, exactly."""
        return sum(row.evaluate for _, row in self.rows)

    def table(self) -> np.ndarray:
        """Return the weights of all rows as one array of shape (rows, 1 + depth), for scalar operators.

        For methods that combine more than one state and ``depth`` values of N there are as many columns more.

        Raises
        ------
        TypeError
            If the operator is not a ``Scalar``, whose weights alone are numbers.
        """
        self.require_numbers()
        rows = [[w if w is not None else 0.0 for w in row.weights] for _, row in self.rows]
        return np.array([row + [0.0] * (self.layout.fixed + self.depth - len(row)) for row in rows])

    def in_coordinates(
        self, scale: Sequence[Sequence[float]], times: Sequence[Sequence[float]], slope: float = 1.0
    ) -> Plan:
        """Return the plan for the state x = scale · y, whose slopes N are given as slope · (what is evaluated).

        Parameters
        ----------
        scale
            For each step the factor x / y at the point of each of its rows.
        times
            For each step the times at which its points are evaluated.
        slope
            The constant by which what is evaluated has to be multiplied to give N.

        Notes
        -----
        The factors are folded into the weights; running the plan costs no more. Scalar operators only.
        """
        self.require_numbers()
        steps, states = [], deque([scale[0][0]] * self.layout.states, self.layout.states)
        for step, own, when in zip(self.steps, scale, times, strict=True):
            rows = tuple(
                row._replace(weights=self._scaled(row.weights, factor, states, slope))
                for row, factor in zip(step.rows, own, strict=True)
            )
            steps.append(Step(tuple(when), rows))
            states.appendleft(own[-1])
        return replace(self, steps=tuple(steps))

    def _scaled(self, weights: tuple[Any, ...], scale: float, states: Sequence[float], slope: float) -> tuple[Any, ...]:
        """Return the weights of a point times ``scale``, of ``states`` that are scaled themselves."""
        parts = self.layout.parts(weights)
        return self.layout.arrange(
            [None if w is None else w * (scale / state) for w, state in zip(parts.states, states)],
            [None if w is None else w * (scale * slope) for w in parts.values],
            *[[None if w is None else w * scale for w in part] for part in (parts.noise, parts.constant)],
        )

    def with_slopes(self, factors: Sequence[float]) -> Plan:
        """Return the plan for slopes that are given divided by ``factors``, one for each evaluation, in order.

        Notes
        -----
        The factors are folded into the weights; running the plan costs no more. Scalar operators only.
        """
        self.require_numbers()
        coming, known = iter(factors), deque[float](maxlen=self.depth)  # newest first, as the slopes are
        steps = []
        for step in self.steps:
            rows = []
            for row in step.rows:
                *fixed, values = self.layout.parts(row.weights)
                scaled = [None if w is None else w * factor for w, factor in zip(values, known)]
                rows.append(row._replace(weights=self.layout.arrange(fixed[0], scaled, *fixed[1:])))
                if row.evaluate:
                    known.appendleft(next(coming))
            steps.append(step._replace(rows=tuple(rows)))
        return replace(self, steps=tuple(steps))

    def map_times(self, function: Callable[[float], float]) -> tuple[tuple[float, ...], ...]:
        """Return ``function`` of every time, step by step."""
        return tuple(tuple(function(t) for t in step.times) for step in self.steps)

    def require_numbers(self) -> None:
        """Raise TypeError if the weights are no numbers."""
        if not isinstance(self.operator, Scalar):
            raise TypeError(
                f"expected a plan of a Scalar operator, received {self.operator!r}: its weights are no numbers"
            )

    def __repr__(self) -> str:
        return (
            f"Plan({len(self.steps) - 1} steps from {self.times[0]:.6g} to {self.times[-1]:.6g}, "
            f"{self.evaluations} evaluations, {self.operator!r})"
        )
