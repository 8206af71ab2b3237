"""Integrals over r = α/σ, in which d(x/σ)/dr is the predicted data: a rule from pure noise, r = 0, to any r."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

__all__ = ["lagrange_basis", "signal_rule"]

_NODES = 16  # of a panel
_WIDEST = 1.5  # panel in λ where σ < α: functions of arctan(σ/α) are singular at a distance of π/2
_MOST_PANELS = 30  # what lies further back than e^{-45} is not seen


def signal_rule(start: float, end: float) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights of ∫ f dr from ``start`` to ``end`` > ``start``, f smooth in arctan r.

    As long as r < 1 such functions are smooth in r, and then in λ = log r.
    """
    x, w = _unit_rule()
    middle = min(max(1.0, start), end)
    r, of_r = start + (middle - start) * x, (middle - start) * w
    if end <= middle:
        return r, of_r
    count = int(np.ceil(np.log(end / middle) / _WIDEST))
    cuts = np.log(end) - np.log(end / middle) * np.arange(min(count, _MOST_PANELS) + 1) / count
    lam = cuts[1:, None] - np.diff(cuts)[:, None] * x
    inside = (
        np.concatenate([r, np.exp(lam).ravel()]),
        np.concatenate([of_r, (np.exp(lam) * -np.diff(cuts)[:, None] * w).ravel()]),
    )
    return inside if middle > start else (inside[0][_NODES:], inside[1][_NODES:])


def lagrange_basis(nodes: Sequence[float], at: np.ndarray) -> np.ndarray:
    """Return the Lagrange polynomials of the ``nodes``, a row each, at some places."""
    rows = np.ones((len(nodes), at.size))
    for j, own in enumerate(nodes):
        for other in (*nodes[:j], *nodes[j + 1 :]):
            rows[j] *= (at - other) / (own - other)
    return rows


@lru_cache(maxsize=1)
def _unit_rule() -> tuple[np.ndarray, np.ndarray]:
    """Return the Gauss–Legendre rule on [0, 1]."""
    points, weights = np.polynomial.legendre.leggauss(_NODES)
    return (points + 1) / 2, weights / 2
