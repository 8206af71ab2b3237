"""States between the steps, without losing e^{tL}."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from math import factorial
from typing import Any, NamedTuple

import numpy as np

from expint.backend import Array
from expint.derive.algebra.lagrange import lagrange_coefficients
from expint.derive.algebra.spread import apart
from expint.lower.memory import PLAIN
from expint.operators.base import Operator
from expint.run.dense.continuous import Continuous, Reached
from expint.run.dense.many_points import states_between

__all__ = ["Collocated", "DenseOutput"]

_EVEN = 4
"""Where no step is that many times as short as the one looked into, the nearest slopes serve."""


class _Step(NamedTuple):
    """A step: its length, the polynomials through its slopes times their moments, the columns y_n and slopes."""

    h: float
    polynomials: np.ndarray
    columns: tuple[Array, ...]


class DenseOutput(Continuous):
    r"""The continuous solution of a run, callable at any time in its span.

    On the step from t_n the slopes at the nearest accepted times are interpolated by a polynomial p of degree q - 1,
    and with z = hL

    .. math:: y(t_n + \theta h) = e^{\theta z} y_n + h \int_0^\theta e^{(\theta - s) z} p(s) \, ds + \theta d,

    with d the difference that is left at θ = 1, so that the solution is continuous. The error is O(h^{q+1}) beside
    that of the steps, for any L: rapidly decaying and rotating parts are followed exactly between the steps.

    Parameters
    ----------
    operator
        L.
    times, states, slopes
        The accepted times, strictly monotone, with the states and the values of N there; N may be missing at the last.
    order
        The number q of slopes that are interpolated (fewer where there are fewer).
    """

    def __init__(
        self, operator: Operator, times: Sequence[float], states: Sequence[Array], slopes: Sequence[Array], order: int
    ) -> None:
        super().__init__(times, states)
        self.operator, self.slopes, self.order = operator, slopes, min(order, len(slopes))

    def _follow(self, places: Sequence[tuple[int, float]]) -> Array:
        """Return the exact flow of the interpolated problem from y_n over θh."""
        steps = {n: self._step(n) for n in {n for n, _ in places}}
        q, powers = self.order, np.arange(self.order)
        first = PLAIN.fixed
        factors = np.zeros((len(places), first + q, 1 + q))
        factors[:, :first, 0] = 1.0
        for i, (n, theta) in enumerate(places):
            factors[i, first:, 1:] = steps[n].polynomials * theta ** (powers + 1)
        scales = np.array([theta * steps[n].h for n, theta in places])
        return states_between(self._for_points, scales, factors, [steps[n].columns for n, _ in places])

    def _step(self, n: int) -> _Step:
        """Return what all points inside the step from the n-th time share."""
        h = self.times[n + 1] - self.times[n]
        window, count = self._window(n, h), self.order
        nodes = [(self.times[j] - self.times[n]) / h for j in window]
        moments = [h * factorial(m) for m in range(count)]  # of ∫ e^{(θ-s)z} s^m ds = m! θ^{m+1} φ_{m+1}(θz)
        polynomials = np.zeros((count, count))
        polynomials[: len(nodes), : len(nodes)] = lagrange_coefficients(nodes)
        slopes = [self.slopes[j] for j in (*window, *[n] * (count - len(window)))]  # the last with the weight zero
        return _Step(h, polynomials * moments, PLAIN.arrange((self.states[n],), slopes))

    def _window(self, n: int, h: float) -> Sequence[int]:
        """Return which slopes are interpolated: the nearest, but of those that nearly coincide one."""
        first = min(max(n + 1 - (self.order + 1) // 2, 0), len(self.slopes) - self.order)
        window = range(first, first + self.order)
        if all(_EVEN * abs(self.times[j + 1] - self.times[j]) >= abs(h) for j in window[:-1]):
            return window
        reach = range(max(n - 2 * self.order, 0), min(n + 2 * self.order + 2, len(self.slopes)))
        nodes = {j: (self.times[j] - self.times[n]) / h for j in reach}
        ends = [j for j in (n, n + 1) if j in nodes]
        others = sorted(nodes.keys() - ends, key=lambda j: abs(nodes[j] - 0.5))
        return apart(nodes, ends, others, 1.0 if len(ends) < 2 else 0.5, self.order)

    @cached_property
    def _for_points(self) -> Operator:
        return self.operator.for_points()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_for_points"}  # made again when asked for

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, order {self.order})"


class Collocated(NamedTuple):
    """Interpolates values of N: see ``DenseOutput``.

    Attributes
    ----------
    operator, order
        As in ``DenseOutput``.
    """

    operator: Operator
    order: int

    @property
    def points(self) -> int:
        """How many states the newest step needs: twice as many as are interpolated, since some may nearly coincide."""
        return 2 * self.order + 1

    def through(self, reached: Sequence[Reached]) -> DenseOutput:
        """Return the continuous solution through two states or more."""
        values = [own.value for own in reached if own.value is not None]
        return DenseOutput(self.operator, [own.t for own in reached], [own.y for own in reached], values, self.order)
