"""From exact recipes to numbers for one operator and one grid."""

from expint.lower.lower import lower
from expint.lower.memory import Layout
from expint.lower.plan import Plan, Row, Step
from expint.lower.uncorrected import without_corrected

__all__ = ["Layout", "Plan", "Row", "Step", "lower", "without_corrected"]
