"""What operators refuse, how they fail by name, and that none fills in what is sparse."""

import tracemalloc
import warnings

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.sparse.linalg import aslinearoperator

import expint
from expint import Status
from expint.operators import BlockDiagonal, Dense, Diagonal, KroneckerSum, MatrixFree, Sparse, Sum, as_operator
from expint.phi.action import ActionFailure
from tests.expint.operator_family import apply_row

STATE = np.ones(4)
FOUR = sparse.eye_array(4, format="csr")


def sparse_tensor(matrix: np.ndarray) -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls its CSR tensors a beta feature
        return torch.tensor(matrix).to_sparse_csr()


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "dia", "lil", "bsr", "dok"])
def test_sparse_matrices_of_any_format_are_sparse_operators(form: str) -> None:
    assert isinstance(as_operator(FOUR.asformat(form), STATE), Sparse)
    assert isinstance(as_operator(FOUR.asformat(form), np.ones((3, 2, 2))), Sparse)


def test_sparse_tensors_of_torch_and_linear_operators_are_known() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert isinstance(as_operator(sparse_tensor(np.eye(4)), torch.ones(4, dtype=torch.float64)), Sparse)
    assert isinstance(as_operator(torch.eye(4).to_sparse(), STATE), Sparse)
    assert isinstance(as_operator(aslinearoperator(FOUR), STATE), MatrixFree)


def test_a_function_is_refused_with_the_operator_to_use() -> None:
    with pytest.raises(TypeError, match=r"received a function; .*MatrixFree\(function, n\)"):
        as_operator(lambda v: v, STATE)


@pytest.mark.parametrize("shape", [(3, 4), (4, 3)])
def test_what_is_not_square_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"square matrix of shape \(n, n\), received shape"):
        Sparse(sparse.csr_array(np.ones(shape)))
    with pytest.raises(ValueError, match="square operator"):
        MatrixFree(aslinearoperator(np.ones(shape)))
    with pytest.raises(ValueError, match="square matrix, or a vector for a diagonal one, for axis 1"):
        KroneckerSum(np.eye(2), np.ones(shape))
    with pytest.raises(ValueError, match="as many symbols in each row as there are rows"):
        BlockDiagonal(np.ones(shape))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(bad: float) -> None:
    matrix = np.array([[1.0, bad], [0.0, 1.0]])
    with pytest.raises(ValueError, match="finite matrix, received 1 non-finite"):
        Sparse(sparse.csr_array(matrix))
    with pytest.raises(ValueError, match="finite factors, received 1 non-finite entries for axis 0"):
        KroneckerSum(matrix, np.eye(2))
    with pytest.raises(ValueError, match="finite symbols, received 1 non-finite entries of 4"):
        BlockDiagonal(matrix)
    with pytest.raises(ValueError, match="matvec to return finite values"):
        as_operator(MatrixFree(lambda v: v * bad, 4), STATE)


