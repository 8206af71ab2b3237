"""What L is. Each operator knows how to apply a row of φ-sums to columns, and nothing else."""

from expint.operators.base import Operator, PhiTable
from expint.operators.block_diagonal import BlockDiagonal
from expint.operators.coerce import as_operator
from expint.operators.dense import Dense
from expint.operators.diagonal import Diagonal
from expint.operators.kronecker import KroneckerSum
from expint.operators.matrix_free import MatrixFree
from expint.operators.scalar import Scalar
from expint.operators.sparse import Sparse

__all__ = [
    "BlockDiagonal",
    "Dense",
    "Diagonal",
    "KroneckerSum",
    "MatrixFree",
    "Operator",
    "PhiTable",
    "Scalar",
    "Sparse",
    "as_operator",
]
