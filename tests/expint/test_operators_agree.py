"""Scalar = diagonal = block-diagonal = dense = sparse = Kronecker = Krylov, on random problems."""

import copy
import pickle
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import array_api_strict
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import expint
from expint.operators import BlockDiagonal, Dense, Diagonal, KroneckerSum, MatrixFree, Scalar, Sparse, Sum, as_operator
from tests.expint.operator_family import apply_row, forms_of_matrix, forms_of_sum, row_exactly

HALF = Fraction(1, 2)
SUMS = [
    {(0, Fraction(1)): Fraction(1)},
    {(1, Fraction(1)): Fraction(1), (2, HALF): Fraction(-2)},
    {(3, Fraction(1)): Fraction(4), (0, Fraction(0)): Fraction(1, 3)},
    {},
]
KINDS = {
    "random": lambda rng, n: rng.standard_normal((n, n)),
    "complex": lambda rng, n: rng.standard_normal((n, n)) + 1j * rng.standard_normal((n, n)),
    "symmetric": lambda rng, n: (lambda m: m + m.T)(rng.standard_normal((n, n))),
    "skew": lambda rng, n: (lambda m: m - m.T)(rng.standard_normal((n, n))),
    "non-normal": lambda rng, n: np.triu(rng.standard_normal((n, n))) * 2 - np.diag(rng.uniform(0, 3, n)),
    "defective": lambda rng, n: np.diag(np.full(n, -1.0)) + np.diag(np.ones(n - 1), 1),
    "zero": lambda rng, n: np.zeros((n, n)),
    "stiff": lambda rng, n: np.diag(-(10.0 ** np.linspace(-1, 3, n))) + 0.1 * rng.standard_normal((n, n)),
}


def columns_of(rng: np.random.Generator, n: int, matrix: np.ndarray) -> list[np.ndarray]:
    columns = [rng.standard_normal(n) for _ in SUMS]
    return [v + 1j * rng.standard_normal(n) for v in columns] if np.iscomplexobj(matrix) else columns


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 8), h=st.floats(-0.5, 2).filter(lambda h: abs(h) > 1e-3))
def test_every_operator_that_holds_a_matrix_applies_the_same_row(kind: str, seed: int, n: int, h: float) -> None:
    rng = np.random.default_rng(seed)
    matrix = KINDS[kind](rng, n)
    h = abs(h) if kind == "stiff" else h
    columns = columns_of(rng, n, matrix)
    expected = apply_row(Dense(matrix), columns, SUMS, h)
    for name, (operator, _) in forms_of_matrix(matrix).items():
        operator.check(columns[0])
        got = apply_row(operator, columns, SUMS, h)
        size = max(np.linalg.norm(expected), np.linalg.norm(columns[0]))
        assert np.linalg.norm(got - expected) <= 2e-10 * size, name
        assert got.dtype == columns[0].dtype, name


@pytest.mark.parametrize("kind", ["complex", "skew", "non-normal", "defective", "stiff"])
@settings(max_examples=3)
@given(seed=st.integers(0, 2**32 - 1), h=st.floats(0.05, 2))
def test_every_operator_that_holds_a_matrix_agrees_with_fifty_digits(kind: str, seed: int, h: float) -> None:
    rng = np.random.default_rng(seed)
    matrix = KINDS[kind](rng, 3)
    columns = columns_of(rng, 3, matrix)
    exact = row_exactly(matrix, columns, SUMS, h)
    size = max(np.linalg.norm(exact), np.linalg.norm(columns[0]))
    for name, (operator, _) in forms_of_matrix(matrix).items():
        error = np.linalg.norm(apply_row(operator, columns, SUMS, h) - exact)
        exactly_formed = name in ("dense", "block-diagonal")
        assert error <= (1e-13 if exactly_formed else 1e-10) * size, (name, error / size)


