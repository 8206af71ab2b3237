"""Operators: what is accepted as L, what could mean two things, and what does not fit."""

import array_api_strict
import numpy as np
import pytest
import torch

import expint
from expint.lower.cache import PhiTables, weigh
from expint.lower.memory import PLAIN
from expint.operators import Dense, Diagonal, KroneckerSum, Operator, Scalar, Sparse, as_operator
from expint.operators.base import StoredOperator
from expint.operators.columns import Columns

STATE = np.zeros(3)
BATCH = np.zeros((5, 3))


@pytest.mark.parametrize("linear", [-1, -1.0, np.float64(-1), np.array(-1.0), torch.tensor(-1.0), np.int64(-1)])
def test_numbers_become_scalar_operators(linear: object) -> None:
    operator = as_operator(linear, STATE)
    assert isinstance(operator, Scalar)
    assert operator.value == -1.0


@pytest.mark.parametrize("linear", [1j, np.complex128(1j), np.array(1j), torch.tensor(1j)])
def test_complex_numbers_become_scalar_operators(linear: object) -> None:
    operator = as_operator(linear, STATE + 0j)
    assert isinstance(operator, Scalar)
    assert operator.value == 1j


@pytest.mark.parametrize("state", [STATE, BATCH, np.zeros((2, 5, 3))])
@pytest.mark.parametrize("symbol", [[-1.0, -2.0, -3.0], np.array([-1.0, -2.0, -3.0]), torch.tensor([-1.0, -2, -3])])
def test_vectors_that_fit_the_last_axis_become_symbols(symbol: object, state: np.ndarray) -> None:
    operator = as_operator(symbol, state)
    assert isinstance(operator, Diagonal)
    np.testing.assert_array_equal(operator.symbol, [-1.0, -2.0, -3.0])


def test_square_matrices_for_the_last_axis_become_dense_operators() -> None:
    assert isinstance(as_operator(np.eye(3), STATE), Dense)
    assert isinstance(as_operator(np.eye(3), BATCH), Dense)
    assert isinstance(as_operator(np.eye(3).tolist(), STATE), Dense)


def test_two_dimensional_symbols_that_are_no_matrices_are_symbols() -> None:
    assert isinstance(as_operator(np.ones((5, 3)), BATCH), Diagonal)
    assert isinstance(as_operator(np.ones((5, 1)), BATCH), Diagonal)


def test_an_operator_is_taken_as_it_is() -> None:
    operator = Dense(np.eye(3))
    assert as_operator(operator, STATE) is operator
    assert isinstance(operator, Operator)


@pytest.mark.parametrize("state", [np.zeros((3, 3)), np.zeros((2, 3, 3))])
def test_a_matrix_that_is_also_a_symbol_is_refused_with_both_remedies(state: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"symbol or a matrix, .* shape \(3, 3\) .*Diagonal\(array\) .*Dense\(array\)"):
        as_operator(np.eye(3), state)
    assert as_operator(Diagonal(np.eye(3)), state) is not None
    assert as_operator(Dense(np.eye(3)), state) is not None


@pytest.mark.parametrize("shape", [(4,), (1, 3), (2, 5, 3), (4, 4), (3, 3, 3)])
def test_arrays_that_do_not_fit_the_state_are_refused_with_both_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected a symbol that broadcasts to the state") as raised:
        as_operator(np.ones(shape), STATE)
    assert str(shape) in str(raised.value)
    assert "(3,)" in str(raised.value)
    assert ("or square matrices for its last axis" in str(raised.value)) == (shape in [(4, 4), (3, 3, 3)])


@pytest.mark.parametrize("state", [np.zeros(4), np.zeros((3, 4)), np.zeros(())])
def test_a_matrix_that_does_not_fit_the_last_axis_is_refused(state: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected a state whose last axis has length 3") as raised:
        as_operator(Dense(np.eye(3)), state)
    assert str(state.shape) in str(raised.value)


@pytest.mark.parametrize("linear", ["fast", None, {"a": 1}, lambda v: v])
def test_what_is_no_operator_is_refused(linear: object) -> None:
    with pytest.raises(TypeError, match=r"expected linear to be a number, an array .* received"):
        as_operator(linear, STATE)


@pytest.mark.parametrize("linear", [1j, np.array([1j, 1, 2]), Dense(1j * np.eye(3))])
def test_complex_operators_on_real_states_are_refused(linear: object) -> None:
    with pytest.raises(TypeError, match=r"expected a complex state for a complex linear operator.*float64.*y0 \+ 0j"):
        as_operator(linear, STATE)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_operators_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="expected a finite number"):
        Scalar(bad)
    with pytest.raises(ValueError, match="expected a finite symbol, received 1 non-finite entries of 2"):
        Diagonal(np.array([1.0, bad]))
    with pytest.raises(ValueError, match="expected a finite matrix, received 1 non-finite entries"):
        Dense(np.array([[1.0, bad], [0.0, 1.0]]))


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 2, 3)])
def test_matrices_that_are_not_square_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected a square matrix") as raised:
        Dense(np.ones(shape))
    assert str(shape) in str(raised.value)