@pytest.mark.parametrize(
    ("operator", "message"),
    [
        (Sparse(FOUR), "last axis has length 4, or whose trailing axes multiply to it"),
        (MatrixFree(lambda v: v, 4), "last axis has length 4, or whose trailing axes multiply to it"),
        (KroneckerSum(np.eye(2), np.eye(2)), r"shape \(…, 2, 2\), one axis for each factor"),
        (BlockDiagonal(np.ones((2, 2, 4))), r"shape \(…, 2, 4\): 2 fields, then the modes"),
        (Dense(np.ones((4, 4))), "last axis has length 4, as the matrix"),
        (Dense(np.ones((4, 3, 3))), r"shape \(…, 4, 3\), a vector for each of the matrices of shape \(4, 3, 3\)"),
    ],
)
def test_states_that_do_not_fit_are_refused_with_both_shapes(operator: object, message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        as_operator(operator, np.ones((5, 3)))
    assert "(5, 3)" in str(raised.value)


@pytest.mark.parametrize(
    "operator", [Sparse(1j * FOUR), MatrixFree(lambda v: 1j * v, 4, complex=True), KroneckerSum(1j * np.eye(4))]
)
def test_complex_operators_on_real_states_are_refused(operator: object) -> None:
    with pytest.raises(TypeError, match="expected a complex state for a complex linear operator"):
        as_operator(operator, STATE)


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda v: v[:2], ValueError, r"return an array of shape \(4,\), received shape \(2,\)"),
        (lambda v: 1.0, ValueError, r"return an array of shape \(4,\), received float"),
        (lambda v: v.astype(np.float32), TypeError, "return numpy float64 on cpu.* received numpy float32"),
        (lambda v: v * 1j, TypeError, "received numpy complex128"),
    ],
)
def test_functions_that_return_something_else_are_refused(function: object, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        as_operator(MatrixFree(function, 4), STATE)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Sparse(np.eye(2)), TypeError, r"expected a sparse matrix, received ndarray; .*Dense"),
        (lambda: Sparse(FOUR, action="magic"), ValueError, "one of .*'krylov', 'chebyshev', 'rational', 'auto'"),
        (lambda: Sparse(FOUR, tolerance=2.0), ValueError, "relative tolerance between 0 and 1"),
        (lambda: Sparse(FOUR, basis=1), ValueError, "basis, the largest dimension"),
        (
            lambda: Sparse(sparse.csr_array([[0.0, 1.0], [0.0, 0.0]]), action="chebyshev"),
            ValueError,
            "symmetric or skew-symmetric operator with a known interval",
        ),
        (lambda: MatrixFree(lambda v: v), TypeError, "length n, or the shape"),
        (lambda: MatrixFree(np.eye(2), 2), TypeError, "received an array .*; matrices are for"),
        (lambda: MatrixFree(lambda v: v, 0), ValueError, "shape of positive integers, received 0"),
        (lambda: MatrixFree(lambda v: v, 2, symmetry="odd"), ValueError, "one of 'symmetric', 'skew', received 'odd'"),
        (lambda: MatrixFree(lambda v: v, 2, interval=(0, 1)), ValueError, "together with symmetry="),
        (lambda: MatrixFree(aslinearoperator(FOUR), 3), ValueError, "expected a shape of 4 entries, received 3"),
        (lambda: KroneckerSum(), ValueError, "a matrix for each axis, received none"),
        (lambda: KroneckerSum(np.eye(2), action="fft"), ValueError, "one of 'auto', 'eigen', 'krylov', received 'fft'"),
        (lambda: KroneckerSum([[0.0, 1], [0, 0]], action="eigen"), ValueError, "a basis of eigenvectors"),
        (lambda: BlockDiagonal([[np.ones(2), np.ones(3)], [1, 1]]), ValueError, "broadcast against each other"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(make: object, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("make", [Diagonal, Dense, KroneckerSum, lambda x: BlockDiagonal([[x]])])
@pytest.mark.parametrize(
    ("coefficients", "received"),
    [
        (np.array([[1.0, None]]), "received ndarray of dtype object"),
        (aslinearoperator(FOUR), "received .*Operator"),
        ("abcd", "received str"),
        (np.ma.masked_array([[1.0, 2.0]], mask=[[0, 1]]), "received a masked array"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused(make: object, coefficients: object, received: str) -> None:
    with pytest.raises(TypeError, match=f"expected an array of numbers as coefficients .*{received}"):
        make(coefficients)


@pytest.mark.skipif(np.finfo(np.longdouble).bits == 64, reason="long double is double on this platform")
@pytest.mark.parametrize("kind", [np.longdouble, np.clongdouble])
@pytest.mark.parametrize("make", [Diagonal, Dense, KroneckerSum, lambda x: BlockDiagonal([[x]])])
def test_coefficients_of_more_than_double_precision_are_refused(make: object, kind: type) -> None:
    with pytest.raises(TypeError, match=r"at most double precision, .* convert them to float64 or complex128"):
        make(np.eye(2, dtype=kind))


def test_coefficients_cannot_be_written_over() -> None:
    """What is made of them, on other devices too, would stay as it was."""
    given = -np.eye(2)
    operators = Dense(given), Diagonal(given)
    given[0, 0] = 7.0
    for own in (operators[0].matrix, operators[1].symbol):
        assert own[0, 0] == -1.0
        with pytest.raises(ValueError, match="read-only"):
            own[0, 0] = 7.0


def test_a_sparse_symbol_is_refused() -> None:
    with pytest.raises(TypeError, match=r"expected an array of numbers as coefficients .*received csr_array"):
        Diagonal(FOUR)
    with pytest.raises(ValueError, match=r"expected rows of symbols, .* received float"):
        BlockDiagonal(3.0)


def test_complex_entries_count_twice_towards_the_limit() -> None:
    with pytest.raises(ValueError, match=r"at most 1 GiB, .* shape \(10000, 10000\)"):
        Dense(np.broadcast_to(0j, (10_000, 10_000)))


def test_dense_matrices_above_the_limit_are_refused_with_the_remedy() -> None:
    virtual = np.broadcast_to(0.0, (20_000, 20_000))  # it takes no memory itself
    tracemalloc.start()
    with pytest.raises(
        ValueError, match=r"at most 1 GiB, .* shape \(20000, 20000\); take .*MatrixFree\(lambda v: matrix @ v"
    ):
        as_operator(virtual, np.ones(20_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**24


def test_a_function_that_writes_to_one_array_again_and_again_is_refused() -> None:
    room = np.empty(4)
    with pytest.raises(ValueError, match="a new array each time, received one that it writes to again; return a copy"):
        as_operator(MatrixFree(lambda v: np.multiply(v, -2, out=room), 4), STATE)


@pytest.mark.parametrize("make", [np.asarray, torch.tensor])
def test_a_symmetry_that_is_declared_is_tried(make: object) -> None:
    rng = np.random.default_rng(3)
    a = rng.standard_normal((4, 4)) + 1j * rng.standard_normal((4, 4))
    matrices = {"symmetric": a + a.conj().T, "skew": a - a.conj().T}
    for declared in matrices:
        for own, matrix in matrices.items():
            there = make(matrix)
            operator = MatrixFree(lambda v, m=there: m @ v, 4, symmetry=declared, complex=True)
            if own == declared:
                operator.check(make(STATE + 0j))
            else:
                with pytest.raises(ValueError, match=f"a function that is {declared}, as declared, received one with"):
                    operator.check(make(STATE + 0j))


def test_functions_that_change_their_argument_or_are_not_linear_are_refused() -> None:
    state = np.linspace(1.0, 2.0, 4)
    with pytest.raises(ValueError, match="expected matvec to leave v as it is"):
        as_operator(MatrixFree(lambda v: np.multiply(v, -2.0, out=v), 4), state)
    np.testing.assert_array_equal(state, np.linspace(1.0, 2.0, 4))
    for function in (lambda v: -(v**2), lambda v: 1.0 - v):
        with pytest.raises(ValueError, match=r"a linear function, L\(2v\) = 2 L\(v\), .* belong to nonlinear"):
            as_operator(MatrixFree(function, 4), state)
    as_operator(MatrixFree(lambda v: -v * (1 + 1e-6 * np.cos(v)), 4), state)  # as a product with an inner iteration


def test_a_state_without_entries_is_no_exception() -> None:
    empty = np.ones(0)
    for linear in (-1.0, Diagonal(empty), Dense(np.ones((0, 0))), Sparse(sparse.csr_array((0, 0)))):
        assert expint.solve_ivp(lambda t, y: -y, (0, 1), empty, linear=linear, step=0.5).y_end.shape == (0,)


@pytest.mark.parametrize("action", ["krylov", "chebyshev", "rational", "auto"])
def test_growth_that_overflows_ends_the_solve_with_a_status(action: str) -> None:
    operator = Sparse(sparse.csr_array(np.diag([1e5, 1.0, -2.0, 3.0])), action=action)
    solution = expint.solve_ivp(lambda t, y: -y, (0, 0.5), STATE, linear=operator, step=0.1)
    assert solution.status in (Status.ACTION_FAILED, Status.NON_FINITE)


def test_matrices_that_grow_are_not_factored_by_themselves() -> None:
    n = 2000
    laplacian = 1e6 * sparse.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(n, n))
    assert Sparse(laplacian).choice(1.0) == "rational"
    assert Sparse(laplacian).choice(-1.0) == "chebyshev"
    assert Sparse(laplacian + 1e3 * sparse.eye_array(n)).choice(1.0) == "chebyshev"


def test_a_sparse_matrix_is_not_filled_in_by_dense() -> None:
    for matrix in (FOUR, torch.eye(4).to_sparse()):
        with pytest.raises(TypeError, match=r"would be filled in; take expint.operators.Sparse"):
            Dense(matrix)


def test_tolerances_and_precisions_that_iterations_cannot_keep_are_refused() -> None:
    with pytest.raises(ValueError, match=r"tolerance of at least 1\.9e-06, sixteen roundings of float32"):
        as_operator(Sparse(FOUR, tolerance=1e-8), STATE.astype(np.float32))
    with pytest.raises(TypeError, match="single or double precision, received float16"):
        as_operator(Sparse(FOUR), STATE.astype(np.float16))


def test_factors_that_do_not_fit_into_memory_are_refused_with_the_remedy() -> None:
    n = 400_000
    rng = np.random.default_rng(0)
    scattered = sparse.coo_array((np.ones(n), (np.arange(n), rng.permutation(n))), shape=(n, n))
    matrix = scattered + sparse.coo_array((np.ones(n), (np.arange(n), rng.permutation(n))), shape=(n, n))
    with pytest.raises(ValueError, match=r"LU factors fit into 4 GiB .* needs about .*take action='krylov'"):
        Sparse(matrix, action="rational")
    with pytest.raises(ValueError, match=r"eigenvectors fit into 1 GiB, .* take expint.operators.Sparse"):
        KroneckerSum(matrix, np.eye(2))


def advection(n: int) -> sparse.csr_array:
    return sparse.diags_array([1.0, -2.0, 0.9], offsets=[-1, 0, 1], shape=(n, n), format="csr")


LENGTH = 20_000
LAPLACIAN = sparse.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(LENGTH, LENGTH), format="csr")


@pytest.mark.parametrize(
    "operator",
    [
        Sparse(advection(LENGTH), action="krylov", basis=20, tolerance=1e-8),
        Sparse(advection(LENGTH), action="rational", basis=20, tolerance=1e-8),
        Sparse(LAPLACIAN, action="chebyshev", tolerance=1e-8),
        Sum(Sparse(LAPLACIAN, basis=20, tolerance=1e-8), -1.0),
        MatrixFree(lambda v: LAPLACIAN @ v, LENGTH, basis=20, tolerance=1e-8),
        MatrixFree(aslinearoperator(LAPLACIAN), basis=20, tolerance=1e-8),
    ],
    ids=str,
)
def test_a_solve_by_iterations_needs_memory_for_a_few_vectors_only(operator: object) -> None:
    n = LENGTH
    y0 = np.sin(np.linspace(0, 9, n))
    expint.solve_ivp(lambda t, y: -(y**3), (0, 0.1), y0, linear=operator, method="krogstad4", step=0.1)
    tracemalloc.start()
    expint.solve_ivp(lambda t, y: -(y**3), (0, 0.1), y0, linear=operator, method="krogstad4", step=0.05)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 120 * 8 * n  # the matrix filled in would need 20 000 vectors


def test_a_kronecker_sum_needs_memory_for_its_factors_only() -> None:
    n = 60
    factor = 100 * advection(n)
    tracemalloc.start()
    operator = KroneckerSum(factor, factor)
    expint.solve_ivp(lambda t, y: -(y**3), (0, 0.1), np.ones((n, n)), linear=operator, method="krogstad4", step=0.05)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 300 * 8 * n**2  # the matrix filled in would need n² = 3600 states


class Sick:
    """A product that fails once the solve has begun."""

    def __init__(self, good: int) -> None:
        self.good = good

    def __call__(self, v: np.ndarray) -> np.ndarray:
        self.good -= 1
        return -v if self.good > 0 else np.full_like(v, np.nan)


@pytest.mark.parametrize("options", [{"step": 0.1}, {"rtol": 1e-6}])
def test_an_action_that_fails_ends_the_solve_with_a_status(options: dict[str, float]) -> None:
    operator = MatrixFree(Sick(30), 4)
    solution = expint.solve_ivp(lambda t, y: np.cos(t + np.arange(4)) * y, (0, 50), STATE, linear=operator, **options)
    assert solution.status == Status.ACTION_FAILED
    assert "expected L v to be finite" in solution.message
    assert len(solution.t) >= 1
    assert np.all(np.isfinite(solution.y))


def test_a_step_whose_action_fails_is_rejected_and_tried_again() -> None:
    failures = 0

    class Moody(Sparse):
        def combiner(self) -> object:
            combine = super().combiner()

            def sometimes(weights: object, columns: object) -> np.ndarray:
                nonlocal failures
                if failures == 0 and any(w is not None and w.step > 0.2 for w in weights):
                    failures += 1
                    raise ActionFailure("a bad day")
                return combine(weights, columns)

            return sometimes

    options = {"method": "etd34", "rtol": 1e-6}
    rate = lambda t, y: np.cos(t) - 0.1 * y
    good = expint.solve_ivp(rate, (0, 5), STATE, linear=Sparse(-FOUR), **options)
    bad = expint.solve_ivp(rate, (0, 5), STATE, linear=Moody(-FOUR), **options)
    assert failures == 1
    assert bad.success
    assert bad.stats.rejected == good.stats.rejected + 1
    np.testing.assert_allclose(bad.y_end, good.y_end, rtol=1e-4)


def test_the_choice_can_be_looked_at_and_overruled() -> None:
    n = 2000
    stiff = 1e6 * sparse.diags_array([1.0, -2.0, 0.9], offsets=[-1, 0, 1], shape=(n, n))
    assert Sparse(stiff).choice(1e-7) == "krylov"
    assert Sparse(stiff).choice(1.0) == "rational"
    assert Sparse(stiff, action="krylov").choice(1.0) == "krylov"
    symmetric = sparse.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(n, n))
    assert Sparse(symmetric).choice(1.0) == "chebyshev"
    assert MatrixFree(lambda v: v, 3).choice(1.0) == "krylov"
    assert MatrixFree(lambda v: v, 3, symmetry="symmetric", interval=(1, 1)).choice(1.0) == "chebyshev"
    assert KroneckerSum(np.eye(2)).action == "eigen"
    assert KroneckerSum([[0.0, 1.0], [0.0, 0.0]]).action == "krylov"


def test_torch_states_stay_in_torch() -> None:
    rng = np.random.default_rng(1)
    matrix = rng.standard_normal((4, 4))
    columns = [rng.standard_normal(4), rng.standard_normal(4)]
    sums = [{(0, 1): 1}, {(1, 1): 1, (2, 1): -1}]
    expected = apply_row(Dense(matrix), columns, sums, 0.5)
    there = torch.tensor(matrix)
    tensors = [torch.tensor(v) for v in columns]
    operators = [
        Sparse(sparse.csr_array(matrix), action="krylov"),
        Sparse(sparse.csr_array(matrix), action="rational"),
        MatrixFree(lambda v: there @ v, 4),
        KroneckerSum(matrix),
        KroneckerSum(matrix, action="krylov"),
        BlockDiagonal(matrix),
    ]
    for operator in operators:
        operator.check(tensors[0])
        got = apply_row(operator, tensors, sums, 0.5)
        assert isinstance(got, torch.Tensor)
        np.testing.assert_allclose(got.numpy(), expected, rtol=0, atol=1e-10)


def test_operators_say_what_they_are() -> None:
    assert repr(Sparse(FOUR)) == "Sparse(matrix of shape (4, 4) with 4 entries, action='auto')"
    assert repr(MatrixFree(lambda v: v, (2, 2))) == "MatrixFree(vectors of shape (2, 2), action='auto')"
    assert repr(KroneckerSum(np.eye(2), np.eye(3))) == "KroneckerSum(factors of length (2, 3), action='eigen')"
    assert repr(BlockDiagonal(np.ones((2, 2, 5)))) == "BlockDiagonal(2 fields, real symbols of shape (5,))"
