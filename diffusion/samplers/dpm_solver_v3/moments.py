"""The integrals of a step in the tabulated gauge: by Gauss–Legendre between the entries of the tables."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from math import ceil, factorial
from typing import NamedTuple

import numpy as np

from diffusion.samplers.dpm_solver_v3.statistics import Statistics

__all__ = ["StepMoments", "step_moments"]

_NODES = 6  # of a panel
_WIDEST = 0.5  # panel in λ


class StepMoments(NamedTuple):
    """Arrays of the shape of the tables for a step from λ_0 to λ_1 = λ_0 + h, with L and S measured from λ_0.

    Attributes
    ----------
    of_phi
        e^{−L(λ_1)}, and ∫_0^1 e^{L − L(λ_1) + S} θ^{k−1} dθ/(k − 1)! for k = 1, 2, …: with l = −1 and s = 0 the φ_k(h).
    growth
        S(λ_1).
    drift
        B(λ_1) = ∫ e^{−S} b dλ.
    offset
        ∫_0^1 e^{L − L(λ_1) + S} B dθ.
    """

    of_phi: list[np.ndarray]
    growth: np.ndarray
    drift: np.ndarray
    offset: np.ndarray


def step_moments(statistics: Statistics, start: float, end: float, highest: int) -> StepMoments:
    """Return the integrals of the step from ``start`` to ``end``, with moments up to ``highest``.

    Between entries of the tables the integrands are smooth: exponentials of quadratic polynomials. B and the integral
    over it are those of a collocation method at the Gauss–Legendre nodes, so that both keep the order of the rule.
    """
    nodes, weights, inner = _rule()
    h = end - start
    shape = statistics.linear.shape[1:]
    moments = np.zeros((highest, *shape))
    offset, drift, decay, growth = (np.zeros(shape) for _ in range(4))
    column = (-1,) + (1,) * len(shape)
    for low, high in _panels(statistics, start, end):
        width = high - low
        lam = low + width * nodes
        (l0, l1), (s0, s1), (b0, b1) = statistics.at(np.array([low, high]))
        part = nodes.reshape(column)
        to_l, to_s = (width * part * (v0 + 0.5 * part * (v1 - v0)) for v0, v1 in ((l0, l1), (s0, s1)))
        kernel = np.exp(decay + to_l + growth + to_s)
        flow = np.exp(-growth - to_s) * (b0 + part * (b1 - b0))
        bias = drift + width * np.tensordot(inner, flow, axes=1)
        theta = (lam - start) / h
        powers = np.array([theta ** (k - 1) / factorial(k - 1) for k in range(1, highest + 1)])
        moments += width / h * np.tensordot(powers * weights, kernel, axes=1)
        offset = offset + width / h * np.tensordot(weights, kernel * bias, axes=1)
        drift = drift + width * np.tensordot(weights, flow, axes=1)
        decay, growth = decay + 0.5 * width * (l0 + l1), growth + 0.5 * width * (s0 + s1)
    of_end = np.exp(-decay)
    return StepMoments([of_end, *(of_end * moment for moment in moments)], growth, drift, of_end * offset)


def _panels(statistics: Statistics, start: float, end: float) -> list[tuple[float, float]]:
    ends = statistics.cells_between(start, end).tolist()
    cut = [np.linspace(a, b, 1 + ceil(abs(b - a) / _WIDEST)).tolist() for a, b in pairwise(ends)]
    return [panel for points in cut for panel in pairwise(points)]


@lru_cache(maxsize=1)
def _rule() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return nodes and weights on [0, 1], and the matrix that integrates from 0 to each node."""
    points, weights = np.polynomial.legendre.leggauss(_NODES)
    nodes = (points + 1) / 2
    degrees = np.arange(1, _NODES + 1)
    vandermonde = nodes[:, None] ** (degrees - 1)
    integrals = nodes[:, None] ** degrees / degrees
    return nodes, weights / 2, integrals @ np.linalg.inv(vandermonde)
