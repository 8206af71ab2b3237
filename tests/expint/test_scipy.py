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

    half.terminal = True
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
    with pytest.raises(ValueError, match=r"expected a method with an error estimate .*, received krogstad4"):
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


def test_exponential_adams_bashforth_is_a_solver_of_scipy(radau: Any) -> None:
    solution = solve(solver_class("adams4"), rtol=1e-6)
    assert solution.nfev < len(solution.t) + 10
    np.testing.assert_allclose(solution.y[:, -1], radau.y[:, -1], rtol=1e-4)


ENDLESS = [ETD34, ExponentialAdams, solver_class("adams4"), LawsonDormandPrince, Rosenbrock43, Rosenbrock54]


def options_of(method: Any, linear: Any) -> dict[str, Any]:
    return {} if issubclass(method, LinearisedSolver) else {"linear": linear}


@pytest.mark.parametrize("method", ENDLESS, ids=lambda m: m.__name__)
@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_a_run_without_end_is_ended_by_an_event(method: type, direction: float) -> None:
    """y' = ±y², y(0) = 1, is 1/(1 + |t|): it falls to 1/500 at |t| = 499, over many pieces of the run."""

    def low(t: float, y: np.ndarray) -> float:
        return y[0] - 0.002

    low.terminal = True
    run = scipy.integrate.solve_ivp(
        lambda t, y: -direction * y**2,
        (0, direction * np.inf),
        [1.0],
        method=method,
        events=low,
        dense_output=True,
        rtol=1e-6,
        atol=1e-9,
        **options_of(method, 0.0),
    )
    assert run.status == 1
    np.testing.assert_allclose(run.t_events[0], [direction * 499], rtol=2e-4)
    times = direction * np.geomspace(0.01, 498, 60)
    np.testing.assert_allclose(run.sol(times)[0], 1 / (1 + np.abs(times)), rtol=2e-4)


def test_an_end_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="expected t_bound to be a number or ±inf, received nan"):
        Rosenbrock43(right_hand_side, 0, Y0, np.nan)


@pytest.mark.parametrize("method", ENDLESS, ids=lambda m: m.__name__)
@pytest.mark.parametrize("end", [10.0, np.inf])
def test_a_state_without_entries_is_solved_in_one_step(method: type, end: float) -> None:
    run = scipy.integrate.solve_ivp(
        lambda t, y: np.zeros(0), (0, end), np.zeros(0), method=method, dense_output=True, **options_of(method, -1.0)
    )
    assert run.success
    assert run.sol([1.0, 2.0, 3.0]).shape == (0, 3)


@pytest.mark.parametrize("method", [Rosenbrock43, Rosenbrock54])
@pytest.mark.parametrize("one", [float, lambda d: [d], lambda d: np.array(d), lambda d: [[d]]])
def test_the_jacobian_of_one_unknown_may_be_a_number(method: type, one: Any) -> None:
    run = scipy.integrate.solve_ivp(
        lambda t, y: y * (t - 2), (-2, 2), [0.05], method=method, jac=lambda t, y: one(t - 2.0), rtol=1e-6, atol=1e-9
    )
    np.testing.assert_allclose(run.y[0, -1], 0.05 * np.exp(-8), rtol=1e-4)
    own = expint.solve_ivp(
        lambda t, y: y * (t - 2), (-2, 2), np.array([0.05]), jac=lambda t, y: one(t - 2.0), method="exprb43"
    )
    np.testing.assert_allclose(own.y_end, run.y[:, -1], rtol=1e-4)


@pytest.mark.parametrize("form", [np.asarray, sparse.csc_matrix, sparse.csr_array])
def test_a_jacobian_that_is_constant_is_never_evaluated(form: Any) -> None:
    matrix = np.array([[-1.0, -5.0], [1.0, 1.0]])
    run = scipy.integrate.solve_ivp(
        lambda t, y: matrix @ y, (0, 2), [0.0, 2.0], method=Rosenbrock43, jac=form(matrix), rtol=1e-6
    )
    assert run.njev == 0
    np.testing.assert_allclose(run.y[:, -1], [-5 * np.sin(4), 2 * np.cos(4) + np.sin(4)], rtol=1e-9)


