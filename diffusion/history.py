"""The variable in which the history is interpolated, where it is not the one in which L is constant."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import numpy as np

from expint.derive import StepContext
from expint.derive.adams import Quadrature

from .clock import Clock
from .schedule import NoiseSchedule

__all__ = ["ScheduleClock"]

_CLEAN_NODES = 32
_NOISY_NODES = 16
_WIDEST = 1.5  # panel in λ: the singularities of the usual schedules lie at a distance of π/2 or more


@dataclass(frozen=True)
class ScheduleClock:
    r"""A polynomial clock of ``expint.Adams`` on a noise schedule, as in DEIS tAB: ∫ e^{(s_1-s)L} ℓ_j(u(s)) ds.

    The integral over s is computed by Gauss–Legendre in a variable in which the integrand is smooth. Where σ < α that
    is √t: near t = 0 the noise-to-signal ratio of a variance-preserving process behaves like √t. Where σ > α it is λ,
    in panels: there s may grow without bound as α → 0.

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
        times = self._time(s)
        return tuple(self.polynomial.value(self.schedule, times).tolist())

    def quadrature(self, step: StepContext) -> Quadrature:
        """Return Gauss–Legendre nodes with θ = (s - s_n)/h, weights ds/h and the values of u."""
        ends = self._time(np.array([step.start, step.start + step.step]))
        times, density = self._rule(np.sort(ends)[::-1])
        s = self.integration.value(self.schedule, times)
        weights = np.abs(density * self.integration.rate(self.schedule, times) / step.step)
        return Quadrature(
            theta=((s - step.start) / step.step).tolist(),
            weights=(weights / weights.sum()).tolist(),  # the sum is known: the first order is that of DDIM exactly
            values=self.polynomial.value(self.schedule, times).tolist(),
        )

    def _time(self, s: np.ndarray) -> np.ndarray:
        """Return the times, at σ = 0 one so early that no digit of any result depends on it."""
        return np.asarray(self.integration.time(self.schedule, np.where(s == 0.0, 1e-150, s)))

    def _rule(self, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return times between the ``ends`` (the noisy first) and weights with which they integrate over t."""
        noisy, clean = self.schedule.half_log_snr(ends)
        middle = min(max(noisy, 0.0), clean)
        panels = ceil((middle - noisy) / _WIDEST)
        edges = np.linspace(noisy, middle, panels + 1)
        lam, weights = _gauss_legendre(edges[:-1], edges[1:], _NOISY_NODES)
        times = self.schedule.time(lam)
        weights = weights / self.schedule.half_log_snr_rate(times)
        if middle == clean:
            return times, weights
        root = np.sqrt(self.schedule.time(np.array([middle, clean])))
        v, of_v = _gauss_legendre(root[:1], root[1:], _CLEAN_NODES)
        return np.concatenate([times, v * v]), np.concatenate([weights, of_v * 2 * v])


def _gauss_legendre(starts: np.ndarray, ends: np.ndarray, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the nodes and weights of the rule on each of the intervals, one after the other."""
    points, weights = _unit_rule(nodes)
    lengths = (ends - starts)[:, None]
    return (starts[:, None] + lengths * points).ravel(), (lengths * weights).ravel()


@lru_cache(maxsize=4)
def _unit_rule(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the Gauss–Legendre rule on [0, 1]."""
    points, weights = np.polynomial.legendre.leggauss(nodes)
    return (points + 1) / 2, weights / 2
