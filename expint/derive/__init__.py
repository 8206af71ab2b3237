"""Exact algebra: coefficients as φ-sums, tableaux, and what can be derived from them. Nothing here is a float."""

from importlib import import_module
from typing import Any

from expint.derive.phisum import PhiSum, exact, phi
from expint.derive.recovery import recover
from expint.derive.stage import Method, Stage, StepContext
from expint.derive.tableau import REST, Tableau

_WHEN_ASKED = {  # imported when it is asked for
    "Algebraic": "algebraic",
    "Butcher": "butcher",
    "GeneralisedLawson": "generalised_lawson",
    "HistoryLadder": "history_ladder",
    "LieGroupMethod": "lie_group",
    "LinearisedAdams": "linearised_ladder",
    "PredictorCorrector": "predictor_corrector",
    "Rosenbrock": "rosenbrock",
    "Splitting": "splitting",
    "adams_weights": "lagrange",
    "adjoint": "composition",
    "ansatz": "open_coefficients",
    "check_orders": "conditions",
    "collocation": "composition",
    "compose": "composition",
    "dense_weights": "composition",
    "open_tableau": "open_coefficients",
    "root": "algebraic",
    "solve_conditions": "unknowns",
    "solve_weights": "unknowns",
}

__all__ = ["REST", "Method", "PhiSum", "Stage", "StepContext", "Tableau", "exact", "phi", "recover", *_WHEN_ASKED]


def __getattr__(name: str) -> Any:
    if name in _WHEN_ASKED:
        return getattr(import_module(f"{__name__}.{_WHEN_ASKED[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