@pytest.mark.parametrize("conjugated", [0.0, 0.4])
def test_a_sparsity_pattern_serves_complex_states(conjugated: float) -> None:
    """A ring of 70 oscillators, each seen by its neighbours, analytic or not; the pattern saves evaluations."""
    n = 70
    near = np.abs(np.subtract.outer(np.arange(n), np.arange(n))) <= 1
    near[0, -1] = near[-1, 0] = True

    def ring(t: float, y: np.ndarray) -> np.ndarray:
        nonlinear = 0.1j * y * y + conjugated * np.abs(y) ** 2
        return 5j * (np.roll(y, 1) - 2 * y + np.roll(y, -1)) + nonlinear

    y0 = np.exp(1j * np.arange(n)) / 2
    tolerances = {"rtol": 1e-6, "atol": 1e-8}
    runs = [
        scipy.integrate.solve_ivp(ring, (0, 0.5), y0, method=Rosenbrock43, jac_sparsity=pattern, **tolerances)
        for pattern in (sparse.csr_matrix(near), near, None)
    ]
    exact = scipy.integrate.solve_ivp(ring, (0, 0.5), y0, method="DOP853", rtol=1e-11, atol=1e-12)
    for run in runs:
        np.testing.assert_allclose(run.y[:, -1], exact.y[:, -1], atol=1e-5)
    assert runs[0].nfev == runs[1].nfev


@pytest.mark.parametrize("rtol", [0.0, 1e-16, [1e-3, 1e-16, 1e-3]])
@pytest.mark.parametrize("method", [ETD34, Rosenbrock43])
def test_a_relative_tolerance_below_rounding_is_raised_with_scipys_warning(method: type, rtol: Any) -> None:
    with pytest.warns(UserWarning, match="At least one element of `rtol` is too small. Setting"):
        run = scipy.integrate.solve_ivp(
            right_hand_side, (0, 1e-3), Y0, method=method, rtol=rtol, atol=1e-7, **options_of(method, RATES)
        )
    assert run.success


@pytest.mark.parametrize("method", [ETD34, Rosenbrock43])
def test_complex_values_for_a_real_state_are_refused(method: type) -> None:
    with pytest.raises(TypeError, match=r"expected fun\(t, y\) to return real values for a real y0, received complex"):
        scipy.integrate.solve_ivp(lambda t, y: 1j * y, (0, 1), [1.0], method=method, **options_of(method, 0.0))


@pytest.mark.parametrize("method", ENDLESS, ids=lambda m: m.__name__)
@pytest.mark.parametrize("largest", [np.inf, 0.004])
def test_the_first_step_is_the_one_given_and_no_step_is_longer_than_the_largest(method: type, largest: float) -> None:
    run = scipy.integrate.solve_ivp(
        right_hand_side,
        (0, 0.02),
        Y0,
        method=method,
        first_step=1e-3,
        max_step=largest,
        rtol=1e-2,
        **options_of(method, RATES),
    )
    assert run.t[1] == pytest.approx(1e-3, rel=1e-12)
    assert np.max(np.diff(run.t)) <= largest * (1 + 1e-12)


@pytest.mark.parametrize("method", [ETD34, ExponentialAdams, Rosenbrock54])
def test_states_are_lent_and_the_initial_state_is_left_alone(method: type) -> None:
    def in_place(t: float, y: np.ndarray) -> np.ndarray:
        y *= -1
        return y

    with pytest.raises(ValueError, match="read-only"):
        scipy.integrate.solve_ivp(in_place, (0, 1), Y0, method=method, **options_of(method, RATES))
    start = Y0.copy()
    solver: Any = method
    solver = solver(right_hand_side, 0.0, start, 1.0, **options_of(method, RATES))
    start[:] = np.nan
    assert solver.step() is None
    assert not solver.y.flags.writeable
    assert np.all(np.isfinite(solver.y))


def test_options_of_other_solvers_are_warned_of() -> None:
    with pytest.warns(UserWarning, match="no effect for a chosen solver: `jac`, `lband`"):
        solve(ETD34, jac=jacobian, lband=3, rtol=1e-2)
    with pytest.warns(UserWarning, match="no effect for a chosen solver: `min_step`"):
        unsplit(Rosenbrock43, min_step=0.1, rtol=1e-2)


