"""Exponential integrators for semilinear problems y' = L y + N(t, y).

Methods are exact data (:mod:`expint.derive`, :mod:`expint.methods`), lowered to numbers for one operator and one grid
(:mod:`expint.lower`), and run by one short loop (:mod:`expint.run`).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from expint import derive, jacobian, operators, phi, problems, spectral
from expint.derive import REST, PhiSum, Tableau
from expint.derive.kinds.adams import Adams
from expint.derive.kinds.collocation import bootstrap
from expint.derive.kinds.lawson import lawson
from expint.ivp import resume, solve, solve_ivp
from expint.ivp.scanning import scan
from expint.ivp.splitting import run_splitting
from expint.ivp.stepping import StepState, begin, step
from expint.lower import Plan, lower
from expint.methods import method, method_names
from expint.moved import MOVED, forward
from expint.problem import SemilinearProblem
from expint.run import run_plan
from expint.solution import Solution, Stats, Status
from expint.solutions import Solutions as Solutions  # of batched runs; reached by name, not by *

if TYPE_CHECKING:
    from expint.spectral import Grid

__all__ = [
    "REST",
    "Adams",
    "Grid",
    "PhiSum",
    "Plan",
    "SemilinearProblem",
    "Solution",
    "Stats",
    "Status",
    "StepState",
    "Tableau",
    "begin",
    "bootstrap",
    "derive",
    "jacobian",
    "lawson",
    "lower",
    "method",
    "method_names",
    "operators",
    "phi",
    "problems",
    "resume",
    "run_plan",
    "run_splitting",
    "scan",
    "solve",
    "solve_ivp",
    "spectral",
    "step",
]
__version__ = "0.1.0"

forward(MOVED)


def __getattr__(name: str) -> Any:
    if name == "Grid":  # which needs SciPy's sparse algebra
        return import_module("expint.spectral").Grid
    if name == "adapters":
        return import_module("expint.adapters")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
