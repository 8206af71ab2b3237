"""States between the steps, without losing e^{tL}."""

from __future__ import annotations

from collections.abc import Sequence
from math import factorial
from typing import Any

from expint.backend import Array
from expint.derive.lagrange import lagrange_coefficients
from expint.derive.stage import Stage
from expint.lower.cache import PhiTables, lower_stage
from expint.operators.base import Operator
from expint.run.continuous import Continuous

__all__ = ["DenseOutput", "Trail"]


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

    def _follow(self, n: int, theta: float) -> Array:
        """Return the exact flow of the interpolated problem from y_n over θh."""
        h = self.times[n + 1] - self.times[n]
        first = min(max(n + 1 - (self.order + 1) // 2, 0), len(self.slopes) - self.order)
        window = range(first, first + self.order)
        nodes = [(self.times[j] - self.times[n]) / h for j in window]
        terms: tuple[dict[tuple[int, Any], float], ...] = tuple(
            {(m + 1, theta): a * factorial(m) * theta ** (m + 1) for m, a in enumerate(row)}
            for row in lagrange_coefficients(nodes)
        )
        stage = Stage(theta, {(0, theta): 1}, (), terms, evaluate=False, accept=True, remember=False)
        slots = (True,) * self.order
        operator = self.operator.for_steps(changing=True)
        row = lower_stage(stage, operator, h, slots, self.states[n], PhiTables(operator, h))
        return operator.combine(row.weights, (self.states[n], *(self.slopes[j] for j in window)))

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
        if not self.whole and len(self.times) > self.order + 1:
            del self.times[0], self.states[0], self.slopes[0]

    def cut(self, t: float, y: Array) -> None:
        """Let the run end at ``t`` inside its newest step."""
        self.times[-1], self.states[-1], self._ahead = t, y, None

    def output(self) -> DenseOutput | None:
        """Return the continuous solution of what is kept, None if there is no step yet."""
        return self._last(len(self.times))

    def newest(self) -> DenseOutput | None:
        """Return the continuous solution on the newest step, at a cost that does not grow with the run."""
        return self._last(self.order + 1)

    def _last(self, count: int) -> DenseOutput | None:
        if not self.slopes:
            return None
        times, states = self.times[-count:], self.states[-count:]
        slopes = self.slopes[-(len(times) - 1) :]
        if self._ahead is not None:
            slopes.append(self._ahead)
        return DenseOutput(self.operator, times, states, slopes, self.order)
