"""States between the steps, without losing e^{tL}."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from math import factorial
from typing import Any, NamedTuple

import numpy as np

from expint.backend import Array
from expint.derive.lagrange import lagrange_coefficients
from expint.derive.spread import apart
from expint.operators.base import Operator
from expint.run.between import states_between
from expint.run.continuous import Continuous

__all__ = ["DenseOutput", "Trail"]

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
        factors = np.zeros((len(places), q + 1, q + 1))
        factors[:, 0, 0] = 1.0
        for i, (n, theta) in enumerate(places):
            factors[i, 1:, 1:] = steps[n].polynomials * theta ** (powers + 1)
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
        return _Step(h, polynomials * moments, (self.states[n], *slopes))

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


class Trail:
    """What a run leaves behind for dense output and events: times, states, slopes.

    Parameters
    ----------
    operator, order
        As in ``DenseOutput``.
    whole
        Whether all of the run is kept, or only what the newest step needs.
    """

    def __init__(self, operator: Operator, order: int, whole: bool) -> None:
        self.operator, self.order, self.whole = operator, order, whole
        self.times: list[float] = []
        self.states: list[Array] = []
        self.slopes: list[Array] = []
        self._ahead: Array | None = None
        self._kept = order + 2  # one more than is interpolated between: two may nearly coincide

    @property
    def end(self) -> float | None:
        """The time of the newest state, None before the first."""
        return self.times[-1] if self.times else None

    def add(self, t: float, y: Array, slope: Array | None, ahead: Array | None = None) -> None:
        """Add a state, the slope at the state before, and the slope at the state itself where it is known."""
        if slope is not None:
            self.slopes.append(slope)
        self.times.append(t)
        self.states.append(y)
        self._ahead = ahead
        if not self.whole and len(self.times) > self._kept:
            del self.times[0], self.states[0], self.slopes[0]

    def cut(self, t: float, y: Array) -> None:
        """Let the run end at ``t`` inside its newest step."""
        self.times[-1], self.states[-1], self._ahead = t, y, None

    def output(self) -> DenseOutput | None:
        """Return the continuous solution of what is kept, None if there is no step yet."""
        return self._last(len(self.times))

    def newest(self) -> DenseOutput | None:
        """Return the continuous solution on the newest step, at a cost that does not grow with the run."""
        return self._last(self._kept)

    def _last(self, count: int) -> DenseOutput | None:
        if not self.slopes:
            return None
        times, states = self.times[-count:], self.states[-count:]
        slopes = self.slopes[-(len(times) - 1) :]
        if self._ahead is not None:
            slopes.append(self._ahead)
        return DenseOutput(self.operator, times, states, slopes, self.order)
