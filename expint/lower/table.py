"""φ-functions of one operator at one step size, each argument computed once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from expint.derive.stage import Stage
from expint.operators.base import StoredOperator

__all__ = ["StepTable"]


class StepTable:
    """φ_k(c h L) for the k and c that some stages need.

    Parameters
    ----------
    operator
        L.
    step
        h.
    stages
        The stages whose φ-functions will be asked for: for each c the highest index decides how many are formed at
        once.
    """

    def __init__(self, operator: StoredOperator, step: float, stages: Iterable[Stage]) -> None:
        highest: dict[Any, int] = {}
        for stage in stages:
            for terms in (stage.state, *stage.stages, *stage.past):
                for k, c in terms:
                    highest[c] = max(highest.get(c, 0), k)
        self._values: dict[Any, Sequence[Any]] = {c: operator.phi(k, float(c) * step) for c, k in highest.items()}

    def __call__(self, k: int, c: Any) -> Any:
        """Return φ_k(c h L)."""
        return self._values[c][k]
