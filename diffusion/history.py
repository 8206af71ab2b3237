"""The variable in which the history is interpolated, where it is not the one in which L is constant."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from expint.derive import StepContext
from expint.derive.adams import Quadrature

from .clock import Clock
from .schedule import NoiseSchedule

__all__ = ["ScheduleClock"]

_NODES = 32


@dataclass(frozen=True)
class ScheduleClock:
    r"""A polynomial clock of ``expint.Adams`` on a noise schedule, as in DEIS tAB: ∫ e^{(s_1-s)L} ℓ_j(u(s)) ds.

    The integral over s is computed by Gauss–Legendre in v = √t: near t = 0 the noise-to-signal ratio of a
    variance-preserving process behaves like √t, so that the integrand is smooth in v and not in t.

    Parameters
    ----------
    schedule
        The noise schedule.
    integration
        The clock s, in which L is constant.
    polynomial
        The clock u, in which the history is interpolated.
    """

    schedule: NoiseSchedule
    integration: Clock
    polynomial: Clock

    def nodes(self, step: StepContext) -> tuple[float, ...]:
        """Return u at the remembered slopes."""
        s = step.start + step.step * np.array(step.history)
        times = self.integration.time(self.schedule, s)
        return tuple(self.polynomial.value(self.schedule, times).tolist())

    def quadrature(self, step: StepContext) -> Quadrature:
        """Return Gauss–Legendre nodes in √t, with θ = (s - s_n)/h, weights ds/h and the values of u."""
        ends = self.integration.time(self.schedule, np.array([step.start, step.start + step.step]))
        first, last = np.sqrt(ends)
        points, weights = _gauss_legendre()
        v = first + (last - first) * points
        times = v * v
        s = self.integration.value(self.schedule, times)
        density = self.integration.rate(self.schedule, times) * 2 * v * (last - first) / step.step
        return Quadrature(
            theta=((s - step.start) / step.step).tolist(),
            weights=(weights * density).tolist(),
            values=self.polynomial.value(self.schedule, times).tolist(),
        )


@lru_cache(maxsize=1)
def _gauss_legendre() -> tuple[np.ndarray, np.ndarray]:
    """Return the Gauss–Legendre rule on [0, 1]."""
    points, weights = np.polynomial.legendre.leggauss(_NODES)
    return (points + 1) / 2, weights / 2
