"""Methods that linearise at every step, run from the front doors."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import scipy.integrate

import expint
from expint import problems
from expint.derive.kinds.rosenbrock import Linearised
from expint.jacobian import Differences, Given, Product
from expint.methods import method, method_names
from expint.solution import Status

NAMES = [name for name in method_names() if isinstance(method(name), Linearised)]
ESTIMATING = [name for name in NAMES if method(name).error_order is not None]
START, END = 0.2, 1.2


def exact(t: float) -> np.ndarray:
    return np.array([math.cos(t) + t / 3, math.exp(t / 2) - t * t, math.sin(2 * t) + 1])


def velocity(t: float) -> np.ndarray:
    return np.array([1 / 3 - math.sin(t), math.exp(t / 2) / 2 - 2 * t, 2 * math.cos(2 * t)])


def acceleration(t: float) -> np.ndarray:
    return np.array([-math.cos(t), math.exp(t / 2) / 4 - 2, -4 * math.sin(2 * t)])


def coupling(y: np.ndarray) -> np.ndarray:
    return np.array([y[1] * y[2] + y[0] ** 3 / 2 - 2 * y[0], y[0] * y[2] - y[1] ** 2, y[0] * y[1] * y[2] + y[2]])


def jacobian(t: float, y: np.ndarray) -> np.ndarray:
    return np.array(
        [
            [1.5 * y[0] ** 2 - 2, y[2], y[1]],
            [y[2], -2 * y[1], y[0]],
            [y[1] * y[2], y[0] * y[2], y[0] * y[1] + 1],
        ]
    )


def slope(t: float, y: np.ndarray) -> np.ndarray:
    """Not autonomous, with the exact solution above."""
    return velocity(t) + coupling(y) - coupling(exact(t))


def slope_in_time(t: float, y: np.ndarray) -> np.ndarray:
    return acceleration(t) - jacobian(t, exact(t)) @ velocity(t)


KNOWN = Given(jacobian, in_time=slope_in_time)


def run(name: Any = "exprb43", f: Any = slope, y0: Any = None, **options: Any) -> expint.Solution:
    start = exact(START) if y0 is None else y0
    return expint.solve_ivp(f, (START, END), start, method=name, **({"jac": KNOWN} | options))


def slopes_of(errors: list[float]) -> list[float]:
    return [math.log2(a / b) for a, b in pairwise(errors)]


@pytest.mark.parametrize("name", NAMES)
def test_every_method_that_linearises_has_its_order_on_a_problem_that_is_not_autonomous(name: str) -> None:
    order = method(name).order
    errors = [float(np.linalg.norm(run(name, step=1 / n).y_end - exact(END))) for n in (20, 40)]
    (measured,) = slopes_of(errors)
    assert measured > order - 0.25
    if "adams" not in name:  # the error of those changes its sign in between
        assert measured < order + 0.6


@pytest.mark.parametrize("name", ["exprb32", "exprb43", "pexprb54s4", "epi4"])
def test_the_order_stays_when_time_derivatives_come_from_differences(name: str) -> None:
    known, differences = (run(name, step=1 / 20, jac=jac).y_end for jac in (KNOWN, Given(jacobian)))
    assert np.linalg.norm(known - differences) < 1e-3 * np.linalg.norm(known - exact(END))


def test_forgetting_the_time_derivative_would_cost_orders() -> None:
    wrong = Given(jacobian, in_time=None)
    errors = [float(np.linalg.norm(run("exprb43", step=1 / n, jac=wrong).y_end - exact(END))) for n in (20, 40)]
    assert slopes_of(errors)[0] < 2.5


@pytest.mark.parametrize(
    ("name", "term", "order"),
    [
        ("rosenbrock-euler", "local", 2),
        ("exprb32", "nonlocal", 3),
        ("exprb43", "local", 4),
        ("exprb43", "nonlocal", 4),
        ("pexprb54s4", "local", 5),
        ("epi4", "nonlocal", 4),
        ("epirk4s3a", "local", 4),
    ],
)
def test_stiff_orders_hold_on_the_problems_of_hochbruck_and_ostermann(name: str, term: Any, order: int) -> None:
    problem = problems.hochbruck_ostermann(term, n=31)
    errors = [
        float(np.max(np.abs(expint.solve(problem, name, step=1 / n).y_end - problem.exact(1.0)))) for n in (8, 16)
    ]
    assert slopes_of(errors)[0] > order - 0.25


def test_a_method_without_stiff_conditions_shows_it_there() -> None:
    problem = problems.hochbruck_ostermann("nonlocal", n=31)
    exp4, exprb43 = (
        float(np.max(np.abs(expint.solve(problem, name, step=1 / 8).y_end - problem.exact(1.0))))
        for name in ("exp4", "exprb43")
    )
    assert exp4 > 50 * exprb43


@pytest.mark.parametrize("name", ["exprb43", "pexprb54s4", "exp4"])
@pytest.mark.parametrize("rate", [-1e2, -1e6])
def test_prothero_and_robinson_see_no_error_grow_with_stiffness(name: str, rate: float) -> None:
    problem = problems.prothero_robinson(rate, t_end=2.0)
    solution = expint.solve(problem, name, rtol=1e-6, atol=1e-6)
    assert solution.success
    assert abs(solution.y_end[0] - math.cos(2.0)) < 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_matrices_and_actions_take_the_same_steps(name: str) -> None:
    formed, applied = (
        run(name, step=1 / 8, jac=Given(jacobian, in_time=slope_in_time, form=form)) for form in ("dense", "action")
    )
    np.testing.assert_allclose(applied.y, formed.y, rtol=1e-10)
    assert formed.stats.jacobian_products == 0
    assert applied.stats.jacobian_products > 0


@pytest.mark.parametrize("name", ["exprb43", "epi4"])
def test_a_linear_part_given_apart_changes_nothing(name: str) -> None:
    matrix = np.array([[-3.0, 1.0, 0.0], [0.0, -20.0, 2.0], [0.5, 0.0, 1.0]])
    for linear, form in ((matrix, "dense"), (matrix, "action"), (np.diag(matrix), "dense")):
        full = np.diag(linear) if linear.ndim == 1 else linear

        def rest(t: float, y: np.ndarray, full: np.ndarray = full) -> np.ndarray:
            return slope(t, y) - full @ y

        jac = Given(jacobian, in_time=slope_in_time, form=form)
        split = run(name, rest, linear=linear, step=1 / 8, jac=jac)
        np.testing.assert_allclose(split.y, run(name, step=1 / 8).y, rtol=1e-9)
        computed = run(name, rest, linear=linear, step=1 / 8, jac=Differences(form=form))
        np.testing.assert_allclose(computed.y, split.y, rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_linear_problems_are_solved_exactly_by_one_step(name: str) -> None:
    if method(name).history > 1:
        return
    rates = np.array([-1.0, -100.0, 2.0])
    solution = expint.solve_ivp(
        lambda t, y: rates * y + 3.0, (0, 1), np.ones(3), method=name, step=1.0, jac=np.diag(rates)
    )
    np.testing.assert_allclose(solution.y_end, (1 + 3 / rates) * np.exp(rates) - 3 / rates, rtol=1e-12)


@pytest.mark.parametrize("name", ESTIMATING)
def test_tolerances_are_kept(name: str) -> None:
    for rtol in (1e-4, 1e-7):
        solution = run(name, rtol=rtol, atol=rtol)
        assert solution.success
        assert np.max(np.abs(solution.y_end - exact(END))) < 34 * rtol  # so much an early error grows till the end


@pytest.mark.parametrize("name", ["exprb42", "epirk4s3a"])
def test_methods_without_estimate_take_steps_by_doubling_on_request(name: str) -> None:
    solution = run(name, rtol=1e-6, atol=1e-6, error="doubling")
    assert np.max(np.abs(solution.y_end - exact(END))) < 1e-5
    with pytest.raises(ValueError, match="expected a method with an error estimate to choose steps, received"):
        run(name, rtol=1e-6)


def test_a_rejected_step_keeps_the_jacobian_and_the_slope() -> None:
    solution = run(rtol=1e-8, atol=1e-8, first_step=1.0)
    stats = solution.stats
    assert stats.rejected > 0
    assert stats.jacobian_evaluations == stats.steps
    assert stats.nonlinear_evaluations == 1 + 3 * stats.steps + 2 * stats.rejected


@pytest.mark.parametrize("name", ["van_der_pol", "robertson", "hires"])
def test_unsplit_stiff_problems_are_solved_to_a_tolerance_by_default(name: str) -> None:
    problem = problems.make(name, **({"mu": 100.0, "t_end": 90.0} if name == "van_der_pol" else {"t_end": 20.0}))
    f = problem.nonlinear
    solution = expint.solve_ivp(f, problem.t_span, problem.y0, rtol=1e-5, atol=1e-9)
    reference = scipy.integrate.solve_ivp(f, problem.t_span, problem.y0, method="Radau", rtol=1e-9, atol=1e-13)
    assert solution.success
    assert "linearises the right-hand side at every step" in solution.message
    assert "finite differences" in solution.message
    np.testing.assert_allclose(solution.y_end, reference.y[:, -1], rtol=2e-4, atol=1e-9)


def test_a_system_of_reactions_and_diffusion_is_solved_by_actions() -> None:
    problem = problems.brusselator(n=50, t_end=2.0)
    solution = expint.solve(problem, "pexprb54s4", rtol=1e-6, atol=1e-6, jac=None)
    formed = expint.solve(problem, "pexprb54s4", rtol=1e-6, atol=1e-6, jac=Given(problem.jacobian, form="dense"))
    assert "Krylov spaces" in solution.message
    assert solution.stats.jacobian_products > 0
    assert solution.y_end.shape == (2, 50)
    np.testing.assert_allclose(solution.y_end, formed.y_end, rtol=1e-5)


def test_complex_states_may_have_terms_that_are_no_analytic_functions() -> None:
    rates = np.array([1.0, 4.0, 9.0])

    def f(t: float, y: np.ndarray) -> np.ndarray:
        return -1j * rates * y + 2j * np.abs(y) ** 2 * y + 0.1 * np.conj(y)

    y0 = np.array([1.0 + 0.5j, 0.3j, -0.7])
    reference = scipy.integrate.solve_ivp(f, (0, 1), y0, method="DOP853", rtol=1e-12, atol=1e-12).y[:, -1]
    errors = [
        float(np.linalg.norm(expint.solve_ivp(f, (0, 1), y0, method="exprb43", step=1 / n).y_end - reference))
        for n in (20, 40)
    ]
    assert slopes_of(errors)[0] == pytest.approx(4, abs=0.3)

    def product(t: float, y: np.ndarray, v: np.ndarray) -> np.ndarray:
        return -1j * rates * v + 2j * (2 * np.abs(y) ** 2 * v + y**2 * np.conj(v)) + 0.1 * np.conj(v)

    real = np.zeros((6, 6))

    def pairs(t: float, y: np.ndarray) -> np.ndarray:
        for j in range(6):
            unit = np.zeros(6)
            unit[j] = 1.0
            real[:, j] = product(t, y, unit.view(complex)).view(float)
        return real.copy()

    for jac in (Product(product), pairs):
        solution = expint.solve_ivp(f, (0, 1), y0, method="exprb43", step=1 / 20, jac=jac)
        assert np.linalg.norm(solution.y_end - reference) == pytest.approx(errors[0], rel=1e-3)


def test_analytic_terms_of_complex_states_may_have_a_complex_jacobian() -> None:
    def f(t: float, y: np.ndarray) -> np.ndarray:
        return 1j * y**2 - y

    def jac(t: float, y: np.ndarray) -> np.ndarray:
        return np.diag(2j * y - 1)

    y0 = np.array([0.5 + 0.1j, -0.3j])
    given, computed = (expint.solve_ivp(f, (0, 1), y0, method="exprb43", step=0.1, jac=j) for j in (jac, None))
    assert "a dense matrix of 2 × 2" in given.message
    assert "a dense matrix of 4 × 4" in computed.message
    np.testing.assert_allclose(given.y, computed.y, rtol=1e-7)


@pytest.mark.parametrize("name", ["exprb32", "exprb43", "pexprb54s4", "epi4"])
def test_dense_output_has_its_order_between_the_steps(name: str) -> None:
    worst = []
    for n in (16, 32):
        solution = run(name, dense_output=True, step=1 / n)
        np.testing.assert_array_equal(solution.sol(solution.t[3]), solution.y[3])
        times = START + (np.arange(0, n, n // 8) + 0.4) / n
        worst.append(max(float(np.linalg.norm(solution.sol(t) - exact(t))) for t in times))
    assert slopes_of(worst)[0] > min(method(name).order, 4) - 0.3


def test_dense_output_follows_decaying_parts_that_steps_jump_over() -> None:
    rates = np.array([-1.0, -1e4])
    solution = expint.solve_ivp(
        lambda t, y: rates * y, (0, 1), np.ones(2), method="exprb43", step=0.5, jac=np.diag(rates), dense_output=True
    )
    times = np.array([1e-5, 1e-4, 0.3])
    np.testing.assert_allclose(solution.sol(times), np.exp(np.outer(times, rates)), rtol=1e-9, atol=1e-12)


def test_events_times_asked_for_and_callbacks_work_as_for_other_methods() -> None:
    def hits(t: float, y: np.ndarray) -> float:
        return float(y[1] - exact(0.8)[1])

    hits.terminal = True
    seen: list[float] = []
    solution = run(rtol=1e-7, events=hits, t_eval=[0.4, 0.7, 1.1], callback=lambda t, y: seen.append(t))
    assert solution.status == Status.TERMINATED
    assert solution.t_events is not None
    assert solution.t_events[0][0] == pytest.approx(0.8, abs=1e-5)
    np.testing.assert_array_equal(solution.t, [0.4, 0.7])
    assert seen[-1] == pytest.approx(0.8, abs=1e-5)
    fixed = run(step=1 / 20, events=hits)
    assert fixed.status == Status.TERMINATED
    assert fixed.t[-1] == pytest.approx(0.8, abs=1e-5)


def test_runs_backwards_return_to_where_they_began() -> None:
    there = run(step=1 / 40).y_end
    back = expint.solve_ivp(slope, (END, START), there, method="exprb43", step=-1 / 40, jac=KNOWN)
    np.testing.assert_allclose(back.y_end, exact(START), atol=1e-6)
    adaptive = expint.solve_ivp(slope, (END, START), there, method="exprb43", rtol=1e-8, max_step=-math.inf, jac=KNOWN)
    np.testing.assert_allclose(adaptive.y_end, exact(START), atol=1e-5)


def test_multistep_methods_start_by_themselves_and_refuse_too_few_steps() -> None:
    for name in ("linearised-adams5", "linearised-adams6"):
        assert np.linalg.norm(run(name, step=1 / 40).y_end - exact(END)) < 1e-7
    with pytest.raises(ValueError, match="expected at least 5 steps"):
        run("linearised-adams6", step=0.5)
    with pytest.raises(ValueError, match="expected a method with an error estimate to choose steps, received"):
        run("epi3", rtol=1e-5)


def test_linearised_adams_takes_steps_of_any_length() -> None:
    random = np.random.default_rng(1)
    errors = []
    for n in (16, 32):
        gaps = 1 + random.random(n)
        grid = START + (END - START) * np.concatenate([[0], np.cumsum(gaps)]) / np.sum(gaps)
        grid[-1] = END
        errors.append(float(np.linalg.norm(run("linearised-adams4", grid=grid).y_end - exact(END))))
    assert slopes_of(errors)[0] > 3.3


def test_arguments_are_handed_to_the_right_hand_side() -> None:
    solution = expint.solve_ivp(lambda t, y, a: -a * y, (0, 1), [1.0], args=(3.0,), rtol=1e-8)
    assert solution.y_end[0] == pytest.approx(math.exp(-3), rel=1e-7)
    fixed = expint.solve_ivp(lambda t, y, a: -a * y, (0, 1), [1.0], args=(3.0,), step=0.25)
    assert fixed.y_end[0] == pytest.approx(math.exp(-3), rel=1e-7)
    assert "pexprb54s4" in fixed.message


def test_solve_hands_the_jacobian_of_a_problem_to_methods_that_linearise() -> None:
    problem = problems.hires(t_end=1.0)
    assert "the given Jacobian" in expint.solve(problem, "exprb43", rtol=1e-4).message
    assert "finite differences" in expint.solve(problem, "exprb43", rtol=1e-4, jac=Differences()).message
    split = problems.brusselator(n=10, t_end=0.1)
    assert "Jacobian" not in expint.solve(split, "krogstad4", step=0.01).message


def test_a_fixed_l_needs_to_be_given_and_a_jacobian_needs_a_method_that_linearises() -> None:
    with pytest.raises(ValueError, match="received krogstad4 without linear="):
        expint.solve_ivp(slope, (START, END), exact(START), method="krogstad4", step=0.1)
    with pytest.raises(ValueError, match="received jac= beside krogstad4"):
        expint.solve_ivp(slope, (START, END), exact(START), method="krogstad4", step=0.1, linear=-1.0, jac=jacobian)
    with pytest.raises(ValueError, match="received rtol beside fixed steps"):
        run(step=0.1, rtol=1e-3)


def test_a_jacobian_that_raises_is_a_failure_with_the_states_reached_so_far() -> None:
    def failing(t: float, y: np.ndarray) -> np.ndarray:
        if t > 0.7:
            raise RuntimeError("no derivative here")
        return jacobian(t, y)

    for options in ({"step": 0.1}, {"rtol": 1e-6}):
        with pytest.raises(RuntimeError, match="no derivative here") as raised:
            run(jac=failing, **options)
        solution = raised.value.solution
        assert solution.status == Status.RAISED
        assert solution.t[-1] > 0.69
        assert solution.stats.jacobian_evaluations > 1
        np.testing.assert_allclose(solution.y_end, exact(solution.t[-1]), atol=1e-4)


def test_a_jacobian_that_is_not_finite_ends_the_run_with_the_last_good_state() -> None:
    def breaking(t: float, y: np.ndarray) -> np.ndarray:
        return jacobian(t, y) * (np.nan if t > 0.7 else 1.0)

    for options in ({"step": 0.1}, {"rtol": 1e-6}):
        solution = run(jac=breaking, **options)
        assert solution.status == Status.NON_FINITE
        assert "expected a finite Jacobian, received inf or nan in it at t = 0." in solution.message
        np.testing.assert_allclose(solution.y_end, exact(solution.t[-1]), atol=1e-4)


def test_a_right_hand_side_that_is_not_finite_ahead_shrinks_the_step_and_then_fails_by_name() -> None:
    def f(t: float, y: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return -1 / (2 * np.sqrt(1 - t)) + 0 * y

    def jac(t: float, y: np.ndarray) -> np.ndarray:
        return np.zeros((1, 1))

    solution = expint.solve_ivp(f, (0, 2), [1.0], method="exprb43", rtol=1e-6, jac=Given(jac))
    assert solution.status in (Status.STEP_TOO_SMALL, Status.NON_FINITE)
    assert 0.9 < solution.t[-1] <= 1.0


def test_states_far_from_equilibrium_do_not_overflow_silently() -> None:
    solution = expint.solve_ivp(lambda t, y: y**2, (0, 2), [1.0], method="exprb43", rtol=1e-6)
    assert solution.status == Status.STEP_TOO_SMALL
    assert solution.t[-1] == pytest.approx(1.0, abs=1e-5)
    assert np.all(np.isfinite(solution.y))


def test_stepping_by_hand_takes_the_steps_of_a_run() -> None:
    state = expint.begin(slope, START, exact(START), method="exprb43", jac=KNOWN)
    for _ in range(4):
        state = expint.step(state, 0.25)
    np.testing.assert_allclose(state.y, run(step=0.25).y_end, rtol=1e-13)
    assert state.error is not None
    assert state.evaluations == 1 + 4 * 3
    again = expint.step(expint.step(state, 0.1), -0.1)
    np.testing.assert_allclose(again.y, state.y, rtol=1e-5)
    with pytest.raises(ValueError, match="expected a method of one step"):
        expint.begin(slope, START, exact(START), method="epi3", jac=KNOWN)
    with pytest.raises(
        ValueError, match=r"expected linear= for a method with a fixed L, .* received krogstad4 without linear="
    ):
        expint.begin(slope, START, exact(START), method="krogstad4")


def test_no_plan_is_made_for_methods_that_linearise() -> None:
    with pytest.raises(TypeError, match="received exprb43, whose L is the Jacobian at every step"):
        expint.lower(method("exprb43"), expint.operators.Scalar(-1.0), [0.0, 1.0])


@pytest.mark.parametrize("name", ["robertson", "hires", "brusselator"])
def test_the_tolerance_is_kept_on_problems_with_a_stored_solution(name: str) -> None:
    problem, stored = problems.make(name), problems.reference(name)
    solution = expint.solve(problem, "pexprb54s4", rtol=1e-4, atol=1e-7)
    error = np.abs(problems.sample(problem, solution.y_end) - stored.values) / (1e-3 + np.abs(stored.values))
    assert math.sqrt(float(np.mean(error**2))) < 1e-4


@pytest.mark.parametrize("method", ["exprb43", "rosenbrock-ladder5", "epirk5p1"])
def test_a_state_without_entries_is_refused_by_name(method: str) -> None:
    with pytest.raises(ValueError, match="expected a state with entries to differentiate by, received y0 of shape"):
        expint.solve_ivp(lambda t, y: -y, (0, 1), np.zeros((2, 0)), method=method, step=0.1)