@settings(max_examples=15)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(2, 5), st.integers(2, 5)),
    kind=st.sampled_from(["random", "complex", "symmetric", "skew", "non-normal"]),
)
def test_every_operator_that_holds_a_kronecker_sum_applies_the_same_row(
    seed: int, shape: tuple[int, int], kind: str
) -> None:
    rng = np.random.default_rng(seed)
    a, b = (KINDS[kind](rng, n) for n in shape)
    columns = columns_of(rng, shape[0] * shape[1], a)
    forms = forms_of_sum(a, b)
    expected = apply_row(forms["dense"].operator, columns, SUMS, 0.7)
    for name, (operator, own) in forms.items():
        got = apply_row(operator, [v.reshape(own) for v in columns], SUMS, 0.7)
        assert got.shape == own, name
        assert np.linalg.norm(got.ravel() - expected) <= 2e-10 * np.linalg.norm(expected), name


@settings(max_examples=30)
@given(st.complex_numbers(max_magnitude=5, allow_nan=False, allow_infinity=False), st.booleans())
def test_a_number_is_the_same_operator_in_every_form(value: complex, real: bool) -> None:
    number = value.real if real else value
    rng = np.random.default_rng(0)
    columns = [rng.standard_normal(3) + (0 if real else 1j) for _ in SUMS]
    expected = apply_row(Scalar(number), columns, SUMS, 1.0)
    others = [
        Diagonal(np.full(3, number)),
        BlockDiagonal([[np.full(3, number)]]),
        Dense(number * np.eye(3)),
        Sparse(number * sparse.eye_array(3, format="csr")),
        KroneckerSum(np.full(3, number)),
        MatrixFree(lambda v: number * v, 3, complex=not real),
    ]
    for operator in others:
        shaped = [v[None, :] for v in columns] if isinstance(operator, BlockDiagonal) else columns
        got = apply_row(operator, shaped, SUMS, 1.0).reshape(3)
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-11 * np.max(np.abs(expected)) + 1e-12)


