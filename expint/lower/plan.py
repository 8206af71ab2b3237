"""Plan: the seam between thinking and running. Numbers only, nothing symbolic."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from expint.backend import Array
from expint.lower.canonical import Canonical, canonical, same_map
from expint.lower.memory import PLAIN, Layout
from expint.lower.reversible import reversed_plan
from expint.lower.rows import Row, Step
from expint.lower.waves import waves
from expint.operators.scalar import Scalar

__all__ = ["Plan", "Row", "Step"]


class Combining(Protocol):
    """What a plan asks of its operator."""

    @property
    def numeric(self) -> bool:
        """Whether weights are numbers, one each or one for each band of coordinates."""

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

    Examples
    --------
    >>> import expint
    >>> from expint.operators import Scalar
    >>> plan = expint.lower(expint.method("etdrk4"), Scalar(-1.0), [0.0, 0.5, 1.0])
    >>> len(plan.steps), plan.evaluations, plan.depth  # 4 evaluations a step, as many values kept
    (3, 8, 4)
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
        if any(not plan.operator.numeric or plan.layout.noise for plan in (self, other)):
            return False
        partitions = [bands for plan in (self, other) if (bands := getattr(plan.operator, "bands", None)) is not None]
        if partitions and partitions[0] != partitions[-1]:
            return False
        return same_map(self.canonical(), other.canonical())

    __hash__ = object.__hash__

    def canonical(self) -> Canonical:
        """Return the coefficients (c, D, τ) that make the plan the map it is; see ``expint.lower.canonical``.

        Where weights are given for bands of coordinates, each band has coefficients of its own.

        Raises
        ------
        TypeError
            If the weights are no numbers, or the plan draws noise.
        ValueError
            If the plan looks at states before the first one.
        """
        self.require_numbers()
        if self.layout.noise:
            raise TypeError(
                "expected a deterministic plan, received one that draws noise; take that of the deterministic method"
            )
        return self._canonical

    def influence(self) -> np.ndarray:
        r"""Return how much an error of each call reaches the result, if later calls do not answer to it.

        With the canonical form x_i = c_i x_0 + Σ_{j<i} D_ij f_j of the plan, these are the sizes of the weights in its
        last row,

        .. math:: g_j = |D_{nj}|.

        An error δ of call j, in units of f, makes an error g_j δ of the result to first order, beside what the later
        calls do in answer to it.

        Returns
        -------
        array
            Of shape (n,) for n calls, in order; with K bands of shape (n, K). In units of the result for one unit of f,
            which for a sampler of `diffusion` is the predicted data.

        Raises
        ------
        TypeError, ValueError
            As ``canonical`` does.

        Notes
        -----
        Xue et al., *Accelerating diffusion sampling with optimized time steps*, 2024, choose grids by these weights.

        Examples
        --------
        >>> import numpy as np, expint
        >>> plan = expint.lower(expint.Adams(1), expint.operators.Scalar(0.0), [0.0, 0.25, 1.0])
        >>> plan.influence()
        array([0.25, 0.75])
        """
        return self.canonical().influence

    def waves(self) -> tuple[tuple[int, ...], ...]:
        r"""Return the evaluations of N by waves: those of a wave look at values of earlier waves only.

        The points of a wave are known at once, so that N could be evaluated at all of them in one batched call. A plan
        of n calls and w waves has to wait w times; with w = n each call waits for the one before it.

        Returns
        -------
        tuple
            For each wave the numbers of its evaluations, in the order of the plan.

        Notes
        -----
        Luan and Ostermann, *Parallel exponential Rosenbrock methods*, 2016, make methods by this.

        Examples
        --------
        A method with two stages side by side:

        >>> import expint
        >>> plan = expint.lower(expint.method("eglm433-parallel"), expint.operators.Scalar(-1.0), [0.0, 0.1, 0.2, 0.3])
        >>> plan.evaluations, plan.waves()
        (11, ((0,), (1,), (2, 3), (4,), (5,), (6, 7), (8,), (9, 10)))
        """
        return waves(self.rows, self.layout, self.depth)

    def reversed(self) -> Plan:
        r"""Return the inverse plan: from the last two states back to the first, by rounding the same.

        For plans whose steps are

        .. math:: y_{n+1} = a \, y_n + b \, y_{n-1} + \sum_j c_j \, N_j, \qquad b \ne 0,

        with N evaluated at y_n and at stages made from it. It begins with y_n and, as the state ``earlier`` than it,
        y_{n-1}, and ends with y_0; it evaluates N as often as the plan does after its first step.

        Raises
        ------
        ValueError
            If a step is not of this form, as those of one-step and Adams methods are not: they forget y_{n-1}.

        Notes
        -----
        Zhang, Lewis and Kleijn, *Exact diffusion inversion via bi-directional integration approximation*, 2023.

        Examples
        --------
        >>> import expint
        >>> from expint.lower import two_sided
        >>> there, back = (
        ...     expint.lower(expint.Adams(1), expint.operators.Scalar(-1.0), times)
        ...     for times in ([0.0, 0.5, 1.0], [1.0, 0.5, 0.0])
        ... )
        >>> two_sided(there, back, [1.0]).reversed().times
        array([0.5, 0. ])
        """
        return reversed_plan(self)

    @cached_property
    def _canonical(self) -> Canonical:
        return canonical(tuple(self.rows), self.layout, self.depth, self.outputs)

    @cached_property
    def drawn(self) -> tuple[tuple[bool, ...], ...]:
        """For each step which of the random columns its rows look at."""
        every = [[self.layout.parts(row.weights).noise for row in step.rows] for step in self.steps]
        return tuple(tuple(any(row[k] is not None for row in rows) for k in range(self.layout.noise)) for rows in every)

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
            If the operator is not a ``Scalar``, whose weights alone are one number each.
        """
        self.require_numbers(one_each=True)
        rows = [[w if w is not None else 0.0 for w in row.weights] for _, row in self.rows]
        return np.array([row + [0.0] * (self.layout.fixed + self.depth - len(row)) for row in rows])

    def in_coordinates(
        self, scale: Sequence[Sequence[float]], times: Sequence[Sequence[float]], slope: float = 1.0
    ) -> Plan:
        """Return the plan for the state x = scale · y, where N is ``slope`` · (what is evaluated).

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
        constant = [1.0] * self.layout.constant + [scale[0][0]] * self.layout.first
        for step, own, when in zip(self.steps, scale, times, strict=True):
            rows = tuple(
                row._replace(weights=self._scaled(row.weights, factor, states, constant, slope))
                for row, factor in zip(step.rows, own, strict=True)
            )
            steps.append(Step(tuple(when), rows))
            states.appendleft(own[-1])
        return replace(self, steps=tuple(steps))

    def _scaled(
        self, weights: tuple[Any, ...], scale: float, states: Sequence[float], constant: Sequence[float], slope: float
    ) -> tuple[Any, ...]:
        """Return the weights of a point times ``scale``, of ``states`` and constants that are scaled themselves."""
        parts = self.layout.parts(weights)
        return self.layout.arrange(
            [None if w is None else w * (scale / state) for w, state in zip(parts.states, states)],
            [None if w is None else w * (scale * slope) for w in parts.values],
            [None if w is None else w * scale for w in parts.noise],
            [None if w is None else w * (scale / own) for w, own in zip(parts.constant, constant)],
        )

    def with_slopes(self, factors: Sequence[float]) -> Plan:
        """Return the plan for values of N that are given divided by ``factors``, one for each evaluation, in order.

        Notes
        -----
        The factors are folded into the weights; running the plan costs no more. Scalar operators only.
        """
        self.require_numbers()
        coming, known = iter(factors), deque[float](maxlen=self.depth)  # newest first, as the values of N are
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

    def require_numbers(self, *, one_each: bool = False) -> None:
        """Raise TypeError if the weights are no numbers, or with ``one_each`` given for bands of coordinates."""
        if not (isinstance(self.operator, Scalar) if one_each else self.operator.numeric):
            several = self.operator.numeric
            raise TypeError(
                f"expected a plan of a Scalar operator, received {self.operator!r}: its weights are "
                + ("given for bands of coordinates" if several else "no numbers")
            )

    def __repr__(self) -> str:
        return (
            f"Plan({len(self.steps) - 1} steps from {self.times[0]:.6g} to {self.times[-1]:.6g}, "
            f"{self.evaluations} evaluations, {self.operator!r})"
        )
