"""Exact algebra: coefficients as φ-sums, tableaux, and what can be derived from them. Nothing here is a float.

The rooms: ``algebra`` (exact numbers and φ-sums), ``kinds`` (of methods), ``orders`` (their proofs), ``search``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from expint.derive.algebra.phisum import PhiSum, Terms, exact, phi
from expint.derive.algebra.recovery import recover
from expint.derive.kinds.stage import (
    ErrorEstimate,
    Method,
    Multistep,
    Stage,
    StepContext,
    WithoutEstimate,
    kind_of_method,
)
from expint.derive.kinds.tableau import REST, Tableau

if TYPE_CHECKING:
    from expint.derive.algebra.algebraic import Algebraic, root
    from expint.derive.algebra.lagrange import adams_weights, collocation_weights, lagrange_coefficients
    from expint.derive.algebra.spread import placed, spread
    from expint.derive.kinds.adams import INDEX, Quadrature, adams_terms
    from expint.derive.kinds.butcher import Butcher
    from expint.derive.kinds.composition import adjoint, collocation, compose, dense_weights
    from expint.derive.kinds.general_linear import GeneralLinear, HistoryLadder
    from expint.derive.kinds.generalised_lawson import GeneralisedLawson
    from expint.derive.kinds.lawson import lawson
    from expint.derive.kinds.lie_group import LieGroupMethod
    from expint.derive.kinds.linearised_collocation import LinearisedAdams
    from expint.derive.kinds.predictor_corrector import PredictorCorrector
    from expint.derive.kinds.rosenbrock import Linearised, Rosenbrock
    from expint.derive.kinds.splitting import Splitting
    from expint.derive.orders.conditions import check_orders
    from expint.derive.search.open_coefficients import ansatz, open_tableau
    from expint.derive.search.unknowns import solve_conditions, solve_weights

_WHEN_ASKED = {  # imported when it is asked for
    "Algebraic": "algebra.algebraic",
    "Butcher": "kinds.butcher",
    "GeneralLinear": "kinds.general_linear",
    "GeneralisedLawson": "kinds.generalised_lawson",
    "HistoryLadder": "kinds.general_linear",
    "INDEX": "kinds.adams",
    "LieGroupMethod": "kinds.lie_group",
    "Linearised": "kinds.rosenbrock",
    "LinearisedAdams": "kinds.linearised_collocation",
    "PredictorCorrector": "kinds.predictor_corrector",
    "Quadrature": "kinds.adams",
    "Rosenbrock": "kinds.rosenbrock",
    "Splitting": "kinds.splitting",
    "adams_terms": "kinds.adams",
    "adams_weights": "algebra.lagrange",
    "adjoint": "kinds.composition",
    "ansatz": "search.open_coefficients",
    "check_orders": "orders.conditions",
    "collocation": "kinds.composition",
    "collocation_weights": "algebra.lagrange",
    "compose": "kinds.composition",
    "dense_weights": "kinds.composition",
    "lagrange_coefficients": "algebra.lagrange",
    "lawson": "kinds.lawson",
    "open_tableau": "search.open_coefficients",
    "placed": "algebra.spread",
    "root": "algebra.algebraic",
    "solve_conditions": "search.unknowns",
    "solve_weights": "search.unknowns",
    "spread": "algebra.spread",
}

__all__ = [
    "INDEX",
    "REST",
    "Algebraic",
    "Butcher",
    "ErrorEstimate",
    "GeneralLinear",
    "GeneralisedLawson",
    "HistoryLadder",
    "LieGroupMethod",
    "Linearised",
    "LinearisedAdams",
    "Method",
    "Multistep",
    "PhiSum",
    "PredictorCorrector",
    "Quadrature",
    "Rosenbrock",
    "Splitting",
    "Stage",
    "StepContext",
    "Tableau",
    "Terms",
    "WithoutEstimate",
    "adams_terms",
    "adams_weights",
    "adjoint",
    "ansatz",
    "check_orders",
    "collocation",
    "collocation_weights",
    "compose",
    "dense_weights",
    "exact",
    "kind_of_method",
    "lagrange_coefficients",
    "lawson",
    "open_tableau",
    "phi",
    "placed",
    "recover",
    "root",
    "solve_conditions",
    "solve_weights",
    "spread",
]


def __getattr__(name: str) -> Any:
    if name in _WHEN_ASKED:
        return getattr(import_module(f"{__name__}.{_WHEN_ASKED[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
