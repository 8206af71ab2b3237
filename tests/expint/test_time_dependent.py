"""L(t): every operator, all services of a solve, and what is refused."""

import math
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, sparse
from scipy.linalg import expm as dense_expm

import expint
from expint import Status
from expint.methods.magnus import magnus, magnus_names
from expint.operators import (
    BlockDiagonal,
    Dense,
    Diagonal,
    KroneckerSum,
    MatrixFree,
    Scalar,
    Sparse,
    Sum,
    TimeDependent,
    TimeScaled,
    as_operator,
)
from expint.operators.addition.combination import combination, for_single_use
from expint.operators.addition.commuting import Products

A = np.array([[-1.0, 2.0], [0.5, -3.0]])
B = np.array([[0.3, -1.0], [1.0, 0.2]])


def turning(t: float) -> np.ndarray:
    return A + math.sin(3 * t) * B


def exact(t: float) -> np.ndarray:
    return np.array([math.cos(2 * t), math.exp(-t)])


def force(t: float, y: np.ndarray, coupling: float = 1.0) -> np.ndarray:
    derivative = np.array([-2 * math.sin(2 * t), -math.exp(-t)])
    return derivative - turning(t) @ exact(t) + coupling * (np.sin(y[::-1]) - np.sin(exact(t)[::-1]))


def solve(**options: object) -> expint.Solution:
    return expint.solve_ivp(force, (0, 2), exact(0), **{"linear": TimeDependent(turning), **options})


def forms(a: np.ndarray, b: np.ndarray) -> dict[str, object]:
    """A + g(t) B as every kind of operator."""
    n, is_complex = len(a), np.iscomplexobj(a)

    def matrix(t: float) -> np.ndarray:
        return a + math.cos(2 * t) * b

    return {
        "array": matrix,
        "dense": lambda t: Dense(matrix(t)),
        "blocks": lambda t: BlockDiagonal(matrix(t)),
        "sparse": lambda t: sparse.csr_array(matrix(t)),
        "sparse, krylov": lambda t: Sparse(sparse.csr_array(matrix(t)), action="krylov", basis=30),
        "function": lambda t: MatrixFree(lambda v: matrix(t) @ v, n, complex=is_complex),
        "kronecker": lambda t: KroneckerSum(matrix(t)),
        "sum": lambda t: Sum(Dense(a), Dense(math.cos(2 * t) * b)),
        "mixed": lambda t: Dense(matrix(t)) if t < 0.3 else Sparse(sparse.csr_array(matrix(t))),
    }


@pytest.mark.parametrize("method", magnus_names())
@settings(max_examples=5)
@given(
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(["real", "complex", "symmetric", "skew"]),
    forced=st.booleans(),
    backwards=st.booleans(),
)
def test_every_operator_makes_the_same_steps(method: str, seed: int, kind: str, forced: bool, backwards: bool) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((2, 4, 4))
    if kind == "complex":
        a, b = a + 1j * b, b - 2j * a
    if kind in ("symmetric", "skew"):
        sign = 1 if kind == "symmetric" else -1
        a, b = a + sign * a.T, b + sign * b.T
    y0 = rng.standard_normal(4) * (1 + 1j if kind == "complex" else 1)
    span, step = ((1.0, 0.0), -0.25) if backwards else ((0.0, 1.0), 0.25)
    forcing = (lambda t: np.cos(t + np.arange(4.0)) * y0) if forced else None
    nonlinear = (lambda t, y: -y * t) if magnus(method).points else None
    ends = {}
    for name, operator in forms(a, b).items():
        linear = TimeDependent(operator, forcing=forcing)
        run = expint.solve_ivp(nonlinear, span, y0, linear=linear, method=method, step=step)
        assert run.success, name
        assert run.y.dtype == y0.dtype
        ends[name] = run.y_end
    reference = ends.pop("dense")
    for name, end in ends.items():
        assert np.linalg.norm(end - reference) <= 1e-9 * np.linalg.norm(reference), name


