"""What L is. Each operator knows how to apply a row of φ-sums to columns, and nothing else.

Operators that need SciPy's sparse and dense algebra are loaded at first use: they would double the time of importing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from expint.operators.base import Operator, PhiTable
from expint.operators.block_diagonal import BlockDiagonal
from expint.operators.coerce import as_operator
from expint.operators.dense import Dense
from expint.operators.diagonal import Diagonal
from expint.operators.over_time.time_dependent import TimeDependent
from expint.operators.over_time.time_scaled import TimeScaled
from expint.operators.scalar import Scalar

if TYPE_CHECKING:
    from expint.operators.addition.sum import Sum
    from expint.operators.bases.transformed import Transformed
    from expint.operators.kronecker import KroneckerSum
    from expint.operators.matrix_free import MatrixFree
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
    "Sum",
    "TimeDependent",
    "TimeScaled",
    "Transformed",
    "as_operator",
]

_ON_DEMAND = {
    "KroneckerSum": "kronecker",
    "MatrixFree": "matrix_free",
    "Sparse": "sparse",
    "Sum": "addition.sum",
    "Transformed": "bases.transformed",
}


def __getattr__(name: str) -> Any:
    if name not in _ON_DEMAND:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ON_DEMAND[name]}"), name)
