"""Exponential integrators as solver classes for ``scipy.integrate.solve_ivp(..., method=…)``."""

from expint.scipy.named import (
    ETD34,
    ExponentialAdams,
    LawsonDormandPrince,
    Rosenbrock43,
    Rosenbrock54,
    ZotoBowman43,
    solver_class,
)
from expint.scipy.solvers import ExponentialSolver, LinearisedSolver

__all__ = [
    "ETD34",
    "ExponentialAdams",
    "ExponentialSolver",
    "LawsonDormandPrince",
    "LinearisedSolver",
    "Rosenbrock43",
    "Rosenbrock54",
    "ZotoBowman43",
    "solver_class",
]
