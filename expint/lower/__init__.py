"""From exact recipes to numbers for one operator and one grid."""

from expint.lower.lower import lower
from expint.lower.plan import Plan, Row, Step

__all__ = ["Plan", "Row", "Step", "lower"]
