"""States between the steps of methods that linearise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import factorial
from typing import NamedTuple

import numpy as np

from expint.backend import Array, stack
from expint.derive.algebra.lagrange import lagrange_coefficients
from expint.jacobian.coordinates import Coordinates
from expint.lower.damped import may_damp
from expint.operators.base import Operator
from expint.run.dense.bootstrapped import Bootstrapped, Known
from expint.run.dense.continuous import Counted, Reached
from expint.run.dense.many_points import states_between

__all__ = ["LinearisedOutput", "OfLinearised"]


class LinearisedOutput(Bootstrapped):
    r"""The continuous solution of a run that linearises, callable at any time in its span.

    On the step from t_n the remainder R is interpolated, with its zero of second order at t_n, through q - 2 points of
    the step, its end among them, and

    .. math::
        y(t_n + \theta h) = y_n + \theta h \varphi_1(\theta z) F + \theta^2 h^2 \varphi_2(\theta z) \partial_t f
        + h \sum_j w_j(\theta, z) R_j + \theta d, \qquad z = h J_n,

    with d the difference that is left at θ = 1, so that the solution is continuous. The error is O(h^{q+1}) beside that
    of the steps, q the order of the method, and decaying parts are followed exactly. Where a step is first looked into
    N is evaluated inside it, 1, 2 and 4 times at orders 4, 5 and 6, and once more where J damps within the step. What
    is wrong there counts with h² only, since R hardly depends on y.

    Parameters
    ----------
    reached
        The states, in order.
    coordinates
        How states become vectors.
    order
        The order q of the method.
    slope
        N(t, y), counted.
    """

    def __init__(self, reached: Sequence[Reached], coordinates: Coordinates, order: int, slope: Counted) -> None:
        super().__init__([own.t for own in reached], [own.y for own in reached], slope, _refinements(order))
        self._reached, self._coordinates, self.order = list(reached), coordinates, order

    @property
    def operator_within(self) -> Operator | None:
        """The Jacobian of the newest step."""
        local = self._reached[-2].local
        return None if local is None else local.operator

    def _before(self, n: int) -> Known:
        """Return the remainder at the end of the step."""
        if self.order < 3:
            return Known((), ())
        end = self._reached[n + 1]
        if end.value is None:
            end = self._reached[n + 1] = end._replace(value=self._asked(end.t, end.y))
        return Known((1.0,), (self._remainder(n, end.t, end.y, end.value),))

    def _damps(self, n: int) -> bool:
        return may_damp(self._reached[n].local.operator, self.times[n + 1] - self.times[n])

    def _seen(self, n: int, t: float, y: Array) -> Array:
        return self._remainder(n, t, y, self._asked(t, y))

    def _remainder(self, n: int, t: float, y: Array, value: Array) -> Array:
        flat = self._coordinates.flat
        return self._reached[n].local.remainder(t, flat(y), flat(value))

    def _along(self, places: Sequence[tuple[int, float]], known: Mapping[int, Known]) -> Array:
        """Return the flow of the linearised problem with the interpolated remainder."""
        thetas: dict[int, list[float]] = {}
        for n, theta in places:
            thetas.setdefault(n, []).append(theta)
        found = {n: iter(self._within(n, np.array(own), known[n])) for n, own in thetas.items()}
        return stack([next(found[n]) for n, _ in places])

    def _within(self, n: int, thetas: np.ndarray, known: Known) -> list[Array]:
        """Return the flow over each θh from the n-th time."""
        local, h = self._reached[n].local, self.times[n + 1] - self.times[n]
        assert local is not None  # a step begins there
        flat, back = self._coordinates.flat, self._coordinates.back
        linear = [local.rhs] if local.in_time is None else [local.rhs, h * local.in_time]
        columns = [*linear, *known.values]
        factors = np.zeros((len(thetas), len(columns), len(known.nodes) + 3))
        for k in range(len(linear)):
            factors[:, k, k + 1] = h * thetas ** (k + 1)
        for j, (node, row) in enumerate(zip(known.nodes, lagrange_coefficients(known.nodes)), start=len(linear)):
            for m, a in enumerate(row):  # those of linearised collocation, in floating-point numbers
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
    coordinates, order, slope
        As in ``LinearisedOutput``.
    """

    coordinates: Coordinates
    order: int
    slope: Counted
    points: int = 2

    def through(self, reached: Sequence[Reached]) -> LinearisedOutput:
        """Return the continuous solution through two states or more."""
        return LinearisedOutput(reached, self.coordinates, self.order, self.slope)


def _refinements(order: int) -> list[int]:
    """Return how many points inside a step are looked at, refinement by refinement: each gains two orders."""
    return list(range(order - 3, 0, -2))[::-1]
