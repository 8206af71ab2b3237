"""The variable in which the history is interpolated, where it is not the one in which L is constant."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import pairwise
from math import ceil
from typing import Any

import numpy as np

from diffusion.planning.signal_rule import signal_rule
from diffusion.process.clock import Clock
from diffusion.process.schedule import NoiseSchedule
from expint.derive import Quadrature, StepContext

__all__ = ["ScheduleClock", "SignalClock"]

_NODES = 16  # of a panel
_WIDEST = 1.5  # panel in λ: the singularities of the usual schedules lie at a distance of π/2 or more
_CLEAN_PANELS = 2  # of the part of a step where σ < α
_CELL_NODES = 8  # of a panel between two kinks of the schedule
_WIDEST_CELL = 0.2  # such a panel in λ
_ZERO = 1e-150  # stands for σ/α = 0: no digit of any result depends on it


@dataclass(frozen=True)
class ScheduleClock:
    r"""A polynomial clock of ``expint.Adams`` on a noise schedule, as in DEIS tAB: ∫ e^{(s_1-s)L} ℓ_j(u(s)) ds.

    The integral over s is computed by Gauss–Legendre in a variable in which the integrand is smooth. Where σ < α that
    is √t: near t = 0 the noise-to-signal ratio of a variance-preserving process behaves like √t. Where σ > α it is λ:
    there s may grow without bound as α → 0. Schedules with kinks, which tables have, are integrated in t between these;
    if L = 0 only polynomials are, and the rule of each step is condensed to one that integrates them as well. The rules
    of all steps are made at once.

    Parameters
    ----------
    schedule
        The noise schedule.
    integration
        The clock s, in which L is constant.
    polynomial
        The clock u, in which the history is interpolated.
    ends
        The values of s between which the steps lie, in order.
    flat
        Whether L = 0.
    """

    schedule: NoiseSchedule
    integration: Clock
    polynomial: Clock
    ends: tuple[float, ...] = field(repr=False)
    flat: bool = False

    def nodes(self, step: StepContext) -> tuple[float, ...]:
        """Return u at the remembered slopes, which lie at ends of steps."""
        newest = self.ends.index(step.start)
        return self._values_at_ends[newest::-1][: len(step.history)]

    def end(self, step: StepContext) -> float:
        """Return u at the end of the step."""
        return self._values_at_ends[self.ends.index(step.start) + 1]

    def quadrature(self, step: StepContext) -> Quadrature:
        """Return Gauss–Legendre nodes with θ = (s - s_n)/h, weights ds/h and the values of u."""
        return self._rules[self.ends.index(step.start)]

    @cached_property
    def _times_of_ends(self) -> np.ndarray:
        s = np.array(self.ends)
        return np.asarray(self.integration.time(self.schedule, np.where(s == 0.0, _ZERO, s)))

    @cached_property
    def _values_at_ends(self) -> tuple[float, ...]:
        return tuple(self.polynomial.value(self.schedule, self._times_of_ends).tolist())

    @cached_property
    def _rules(self) -> list[Quadrature]:
        """The rule of each step."""
        owner, times, density = self._panels()
        s = np.asarray(self.integration.value(self.schedule, times))
        u = np.asarray(self.polynomial.value(self.schedule, times))
        weights = np.abs(density * self.integration.rate(self.schedule, times))
        total = np.zeros(len(self.ends) - 1)
        np.add.at(total, owner, weights.sum(axis=1))
        weights /= total[owner, None]  # the sum is known: constants are integrated exactly, as DDIM does
        first, length = np.array(self.ends[:-1]), np.diff(self.ends)
        theta = (s - first[owner, None]) / length[owner, None]
        mine = [tuple(part[owner == i].ravel() for part in (theta, weights, u)) for i in range(len(length))]
        if self.flat and len(self.schedule.kinks):
            mine = [_condensed(own[1], own[2], *ends) for own, ends in zip(mine, pairwise(self._values_at_ends))]
        return [Quadrature(*(part.tolist() for part in own)) for own in mine]

    def _panels(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return panels (p,) by the steps they belong to, times (p, nodes) and weights for integrals over t."""
        if len(self.schedule.kinks):
            return self._panels_between(np.asarray(self.schedule.kinks))
        lam = np.asarray(self.schedule.half_log_snr(self._times_of_ends))
        noisy, clean = np.minimum(lam[:-1], lam[1:]), np.maximum(lam[:-1], lam[1:])
        middle = np.clip(0.0, noisy, clean)
        root = np.sqrt(self.schedule.time(np.stack([middle, clean])))
        in_noise, lam, of_lam = _gauss_legendre(noisy, middle, np.ceil((middle - noisy) / _WIDEST).astype(int))
        in_clean, v, of_v = _gauss_legendre(root[0], root[1], np.where(middle < clean, _CLEAN_PANELS, 0))
        noisy_times = np.asarray(self.schedule.time(lam))
        return (
            np.concatenate([in_noise, in_clean]),
            np.concatenate([noisy_times, v * v]),
            np.concatenate([of_lam / self.schedule.half_log_snr_rate(noisy_times), of_v * 2 * v]),
        )

    def _panels_between(self, kinks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        ends = self._times_of_ends
        inside = kinks[(kinks > min(ends[0], ends[-1])) & (kinks < max(ends[0], ends[-1]))]
        points = np.unique(np.concatenate([ends, inside]))
        lam = np.asarray(self.schedule.half_log_snr(points))
        first = int(0.0 in self.ends and np.isfinite(self.schedule.t_clean))  # σ = 0 at points[0], a finite time
        wide = first + np.flatnonzero(np.abs(np.diff(lam[first:])) > _WIDEST_CELL)  # near t = 0: ρ is nearly singular
        parts = [(lam[i], lam[i + 1], ceil(abs(lam[i + 1] - lam[i]) / _WIDEST_CELL)) for i in wide]
        cuts = [np.linspace(start, end, 1 + count)[1:-1] for start, end, count in parts]
        cells = np.unique(np.concatenate([points[first:], *(self.schedule.time(cut) for cut in cuts)]))
        cell, times, weights = _gauss_legendre(cells[:-1], cells[1:], np.ones(cells.size - 1, int), _CELL_NODES)
        starts = cells[:-1][cell]
        if first:  # there ρ behaves like the root of the time from there
            _, v, of_v = _gauss_legendre(np.zeros(1), np.sqrt(np.diff(points[:2])), np.ones(1, int), _CELL_NODES)
            starts = np.append(points[0], starts)
            times, weights = np.concatenate([points[0] + v * v, times]), np.concatenate([of_v * 2 * v, weights])
        owner = np.searchsorted(np.sort(ends), starts, side="right") - 1
        return owner if ends[0] < ends[-1] else ends.size - 2 - owner, times, weights


class SignalClock(ScheduleClock):
    """The history between a clock and the clock α/σ, in which L = 0, where neither needs the time of a schedule.

    So it holds from pure noise on, whatever the schedule, and without its kinks.
    """

    @cached_property
    def _values_at_ends(self) -> tuple[float, ...]:
        return tuple(self._value(np.array(self.ends)).tolist())

    @cached_property
    def _rules(self) -> list[Quadrature]:
        """The rule of each step."""
        rules = []
        for start, end in pairwise(self.ends):
            r, weights = signal_rule(*sorted((start, end)))
            theta = (r - start) / (end - start)
            rules.append(Quadrature(theta.tolist(), (weights / weights.sum()).tolist(), self._value(r).tolist()))
        return rules

    def _value(self, r: np.ndarray) -> np.ndarray:
        polynomial: Any = self.polynomial
        return np.asarray(polynomial.at(r, np.ones_like(r)))


def _condensed(weights: np.ndarray, values: np.ndarray, start: float, end: float) -> tuple[np.ndarray, ...]:
    """Return a rule with few nodes for the same integrals of polynomials: places in the step, weights and values."""
    nodes, _ = _unit_rule(_NODES)

    def basis(x: np.ndarray) -> np.ndarray:
        return np.polynomial.legendre.legvander(2.0 * x - 1.0, _NODES - 1)

    moments = weights @ basis((values - start) / (end - start))
    return nodes, np.linalg.solve(basis(nodes).T, moments), start + (end - start) * nodes


def _gauss_legendre(
    starts: np.ndarray, ends: np.ndarray, panels: np.ndarray, nodes: int = _NODES
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the interval of each panel, its nodes and its weights, with so many ``panels`` on each interval."""
    points, weights = _unit_rule(nodes)
    owner = np.repeat(np.arange(len(panels)), panels)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(panels) - panels, panels)
    length = ((ends - starts) / np.maximum(panels, 1))[owner]
    return owner, starts[owner, None] + length[:, None] * (place[:, None] + points), length[:, None] * weights


@lru_cache(maxsize=2)
def _unit_rule(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the Gauss–Legendre rule on [0, 1]."""
    points, weights = np.polynomial.legendre.leggauss(nodes)
    return (points + 1) / 2, weights / 2