@pytest.mark.parametrize("method", ENDLESS, ids=lambda m: m.__name__)
def test_dense_output_goes_on_beyond_its_end_as_scipys_does(method: type) -> None:
    run = scipy.integrate.solve_ivp(
        lambda t, y: -y, (0, 1), [1.0, 2.0], method=method, dense_output=True, rtol=1e-6, **options_of(method, -1.0)
    )
    for t in (1.05, [0.5, 1.0, 1.05]):
        np.testing.assert_allclose(run.sol(t), np.multiply.outer([1.0, 2.0], np.exp(-np.asarray(t))), rtol=1e-5)


def test_steps_that_grow_too_small_are_told_in_scipys_words() -> None:
    run = scipy.integrate.solve_ivp(lambda t, y: y**2, (0, 2), [1.0], method=Rosenbrock43)
    assert run.message.startswith("Required step size is less than spacing between numbers.")


def robertson(t: float, s: np.ndarray) -> np.ndarray:
    x, y, z = s
    return np.array([-0.04 * x + 1e4 * y * z, 0.04 * x - 1e4 * y * z - 3e7 * y * y, 3e7 * y * y])


def of_robertson(t: float, s: np.ndarray) -> np.ndarray:
    _, y, z = s
    return np.array([[-0.04, 1e4 * z, 1e4 * y], [0.04, -1e4 * z - 6e7 * y, -1e4 * y], [0, 6e7 * y, 0]])


def enzyme(t: float, s: np.ndarray) -> np.ndarray:
    a, c = s
    return np.array([-1e4 * a * (1e-6 - c) + 0.5 * c, 1e4 * a * (1e-6 - c) - 1.5 * c])


def of_enzyme(t: float, s: np.ndarray) -> np.ndarray:
    a, c = s
    return np.array([[-1e4 * (1e-6 - c), 1e4 * a + 0.5], [1e4 * (1e-6 - c), -1e4 * a - 1.5]])


def oregonator(t: float, s: np.ndarray) -> np.ndarray:
    x, y, z = s
    return np.array([77.27 * (y + x * (1 - 8.375e-6 * x - y)), (z - (1 + x) * y) / 77.27, 0.161 * (x - z)])


def of_oregonator(t: float, s: np.ndarray) -> np.ndarray:
    x, y, _ = s
    return np.array(
        [
            [77.27 * (1 - 2 * 8.375e-6 * x - y), 77.27 * (1 - x), 0],
            [-y / 77.27, -(1 + x) / 77.27, 1 / 77.27],
            [0.161, 0, -0.161],
        ]
    )


TAILS: dict[str, Any] = {
    "Robertson, large": (robertson, of_robertson, [1e4, 0, 0], 1e8, 1e-6),
    "Robertson": (robertson, of_robertson, [1, 0, 0], 1e6, 1e-9),
    "enzyme": (enzyme, of_enzyme, [1.0, 0], 1e6, 1e-12),
    "Oregonator": (oregonator, of_oregonator, [1, 2, 3], 20, 1e-6),
}


@pytest.mark.parametrize("name", TAILS)
def test_long_stiff_tails_take_as_few_steps_by_differences_as_by_the_exact_jacobian(name: str) -> None:
    """Entries of the state differ by many orders: each has increments of its own size."""
    function, jac, y0, end, atol = TAILS[name]
    tolerances = {"rtol": 1e-6, "atol": atol, "method": Rosenbrock43}
    exact = scipy.integrate.solve_ivp(function, (0, end), y0, jac=jac, **tolerances)
    found = scipy.integrate.solve_ivp(function, (0, end), y0, **tolerances)
    assert found.success
    assert found.njev <= 1.1 * exact.njev
    np.testing.assert_allclose(found.y[:, -1], exact.y[:, -1], rtol=2e-5, atol=10 * atol)


@pytest.mark.parametrize("method", [Rosenbrock43, Rosenbrock54])
def test_robertson_to_1e8_takes_less_than_the_5000_evaluations_of_scipys_test(method: type) -> None:
    run = scipy.integrate.solve_ivp(robertson, (0, 1e8), [1e4, 0, 0], rtol=1e-6, atol=1e-6, method=method)
    assert run.nfev < 5000
    radau = [1.06556239e03, 4.77058442e-07, 8.93443761e03]  # SciPy's at rtol 1e-9, atol 1e-9, with the exact Jacobian
    np.testing.assert_allclose(run.y[:, -1], radau, rtol=1e-6)
