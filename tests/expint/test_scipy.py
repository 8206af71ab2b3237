"""SciPy's solve_ivp drives exponential integrators: steps, dense output, events, failures."""

from typing import Any

import numpy as np
import pytest
import scipy.integrate
from scipy import sparse

import expint
import expint.scipy as solvers
from expint.scipy import (
    ETD34,
    ExponentialAdams,
    LawsonDormandPrince,
    LinearisedSolver,
    Rosenbrock43,
    Rosenbrock54,
    ZotoBowman43,
    solver_class,
)

RATES = np.array([-1.0, -50.0, -1000.0])
Y0 = np.array([1.0, 0.5, 0.2])


def right_hand_side(t: float, y: np.ndarray) -> np.ndarray:
    return RATES * y + 0.3 * y * y + np.cos(t + y)


def solve(method: Any, linear: Any = RATES, **options: Any) -> Any:
    return scipy.integrate.solve_ivp(
        right_hand_side, (0, 2), Y0, method=method, linear=linear, **({"rtol": 1e-7, "atol": 1e-9} | options)
    )


@pytest.fixture(scope="module")
def radau() -> Any:
    return scipy.integrate.solve_ivp(
        right_hand_side, (0, 2), Y0, method="Radau", rtol=1e-9, atol=1e-11, dense_output=True
    )


@pytest.mark.parametrize("method", [ETD34, ZotoBowman43, ExponentialAdams, LawsonDormandPrince])
@pytest.mark.parametrize("form", ["vector", "matrix"])
def test_scipy_reaches_the_same_end_as_with_its_own_solvers(method: type, form: str, radau: Any) -> None:
    linear = np.diag(RATES) if form == "matrix" else RATES
    tolerances = {"rtol": 1e-4, "atol": 1e-6} if method is LawsonDormandPrince else {}
    solution = solve(method, linear, **tolerances)
    assert solution.success
    assert solution.t[-1] == 2
    assert solution.y.shape == (3, len(solution.t))
    allowed = {"rtol": 1e-3, "atol": 1e-6} if tolerances else {"rtol": 3e-6}
    np.testing.assert_allclose(solution.y[:, -1], radau.y[:, -1], **allowed)


