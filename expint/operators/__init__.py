"""What L is. Each operator knows how to apply a row of φ-sums to columns, and nothing else."""

from expint.operators.base import Operator, PhiTable
from expint.operators.coerce import as_operator
from expint.operators.dense import Dense
from expint.operators.diagonal import Diagonal
from expint.operators.scalar import Scalar

__all__ = ["Dense", "Diagonal", "Operator", "PhiTable", "Scalar", "as_operator"]
