"""Sums of commuting parts: equal to the sum filled in, merged where they can be, refused where they do not commute."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.sparse.linalg import aslinearoperator

import expint
from expint.operators import BlockDiagonal, Dense, Diagonal, KroneckerSum, MatrixFree, Scalar, Sparse, Sum, as_operator
from expint.operators.addition.commuting import Commuting
from expint.operators.bases.in_basis import Eigenbasis
from tests.expint.operator_family import apply_row

ONE = Fraction(1)
SUMS = [{(0, ONE): ONE}, {(1, ONE): ONE, (2, ONE / 2): -2 * ONE}, {(3, ONE): 4 * ONE, (0, 0): ONE / 3}, {}]
EXPONENTIALS = [{(0, ONE): ONE}, {(0, ONE / 2): ONE / 3, (0, 0): ONE}, {(0, -ONE / 4): ONE}]

FIELDS, N, M = 2, 5, 3
UNIT_N, UNIT_M, UNIT_F = np.eye(N), np.eye(M), np.eye(FIELDS)


def on_last(matrix: np.ndarray) -> np.ndarray:
    """The matrix of what acts on the last axis of states of shape (FIELDS, N)."""
    return np.kron(UNIT_F, matrix)


def cases(rng: np.random.Generator, z: complex) -> dict[str, tuple[list, tuple[int, ...], np.ndarray, type]]:
    """Parts, the shape of states, the sum filled in, and the operator it should become; z is 1, or 1j for complex."""
    a, b, c = (rng.standard_normal((n, n)) * z for n in (N, N, M))
    symmetric = a + a.conj().T
    s, t = rng.standard_normal(N) * z, rng.standard_normal((FIELDS, 1)) * z
    number = complex(rng.standard_normal() * z) if z != 1 else float(rng.standard_normal())
    some, other = sparse.csr_array(a), sparse.csr_array(b)
    blocks = rng.standard_normal((FIELDS, FIELDS, N)) * z
    filled = sum(np.kron(np.outer(UNIT_F[i], UNIT_F[j]), np.diag(blocks[i, j])) for i in range(2) for j in range(2))
    rates, both = np.kron(np.diag(t.ravel()), UNIT_N), (FIELDS, N)
    free = MatrixFree(lambda v: a @ v, N, complex=z != 1)
    grid = np.kron(a, UNIT_M) + np.kron(UNIT_N, c)
    per_field = np.kron(np.diag(t.ravel()), np.eye(N * M)) + np.kron(UNIT_F, grid)
    return {
        "numbers": ([number, 2.0], (N,), (number + 2.0) * UNIT_N, Scalar),
        "symbols": (
            [Diagonal(s), Diagonal(t), number],
            both,
            on_last(np.diag(s)) + rates + number * np.eye(10),
            Diagonal,
        ),
        "blocks": ([BlockDiagonal(blocks), BlockDiagonal(2 * blocks)], both, 3 * filled, BlockDiagonal),
        "blocks and rates": (
            [Diagonal(t), BlockDiagonal(blocks), 1.5],
            both,
            filled + rates + 1.5 * np.eye(10),
            BlockDiagonal,
        ),
        "matrices": ([Dense(a), Dense(b), number], (N,), a + b + number * UNIT_N, Dense),
        "matrix and symbol": ([Dense(a), Diagonal(s)], (N,), a + np.diag(s), Dense),
        "matrix and rates": ([Dense(symmetric), Diagonal(t)], both, on_last(symmetric) + rates, Eigenbasis),
        "sparse": ([some, other, number], (N,), a + b + number * UNIT_N, Sparse),
        "sparse and symbol": ([Sparse(some), Diagonal(s)], (N,), a + np.diag(s), Sparse),
        "sparse and rates": ([Sparse(some), Diagonal(t)], both, on_last(a) + rates, Commuting),
        "sparse, blocks of numbers": (
            [Sparse(some), BlockDiagonal(blocks[:, :, :1] * np.ones(N))],
            both,
            on_last(a) + np.kron(blocks[:, :, 0], UNIT_N),
            Commuting,
        ),
        "function and number": ([free, number], (N,), a + number * UNIT_N, MatrixFree),
        "function and its square": ([free, Dense(a @ a)], (N,), a + a @ a, Commuting),
        "sums along axes": (
            [KroneckerSum(a, c), KroneckerSum(b, c), Dense(c)],
            (N, M),
            np.kron(a + b, UNIT_M) + np.kron(UNIT_N, 3 * c),
            KroneckerSum,
        ),
        "axes and number": ([KroneckerSum(a, c), number], (N, M), grid + number * np.eye(15), Eigenbasis),
        "axes and rates": ([KroneckerSum(a, c), Diagonal(t[..., None])], (FIELDS, N, M), per_field, Eigenbasis),
        "axes by iterations and number": (
            [KroneckerSum(a, c, action="krylov"), number],
            (N, M),
            grid + number * np.eye(15),
            KroneckerSum,
        ),
        "axes by iterations and rates": (
            [KroneckerSum(a, c, action="krylov"), Diagonal(t[..., None])],
            (FIELDS, N, M),
            per_field,
            Commuting,
        ),
        "diagonal axis and symbol": (
            [KroneckerSum(s, c), Diagonal(2 * s[:, None])],
            (N, M),
            np.kron(np.diag(3 * s), UNIT_M) + np.kron(UNIT_N, c),
            Eigenbasis,
        ),
    }


def state(rng: np.random.Generator, shape: tuple[int, ...], matrix: np.ndarray) -> np.ndarray:
    v = rng.standard_normal(shape)
    return v + 1j * rng.standard_normal(shape) if np.iscomplexobj(matrix) else v


@pytest.mark.parametrize("name", cases(np.random.default_rng(0), 1))
@settings(max_examples=6)
@given(seed=st.integers(0, 2**32 - 1), z=st.sampled_from([1, 1j]), h=st.floats(0.05, 1))
def test_a_sum_is_the_operator_filled_in(name: str, seed: int, z: complex, h: float) -> None:
    rng = np.random.default_rng(seed)
    parts, shape, matrix, kind = cases(rng, z)[name]
    operator = Sum(*parts)
    if kind is not Eigenbasis or not isinstance(operator.route, Commuting):  # eigenvectors may be badly conditioned
        assert isinstance(operator.route, kind), operator.route
    filled = Dense(matrix)
    for sums in (SUMS, EXPONENTIALS):
        columns = [state(rng, shape, matrix) for _ in sums]
        operator.check(columns[0])
        got = apply_row(operator, columns, sums, h)
        expected = apply_row(filled, [v.ravel() for v in columns], sums, h)
        assert got.shape == shape
        assert got.dtype == columns[0].dtype
        assert np.linalg.norm(got.ravel() - expected) <= 1e-9 * max(np.linalg.norm(expected), 1.0)
    (v, *_) = columns
    np.testing.assert_allclose(operator.product(v)(v).ravel(), matrix @ v.ravel(), rtol=0, atol=1e-12)


def test_sums_of_sums_are_flat_and_order_does_not_matter() -> None:
    a, b = Diagonal(np.arange(4.0)), Dense(np.ones((4, 4)))
    for operator in (Sum(Sum(a, b), 1.0), Sum(1.0, Sum(b, a)), Sum(b, Sum(Sum(a), 1.0))):
        assert len(operator.parts) == 3
        np.testing.assert_array_equal(operator.route.matrix, np.diag(np.arange(4.0)) + np.ones((4, 4)) + np.eye(4))


def test_runs_work_with_what_the_sum_has_become() -> None:
    assert isinstance(as_operator(Sum(Diagonal(np.arange(4.0)), 1.0), np.ones(4)), Diagonal)
    run = expint.solve_ivp(lambda t, y: -y, (0, 1), np.ones(4), linear=Sum(Diagonal(-np.arange(4.0)), 1.0), rtol=1e-6)
    assert "on a Diagonal operator" in run.message


def test_what_can_be_an_operator_can_be_a_part() -> None:
    matrix = sparse.eye_array(4, format="csr")
    assert isinstance(Sum(matrix, 2).route, Sparse)
    assert isinstance(Sum(aslinearoperator(matrix), np.float64(2)).route, MatrixFree)


def test_a_stiff_symbol_costs_no_products_where_there_are_only_exponentials() -> None:
    calls = 0

    def matvec(v: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        return np.roll(v, 1) - v

    rates, v = Diagonal(-(10.0 ** np.arange(0, 8, 2))[:, None]), np.random.default_rng(0).standard_normal((4, 6))
    apply_row(Sum(MatrixFree(matvec, 6)), [v], [{(0, ONE): ONE}], 1.0)
    alone, calls = calls, 0
    apply_row(Sum(MatrixFree(matvec, 6), rates), [v], [{(0, ONE): ONE}], 1.0)
    assert calls <= alone


def test_spectra_of_symmetric_parts_add_up_to_one_that_holds_that_of_the_sum() -> None:
    a = sparse.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(N, N), format="csr")
    operator = Sum(a, Diagonal([[-1.0], [-3.0]]))
    assert operator.route.choice(1.0) == "chebyshev"
    assert operator.route.spectrum.low <= -6.7 < 0 <= operator.route.spectrum.high + 1
    turned = Sum(1j * a, Diagonal([[1.0], [3.0]]))
    assert turned.route.choice(1.0) == "krylov"
    moved = Sum(MatrixFree(lambda v: a @ v, N, symmetry="symmetric", interval=(-4, 0)), -2.0).route
    assert tuple(moved.spectrum) == (-6.0, -2.0, False)
    assert Sum(MatrixFree(lambda v: a @ v, N, symmetry="symmetric", interval=(-4, 0)), 2j).route.spectrum is None


def test_tolerances_of_parts_hold_for_their_sum() -> None:
    a = sparse.diags_array([1.0, -2.0], offsets=[-1, 0], shape=(N, N), format="csr")
    operator = Sum(Sparse(a, tolerance=1e-5), Diagonal([[-1.0], [-3.0]]), Sparse(a @ a, tolerance=1e-7, basis=30))
    assert (operator.route.tolerance, operator.route.basis) == (1e-7, 100)
    assert Sum(Sparse(a, tolerance=1e-5, basis=20, action="krylov"), 1.0).route.action == "krylov"


@pytest.mark.parametrize("method", ["krogstad4", "lawson-rk4"])
def test_dispersion_and_damping_by_field_solve_like_the_matrix(method: str) -> None:
    n = 12
    d = sparse.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(n, n), format="csr")
    dispersion, rates = Sparse((d @ d.T @ d).tocsr()), Diagonal([[-0.2], [-3.0]])
    matrix = np.kron(np.eye(2), dispersion.matrix.toarray()) + np.kron(np.diag([-0.2, -3.0]), np.eye(n))
    y0 = np.random.default_rng(3).standard_normal((2, n))
    options = {"method": method, "step": 0.05}
    one = expint.solve_ivp(lambda t, y: y[::-1] - y**3, (0, 0.5), y0, linear=Sum(dispersion, rates), **options)

    def flat(t: float, y: np.ndarray) -> np.ndarray:
        return (y.reshape(2, n)[::-1] - y.reshape(2, n) ** 3).ravel()

    two = expint.solve_ivp(flat, (0, 0.5), y0.ravel(), linear=Dense(matrix), **options)
    assert one.success
    np.testing.assert_allclose(one.y_end.ravel(), two.y_end, rtol=0, atol=1e-11)


def test_adaptive_runs_tie_the_action_to_their_tolerance() -> None:
    n = 40
    laplacian = sparse.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(n, n), format="csr") * n**2
    y0 = np.stack([np.sin(np.linspace(0, 3, n)), np.ones(n)])
    calls = {}
    for rtol in (1e-3, 1e-10):  # in ten steps each
        count = 0

        def matvec(v: np.ndarray) -> np.ndarray:
            nonlocal count
            count += 1
            return laplacian @ v

        operator = Sum(MatrixFree(matvec, n), Diagonal([[-1.0], [2.0]]))
        options = {"linear": operator, "method": "krogstad4", "error": "doubling", "max_steps": 200}
        assert expint.solve_ivp(None, (0, 0.01), y0, rtol=rtol, **options).success
        calls[rtol] = count
    assert calls[1e-3] < 0.8 * calls[1e-10]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_states_of_torch_keep_their_precision(dtype: torch.dtype) -> None:
    rng = np.random.default_rng(9)
    a, c, rates = rng.standard_normal((N, N)), rng.standard_normal((M, M)), rng.standard_normal((FIELDS, 1, 1))
    v = rng.standard_normal((FIELDS, N, M))
    sums = [
        Sum(KroneckerSum(a + a.T, c + c.T), Diagonal(rates), 0.5),
        Sum(KroneckerSum(a + a.T, c + c.T, action="krylov"), Diagonal(rates), 0.5),
    ]
    for operator in sums:
        y = torch.tensor(v, dtype=dtype)
        as_operator(operator, y)
        got = apply_row(operator, [y, y, y, y], SUMS, 0.3)
        assert got.dtype == dtype
        expected = apply_row(operator, [v, v, v, v], SUMS, 0.3)
        assert np.max(np.abs(got.numpy() - expected)) <= (1e-4 if dtype == torch.float32 else 1e-10) * np.max(
            np.abs(expected)
        )


def test_parts_that_do_not_commute_are_refused_with_the_way_out() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.standard_normal((2, N, N))
    kinetic = MatrixFree(lambda v: a.astype(v.dtype) @ v, N)
    for other in (Dense(b), Sparse(sparse.csr_array(b)), Diagonal(np.arange(float(N)))):
        with pytest.raises(ValueError, match=r"expected parts that commute, received .*; add them to one matrix"):
            as_operator(Sum(kinetic, other, 3.0), np.ones(N))
    square = Sum(kinetic, Dense(a @ a + 2 * a))
    assert as_operator(square, np.ones(N)) is square.route
    assert as_operator(square, np.ones(N, dtype=np.float32)) is square.route
    with pytest.raises(ValueError, match="expected parts that commute"):
        as_operator(Sum(kinetic, Dense(a @ a + 1e-6 * b)), np.ones(N))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Sum(), ValueError, "expected parts to add, received none"),
        (lambda: Sum(np.eye(3)), TypeError, r"array of shape \(3, 3\), which can be a symbol or a matrix"),
        (lambda: Sum(Scalar(1.0), lambda v: v), TypeError, r"MatrixFree\(function, n\)"),
        (lambda: Sum(Scalar(1.0), "two"), TypeError, "received str"),
        (lambda: Sum(Diagonal(np.ones(3)), Diagonal(np.ones(4))), ValueError, r"shapes \(3,\) and \(4,\)"),
        (lambda: Sum(1.0, float("nan")), ValueError, "finite number"),
    ],
)
def test_parts_that_make_no_sense_are_refused(make: object, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_states_are_checked_against_every_part() -> None:
    with pytest.raises(ValueError, match="last axis has length 4"):
        as_operator(Sum(Dense(np.eye(3)), Dense(np.eye(4))), np.ones(3))
    with pytest.raises(TypeError, match="complex state"):
        as_operator(Sum(Dense(np.eye(3)), 1j), np.ones(3))
    with pytest.raises(ValueError, match=r"two|fields"):
        as_operator(Sum(BlockDiagonal(np.ones((2, 2, 4))), 1.0), np.ones((3, 4)))


def test_nothing_is_filled_in() -> None:
    n = 50_000
    a = sparse.diags_array([1.0, -2.0, 0.5], offsets=[-1, 0, 1], shape=(n, n), format="csr")
    operator = Sum(a, Diagonal(np.array([[-1.0], [-2.0]])), 3.0, sparse.eye_array(n, format="csr"))
    y0 = np.ones((2, n))
    solution = expint.solve_ivp(lambda t, y: -y, (0, 0.1), y0, linear=operator, method="krogstad4", step=0.1)
    assert solution.success
