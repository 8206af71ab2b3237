"""States between the steps of methods that linearise."""

from __future__ import annotations

from collections.abc import Sequence
from math import factorial
from typing import Any

from expint.backend import Array
from expint.derive.lagrange import lagrange_coefficients
from expint.derive.phisum import Terms
from expint.derive.stage import Stage
from expint.jacobian.coordinates import Coordinates
from expint.lower.cache import PhiTables, lower_stage
from expint.run.continuous import Continuous, Reached, ReachedTrail
from expint.run.linearised import LinearisedSteps

__all__ = ["LinearisedOutput", "LinearisedTrail"]

_MOST = 2
"""The most remainders that are interpolated: with more, those of distant points may spoil the rest."""


class LinearisedOutput(Continuous):
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

    def __init__(self, reached: Sequence[Reached], coordinates: Coordinates, order: int) -> None:
        super().__init__([own.t for own in reached], [own.y for own in reached])
        self._reached, self._coordinates, self.order = list(reached), coordinates, min(order, _MOST + 2)

    def _follow(self, n: int, theta: float) -> Array:
        """Return the flow over θh of the linearised problem with the interpolated remainder."""
        local, h = self._reached[n].local, self.times[n + 1] - self.times[n]
        assert local is not None  # a step begins there
        flat = self._coordinates.flat
        near = [self._reached[j] for j in (n + 1, n - 1) if j >= 0 and self._reached[j].slope is not None]
        near = near[: self.order - 2]
        nodes = [(own.t - local.t) / h for own in near]
        weights = [  # those of expint.derive.linearised_ladder, in floating-point numbers
            {(m + 3, theta): a * factorial(m + 2) * theta ** (m + 3) / node**2 for m, a in enumerate(row)}
            for node, row in zip(nodes, lagrange_coefficients(nodes))
        ]
        past: tuple[Terms, ...] = ({(1, theta): theta}, {(2, theta): theta**2}, *weights)
        form = Stage(theta, {}, (), past, evaluate=False, accept=True, remember=False)
        remainders = [local.remainder(own.t, flat(own.y), flat(own.slope)) for own in near]
        columns: list[Any] = [local.slope, None if local.in_time is None else h * local.in_time, *remainders]
        slots = (True,) * len(columns)
        row = lower_stage(
            form, local.operator, h, slots, local.x, PhiTables(local.operator, h, evaluate=local.evaluate)
        )
        used = [None if column is None else weight for weight, column in zip(row.weights, (local.x, *columns))]
        increment = local.operator.combine(used, (local.x, *columns))
        return self._coordinates.back(flat(self.states[n]) + increment)

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, order {self.order})"


class LinearisedTrail(ReachedTrail):
    """What a run that linearises leaves behind: states, and the linearisations of the steps.

    Parameters
    ----------
    steps
        The steps, asked for the linearisation of the newest of them.
    whole
        Whether all of the run is kept, or only what the newest step needs.
    """

    def __init__(self, steps: LinearisedSteps, whole: bool) -> None:
        super().__init__(whole, points=_MOST + 1)
        self._steps = steps

    def _completed(self, start: Reached, slope: Array, end: float) -> Reached:
        return start._replace(slope=slope, local=self._steps.at(start.t, start.y, slope, end - start.t))

    def _continuous(self, reached: Sequence[Reached]) -> LinearisedOutput:
        return LinearisedOutput(reached, self._steps.linearise.coordinates, self._steps.method.order)
