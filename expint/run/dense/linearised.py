"""States between the steps of methods that linearise."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from math import factorial
from typing import NamedTuple

import numpy as np

from expint.backend import Array, stack
from expint.derive.algebra.lagrange import lagrange_coefficients
from expint.jacobian.coordinates import Coordinates
from expint.run.dense.continuous import Continuous, Reached
from expint.run.dense.many_points import states_between

__all__ = ["LinearisedOutput", "OfLinearised"]

_MOST = 2
"""The most remainders that are interpolated: with more, those of distant points may spoil the rest."""


_APART = 8
"""A point before the step is looked at where it is no more than that many times nearer than the step is long: the
remainder vanishes there like the square of the distance, and drowns in rounding."""


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

    def _follow(self, places: Sequence[tuple[int, float]]) -> Array:
        """Return the flow over θh of the linearised problem with the interpolated remainder."""
        thetas: dict[int, list[float]] = {}
        for n, theta in places:
            thetas.setdefault(n, []).append(theta)
        found = {n: iter(self._within(n, np.array(own))) for n, own in thetas.items()}
        return stack([next(found[n]) for n, _ in places])

    def _within(self, n: int, thetas: np.ndarray) -> list[Array]:
        """Return the flow over each θh from the n-th time."""
        local, h = self._reached[n].local, self.times[n + 1] - self.times[n]
        assert local is not None  # a step begins there
        flat, back = self._coordinates.flat, self._coordinates.back
        before = (j for j in range(n - 1, -1, -1) if _APART * abs(self.times[j] - self.times[n]) >= abs(h))
        near = [self._reached[j] for j in (n + 1, *islice(before, 1)) if self._reached[j].value is not None]
        near = near[: self.order - 2]
        nodes = [(own.t - local.t) / h for own in near]
        linear = [local.slope] if local.in_time is None else [local.slope, h * local.in_time]
        columns = [*linear, *(local.remainder(own.t, flat(own.y), flat(own.value)) for own in near)]
        factors = np.zeros((len(thetas), len(columns), len(near) + 3))
        for k in range(len(linear)):
            factors[:, k, k + 1] = h * thetas ** (k + 1)
        for j, (node, row) in enumerate(zip(nodes, lagrange_coefficients(nodes)), start=len(linear)):
            for m, a in enumerate(
                row
            ):  # those of expint.derive.kinds.linearised_collocation, in floating-point numbers
                factors[:, j, m + 3] = h * a * factorial(m + 2) / node**2 * thetas ** (m + 3)
        increments = states_between(local.operator, h * thetas, factors, [columns] * len(thetas))
        start = flat(self.states[n])
        return [back(start + increments[i, ...]) for i in range(len(thetas))]

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, order {self.order})"


class OfLinearised(NamedTuple):
    """Interpolates remainders: see ``LinearisedOutput``.

    Attributes
    ----------
    coordinates, order
        As in ``LinearisedOutput``.
    """

    coordinates: Coordinates
    order: int
    points: int = _MOST + 1

    def through(self, reached: Sequence[Reached]) -> LinearisedOutput:
        """Return the continuous solution through two states or more."""
        return LinearisedOutput(reached, self.coordinates, self.order)
