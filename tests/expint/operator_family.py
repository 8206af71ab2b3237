"""One linear problem as every operator that can hold it."""

from collections.abc import Mapping
from typing import NamedTuple

import mpmath
import numpy as np
from scipy import sparse

from expint.derive.algebra.phisum import Terms
from expint.lower.cache import PhiTables, weigh
from expint.operators import BlockDiagonal, Dense, KroneckerSum, MatrixFree, Operator, Sparse


class Form(NamedTuple):
    """An operator, and the shape of the states on which it is the problem."""

    operator: Operator
    shape: tuple[int, ...]


def apply_row(operator: Operator, columns: list[np.ndarray], sums: list[Terms], h: float) -> np.ndarray:
    """Return Σ_j (Σ r φ_k(c h L)) v_j as a run would."""
    row = weigh(operator, sums, [1.0] * len(sums), PhiTables(operator, h), columns[0])
    return operator.combine(row, columns)


def row_exactly(matrix: np.ndarray, columns: list[np.ndarray], sums: list[Terms], h: float) -> np.ndarray:
    """Return Σ_j (Σ r φ_k(c h L)) v_j computed with fifty digits, from exponentials of block matrices.

    φ_k(A) is the block in the last column of the first row of exp of A, I, …, I in the first two block diagonals.
    """
    n = len(matrix)
    with mpmath.workdps(50):
        total = mpmath.zeros(n, 1)
        for terms, column in zip(sums, columns):
            v = mpmath.matrix(column.tolist())
            for (k, c), r in terms.items():
                augmented = mpmath.eye(n * (k + 1))
                for i in range(n * (k + 1)):
                    augmented[i, i] = 0
                    if i + n < n * (k + 1):
                        augmented[i, i + n] = 1
                scale = mpmath.mpf(h) * c.numerator / c.denominator
                augmented[:n, :n] = scale * mpmath.matrix(matrix.tolist())
                total += mpmath.mpf(r.numerator) / r.denominator * (mpmath.expm(augmented)[:n, n * k :] * v)
        exact = [complex(entry) for entry in total]
    return np.array(exact) if np.iscomplexobj(matrix) else np.array(exact).real


def forms_of_matrix(matrix: np.ndarray) -> Mapping[str, Form]:
    """Return every operator that can be any matrix."""
    n, is_complex = len(matrix), np.iscomplexobj(matrix)
    some = sparse.csr_array(matrix)
    return {
        "dense": Form(Dense(matrix), (n,)),
        "block-diagonal": Form(BlockDiagonal(matrix), (n,)),
        "sparse": Form(Sparse(some), (n,)),
        "krylov": Form(Sparse(some, action="krylov", basis=20), (n,)),
        "rational": Form(Sparse(some, action="rational"), (n,)),
        "matrix-free": Form(MatrixFree(lambda v: matrix @ v, n, complex=is_complex), (n,)),
        "kronecker": Form(KroneckerSum(matrix), (n,)),
        "kronecker by iterations": Form(KroneckerSum(matrix, action="krylov"), (n,)),
    }


def forms_of_sum(a: np.ndarray, b: np.ndarray) -> Mapping[str, Form]:
    """Return every operator that can be A ⊗ I + I ⊗ B."""
    grid, is_complex = (len(a), len(b)), np.iscomplexobj(a) or np.iscomplexobj(b)
    matrix = np.kron(a, np.eye(len(b))) + np.kron(np.eye(len(a)), b)
    whole = {name: form for name, form in forms_of_matrix(matrix).items() if "kronecker" not in name}
    return whole | {
        "sparse on a grid": Form(Sparse(sparse.coo_array(matrix)), grid),
        "matrix-free on a grid": Form(MatrixFree(lambda v: a @ v + v @ b.T, grid, complex=is_complex), grid),
        "kronecker": Form(KroneckerSum(a, b), grid),
        "kronecker of sparse factors": Form(KroneckerSum(sparse.csr_array(a), sparse.csr_array(b)), grid),
        "kronecker by iterations": Form(KroneckerSum(a, b, action="krylov"), grid),
    }
