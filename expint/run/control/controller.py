"""How long steps are, by the controller and on the way to a stop: pure functions of a few numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["AHEAD", "EARLIER", "NEWEST", "PIECES", "SAME", "Controller", "approach", "begin", "inside", "on_ladder"]

NEWEST, EARLIER = 1e-10, 1e-6
"""Errors below these count as these: the newest, and those before it. Where a step changes nothing, as a short one in
half precision does, its estimate is zero: a rounding in the next would else be taken for an error that has grown by
many powers of ten, and steps would stay so short for ever."""

AHEAD = 10.0
"""How much smaller the errors are to which ``settled`` leads: errors add up, and weak estimates do not see all of them.
Without this etd34 errs by 16 times a tolerance of 1e-9."""

PIECES = 8
"""So many steps before a stop are made equal."""

SAME = 4
"""Step sizes that differ by less, in units in the last place of t, are the same: times asked for carry rounding."""


@dataclass(frozen=True)
class Controller:
    r"""A digital filter for step sizes (Söderlind 2003).

    .. math:: h_{n+1} = h_n \cdot s \, e_n^{-\beta_1/k} e_{n-1}^{-\beta_2/k} e_{n-2}^{-\beta_3/k}

    with e the error in units of the tolerance and k = p + 1 for an error estimate of order p.

    Parameters
    ----------
    beta
        (β₁, β₂, β₃): (1, 0, 0) is the elementary (I) controller, (0.7, -0.4, 0) PI, (0.49, -0.34, 0.10) PID.
    safety
        The factor s.
    smallest, largest
        Bounds of the factor by which a step may change.

    Raises
    ------
    ValueError
        If larger errors would not give smaller steps, or the bounds do not hold 1 between them.

    References
    ----------
    Söderlind (2003), ACM Trans. Math. Softw. 29, 1; Hairer and Wanner, Solving ODEs II, section IV.2.
    """

    beta: tuple[float, float, float] = (0.7, -0.4, 0.0)
    safety: float = 0.9
    smallest: float = 0.2
    largest: float = 5.0

    def __post_init__(self) -> None:
        if not (len(self.beta) == 3 and self.beta[0] > 0 and sum(self.beta) > 0):
            raise ValueError(f"expected beta to be three numbers, the first and the sum positive, received {self.beta}")
        if not (0 < self.safety <= 1 and 0 < self.smallest < 1 < self.largest):
            raise ValueError(
                "expected 0 < safety ≤ 1 and 0 < smallest < 1 < largest, received "
                f"safety={self.safety}, smallest={self.smallest}, largest={self.largest}"
            )

    def factor(self, errors: tuple[float, ...], order: int) -> float:
        """Return the factor for the next step after an accepted one.

        Parameters
        ----------
        errors
            The last errors in units of the tolerance, newest first; missing ones count as 1.
        order
            The order p of the error estimate.
        """
        product, least = 1.0, NEWEST
        for beta, error in zip(self.beta, errors):
            if beta:
                product *= (least if error < least else error) ** -beta  # at every step: no call of max and min
            least = EARLIER
        factor = self.safety * product ** (1 / (order + 1))
        if self.smallest <= factor <= self.largest:
            return factor
        return self.largest if factor > self.largest else self.smallest

    def settled(self, error: float, order: int) -> float:
        """Return the factor after steps of one length with one ``error``, towards where ``factor`` leads step by step.

        There steps have the error s^{k/(β₁+β₂+β₃)}, which ``factor`` leaves as it is; this leads to a tenth of it.
        """
        total = sum(self.beta)
        factor = self.safety ** (1 / total) * max(AHEAD * error, NEWEST) ** (-1 / (order + 1))
        return min(max(factor, self.smallest), self.largest)

    def retreat(self, error: float, order: int) -> float:
        """Return the factor, below 1, with which a rejected step is tried again."""
        if not math.isfinite(error):
            return self.smallest
        return min(0.9, max(self.smallest, self.safety * max(error, 1.0) ** (-1 / (order + 1))))


def on_ladder(h: float, unit: float, rungs: int) -> float:
    """Return the largest step unit · 2^{j/rungs}, j an integer, that is not larger than ``h``."""
    return float(unit * 2.0 ** (math.floor(rungs * math.log2(h / unit) + 1e-9) / rungs))


def approach(h: float, rung: float, t: float, stop: float, previous: float) -> tuple[float, bool]:
    """Return the length of the next step on the way to ``stop``, and whether it ends there.

    Far from it steps have the length ``rung``, near it at most ``h``: the last few before a stop are equal, so that no
    sliver is left, and stops at equal distances are reached by equal steps. A step that differs from the previous one
    by rounding only is equal to it: φ-functions are reused.
    """
    reach = abs(stop - t)
    if rung * PIECES < reach:
        return rung, False
    pieces = max(1, math.ceil(reach / h * (1 - 1e-10)))
    trial = reach / pieces
    if trial != previous and abs(trial - previous) <= min(SAME * math.ulp(max(abs(t), abs(stop))), 1e-9 * trial):
        trial = previous
    return trial, pieces == 1


def begin(first: float, t: float, stop: float) -> tuple[float, bool]:
    """Return the length of a first step that is given, unless ``stop`` comes before, and whether it ends there."""
    reach = abs(stop - t)
    return min(first, reach), first >= reach


def inside(at: float, start: float, end: float) -> float:
    """Return ``at``, or that end of the step from ``start`` to ``end`` beyond which it lies by rounding only."""
    if start <= at <= end or end <= at <= start:
        return at
    low, high = (start, end) if start <= end else (end, start)
    nearest = min(max(at, low), high)
    return nearest if abs(at - nearest) <= 2 * SAME * math.ulp(max(-low, high)) else at