def test_a_number_with_zero_imaginary_part_is_real() -> None:
    assert isinstance(Scalar(2 + 0j).value, float)
    as_operator(2 + 0j, STATE)


@pytest.mark.parametrize("make", [np.asarray, torch.asarray, array_api_strict.asarray])
def test_operators_take_symbols_and_matrices_of_any_namespace(make: object) -> None:
    np.testing.assert_array_equal(Diagonal(make([1.0, 2.0])).symbol, [1.0, 2.0])
    np.testing.assert_array_equal(Dense(make([[1.0, 2.0], [3.0, 4.0]])).matrix, [[1.0, 2.0], [3.0, 4.0]])


def test_operators_say_what_they_are() -> None:
    assert repr(Scalar(-1.0)) == "Scalar(-1.0)"
    assert repr(Diagonal(np.array([1.0, 2.0]))) == "Diagonal(real symbol of shape (2,))"
    assert repr(Diagonal(np.array([1.0, 2j]))) == "Diagonal(complex symbol of shape (2,))"
    assert repr(Dense(np.eye(2))) == "Dense(matrix of shape (2, 2))"


def test_a_scalar_combines_tensors_in_one_operation_each_and_leaves_them_as_they_are():
    rng = np.random.default_rng(0)
    columns = [rng.standard_normal((3, 4)) for _ in range(4)]
    weights, tensors = (0.5, None, -2.0, 3.0), [torch.from_numpy(column.copy()) for column in columns]
    expected = Scalar(0.0).combine(weights, columns)
    np.testing.assert_allclose(Scalar(0.0).combine(weights, tensors), expected, rtol=1e-15)
    for tensor, column in zip(tensors, columns):
        np.testing.assert_array_equal(tensor, column)
    leaf = torch.ones(2, requires_grad=True)
    Scalar(0.0).combine((2.0, 3.0), (leaf, leaf)).sum().backward()
    assert leaf.grad.tolist() == [5.0, 5.0]


@pytest.mark.parametrize(
    ("operator", "forwards", "backwards"),
    [
        (Scalar(-2.0), True, False),
        (Scalar(0.4), False, False),
        (Scalar(3j), False, False),
        (Diagonal(np.array([0.0, 5j, -2 + 1j])), True, False),
        (Diagonal(np.array([0.0, 5j, 2 + 1j])), False, True),
        (Dense(np.eye(2)), True, True),  # eigenvalues are not at hand
        (Dense(-np.eye(60)).for_steps(changing=True), True, False),
    ],
)
def test_what_decays_within_a_time_is_damped(operator: Operator, forwards: bool, backwards: bool) -> None:
    assert operator.damps(1.0) == forwards
    assert operator.damps(-1.0) == backwards
    assert not operator.damps(1e-9) or isinstance(operator, Dense)


def test_a_kronecker_sum_runs_as_what_it_is_applied_by() -> None:
    matrix, state = np.array([[-2.0, 1.0], [1.0, -2.0]]), np.arange(4.0).reshape(2, 2)
    own = as_operator(KroneckerSum(matrix, matrix), state)
    assert isinstance(own, StoredOperator)
    assert own.elementwise  # which every fast path asks for
    whole = np.kron(matrix, np.eye(2)) + np.kron(np.eye(2), matrix)
    flat, grid = (
        expint.solve_ivp(lambda t, y: -(y**3), (0.0, 1.0), y0, linear=linear, method="auto", rtol=1e-10).y_end
        for y0, linear in ((state.reshape(-1), whole), (state, KroneckerSum(matrix, matrix)))
    )
    np.testing.assert_allclose(grid.reshape(-1), flat, rtol=1e-8)


@pytest.mark.parametrize("kind", ["real", "complex", "single", "tensor"])
@pytest.mark.parametrize(
    "make", [Dense, Sparse, lambda matrix: Diagonal(np.diag(matrix))], ids=["dense", "krylov", "φ"]
)
def test_a_row_applied_once_is_the_row_combined(make: object, kind: str) -> None:
    from scipy import sparse

    rng = np.random.default_rng(3)
    matrix, numbers = rng.standard_normal((4, 4)), rng.standard_normal((4, 4))
    operator = make(sparse.csr_array(matrix) if make is Sparse else matrix)
    columns = Columns(({(0, 1): 1}, {(1, 1): 2, (2, 0.5): -1}, {}, {(3, 1): 1.5}))
    vectors = {
        "real": list(numbers),
        "complex": list(numbers + 1j * numbers[::-1]),
        "single": list(numbers.astype(np.float32)),
        "tensor": [torch.as_tensor(own) for own in numbers],
    }[kind]
    table, factors = PhiTables(operator, 0.3), PLAIN.factors(1.0, 0.3, 4)
    for given in (vectors, [vectors[0], None, *vectors[2:]], [vectors[0], None, vectors[2], None]):
        weights = weigh(operator, columns, factors, table, vectors[0])
        whole = operator.combine([None if v is None else w for w, v in zip(weights, given)], given)
        once = operator.acting()(columns, factors, table, given)
        assert once.dtype == whole.dtype
        np.testing.assert_allclose(once, whole, rtol=2e-5 if kind == "single" else 1e-12, atol=1e-6)