def test_large_states_and_diagonal_operators() -> None:
    k = np.arange(5.0)
    y0 = np.ones((2, 5))
    numbers = {
        "numbers": (lambda t: -t, -np.ones(5)),
        "symbols": (lambda t: Diagonal(-t * k), -k),
        "arrays": (lambda t: -t * k[None, :], -k),
    }
    for name, (operator, rate) in numbers.items():
        for method in magnus_names():
            run = expint.solve_ivp(None, (0, 2), y0, linear=TimeDependent(operator), method=method, step=0.5)
            np.testing.assert_allclose(run.y_end, np.exp(2 * rate) * y0, rtol=1e-13, err_msg=name)


def test_a_constant_operator_gives_the_method_of_the_catalogue() -> None:
    def react(t: float, y: np.ndarray) -> np.ndarray:
        return np.sin(t + y[::-1])

    one = expint.solve_ivp(react, (0, 2), exact(0), linear=TimeDependent(lambda t: A), method="cfree4", step=0.1)
    two = expint.solve_ivp(react, (0, 2), exact(0), linear=A, method="cfree4", step=0.1)
    np.testing.assert_allclose(one.y, two.y, rtol=0, atol=1e-13)
    assert one.stats.nonlinear_evaluations == two.stats.nonlinear_evaluations


def test_commuting_operators_agree_with_their_own_clock() -> None:
    def rate(t: float) -> float:
        return 1 + 0.5 * math.sin(4 * t)

    y0 = np.array([1.0, -0.5])
    options = {"rtol": 1e-10, "atol": 1e-10}
    one = expint.solve_ivp(lambda t, y: y**2, (0, 1), y0, linear=TimeScaled(rate, Dense(A)), **options)
    two = expint.solve_ivp(
        lambda t, y: y**2, (0, 1), y0, linear=TimeDependent(lambda t: rate(t) * A), method="cfree4", **options
    )
    np.testing.assert_allclose(one.y_end, two.y_end, rtol=0, atol=1e-8)


def test_sums_of_operators_times_functions_of_time() -> None:
    line = sparse.csr_array(A)
    kinds = {
        "arrays": (A, B),
        "sparse matrices": (line, sparse.csr_array(B)),
        "dense": (Dense(A), Dense(B)),
        "sparse": (Sparse(line), Sparse(sparse.csr_array(B))),
        "functions": (MatrixFree(lambda v: A @ v, 2), MatrixFree(lambda v: B @ v, 2)),
        "mixed": (Dense(A), MatrixFree(lambda v: B @ v, 2)),
        "along axes": (KroneckerSum(A), KroneckerSum(B)),
        "sparse and dense": (line, Dense(B)),
    }
    direct = solve(step=0.1)
    for name, (one, two) in kinds.items():
        linear = TimeDependent(TimeScaled(lambda t: 1.0, one) + TimeScaled(lambda t: math.sin(3 * t), two))
        np.testing.assert_allclose(solve(step=0.1, linear=linear).y_end, direct.y_end, atol=1e-10, err_msg=name)
    with pytest.raises(TypeError, match=r"array of shape \(2, 2\), which can be a symbol or a matrix"):
        (TimeScaled(math.sin, A) + TimeScaled(math.cos, Dense(A)))(0.5)
    assert repr(TimeScaled(math.sin, A)) == "TimeScaled(g(t) × ndarray of shape (2, 2))"


@pytest.mark.parametrize(
    "kind", [Dense, lambda m: MatrixFree(lambda v: m @ v, 2), lambda m: Sparse(sparse.csr_array(m))]
)
def test_a_rate_that_vanishes_or_changes_sign_needs_no_clock(kind: object) -> None:
    def react(t: float, y: np.ndarray) -> np.ndarray:
        return np.cos(t + y)

    linear = TimeDependent(TimeScaled(lambda t: 1 - t, kind(A)))
    run = expint.solve_ivp(react, (0, 2), exact(0), linear=linear, rtol=1e-8, atol=1e-8)
    fine = integrate.solve_ivp(
        lambda t, y: (1 - t) * A @ y + react(t, y), (0, 2), exact(0), method="DOP853", rtol=1e-12, atol=1e-12
    )
    np.testing.assert_allclose(run.y_end, fine.y[:, -1], atol=1e-6)


