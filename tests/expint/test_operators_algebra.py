"""Operators answer 2 * A, -A, A + B, A @ u, as the matrices that they stand for."""

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
import torch

import expint
from expint.operators import Dense, Diagonal, KroneckerSum, MatrixFree, Operator, Scalar, Sparse

N = 6
RNG = np.random.default_rng(5)
FULL = RNG.standard_normal((N, N)) - 3 * np.eye(N)
RATES = -np.arange(1.0, N + 1)
BAND = scipy.sparse.diags([1.0, -2.0, 1.0], [-1, 0, 1], (N, N)).tocsr()

OPERATORS = {
    "number": lambda: Scalar(-1.5),
    "symbol": lambda: Diagonal(RATES),
    "matrix": lambda: Dense(FULL),
    "sparse": lambda: Sparse(BAND),
    "function": lambda: MatrixFree(lambda v: FULL @ v, N),
    "axes": lambda: KroneckerSum(FULL),
}
U = RNG.standard_normal(N)


def matrix(operator: Operator) -> np.ndarray:
    """The matrix that an operator stands for, by its products."""
    return np.stack([operator @ column for column in np.eye(N)], axis=1)


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_times_a_number_is_the_matrix_times_it(name: str) -> None:
    operator = OPERATORS[name]()
    plain = matrix(operator)
    for made, factor in ((2 * operator, 2), (operator * 2.5, 2.5), (-operator, -1), (operator / 4, 0.25)):
        np.testing.assert_allclose(matrix(made), factor * plain, rtol=1e-14, atol=1e-14)
        solved = expint.solve_ivp(lambda t, y: 0 * y, (0, 0.3), U, linear=made, method="etd2rk", step=0.3)
        np.testing.assert_allclose(solved.y_end, scipy.linalg.expm(0.3 * factor * plain) @ U, rtol=1e-9, atol=1e-12)
    assert isinstance(np.float64(2) * operator, Operator)


@pytest.mark.parametrize("first", OPERATORS)
@pytest.mark.parametrize("second", OPERATORS)
def test_sums_and_differences_are_those_of_the_matrices(first: str, second: str) -> None:
    a, b = OPERATORS[first](), OPERATORS[second]()
    plain, other = matrix(a), matrix(b)
    for made, wanted in ((a + b, plain + other), (a - b, plain - other), (a + 2, plain + 2 * np.eye(N))):
        np.testing.assert_allclose(matrix(made), wanted, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(matrix(2 - a), 2 * np.eye(N) - plain, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(matrix(sum([a, b])), plain + other, rtol=1e-13, atol=1e-13)
    solved = expint.solve_ivp(lambda t, y: 0 * y, (0, 0.3), U, linear=a + b, method="etd2rk", step=0.3)
    np.testing.assert_allclose(solved.y_end, scipy.linalg.expm(0.3 * (plain + other)) @ U, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("name", OPERATORS)
def test_complex_factors_turn_complex_states(name: str) -> None:
    operator, u = OPERATORS[name](), U + 0.5j
    made = 1j * operator
    np.testing.assert_allclose(made @ u, 1j * (operator @ u), rtol=1e-13, atol=1e-13)
    plain = matrix(operator)
    solved = expint.solve_ivp(lambda t, y: 0 * y, (0, 0.3), u, linear=made, method="etd2rk", step=0.3)
    np.testing.assert_allclose(solved.y_end, scipy.linalg.expm(0.3j * plain) @ u, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("other", ["a", None, True, [1.0], np.eye(N)])
def test_what_is_no_number_and_no_operator_is_refused(other: object) -> None:
    operator = Diagonal(RATES)
    for act in (lambda: operator + other, lambda: operator * other, lambda: other * operator, lambda: operator - other):
        with pytest.raises(TypeError):
            act()


def test_states_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="expected"):
        Dense(FULL) @ np.ones(N + 1)


@pytest.mark.parametrize("kind", [np.int8, np.int32, np.int64, np.uint16])
@pytest.mark.parametrize("name", [*OPERATORS, "transform"])
def test_integers_are_taken_as_numbers_of_double_precision(name: str, kind: type) -> None:
    grid = expint.Grid(N, 1.0, boundary="neumann")
    operator = OPERATORS[name]() if name in OPERATORS else 0.5 * grid.laplacian
    u = np.arange(1, N + 1)
    np.testing.assert_allclose(operator @ u.astype(kind), operator @ u.astype(float), rtol=1e-14)
    with pytest.raises(TypeError, match=r"expected an array of floating-point numbers, received dtype torch\.int32"):
        operator @ torch.arange(N, dtype=torch.int32)
