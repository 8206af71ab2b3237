"""Kinds of methods: the one place that asks what a method is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from expint.derive.adams import Adams
from expint.derive.lie_group import LieGroupMethod
from expint.derive.predictor_corrector import PredictorCorrector
from expint.derive.rosenbrock import Linearised
from expint.derive.splitting import Splitting
from expint.derive.stage import Method

__all__ = ["chooses_orders", "climbing", "kind_of_method", "linearises"]


def kind_of_method(method: Any) -> str:
    """Return "splitting", "follows fields" (of Magnus and commutator-free methods), "linearises", or "fixed L"."""
    kinds = {"splitting": Splitting, "follows fields": LieGroupMethod, "linearises": Linearised}
    return next((kind for kind, own in kinds.items() if isinstance(method, own)), "fixed L")


def linearises(method: Any) -> bool:
    """Whether the method makes L the Jacobian of the right-hand side at every step."""
    return kind_of_method(method) == "linearises"


def chooses_orders(method: Any) -> bool:
    """Whether the order of the method may change from step to step: Adams methods and predictor–corrector pairs."""
    return isinstance(method, Adams | PredictorCorrector)


def climbing(method: Any) -> Method:
    """Return the method with ``ramp=True``: one-step starts have no error estimate, so a run begins at order 1."""
    return replace(method, ramp=True) if chooses_orders(method) else method