@pytest.mark.parametrize("method", ["auto", "magnus2", "cfree4"])
@pytest.mark.parametrize("rtol", [1e-4, 1e-7])
def test_adaptive_runs_keep_their_tolerance(method: str, rtol: float) -> None:
    run = solve(method=method, rtol=rtol, atol=rtol)
    assert run.success
    assert np.max(np.abs(run.y_end - exact(2))) <= max(30, run.stats.steps) * rtol  # each step may err by rtol
    assert run.stats.linear_evaluations > 0


@pytest.mark.parametrize("method", ["auto", "magnus4", "cf4"])
def test_adaptive_runs_of_linear_equations_keep_their_tolerance(method: str) -> None:
    reference = integrate.solve_ivp(
        lambda t, y: turning(t) @ y + exact(t), (0, 2), exact(0), method="DOP853", rtol=1e-12, atol=1e-12
    ).y[:, -1]
    linear = TimeDependent(turning, forcing=exact)
    counts = []
    for rtol in (1e-5, 1e-8):
        run = expint.solve_ivp(None, (0, 2), exact(0), linear=linear, method=method, rtol=rtol, atol=rtol)
        assert np.max(np.abs(run.y_end - reference)) <= 30 * rtol
        assert run.stats.nonlinear_evaluations == 0
        counts.append(run.stats.steps)
    assert counts[0] < counts[1]


def test_steps_change_where_the_operator_changes_fast() -> None:
    def pulse(t: float) -> np.ndarray:
        return np.array([[0.0, 1.0], [-1.0, 0.0]]) * (1 + 30 * math.exp(-200 * (t - 1) ** 2)) + B

    run = expint.solve_ivp(None, (0, 2), exact(0), linear=TimeDependent(pulse), rtol=1e-7, atol=1e-7)
    steps = np.diff(run.t)
    near = np.abs(run.t[:-1] - 1) < 0.1
    assert np.min(steps[near]) < np.max(steps[~near]) / 3


@pytest.mark.parametrize("options", [{"step": 0.02}, {"rtol": 1e-8, "atol": 1e-8}])
def test_times_events_callbacks_and_dense_output(options: dict[str, object]) -> None:
    seen: list[float] = []

    def falls(t: float, y: np.ndarray) -> float:
        return float(y[0])

    falls.direction = -1
    run = solve(
        t_eval=[0.0, 0.5, 1.3],
        dense_output=True,
        events=[falls, lambda t, y: t - 1.25],
        callback=lambda t, y: seen.append(float(np.max(np.abs(y - exact(t))))),
        **options,
    )
    assert run.t.tolist() == [0.0, 0.5, 1.3]
    assert len(seen) == run.stats.steps + 1
    assert max(seen) < 1e-6
    np.testing.assert_allclose(run.t_events[0], [math.pi / 4], atol=1e-6)
    np.testing.assert_allclose(run.t_events[1], [1.25], atol=1e-12)
    for t in (0.0, 0.123, 1.9, 2.0):
        np.testing.assert_allclose(run.sol(t), exact(t), atol=1e-6)
    assert run.sol([0.5, 1.5]).shape == (2, 2)
    assert np.max(np.abs(run.sol(0.5 + 1e-9) - run.sol(0.5 - 1e-9))) < 1e-7
    with pytest.raises(ValueError, match=r"a time between 0.0 and 2.0, received 2.5"):
        run.sol(2.5)


def test_terminal_events_end_the_run() -> None:
    def crosses(t: float, y: np.ndarray) -> float:
        return float(y[0])

    crosses.terminal = True
    run = solve(step=0.1, events=crosses)
    assert run.status is Status.TERMINATED
    assert run.t[-1] == pytest.approx(math.pi / 4, abs=1e-4)


def test_dense_output_is_of_the_order_of_the_method() -> None:
    errors = []
    for n in (10, 20):
        run = solve(method="cfree4", step=2 / n, dense_output=True)
        errors.append(max(np.max(np.abs(run.sol(t) - exact(t))) for t in np.linspace(0, 2, 41)))
    assert math.log2(errors[0] / errors[1]) > 3.6


