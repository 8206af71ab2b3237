"""From exact recipes to numbers for one operator and one grid."""

from expint.lower.lower import lower
from expint.lower.memory import Layout
from expint.lower.plan import Plan, Row, Step
from expint.lower.reversible import from_one_state, from_pair, two_sided
from expint.lower.uncorrected import correction, without_corrected

__all__ = [
    "Layout",
    "Plan",
    "Row",
    "Step",
    "correction",
    "from_one_state",
    "from_pair",
    "lower",
    "two_sided",
    "without_corrected",
]