def test_blocks_couple_fields_mode_by_mode() -> None:
    rng = np.random.default_rng(3)
    blocks = rng.standard_normal((2, 2, 4, 3))
    operator = BlockDiagonal([[blocks[0, 0], blocks[0, 1]], [blocks[1, 0], blocks[1, 1]]])
    columns = [rng.standard_normal((5, 2, 4, 3)) for _ in SUMS]
    got = apply_row(operator, columns, SUMS, 0.3)
    for i in range(4):
        for j in range(3):
            expected = apply_row(Dense(blocks[:, :, i, j]), [v[:, :, i, j] for v in columns], SUMS, 0.3)
            np.testing.assert_allclose(got[:, :, i, j], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("make", [np.asarray, torch.tensor])
@pytest.mark.parametrize("kind", ["random", "complex", "stiff", "non-normal"])
def test_each_trajectory_may_have_a_matrix_of_its_own(kind: str, make: Callable[[np.ndarray], Any]) -> None:
    rng = np.random.default_rng(7)
    matrices = np.array([[scale * KINDS[kind](rng, 4) for scale in (1e-3, 1.0, 3.0)] for _ in range(2)])
    columns = [make(np.stack([columns_of(rng, 4, matrices)] * 6)[:, j].reshape(2, 3, 4)) for j in range(len(SUMS))]
    operator = as_operator(make(matrices), columns[0])
    assert isinstance(operator, Dense)
    got = apply_row(operator, columns, SUMS, 0.5)
    for i in range(2):
        for j in range(3):
            expected = apply_row(Dense(matrices[i, j]), [v[i, j] for v in columns], SUMS, 0.5)
            np.testing.assert_allclose(got[i, j], expected, rtol=1e-12, atol=1e-12)


def test_three_axes_and_a_diagonal_factor() -> None:
    rng = np.random.default_rng(4)
    a, b, d = rng.standard_normal((3, 3)), rng.standard_normal((2, 2)), -np.arange(4.0)
    whole = np.kron(np.kron(a, np.eye(2)) + np.kron(np.eye(3), b), np.eye(4)) + np.kron(np.eye(6), np.diag(d))
    columns = [rng.standard_normal((2, 3, 2, 4)) for _ in SUMS]
    expected = apply_row(Dense(whole), [v.reshape(2, 24) for v in columns], SUMS, 0.5)
    for action in ("eigen", "krylov"):
        got = apply_row(KroneckerSum(a, b, d, action=action), columns, SUMS, 0.5)
        np.testing.assert_allclose(got.reshape(2, 24), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("form", ["sparse", "matrix-free", "kronecker", "kronecker by iterations", "rational"])
def test_leading_axes_of_a_state_are_a_batch(form: str) -> None:
    rng = np.random.default_rng(5)
    matrix = rng.standard_normal((4, 4))
    columns = [rng.standard_normal((2, 3, 4)) for _ in SUMS]
    expected = apply_row(Dense(matrix), columns, SUMS, 1.0)
    operator = forms_of_matrix(matrix)[form].operator
    operator.check(columns[0])
    np.testing.assert_allclose(apply_row(operator, columns, SUMS, 1.0), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("make", [np.asarray, torch.tensor])
@pytest.mark.parametrize("action", ["krylov", "chebyshev", "rational"])
@pytest.mark.parametrize("kind", ["symmetric", "skew"])
def test_every_action_keeps_single_precision(kind: str, action: str, make: Callable[[np.ndarray], Any]) -> None:
    matrix = KINDS[kind](np.random.default_rng(8), 4)
    columns = [make(np.linspace(-1, 1, 4, dtype=np.float32) + np.float32(j)) for j in range(len(SUMS))]
    got = apply_row(Sparse(sparse.csr_array(matrix), action=action), columns, SUMS, 0.5)
    assert got.dtype == columns[0].dtype
    expected = apply_row(Dense(matrix), [np.asarray(v, dtype=float) for v in columns], SUMS, 0.5)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-4 * np.max(np.abs(expected)))


@pytest.mark.parametrize("form", ["sparse", "rational", "kronecker", "kronecker by iterations", "block-diagonal"])
def test_real_operators_act_on_complex_states(form: str) -> None:
    rng = np.random.default_rng(6)
    matrix = rng.standard_normal((4, 4))
    columns = [rng.standard_normal(4) + 1j * rng.standard_normal(4) for _ in SUMS]
    expected = apply_row(Dense(matrix), columns, SUMS, 1.0)
    operator = forms_of_matrix(matrix)[form].operator
    np.testing.assert_allclose(apply_row(operator, columns, SUMS, 1.0), expected, rtol=0, atol=1e-10)


STRICT = ["dense", "block-diagonal", "matrix-free", "kronecker", "kronecker by iterations"]


@pytest.mark.parametrize("kind", ["random", "complex", "symmetric"])
@pytest.mark.parametrize("form", STRICT)
def test_operators_need_no_more_than_the_array_standard(kind: str, form: str) -> None:
    rng = np.random.default_rng(9)
    matrix = KINDS[kind](rng, 4)
    columns = columns_of(rng, 4, matrix)
    operator = forms_of_matrix(matrix)[form].operator
    if form == "matrix-free":
        there = array_api_strict.asarray(matrix)
        operator = MatrixFree(lambda v: there @ v, 4, complex=kind == "complex")
    strict = [array_api_strict.asarray(v) for v in columns]
    operator.check(strict[0])
    expected = apply_row(Dense(matrix), columns, SUMS, 0.7)
    np.testing.assert_allclose(np.asarray(apply_row(operator, strict, SUMS, 0.7)), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("make", [np.asarray, torch.tensor])
def test_states_of_half_precision_keep_it_in_a_complex_eigenbasis(make: Callable[[np.ndarray], Any]) -> None:
    matrix = KINDS["random"](np.random.default_rng(1), 4) / 2
    operator = KroneckerSum(matrix)
    assert np.iscomplexobj(operator.route.symbol)
    columns = [make(np.linspace(-1, 1, 4, dtype=np.float16)) for _ in SUMS]
    got = apply_row(operator, columns, SUMS, 0.5)
    assert got.dtype == columns[0].dtype
    expected = apply_row(Dense(matrix), [np.asarray(v, dtype=float) for v in columns], SUMS, 0.5)
    np.testing.assert_allclose(np.asarray(got, dtype=float), expected, rtol=0, atol=1e-2 * np.max(np.abs(expected)))


def twice(v: np.ndarray) -> np.ndarray:
    return 2 * v


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
def test_operators_can_be_copied_and_sent_to_other_processes_before_and_after_their_runs() -> None:
    rng = np.random.default_rng(2)
    matrix = KINDS["symmetric"](rng, 4)
    columns = columns_of(rng, 4, matrix)
    forms = {name: form.operator for name, form in forms_of_matrix(matrix).items()}
    forms |= {"matrix-free": MatrixFree(twice, 4), "sum": Sum(KroneckerSum(matrix), Diagonal([[1.0], [2.0]]))}
    for name, operator in forms.items():
        shaped = [np.stack([v, v]) for v in columns] if name == "sum" else columns
        expected = apply_row(operator, shaped, SUMS, 0.5)
        apply_row(operator, [torch.tensor(v) for v in shaped], SUMS, 0.5) if name != "matrix-free" else None
        for other in (pickle.loads(pickle.dumps(operator)), copy.deepcopy(operator)):
            np.testing.assert_array_equal(apply_row(other, shaped, SUMS, 0.5), expected, err_msg=name)


def advection_diffusion(n: int) -> np.ndarray:
    """Second-order differences of u_xx + 3 u_x on the unit interval, u = 0 at its ends."""
    d = np.diag(np.ones(n - 1), 1)
    return (n + 1) ** 2 * (d + d.T - 2 * np.eye(n)) + 1.5 * (n + 1) * (d - d.T)


A, B = advection_diffusion(9), advection_diffusion(7)
BUMP = np.outer(np.sin(np.linspace(0, 3, 9)), np.sin(np.linspace(0.1, 3, 7)))


@pytest.mark.parametrize("options", [{"step": 0.01}, {"rtol": 1e-7}, {"method": "adams4", "step": 0.002}])
def test_solves_with_every_operator_are_equal(options: dict[str, object]) -> None:
    def react(t: float, u: np.ndarray) -> np.ndarray:
        return 20 * u * (1 - u)

    solutions = {}
    for name, (operator, shape) in forms_of_sum(A, B).items():
        if name != "block-diagonal":
            solutions[name] = expint.solve_ivp(react, (0, 0.05), BUMP.reshape(shape), linear=operator, **options)
    reference = solutions.pop("dense")
    assert reference.success
    for name, solution in solutions.items():
        assert solution.success, name
        assert abs(solution.stats.steps - reference.stats.steps) <= 1, name
        difference = np.max(np.abs(solution.y_end.ravel() - reference.y_end))
        assert difference <= (1e-8 if "rtol" in options else 1e-11), (name, difference)


@pytest.mark.parametrize("kind", ["random", "complex", "defective"])
def test_every_operator_multiplies_like_its_matrix(kind: str) -> None:
    rng = np.random.default_rng(7)
    matrix = KINDS[kind](rng, 5)
    (v, *_) = columns_of(rng, 5, matrix)
    for name, (operator, _) in forms_of_matrix(matrix).items():
        np.testing.assert_allclose(operator.product(v)(v), matrix @ v, rtol=0, atol=1e-13, err_msg=name)
    a, b = matrix, KINDS[kind](rng, 3)
    (grid, *_) = columns_of(rng, 15, matrix)
    whole = np.kron(a, np.eye(3)) + np.kron(np.eye(5), b)
    for name, (operator, shape) in forms_of_sum(a, b).items():
        got = operator.product(grid.reshape(shape))(grid.reshape(shape))
        np.testing.assert_allclose(got.ravel(), whole @ grid, rtol=0, atol=1e-13, err_msg=name)