def test_grids_arguments_and_problems() -> None:
    grid = [0.0, 0.1, 0.5, 2.0]
    assert solve(method="magnus2", grid=grid).t.tolist() == grid
    assert solve(method="magnus2", grid=grid, t_eval=[0.5]).t.tolist() == [0.5]
    run = solve(args=(0.0,), step=0.05)
    np.testing.assert_allclose(run.y_end, exact(2), atol=1e-5)
    problem = expint.SemilinearProblem(TimeDependent(turning), force, exact(0), (0.0, 2.0))
    np.testing.assert_array_equal(expint.solve(problem, "cfree4", step=0.1).y, solve(step=0.1).y)
    np.testing.assert_array_equal(expint.solve(problem, magnus("cfree4"), step=0.1).y, solve(step=0.1).y)


def test_the_choice_of_a_method_is_explained() -> None:
    assert "Method cfree4 was chosen" in solve(step=0.1).message
    run = expint.solve_ivp(None, (0, 1), exact(0), linear=TimeDependent(turning), step=0.1)
    assert "Method cf4 was chosen" in run.message


def test_evaluations_are_counted() -> None:
    run = expint.solve_ivp(None, (0, 1), exact(0), linear=TimeDependent(turning), method="cf4", step=0.1)
    assert (run.stats.steps, run.stats.linear_evaluations, run.stats.nonlinear_evaluations) == (10, 21, 0)
    run = solve(method="cfree4", grid=[0, 1, 2])  # A at 0, 1/2, 1, 3/2, 2
    assert (run.stats.linear_evaluations, run.stats.nonlinear_evaluations) == (5, 8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_states_of_torch_stay_theirs(dtype: torch.dtype) -> None:
    y0 = torch.tensor(exact(0), dtype=dtype)

    def react(t: float, y: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(force(t, y.numpy()), dtype=dtype)

    tolerance = 1e-4 if dtype == torch.float32 else 1e-6
    for operator in (turning, lambda t: MatrixFree(lambda v: torch.as_tensor(turning(t), dtype=dtype) @ v, 2)):
        run = expint.solve_ivp(react, (0, 0.5), y0, linear=TimeDependent(operator), rtol=tolerance)
        assert run.y.dtype == dtype
        np.testing.assert_allclose(run.y_end.numpy(), exact(0.5), atol=100 * tolerance)


@pytest.mark.parametrize("method", ["magnus4", "cf4"])
def test_nothing_is_filled_in(method: str) -> None:
    n = 20_000
    laplacian = sparse.diags_array([1.0, -2.0, 1.0], offsets=[-1, 0, 1], shape=(n, n), format="csr")
    x = np.linspace(0, 1, n)

    def operator(t: float) -> sparse.csr_array:
        return laplacian + sparse.diags_array(np.cos(x + t))

    y0 = np.sin(x)
    tracemalloc.start()
    run = expint.solve_ivp(None, (0, 0.2), y0, linear=TimeDependent(operator), method=method, step=0.1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert run.success
    assert peak <= 250 * 8 * n  # filled in, the matrix would need 20 000 vectors


def test_large_matrices_are_applied_not_exponentiated() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((2, 120, 120)) / 10
    vector, batch = np.ones(120), np.ones((200, 120))
    assert isinstance(for_single_use(Dense(a), batch), Dense)
    pair = [for_single_use(Dense(a), vector), for_single_use(Dense(b), vector)]
    whole = combination([0.5, -0.2], pair, [(0, 1, 0.3)])
    assert isinstance(whole, Products)
    expected = (0.5 * a - 0.2 * b + 0.3 * (a @ b - b @ a)) @ vector
    np.testing.assert_allclose(whole.product(vector)(vector), expected, atol=1e-11)
    linear = TimeDependent(lambda t: a + math.sin(t) * b)
    for method in ("magnus2", "magnus4"):
        one = expint.solve_ivp(None, (0, 1), vector, linear=linear, method=method, step=0.5)
        two = expint.solve_ivp(None, (0, 1), batch, linear=linear, method=method, step=0.5)
        np.testing.assert_allclose(one.y_end, two.y_end[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("action", ["auto", "krylov"])
@pytest.mark.parametrize("method", ["magnus4", "cf4"])
def test_operators_along_axes_stay_along_axes(method: str, action: str) -> None:
    rng = np.random.default_rng(2)
    a, b, rates = rng.standard_normal((3, 3)), rng.standard_normal((4, 4)), rng.standard_normal(4)

    def along(t: float) -> KroneckerSum:
        return KroneckerSum(a + t * a.T, rates if t < 0.1 else np.diag(rates) + math.sin(t) * b, action=action)

    def filled(t: float) -> np.ndarray:
        first, second = along(t).factors
        return np.kron(first, np.eye(4)) + np.kron(np.eye(3), np.diag(second) if second.ndim == 1 else second)

    y0 = rng.standard_normal((3, 4))
    one = expint.solve_ivp(None, (0, 1), y0, linear=TimeDependent(along), method=method, step=0.25)
    two = expint.solve_ivp(None, (0, 1), y0.ravel(), linear=TimeDependent(filled), method=method, step=0.25)
    np.testing.assert_allclose(one.y_end.ravel(), two.y_end, rtol=1e-9, atol=1e-9)
    pair = [along(0.2), along(0.7)]
    assert combination([0.5, 0.5], pair, [(0, 1, 0.1)]).action == ("krylov" if action == "krylov" else "eigen")


def test_spectra_of_combinations_hold_those_of_the_parts() -> None:
    line = MatrixFree(lambda v: v, 3, symmetry="symmetric", interval=(-4, 1))
    assert tuple(combination([2.0, -1.0], [line, line]).spectrum) == (-9.0, 6.0, False)
    assert combination([2.0, -1.0], [line, line], [(0, 1, 1.0)]).spectrum is None
    turned = MatrixFree(lambda v: v, 3, symmetry="skew", interval=(-4, 1))
    assert combination([1.0, 1.0], [line, turned]).spectrum is None


def test_failures_keep_what_was_reached() -> None:
    def explodes(t: float, y: np.ndarray) -> np.ndarray:
        return y**2

    grows = TimeDependent(lambda t: (1 + t) * np.eye(2))
    run = expint.solve_ivp(explodes, (0, 2), np.ones(2), linear=grows, rtol=1e-4)
    assert run.status is Status.STEP_TOO_SMALL
    assert 0.3 < run.t[-1] < 1.0
    with np.errstate(all="ignore"):
        run = expint.solve_ivp(explodes, (0, 2), np.ones(2), linear=grows, step=0.1)
    assert run.status is Status.NON_FINITE
    assert len(run.t) > 3
    assert solve(rtol=1e-9, max_steps=5).status is Status.TOO_MANY_STEPS


def test_an_exponential_that_cannot_be_applied_ends_the_run_by_name() -> None:
    def operator(t: float) -> MatrixFree:
        return MatrixFree(lambda v: -1e4 * np.arange(4) * v, 4, symmetry="symmetric", interval=(-1.0, 0.0))

    run = expint.solve_ivp(None, (0, 1), np.ones(4), linear=TimeDependent(operator), method="cf4", step=0.5)
    assert run.status is Status.ACTION_FAILED
    assert "spectrum of L within the interval given" in run.message
    assert run.t.tolist() == [0.0]


def test_operators_that_become_infinite_are_refused_where_they_do() -> None:
    linear = TimeDependent(lambda t: MatrixFree(lambda v: v[::-1].copy() if t < 0.6 else v * math.inf, 2))
    with pytest.raises(ValueError, match="matvec to return finite values") as raised:
        expint.solve_ivp(None, (0, 1), np.array([1.0, 0.5]), linear=linear, method="magnus2", step=0.25)
    assert raised.value.solution.t.tolist() == [0.0, 0.25, 0.5]
    assert any("A(t) of TimeDependent at t = 0.625" in note for note in raised.value.__notes__)


@pytest.mark.parametrize(
    ("later", "error", "message"),
    [
        (np.eye(3), ValueError, "received a symbol of shape|last axis|broadcasts to the state"),
        (1j * np.eye(2), TypeError, "expected a complex state for a complex linear operator"),
        (np.array([[1.0, math.nan], [0.0, 1.0]]), ValueError, "expected a finite matrix, received 1 non-finite"),
        (lambda v: v, TypeError, r"MatrixFree\(function, n\)"),
        (None, TypeError, "received NoneType"),
    ],
)
def test_operators_that_change_their_kind_on_the_way_are_refused(later: object, error: type, message: str) -> None:
    linear = TimeDependent(lambda t: turning(t) if t < 1 else later)
    with pytest.raises(error, match=message) as raised:
        solve(linear=linear, step=0.25)
    assert raised.value.solution.t[-1] == 0.75
    assert any("this was A(t) of TimeDependent at t = 1" in note for note in raised.value.__notes__)
    with pytest.raises(error, match=message):
        solve(linear=TimeDependent(lambda t: later), step=0.25)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: TimeDependent(A), TypeError, "operator to be a function of time, received an array"),
        (
            lambda: TimeDependent(turning, forcing=exact(0)),
            TypeError,
            "forcing to be a function of time, received an array",
        ),
        (
            lambda: as_operator(TimeDependent(turning), exact(0)),
            TypeError,
            "which solve_ivp and solve understand alone",
        ),
        (
            lambda: solve(method="krogstad4", step=0.1),
            ValueError,
            "magnus2, magnus4, cf4, cfree4, received 'krogstad4'",
        ),
        (lambda: solve(method="magnus4", step=0.1), ValueError, "expected nonlinear=None for magnus4"),
        (lambda: solve(method=magnus("cf4"), step=0.1), ValueError, "take 'cfree4' "),
        (lambda: solve(error="embedded"), ValueError, "expected error='doubling', which is the default for cfree4"),
        (lambda: solve(jac=lambda t, y: A, step=0.1), ValueError, "expected no jac="),
        (lambda: solve(step=0.1, rtol=1e-3), ValueError, "either fixed steps"),
        (lambda: solve(step=-0.1), ValueError, "runs forwards"),
        (
            lambda: solve(linear=TimeDependent(turning, forcing=lambda t: np.ones(3)), step=0.1),
            ValueError,
            r"expected forcing\(t\) to return shape \(2,\)",
        ),
        (
            lambda: solve(linear=TimeDependent(turning, forcing=lambda t: 1j * np.ones(2)), step=0.1),
            TypeError,
            r"expected forcing\(t\) to return dtype float64",
        ),
        (
            lambda: expint.solve_ivp(None, (0, 1), exact(0), linear=A, method=magnus("cf4"), step=0.1),
            ValueError,
            "for cf4, which is made for y' = A",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(make: object, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_without_forces_any_method_is_exact_for_a_constant_operator() -> None:
    run = expint.solve_ivp(None, (0, 2), exact(0), linear=A, method="etd2rk", step=1.0)
    values, vectors = np.linalg.eig(A)
    expected = (vectors * np.exp(2 * values)) @ np.linalg.solve(vectors, exact(0))
    np.testing.assert_allclose(run.y_end, expected, atol=1e-13)
    assert isinstance(as_operator(2.0, exact(0)), Scalar)


@pytest.mark.parametrize("method", ["magnus2", "magnus4", "cf4", "cfree4"])
@pytest.mark.parametrize("ends", [(2.1, 7.3), (3.0, 5.0), (1.0, 1.5), (6.2, 6.6)])
def test_jumps_of_the_operator_are_seen_wherever_they_lie_in_a_step(method: str, ends: tuple[float, float]) -> None:
    a, b, (first, last) = np.array([[-1.0, 2.0], [-2.0, -1.0]]), np.array([[-0.5, 0.0], [3.0, -2.0]]), ends
    y0 = np.array([1.0, 0.5])
    run = expint.solve_ivp(
        None, (0, 10), y0, linear=TimeDependent(lambda t: b if first < t < last else a), method=method, rtol=1e-6
    )

    def exact(t: float) -> np.ndarray:
        parts = (a * min(t, first), b * (min(t, last) - first) if t > first else 0 * b, a * max(t - last, 0.0))
        y = y0
        for part in parts:
            y = dense_expm(part) @ y
        return y

    errors = [np.max(np.abs(y - exact(t))) for t, y in zip(run.t, run.y)]
    assert max(errors) < 1e-5