@pytest.mark.parametrize("method", [ETD34, ExponentialAdams])
def test_dense_output_and_times_asked_for_follow_the_solution(method: type, radau: Any) -> None:
    times = np.linspace(0, 2, 57)
    solution = solve(method, t_eval=times, dense_output=True)
    np.testing.assert_array_equal(solution.t, times)
    np.testing.assert_allclose(solution.y, radau.sol(times), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(solution.sol(times), solution.y, rtol=1e-9, atol=1e-12)
    assert solution.sol(0.7).shape == (3,)


def test_events_of_scipy_are_located() -> None:
    def half(t: float, y: np.ndarray) -> float:
        return y[1] - 0.1

    half.terminal = True  # type: ignore[attr-defined]
    ours = solve(ETD34, events=half)
    theirs = scipy.integrate.solve_ivp(right_hand_side, (0, 2), Y0, method="Radau", rtol=1e-10, atol=1e-12, events=half)
    assert ours.status == 1
    np.testing.assert_allclose(ours.t_events[0], theirs.t_events[0], rtol=1e-5)


def test_every_evaluation_is_counted() -> None:
    calls = 0

    def counted(t: float, y: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        return right_hand_side(t, y)

    solution = scipy.integrate.solve_ivp(counted, (0, 1), Y0, method=ETD34, linear=RATES)
    assert solution.nfev == calls


def test_complex_problems_run_backwards() -> None:
    solution = scipy.integrate.solve_ivp(
        lambda t, y: 30j * y + 0.1 * y,
        (1, 0),
        np.array([np.exp(30j + 0.1)]),
        method=ZotoBowman43,
        linear=30j,
        rtol=1e-8,
    )
    assert solution.success
    np.testing.assert_allclose(solution.y[:, -1], [1.0], rtol=1e-6)


def test_any_method_with_an_error_estimate_becomes_a_class(radau: Any) -> None:
    solver = solver_class("zoto-bowman32")
    assert solver.__name__ == "zoto-bowman32"
    solution = solve(solver, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(solution.y[:, -1], radau.y[:, -1], rtol=1e-3)
    with pytest.raises(ValueError, match="expected a method with an error estimate to choose steps, received krogstad4"):
        solve(solver_class("krogstad4"))


def test_failures_are_reported_in_scipys_way() -> None:
    solution = scipy.integrate.solve_ivp(
        lambda t, y: -y + np.where(t < 0.5, 0.0, np.nan) * y, (0, 1), np.ones(1), method=ExponentialAdams, linear=-1.0
    )
    assert solution.status == -1
    assert not solution.success
    assert "inf or nan in every step" in solution.message
    assert 0.45 < solution.t[-1] < 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rtol": -1.0}, "expected rtol"),
        ({"max_step": 0.0}, "expected max_step to be a positive number, received 0"),
        ({"first_step": -1.0}, "expected first_step to be a positive number"),
        ({"linear": np.ones(4)}, "expected a symbol that broadcasts to the state"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        solve(ETD34, **options)


def test_the_linear_part_must_be_given() -> None:
    with pytest.raises(TypeError, match="linear"):
        scipy.integrate.solve_ivp(right_hand_side, (0, 1), Y0, method=ETD34)


def test_all_that_is_offered_is_a_solver() -> None:
    offered = [getattr(solvers, name) for name in solvers.__all__ if name != "solver_class"]
    assert all(issubclass(solver, scipy.integrate.OdeSolver) for solver in offered)


def jacobian(t: float, y: np.ndarray) -> np.ndarray:
    return np.diag(RATES + 0.6 * y - np.sin(t + y))


def unsplit(method: type, **options: Any) -> Any:
    return scipy.integrate.solve_ivp(
        right_hand_side, (0, 2), Y0, method=method, **({"rtol": 1e-7, "atol": 1e-9} | options)
    )


@pytest.mark.parametrize("method", [Rosenbrock43, Rosenbrock54])
@pytest.mark.parametrize("how", [{}, {"jac": jacobian}, {"jac_sparsity": np.eye(3)}], ids=["none", "jac", "sparsity"])
def test_methods_that_linearise_take_the_jacobian_as_scipys_do(method: type, how: dict[str, Any], radau: Any) -> None:
    solution = unsplit(method, **how)
    assert solution.success
    assert solution.njev == len(solution.t) - 1
    np.testing.assert_allclose(solution.y[:, -1], radau.y[:, -1], rtol=3e-6)


def test_methods_that_linearise_have_dense_output_events_and_arguments(radau: Any) -> None:
    times = np.linspace(0, 2, 23)
    solution = unsplit(Rosenbrock54, t_eval=times, dense_output=True, jac=jacobian)
    np.testing.assert_allclose(solution.y, radau.sol(times), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(solution.sol(times), solution.y, rtol=1e-9, atol=1e-12)
    found = unsplit(Rosenbrock43, events=lambda t, y: y[1] - 0.1)
    exact = scipy.integrate.solve_ivp(
        right_hand_side, (0, 2), Y0, method="Radau", rtol=1e-10, atol=1e-12, events=lambda t, y: y[1] - 0.1
    )
    np.testing.assert_allclose(found.t_events[0], exact.t_events[0], rtol=1e-5)
    scaled = scipy.integrate.solve_ivp(
        lambda t, y, a: a * y, (1, 0), [1.0], method=Rosenbrock43, jac=lambda t, y, a: [[a]], args=(-3.0,)
    )
    np.testing.assert_allclose(scaled.y[:, -1], np.exp(3), rtol=1e-6)


def test_the_failures_of_methods_that_linearise_are_reported_in_scipys_way() -> None:
    blown = scipy.integrate.solve_ivp(lambda t, y: y**2, (0, 2), [1.0], method=Rosenbrock43)
    assert blown.status == -1
    assert "expected" in blown.message
    with pytest.raises(ValueError, match="expected jac"):
        unsplit(Rosenbrock43, jac=np.eye(4))
    with pytest.raises(ValueError, match="expected a method with an error estimate to choose steps, received epi3"):
        unsplit(solver_class("epi3"))
    assert issubclass(solver_class("exp4"), LinearisedSolver)


@pytest.mark.parametrize("linear", [False, True])
def test_a_function_may_write_its_values_into_one_array(linear: bool) -> None:
    buffer = np.empty(3)

    def reused(t: float, y: np.ndarray) -> np.ndarray:
        buffer[:] = right_hand_side(t, y)
        return buffer

    options: Any = {"method": ETD34, "linear": RATES} if linear else {"method": Rosenbrock54}
    fresh, same = (scipy.integrate.solve_ivp(f, (0, 1), Y0, **options) for f in (right_hand_side, reused))
    np.testing.assert_array_equal(same.y, fresh.y)


@pytest.mark.parametrize(
    "linear",
    [
        sparse.diags_array(RATES),
        sparse.csr_array(np.diag(RATES)),
        expint.operators.Sparse(sparse.csr_array(np.diag(RATES))),
        expint.operators.MatrixFree(lambda v: RATES * v, 3),
        RATES.tolist(),
    ],
    ids=["dia", "csr", "Sparse", "MatrixFree", "list"],
)
def test_the_linear_part_may_be_sparse_or_an_operator(linear: Any) -> None:
    given, plain = solve(ETD34, linear, rtol=1e-5), solve(ETD34, rtol=1e-5)
    assert given.success
    np.testing.assert_allclose(given.y[:, -1], plain.y[:, -1], rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("method", [ETD34, ExponentialAdams, solver_class("adams4"), Rosenbrock43])
def test_a_run_without_end_is_refused(method: type) -> None:
    options = {} if method is Rosenbrock43 else {"linear": RATES}
    with pytest.raises(ValueError, match="expected a finite t_bound, in units of which steps are made, received inf"):
        method(right_hand_side, 0, Y0, np.inf, **options)


def test_exponential_adams_bashforth_is_a_solver_of_scipy(radau: Any) -> None:
    solution = solve(solver_class("adams4"), rtol=1e-6)
    assert solution.nfev < len(solution.t) + 10
    np.testing.assert_allclose(solution.y[:, -1], radau.y[:, -1], rtol=1e-4)
