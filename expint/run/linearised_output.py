"""States between the steps of methods that linearise."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from math import factorial
from typing import Any, NamedTuple

import numpy as np

from expint.backend import Array, array_namespace
from expint.derive.lagrange import lagrange_coefficients
from expint.derive.phisum import Terms
from expint.derive.stage import Stage
from expint.jacobian import Linearisation
from expint.jacobian.coordinates import Coordinates
from expint.lower.cache import PhiTables, lower_stage
from expint.run.linearised import LinearisedSteps

__all__ = ["LinearisedOutput", "LinearisedTrail"]

_MOST = 2
"""The most remainders that are interpolated: with more, those of distant points may spoil the rest."""


class _Reached(NamedTuple):
    """A state on the way: N there, where known, and the linearisation of the step that begins there, if it does."""

    t: float
    y: Array
    value: Array | None
    local: Linearisation | None


class LinearisedOutput:
    r"""The continuous solution of a run that linearises, callable at any time in its span.

    On the step from t_n the remainder is interpolated, with its zero of second order at t_n, through the end of the
    step and the point before it, where they are known, and

    .. math::
        y(t_n + \theta h) = y_n + \theta h \varphi_1(\theta z) F + \theta^2 h^2 \varphi_2(\theta z) \partial_t f
        + h \sum_j w_j(\theta, z) R_j + \theta d, \qquad z = h J_n,

    with d the difference that is left at θ = 1, so that the solution is continuous. The error is O(h^5) beside that of
    the steps with both points, O(h^4) with one, and decaying parts are followed exactly.

    Parameters
    ----------
    reached
        The states, in order.
    coordinates
        How states become vectors.
    order
        The order of the method: no more points are used than it deserves.
    """

    def __init__(self, reached: Sequence[_Reached], coordinates: Coordinates, order: int) -> None:
        self._reached, self._coordinates, self.order = list(reached), coordinates, min(order, _MOST + 2)
        self.times = [own.t for own in reached]
        self._direction = 1.0 if self.times[-1] >= self.times[0] else -1.0
        self._keys = [self._direction * t for t in self.times]
        self._defect: tuple[int, Array] | None = None

    def __call__(self, t: float | Sequence[float] | np.ndarray) -> Array:
        """Return the state at the time ``t``, or the states at several times along a new first axis.

        Raises
        ------
        ValueError
            If a time lies outside the span of the run.
        """
        if np.ndim(t) == 0:
            return self._at(float(t))  # type: ignore[arg-type]
        return array_namespace(self._reached[0].y).stack([self._at(float(time)) for time in np.asarray(t)])

    def _at(self, t: float) -> Array:
        n = bisect_left(self._keys, self._direction * t)
        if n == len(self.times) or (n == 0 and t != self.times[0]):
            raise ValueError(f"expected a time between {self.times[0]} and {self.times[-1]}, received {t}")
        if t == self.times[n]:
            return self._reached[n].y
        start, end = self._reached[n - 1], self._reached[n]
        flat, back = self._coordinates.flat, self._coordinates.back
        if self._defect is None or self._defect[0] != n:
            left = flat(end.y) - flat(start.y) - self._follow(n - 1, 1.0)
            self._defect = (n, left)
        theta = (t - start.t) / (end.t - start.t)
        return back(flat(start.y) + self._follow(n - 1, theta) + theta * self._defect[1])

    def _follow(self, n: int, theta: float) -> Array:
        """Return the increment over θh of the linearised problem with the interpolated remainder."""
        local, h = self._reached[n].local, self.times[n + 1] - self.times[n]
        assert local is not None  # a step begins there
        flat = self._coordinates.flat
        near = [self._reached[j] for j in (n + 1, n - 1) if j >= 0 and self._reached[j].value is not None]
        near = near[: self.order - 2]
        nodes = [(own.t - local.t) / h for own in near]
        weights = [  # those of expint.derive.linearised_ladder, in floating-point numbers
            {(m + 3, theta): a * factorial(m + 2) * theta ** (m + 3) / node**2 for m, a in enumerate(row)}
            for node, row in zip(nodes, lagrange_coefficients(nodes))
        ]
        past: tuple[Terms, ...] = ({(1, theta): theta}, {(2, theta): theta**2}, *weights)
        form = Stage(theta, {}, (), past, evaluate=False, accept=True, remember=False)
        remainders = [local.remainder(own.t, flat(own.y), flat(own.value)) for own in near]
        columns: list[Any] = [local.slope, None if local.in_time is None else h * local.in_time, *remainders]
        slots = (True,) * len(columns)
        row = lower_stage(
            form, local.operator, h, slots, local.x, PhiTables(local.operator, h, evaluate=local.evaluate)
        )
        used = [None if column is None else weight for weight, column in zip(row.weights, (local.x, *columns))]
        return local.operator.combine(used, (local.x, *columns))

    def __repr__(self) -> str:
        return (
            f"LinearisedOutput({self.times[0]:.6g} … {self.times[-1]:.6g}, {len(self.times)} times, order {self.order})"
        )


class LinearisedTrail:
    """What a run that linearises leaves behind: states, and the linearisations of the steps.

    Parameters
    ----------
    steps
        The steps, asked for the linearisation of the newest of them.
    whole
        Whether all of the run is kept, or only what the newest step needs.
    """

    def __init__(self, steps: LinearisedSteps, whole: bool) -> None:
        self._steps, self.whole = steps, whole
        self.times: list[float] = []
        self._reached: list[_Reached] = []

    def add(self, t: float, y: Array, slope: Array | None, ahead: Array | None = None) -> None:
        """Add a state, and N there where it is known."""
        if slope is not None:
            before = self._reached[-1]
            self._reached[-1] = before._replace(
                value=slope, local=self._steps.at(before.t, before.y, slope, t - before.t)
            )
        self.times.append(t)
        self._reached.append(_Reached(t, y, ahead, None))
        if not self.whole and len(self.times) > _MOST + 1:
            del self.times[0], self._reached[0]

    def cut(self, t: float, y: Array) -> None:
        """Let the run end at ``t`` inside its newest step."""
        self.times[-1], self._reached[-1] = t, _Reached(t, y, None, None)

    def output(self) -> LinearisedOutput | None:
        """Return the continuous solution of what is kept, None if there is no step yet."""
        return self._last(len(self.times))

    def newest(self) -> LinearisedOutput | None:
        """Return the continuous solution on the newest step."""
        return self._last(_MOST + 1)

    def _last(self, count: int) -> LinearisedOutput | None:
        if len(self.times) < 2:
            return None
        return LinearisedOutput(self._reached[-count:], self._steps.linearise.coordinates, self._steps.method.order)
