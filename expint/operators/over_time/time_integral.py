"""The clock s = ∫ g dt: integrals of a function of time to rounding, and the way back from s to t."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.polynomial import chebyshev

from expint.arguments import number

__all__ = ["Clock", "Integral"]

_POINTS = 20
"""Chebyshev points in each panel."""

_RESOLVED = 1e-14
"""A panel is fine enough when its last coefficients are that small relative to the largest."""

_MOST_PANELS = 4096

_FIRST_PANELS = 16
"""The pieces of the span that are looked at whatever g is: 320 points, 1/200 of the span apart at most."""

_VANISHES = 1e-6
"""A rate that falls to this part of its largest value counts as zero: reading the clock back loses as many digits."""

_NODES = chebyshev.chebpts1(_POINTS)
_TO_COEFFICIENTS = np.linalg.inv(chebyshev.chebvander(_NODES, _POINTS - 1))


class _Panel(NamedTuple):
    """g and its integral from the left end as Chebyshev series on [left, right]."""

    left: float
    right: float
    values: np.ndarray
    rate: list[float]
    integral: list[float]


class Integral:
    """t ↦ ∫_{start}^t g, to about fourteen digits: Chebyshev series on panels that are halved until they resolve g.

    A pulse of g that is narrower than 1/200 of the span may lie between the points that are looked at first; where
    there are such, give the antiderivative, or let a piece of the run end at the pulse (``breakpoints``).

    Parameters
    ----------
    rate
        g, a real function of a real number.
    start, end
        The ends of the span, in any order.
    exact
        An antiderivative of g, if it is known; it is taken at its word after a comparison.

    Raises
    ------
    TypeError, ValueError
        If g does not return finite real numbers, cannot be resolved, or ``exact`` is no antiderivative of it.
    """

    def __init__(
        self,
        rate: Callable[[float], float],
        start: float,
        end: float,
        exact: Callable[[float], float] | None = None,
    ) -> None:
        self.rate, self.start, self.end, self.exact = rate, float(start), float(end), exact
        self._panels = _resolve(rate, min(self.start, self.end), max(self.start, self.end))
        self._edges = [panel.left for panel in self._panels] + [self._panels[-1].right]
        totals = np.cumsum([0.0, *(_series(panel.integral, 1.0) for panel in self._panels)])
        self._totals = (totals - (totals[-1] if self.end < self.start else 0.0)).tolist()
        if exact is not None:
            self._compare(exact)

    def __call__(self, t: float) -> float:
        """Return ∫_{start}^t g for a t in the span; one beyond it by rounding is its end."""
        if self.exact is not None:
            t = min(max(t, self._edges[0]), self._edges[-1])
            return float(self.exact(t)) - float(self.exact(self.start))
        n = min(max(bisect_right(self._edges, t) - 1, 0), len(self._panels) - 1)
        panel = self._panels[n]
        return float(self._totals[n] + _series(panel.integral, _place(panel, t)))

    def _compare(self, exact: Callable[[float], float]) -> None:
        """Raise ValueError unless the antiderivative has the rate as its derivative."""
        size = sum(float(np.mean(np.abs(p.values))) * (p.right - p.left) for p in self._panels)
        for t, total in zip(self._edges, self._totals):
            other = _number(exact, t, "integral") - _number(exact, self.start, "integral")
            if not abs(other - total) <= 1e-8 * size:
                raise ValueError(
                    f"expected integral to be an antiderivative of the rate, received {other:.6g} from t = "
                    f"{self.start:.6g} to {t:.6g} where the rate integrates to {total:.6g}; leave integral out to have "
                    "it computed"
                )


class Clock(Integral):
    """The clock s = ∫_{start}^t g of a rate g of one sign, which can be read both ways.

    Raises
    ------
    ValueError
        Beside the reasons of ``Integral``, if g changes sign or vanishes within the span.
    """

    def __init__(
        self,
        rate: Callable[[float], float],
        start: float,
        end: float,
        exact: Callable[[float], float] | None = None,
    ) -> None:
        super().__init__(rate, start, end, exact)
        times = [self.start, self.end]
        for panel in self._panels:
            half = (panel.right - panel.left) / 2
            times += [min(panel.left + half * (1 + x), panel.right) for x in _stationary(panel.rate)]
        extremes = [_number(rate, t, "rate") for t in times]  # a series would add its rounding to a zero
        self.sign = math.copysign(1.0, sum(extremes))
        smallest = int(np.argmin(self.sign * np.array(extremes)))
        self.least, largest = self.sign * extremes[smallest], max(map(abs, extremes))
        self._keys = [self.sign * total for total in self._totals]
        if not self.least > _VANISHES * largest:
            raise ValueError(
                f"expected a rate of one sign, received {extremes[smallest]:.6g} at t = {times[smallest]:.6g} and up "
                f"to {largest:.6g} elsewhere: the clock s = ∫ g dt cannot be read back where g vanishes; take "
                "linear=TimeDependent(TimeScaled(g, A)) with method='cfree4', which needs no clock, or leave g(t) A "
                "to nonlinear"
            )

    def time(self, s: float) -> float:
        """Return t with ∫_{start}^t g = s."""
        n = min(max(bisect_left(self._keys, self.sign * s) - 1, 0), len(self._panels) - 1)
        panel = self._panels[n]
        half = (panel.right - panel.left) / 2
        wanted, whole = s - self._totals[n], self._totals[n + 1] - self._totals[n]
        x = min(max(2 * wanted / whole - 1, -1.0), 1.0)
        for _ in range(50):
            change = (_series(panel.integral, x) - wanted) / (half * _series(panel.rate, x))
            before, x = x, min(max(x - change, -1.0), 1.0)
            if abs(x - before) <= 4e-16:
                break
        t = panel.left + half * (1 + x)
        if self.exact is not None:
            t -= (self(t) - s) / float(self.rate(t))
        return float(min(max(t, self._edges[0]), self._edges[-1]))


def _resolve(rate: Callable[[float], float], low: float, high: float) -> list[_Panel]:
    """Return panels from ``low`` to ``high``, each fine enough for its series."""
    panels: list[_Panel] = []
    first = np.linspace(low, high, _FIRST_PANELS + 1).tolist()
    waiting = [*pairwise(first)][::-1]
    largest = max(abs(_number(rate, float(t), "rate")) for piece in waiting for t in _times(*piece))
    while waiting:
        left, right = waiting.pop()
        times = _times(left, right)
        values = np.array([_number(rate, float(t), "rate") for t in times])
        coefficients = _TO_COEFFICIENTS @ values
        largest = max(largest, float(np.max(np.abs(values))))
        tail = float(np.max(np.abs(coefficients[-3:])))
        bound = max(_RESOLVED * float(np.max(np.abs(coefficients))), 1e-16 * largest, _rounding(times, values))
        if tail <= bound or right - left <= 1e-14 * max(high - low, abs(low), abs(high)):
            integral = chebyshev.chebint(coefficients, lbnd=-1, scl=(right - left) / 2)
            panels.append(_Panel(left, right, values, coefficients.tolist(), integral.tolist()))
        else:
            middle = (left + right) / 2
            waiting += [(middle, right), (left, middle)]
        if len(panels) + len(waiting) > _MOST_PANELS:
            raise ValueError(
                f"expected a rate that is smooth between few points, received one that {_MOST_PANELS} pieces do not "
                f"resolve, near t = {left:.6g}; smooth it, or divide t_span where it jumps"
            )
    return panels


def _rounding(times: np.ndarray, values: np.ndarray) -> float:
    """Return what the rounding of the times, far from zero, makes of the values: no panel is finer than that."""
    gaps = np.abs(np.diff(times))
    steepest = np.max(np.abs(np.diff(values))[gaps > 0] / gaps[gaps > 0], initial=0.0)
    return 2 * float(np.finfo(np.float64).eps * np.max(np.abs(times)) * steepest)


def _stationary(coefficients: list[float]) -> list[float]:
    """Return where a series is stationary on [-1, 1], and the ends."""
    size = max(map(abs, coefficients))
    slope = chebyshev.chebtrim(chebyshev.chebder(coefficients), 1e-14 * size)
    roots = chebyshev.chebroots(slope) if len(slope) > 1 else np.empty(0)
    inside = np.abs(roots) <= 1
    return [-1.0, 1.0, *np.real(roots[inside & (np.abs(np.imag(roots)) < 1e-6)]).tolist()]


def _times(left: float, right: float) -> np.ndarray:
    return left + (right - left) / 2 * (1 + _NODES)


def _place(panel: _Panel, t: float) -> float:
    """Return where ``t`` lies in the panel, from -1 to 1."""
    return min(max(2 * (t - panel.left) / (panel.right - panel.left) - 1, -1.0), 1.0)


def _series(coefficients: list[float], x: float) -> float:
    """Return Σ a_k T_k(x) (Clenshaw); in plain Python, several times faster for one number than NumPy."""
    b, c, twice = 0.0, 0.0, 2 * x
    for a in coefficients[:0:-1]:
        b, c = a + twice * b - c, b
    return coefficients[0] + x * b - c


def _number(function: Callable[[float], Any], t: float, name: str) -> float:
    """Return the finite real value of a function of time."""
    return number(f"{name}({t:.6g})", function(t))
