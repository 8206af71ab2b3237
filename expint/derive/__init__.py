"""Exact algebra: coefficients as φ-sums, tableaux, and what can be derived from them. Nothing here is a float."""

from expint.derive.phisum import PhiSum, exact, phi
from expint.derive.recover import recover
from expint.derive.stage import Method, Stage, StepContext
from expint.derive.tableau import REST, Tableau

__all__ = ["REST", "Method", "PhiSum", "Stage", "StepContext", "Tableau", "exact", "phi", "recover"]
