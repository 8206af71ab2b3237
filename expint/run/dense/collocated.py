"""States between the steps, without losing e^{tL}."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from math import factorial
from typing import Any, NamedTuple

import numpy as np

from expint.backend import Array
from expint.derive.algebra.lagrange import lagrange_coefficients
from expint.derive.algebra.spread import apart
from expint.derive.kinds.presentation import uniform_step
from expint.derive.kinds.stage import Method
from expint.lower.damped import may_damp
from expint.operators.base import Operator, Use
from expint.run.dense.bootstrapped import Bootstrapped, Known
from expint.run.dense.continuous import Counted, Reached
from expint.run.dense.many_points import states_between

__all__ = ["Collocated", "DenseOutput"]

_EVEN = 4
"""Where no step is that many times as short as the one looked into, the nearest slopes serve."""


class DenseOutput(Bootstrapped):
    r"""The continuous solution of a run, callable at any time in its span.

    On the step from t_n slopes are interpolated by a polynomial p of degree q - 1, and with z = hL

    .. math:: y(t_n + \theta h) = e^{\theta z} y_n + h \int_0^\theta e^{(\theta - s) z} p(s) \, ds + \theta d,

    with d the difference that is left at θ = 1, so that the solution is continuous. The error is O(h^{q+1}) beside that
    of the steps, for any L: rapidly decaying and rotating parts are followed exactly between the steps.

    The slopes are N at the nearest accepted times; or, where the run had a one-step method, N at the ends of the step
    and at points inside it, for which N is evaluated (q - 1)(q - 2)/2 times where a step is first looked into: 1, 3, 6
    and 10 times at orders 3, 4, 5 and 6. Methods that look inside their steps do so here once more where L damps within
    the step. N at the end of the run, which no step needs, is evaluated where it is wanted.

    Parameters
    ----------
    operator
        L.
    times, states, slopes
        The accepted times, strictly monotone, with the states and the values of N there; N may be missing at the last.
    order
        The number q of slopes that are interpolated (fewer where there are fewer).
    slope
        N(t, y), counted; None where it is not to be evaluated any more.
    bootstraps
        Whether it is evaluated inside the steps.
    sharpens
        Whether it is once more where L damps.
    """

    def __init__(
        self,
        operator: Operator,
        times: Sequence[float],
        states: Sequence[Array],
        slopes: Sequence[Array],
        order: int,
        slope: Counted | None = None,
        bootstraps: bool = False,
        sharpens: bool = False,
    ) -> None:
        super().__init__(times, states, slope, range(1, order - 1) if bootstraps else (), sharpens)
        self.operator, self.slopes, self._bootstraps = operator, list(slopes), bootstraps
        self._missing = slope is not None and len(self.slopes) < len(self.times)
        self.order = order if bootstraps else min(order, len(self.slopes) + self._missing)

    @property
    def operator_within(self) -> Operator | None:
        """L."""
        return self.operator

    def _before(self, n: int) -> Known:
        """Return the slopes at the nearest times, or at the ends of the step."""
        h = self.times[n + 1] - self.times[n]
        window = (n, n + 1)[: self.order] if self._bootstraps else self._window(n, h)
        return Known(
            tuple((self.times[j] - self.times[n]) / h for j in window), tuple(self._slope_at(j) for j in window)
        )

    def _slope_at(self, n: int) -> Array:
        """Return N at the n-th time, evaluated at the last if no step needed it."""
        if n == len(self.slopes):
            self.slopes.append(self._asked(self.times[n], self.states[n]))
        return self.slopes[n]

    def _damps(self, n: int) -> bool:
        return self.order > 1 and may_damp(self.operator, self.times[n + 1] - self.times[n])

    def _seen(self, n: int, t: float, y: Array) -> Array:
        del n
        return self._asked(t, y)

    def _along(self, places: Sequence[tuple[int, float]], known: Mapping[int, Known]) -> Array:
        """Return the exact flow of the interpolated problem."""
        own = {n for n, _ in places}
        q = max(len(known[n].nodes) for n in own)
        polynomials = {n: self._polynomials(n, known[n], q) for n in own}
        columns = {n: (self.states[n], *_padded(known[n].values, q)) for n in own}
        factors = np.zeros((len(places), q + 1, q + 1))
        factors[:, 0, 0] = 1.0
        factors[:, 1:, :] = np.stack([polynomials[n] for n, _ in places]) @ self._moments(places, q)
        scales = np.array([theta * (self.times[n + 1] - self.times[n]) for n, theta in places])
        return states_between(self._for_points, scales, factors, [columns[n] for n, _ in places])

    def _polynomials(self, n: int, known: Known, count: int) -> np.ndarray:
        """Return the polynomials through the slopes, times h: a row for each slope, a column for each power."""
        own, polynomials = len(known.nodes), np.zeros((count, count))
        polynomials[:own, :own] = lagrange_coefficients(known.nodes)
        return (self.times[n + 1] - self.times[n]) * polynomials

    def _moments(self, places: Sequence[tuple[int, float]], count: int) -> np.ndarray:
        """Return at each place, for each power m, the factors of φ_0, φ_1, … in ∫ e^{(θ-s)z} s^m ds over (0, θ).

        That is m! θ^{m+1} φ_{m+1}(θz).
        """
        moments, m = np.zeros((len(places), count, count + 1)), np.arange(count)
        thetas = np.array([theta for _, theta in places])
        moments[:, m, m + 1] = thetas[:, None] ** (m + 1) * [factorial(own) for own in range(count)]
        return moments

    def _window(self, n: int, h: float) -> Sequence[int]:
        """Return which slopes are interpolated: the nearest, but of those that nearly coincide one."""
        count = len(self.slopes) + (self._missing and len(self.slopes) < len(self.times))
        first = min(max(n + 1 - (self.order + 1) // 2, 0), count - self.order)
        window = range(first, first + self.order)
        if all(_EVEN * abs(self.times[j + 1] - self.times[j]) >= abs(h) for j in window[:-1]):
            return window
        reach = range(max(n - 2 * self.order, 0), min(n + 2 * self.order + 2, count))
        nodes = {j: (self.times[j] - self.times[n]) / h for j in reach}
        ends = [j for j in (n, n + 1) if j in nodes]
        others = sorted(nodes.keys() - ends, key=lambda j: abs(nodes[j] - 0.5))
        return apart(nodes, ends, others, 1.0 if len(ends) < 2 else 0.5, self.order)

    @cached_property
    def _for_points(self) -> Operator:
        return self.operator.prepare(Use("between"))

    def __getstate__(self) -> dict[str, Any]:
        kept = super().__getstate__()
        return {name: value for name, value in kept.items() if name != "_for_points"}  # made again when asked for

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, order {self.order})"


def _padded(values: tuple[Array, ...], count: int) -> tuple[Array, ...]:
    """Return ``count`` values, those that are added to have the weight zero."""
    return (*values, *values[:1] * (count - len(values)))


class Collocated(NamedTuple):
    """Interpolates values of N: see ``DenseOutput``.

    Attributes
    ----------
    operator, order, slope, bootstraps, sharpens
        As in ``DenseOutput``.
    """

    operator: Operator
    order: int
    slope: Counted
    bootstraps: bool
    sharpens: bool = False

    @classmethod
    def of(cls, operator: Operator, method: Method, slope: Counted) -> Collocated:
        """Return what interpolates for a method: it looks inside steps where the method does."""
        looks = any(0 < stage.c < 1 for stage in method.recipe(uniform_step(method.history)))
        return cls(operator, method.order, slope, method.history == 1, method.history == 1 or looks)

    @property
    def points(self) -> int:
        """How many states the newest step needs: twice as many as are interpolated, since some may nearly coincide."""
        return 2 if self.bootstraps else 2 * self.order + 1

    def through(self, reached: Sequence[Reached]) -> DenseOutput:
        """Return the continuous solution through two states or more."""
        times, states = [own.t for own in reached], [own.y for own in reached]
        values = [own.value for own in reached if own.value is not None]
        return DenseOutput(self.operator, times, states, values, self.order, self.slope, self.bootstraps, self.sharpens)
