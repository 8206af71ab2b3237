r"""Points as y_n plus increments, for methods with L = J_n: what cancels is never computed.

A method that linearises writes a point as (1 + z a(z)) y_n + h Σ_j w_j(z) N_j with N = f - J_n y - (t - t_n) ∂_t f and
Σ_j w_j = a, z = h J_n. With F = f(t_n, y_n) = J_n y_n + N_n and R_j = N_j - N_n the same point is

.. math:: y_n + h \, a(z) F + h^2 a^{[1]}(z) \, \partial_t f + h \sum_{j} w_j(z) R_j,

where a^{[1]}(z) = (a(z) - a(0))/z. Nothing of the size of J_n y_n, which may be large, comes in.
"""

from __future__ import annotations

from expint.derive.phisum import PhiSum
from expint.derive.stage import Stage

__all__ = ["increment"]


def increment(stage: Stage) -> Stage:
    """Return the stage for what is added to y_n.

    Its slopes ``stages`` are the R of this step, newest first, and ``past`` are F, h ∂_t f and the R of remembered
    points, newest first; all are multiplied by h.
    """
    weights = [PhiSum(terms) for terms in (*stage.stages, *stage.past)]
    total = sum(weights, PhiSum())
    past = (total.terms, total.raised(1).terms, *stage.past[1:])
    return Stage(stage.c, {}, stage.stages, past, stage.evaluate, stage.accept, stage.remember)
