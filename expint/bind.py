"""Kinds of methods and the steppers that make their steps to a tolerance."""

from __future__ import annotations

from typing import Any

from expint.backend import Array
from expint.derive.adams import Adams
from expint.derive.predictor_corrector import PredictorCorrector
from expint.derive.stage import Method
from expint.lower.cache import StepCache
from expint.lower.pair import PairCache
from expint.operators import Operator
from expint.run.steppers import Stepper
from expint.run.steppers.adams import AdamsPairs
from expint.run.steppers.doubled import Doubled
from expint.run.steppers.fixed_linear import FixedLinear

__all__ = ["fixed_linear_stepper"]


def fixed_linear_stepper(method: Method, operator: Operator, like: Array, doubling: bool = False) -> Stepper[Any]:
    """Return what makes the steps of a run to a tolerance for a fixed L.

    Adams methods and predictor–corrector pairs choose their order, up to their own, beside their steps; other methods
    keep theirs, and so do all where errors are estimated by ``doubling``.
    """
    if doubling:
        return Doubled(FixedLinear(StepCache(method, operator, like)))
    if isinstance(method, Adams | PredictorCorrector):
        return AdamsPairs(PairCache(method, operator, like))
    return FixedLinear(StepCache(method, operator, like))
