"""Steps chosen to a tolerance: the tolerance is kept, times are hit, faults end a run by name."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import expint
from expint import Status, problems
from expint.derive.kinds.predictor_corrector import PredictorCorrector
from expint.run import Controller
from tests.conftest import name_of

ADAPTIVE = ["etd34", "expint43", "zoto-bowman43", "adams4", "pec4", PredictorCorrector(4, ramp=True), "pece4"]
LAWSON = "lawson-dormand-prince54"
Y0 = np.array([1.0, 0.5, 0.2])
LINEAR = np.array([-1.0, -20.0, -400.0])


def quadratic(t: float, y: Any) -> Any:
    return 0.3 * y * y + t


def solve(method: Any = "etd34", nonlinear: Callable[..., Any] = quadratic, end: float = 1.0, **options: Any) -> Any:
    return expint.solve_ivp(nonlinear, (0, end), options.pop("y0", Y0), linear=LINEAR, method=method, **options)


class Counted:
    """N with a memory of where it was called."""

    def __init__(self, nonlinear: Callable[[float, Any], Any] = quadratic) -> None:
        self.nonlinear, self.times = nonlinear, []

    def __call__(self, t: float, y: Any) -> Any:
        self.times.append(t)
        return self.nonlinear(t, y)


@pytest.mark.parametrize("method", ADAPTIVE, ids=name_of)
@pytest.mark.parametrize("rtol", [1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize(
    "spectrum", [[-1000.0, -30.0, -1.0, 0.5], [300j, -40j, -1 + 5j, 2j]], ids=["stiff", "rotating"]
)
def test_the_error_stays_near_the_tolerance(method: Any, rtol: float, spectrum: list[complex]) -> None:
    problem = problems.prescribed_spectrum(spectrum)
    solution = expint.solve(problem, method, rtol=rtol, atol=rtol)
    if method == "zoto-bowman43" and rtol == 1e-9:
        assert solution.stats.steps > 1000  # a cautious estimate of order 3
    errors = [np.sqrt(np.mean(np.abs(y - problem.exact(t)) ** 2)) for t, y in zip(solution.t, solution.y)]
    assert solution.success
    assert max(errors) < 10 * rtol


@pytest.mark.parametrize("method", [*ADAPTIVE, LAWSON], ids=name_of)
def test_problems_without_stiffness_are_solved_by_every_family(method: Any) -> None:
    problem = problems.riccati()
    for rtol in (1e-4, 1e-8):
        solution = expint.solve(problem, method, rtol=rtol)
        assert abs(solution.y_end - problem.exact(0.8)) < 2 * rtol * abs(solution.y_end)


@pytest.mark.parametrize("method", [*ADAPTIVE, LAWSON], ids=name_of)
def test_smaller_tolerances_give_smaller_errors_for_more_evaluations(method: Any) -> None:
    problem = problems.riccati()
    runs = [expint.solve(problem, method, rtol=rtol) for rtol in (1e-4, 1e-7, 1e-10)]
    errors = [max(abs(y - problem.exact(t)) for t, y in zip(run.t, run.y)) for run in runs]
    assert errors[0] > 5 * errors[1] > 25 * errors[2]
    assert runs[0].calls < runs[1].calls < runs[2].calls


@pytest.mark.parametrize("method", ADAPTIVE, ids=name_of)
@pytest.mark.parametrize("direction", [1, -1])
def test_times_asked_for_are_hit_exactly(method: Any, direction: int) -> None:
    problem = problems.riccati()
    start, end = (0.0, 0.7) if direction > 0 else (0.7, 0.0)
    wanted = np.array([0.1, 1 / 3, 0.35, 0.350001, 0.7])[::direction]
    solution = expint.solve_ivp(
        problem.nonlinear,
        (start, end),
        problem.exact(start),
        linear=problem.linear,
        method=method,
        rtol=1e-7,
        t_eval=wanted,
        max_step=direction * math.inf,
    )
    np.testing.assert_array_equal(solution.t, wanted)
    for t, y in zip(solution.t, solution.y):
        assert abs(y - problem.exact(t)) < 1e-6


def test_the_ends_are_the_first_and_last_times_by_default() -> None:
    solution = solve(rtol=1e-5, end=1 / 3)
    assert solution.t[0] == 0.0
    assert solution.t[-1] == 1 / 3
    np.testing.assert_array_equal(solution.y[0], Y0)


@pytest.mark.parametrize("method", ["etd34", PredictorCorrector(4, ramp=True)], ids=name_of)
def test_step_sizes_repeat_so_that_phi_functions_are_reused(method: Any) -> None:
    problem = problems.hochbruck_ostermann(n=49)
    solution = expint.solve(problem, method, rtol=1e-9)
    sizes = {float(f"{h:.9e}") for h in np.diff(solution.t)}
    assert len(sizes) < solution.stats.steps / 3


def test_equally_spaced_times_are_reached_by_equal_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their differences differ in the last bits, which must not cost new φ-functions each time."""
    from expint.operators import Diagonal

    scales = []
    phi = Diagonal.phi
    monkeypatch.setattr(Diagonal, "phi", lambda self, p, scale: scales.append(scale) or phi(self, p, scale))
    solution = solve(rtol=1e-3, t_eval=np.linspace(0, 1, 301)[1:], land=True)
    assert solution.stats.steps >= 300
    assert len(set(scales)) < 30


def test_no_nonlinear_term_means_the_exact_flow_in_a_few_steps() -> None:
    for method in ADAPTIVE:
        solution = solve(method, None, rtol=1e-8)
        np.testing.assert_allclose(solution.y_end, np.exp(LINEAR) * Y0, rtol=1e-12, atol=1e-300)
        assert solution.stats.steps < 20


def test_a_nonlinear_term_that_stays_zero_is_looked_at_and_the_flow_is_exact() -> None:
    for method in ADAPTIVE:
        solution = solve(method, lambda t, y: 0 * y, rtol=1e-8)
        np.testing.assert_allclose(solution.y_end, np.exp(LINEAR) * Y0, rtol=1e-12, atol=1e-300)
        assert solution.stats.steps < 80
        assert 64 <= solution.stats.nonlinear_evaluations <= 110  # a look costs one, in short steps and in long ones


def test_a_constant_nonlinear_term_is_integrated_exactly() -> None:
    for method in ADAPTIVE:
        solution = solve(method, lambda t, y: np.array([1.0, 2.0, 3.0]), rtol=1e-8)
        rest = -np.array([1.0, 2.0, 3.0]) / LINEAR
        np.testing.assert_allclose(solution.y_end, rest + np.exp(LINEAR) * (Y0 - rest), rtol=1e-11)


def test_a_state_at_rest_at_zero_is_no_trouble() -> None:
    solution = solve(nonlinear=lambda t, y: y * y, y0=np.zeros(3), rtol=1e-6)
    np.testing.assert_array_equal(solution.y_end, np.zeros(3))


@pytest.mark.parametrize("method", ADAPTIVE, ids=name_of)
def test_components_that_stay_zero_need_no_absolute_tolerance(method: Any) -> None:
    y0 = np.array([1.0, 0.0, 0.2])
    solution = solve(method, lambda t, y: 0.3 * y * y, y0=y0, rtol=1e-6, atol=0.0)
    assert solution.success
    assert np.all(solution.y[:, 1] == 0)
    assert solve(method, lambda t, y: 0 * y, y0=0 * y0, rtol=1e-6, atol=0.0).success


def test_a_state_without_entries_has_no_error_to_measure() -> None:
    with pytest.raises(ValueError, match=r"expected a state with entries.*received y0 of shape \(0,\)"):
        expint.solve_ivp(quadratic, (0, 1), np.zeros(0), linear=-1.0, rtol=1e-6)


def test_a_nonlinear_term_that_changes_its_shape_on_the_way_is_refused() -> None:
    with pytest.raises(ValueError, match=r"to return shape \(3,\), that of y0, received shape \(2,\)"):
        solve(nonlinear=lambda t, y: quadratic(t, y)[: 3 if t < 0.3 else 2], rtol=1e-4)


def test_rejected_steps_keep_the_slope_at_their_start() -> None:
    """etd34 costs four evaluations a step, accepted or not, one at the start, one to choose the first step."""
    counted = Counted()
    solution = solve(nonlinear=counted, rtol=1e-7, first_step=0.5)
    assert solution.stats.rejected >= 1
    assert len(counted.times) == solution.stats.nonlinear_evaluations
    assert len(counted.times) == 1 + 4 * (solution.stats.steps + solution.stats.rejected)
    assert counted.times.count(0.0) == 1
    chosen = solve(nonlinear=Counted(), rtol=1e-7)
    assert chosen.calls == 2 + 4 * (chosen.stats.steps + chosen.stats.rejected)


def test_a_predictor_corrector_pair_costs_one_evaluation_a_step() -> None:
    counted = Counted()
    solution = solve(PredictorCorrector(4, ramp=True), counted, rtol=1e-7, first_step=1e-4)
    stats = solution.stats
    assert len(counted.times) == stats.nonlinear_evaluations == 1 + stats.steps + stats.rejected


@pytest.mark.parametrize("method", ["krogstad4", "lawson-adams3", "cox-matthews4"])
def test_methods_without_error_estimate_refuse_a_tolerance(method: str) -> None:
    with pytest.raises(ValueError, match=r"expected a method with an error estimate.* pass step= or grid="):
        solve(method, rtol=1e-6)


@pytest.mark.parametrize(
    "option", [{"rtol": 1e-6}, {"atol": 1e-6}, {"first_step": 0.1}, {"norm": np.max}, {"controller": Controller()}]
)
def test_a_tolerance_beside_fixed_steps_is_refused_not_ignored(option: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"received {next(iter(option))} beside fixed steps"):
        solve(step=0.1, **option)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rtol": -1e-3}, r"expected rtol to be a number ≥ 0"),
        ({"rtol": 1e-17}, r"expected rtol of at least 2.2e-15"),
        ({"rtol": math.nan}, r"expected rtol"),
        ({"rtol": 0.0, "atol": 0.0}, r"not both 0"),
        ({"atol": -1.0}, r"expected tolerances ≥ 0"),
        ({"atol": np.ones(4)}, r"to broadcast to y0 of shape \(3,\), received one of shape \(4,\)"),
        ({"first_step": 0.0}, r"expected first_step to be a positive number"),
        ({"max_step": math.nan}, r"expected max_step to be a positive number"),
        ({"max_step": 1e-20}, r"expected max_step above the rounding of the times"),
        ({"max_steps": 0}, r"expected max_steps to be at least 1"),
        ({"max_step": -0.1}, r"the sign in which t_span = .* runs, .* -0.1; exchange the ends"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_any_work(options: dict[str, Any], message: str) -> None:
    counted = Counted()
    with pytest.raises(ValueError, match=message):
        solve(nonlinear=counted, **options)
    assert counted.times == []


def test_a_tolerance_below_the_precision_of_the_state_is_refused() -> None:
    with pytest.raises(ValueError, match=r"ten times the precision of float32, received 1e-08"):
        solve(rtol=1e-8, y0=Y0.astype(np.float32))


@pytest.mark.parametrize("method", ADAPTIVE, ids=name_of)
def test_nan_beyond_some_argument_shrinks_the_step_and_then_ends_the_run_by_name(method: Any) -> None:
    """y' = -y/2 has y(1.2) = 0.5488; N is not defined for y below that."""

    def nonlinear(t: float, y: np.ndarray) -> np.ndarray:
        return np.where(y > math.exp(-0.6), -0.25 * y, np.nan)

    # the bar on the end, 1e-6, is an error of 5e-7 in y: adams4 uses up what 1e-6 allows
    rtol = 1e-7 if method == "adams4" else 1e-6
    solution = expint.solve_ivp(
        nonlinear, (0, 3), np.ones(1), linear=-0.25, method=method, rtol=rtol, first_step=0.3, dense_output=True
    )
    assert solution.status is Status.STEP_TOO_SMALL
    assert not solution.success
    assert "inf or nan in every step" in solution.message
    assert solution.stats.rejected > 5
    assert np.all(np.isfinite(solution.y))
    np.testing.assert_allclose(solution.y[:, 0], np.exp(-0.5 * solution.t), rtol=1e-5)
    assert 1.19 < solution.t[-1] < 1.2 + 1e-6
    assert solution.sol(1.0) == pytest.approx(math.exp(-0.5), rel=1e-5)


@pytest.mark.parametrize("method", ["etd34", PredictorCorrector(2, ramp=True)], ids=name_of)
def test_nan_in_a_trial_alone_is_stepped_around(method: Any) -> None:
    """A step too long leaves the domain of N; shorter ones do not."""

    def nonlinear(t: float, y: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return -5 * np.sqrt(y)

    solution = expint.solve_ivp(
        nonlinear, (0, 0.35), np.ones(1), linear=-1.0, method=method, rtol=1e-6, atol=1e-9, first_step=0.35
    )
    assert solution.success
    assert solution.stats.rejected >= 1
    exact = (6 * math.exp(-0.175) - 5) ** 2  # √y = 6 e^{-t/2} - 5
    assert solution.y_end[0] == pytest.approx(exact, rel=1e-4)


def test_nan_at_the_initial_state_is_named_at_once() -> None:
    counted = Counted(lambda t, y: np.full_like(y, np.nan))
    solution = solve(nonlinear=counted, rtol=1e-6)
    assert solution.status is Status.NON_FINITE
    assert "finite at the initial state" in solution.message
    assert len(counted.times) == 1
    np.testing.assert_array_equal(solution.y, [Y0])


def test_blow_up_ends_with_a_step_too_small_and_the_states_before() -> None:
    solution = expint.solve_ivp(lambda t, y: y * y, (0, 2), np.ones(1), linear=0.0, method="zoto-bowman43", rtol=1e-6)
    assert solution.status is Status.STEP_TOO_SMALL
    assert solution.t[-1] == pytest.approx(1.0, abs=1e-4)
    assert "near t = 1" in solution.message or "at t = 1" in solution.message


@pytest.mark.parametrize("method", ADAPTIVE[1:], ids=name_of)
def test_a_jump_in_time_is_seen_and_crossed(method: Any) -> None:
    """The estimate of etd34 compares two slopes at one time and cannot see N(t); those of the others do.

    Multistep estimates assume smoothness across their history: a hundred tolerances are what they keep at a jump.
    """

    def nonlinear(t: float, y: np.ndarray) -> np.ndarray:
        return np.where(t < 0.5, 1.0, -1.0) * np.ones(1)

    solution = expint.solve_ivp(nonlinear, (0, 1), np.zeros(1), linear=-1.0, method=method, rtol=1e-6, atol=1e-6)
    exact = (1 - math.exp(-0.5)) * math.exp(-0.5) - (1 - math.exp(-0.5))
    assert solution.success
    assert solution.y_end[0] == pytest.approx(exact, abs=1e-6 if method == "zoto-bowman43" else 1e-4)
    assert solution.stats.rejected > 3


@pytest.mark.parametrize("method", ADAPTIVE[1:], ids=name_of)
def test_a_nonlinear_term_of_time_alone_is_integrated_to_the_tolerance(method: Any) -> None:
    solution = expint.solve_ivp(
        lambda t, y: np.array([math.sin(20 * t)]), (0, 3), np.zeros(1), linear=-1.0, method=method, rtol=1e-6, atol=1e-6
    )
    exact = (math.sin(60) - 20 * math.cos(60) + 20 * math.exp(-3)) / 401
    assert solution.y_end[0] == pytest.approx(exact, abs=1e-5)


def test_a_budget_of_steps_ends_the_run_by_name() -> None:
    solution = solve(rtol=1e-10, max_steps=7)
    assert solution.status is Status.TOO_MANY_STEPS
    assert solution.stats.steps + solution.stats.rejected == 7
    assert len(solution.t) == 1 + solution.stats.steps
    assert "raise max_steps" in solution.message


@pytest.mark.parametrize("t_eval", [None, [0.2, 1.0]])
def test_an_exception_in_the_nonlinear_term_is_passed_on_with_the_states_so_far(t_eval: list[float] | None) -> None:
    def failing(t: float, y: np.ndarray) -> np.ndarray:
        if t > 0.45:
            raise ConnectionError("no route to host")
        return quadratic(t, y)

    with pytest.raises(ConnectionError, match="no route to host") as raised:
        solve(nonlinear=failing, rtol=1e-6, t_eval=t_eval)
    solution = raised.value.solution
    assert solution.status is Status.RAISED
    assert "ConnectionError raised after t = " in solution.message
    assert solution.t[-1] <= 0.45
    assert len(solution.t) == len(solution.y) >= 1


def test_a_nonlinear_term_that_changes_its_dtype_on_the_way_is_refused() -> None:
    def changing(t: float, y: np.ndarray) -> np.ndarray:
        slope = quadratic(t, y).astype(np.float32)
        return slope if t < 0.3 else slope.astype(np.float64)

    with pytest.raises(TypeError, match=r"expected nonlinear.* to return dtype float32, that of y0, received float64"):
        solve(nonlinear=changing, y0=Y0.astype(np.float32), rtol=1e-4)


def test_the_first_step_is_the_one_asked_for_up_to_the_ladder() -> None:
    solution = solve(rtol=1e-3, first_step=1e-3)
    assert 1e-3 / 2 ** (1 / 8) < solution.t[1] <= 1e-3


def test_no_step_is_larger_than_allowed() -> None:
    for method in ADAPTIVE:
        solution = solve(method, rtol=1e-2, max_step=0.03)
        assert np.max(np.diff(solution.t)) <= 0.03 * (1 + 1e-12)
        assert solution.t[-1] == 1.0


def test_backwards_is_forwards_in_mirrored_time() -> None:
    forwards = solve(rtol=1e-7)
    backwards = expint.solve_ivp(
        lambda t, y: -quadratic(-t, y), (0, -1), Y0, linear=-LINEAR, method="etd34", rtol=1e-7, max_step=-math.inf
    )
    np.testing.assert_array_equal(backwards.t, -forwards.t)
    np.testing.assert_allclose(backwards.y, forwards.y, rtol=1e-13)


def test_the_norm_can_be_replaced() -> None:
    seen = []

    def largest(scaled: np.ndarray) -> float:
        seen.append(scaled.shape)
        return float(np.max(scaled))

    solution = solve(rtol=1e-6, norm=largest)
    assert set(seen) == {(3,)}
    assert solution.stats.steps >= solve(rtol=1e-6).stats.steps


def test_components_have_tolerances_of_their_own() -> None:
    exact = solve(LAWSON, rtol=1e-11, atol=1e-13).y_end
    loose = solve(rtol=1e-12, atol=np.array([1e-9, 1.0, 1.0]))
    even = solve(rtol=1e-12, atol=1e-9)
    assert abs(loose.y_end - exact)[0] < 1e-8
    assert loose.calls < even.calls
    as_list = solve(rtol=1e-12, atol=[1e-9, 1.0, 1.0])
    np.testing.assert_array_equal(loose.y, as_list.y)


@pytest.mark.parametrize("controller", [Controller((1.0, 0.0, 0.0)), Controller((0.49, -0.34, 0.1))], ids=["I", "PID"])
def test_every_controller_keeps_the_tolerance(controller: Controller) -> None:
    problem = problems.hochbruck_ostermann(n=31)
    solution = expint.solve(problem, rtol=1e-7, atol=1e-7, controller=controller)
    assert np.sqrt(np.mean((solution.y_end - problem.exact(1.0)) ** 2)) < 1e-6


def test_single_precision_stays_single() -> None:
    solution = solve(y0=Y0.astype(np.float32), nonlinear=lambda t, y: 0.3 * y * y + np.float32(t), rtol=1e-4)
    assert solution.y.dtype == np.float32
    np.testing.assert_allclose(solution.y_end, solve(rtol=1e-9).y_end, rtol=2e-3)


@pytest.mark.parametrize("method", [*ADAPTIVE, LAWSON], ids=name_of)
def test_torch_takes_the_same_steps_as_numpy(method: Any) -> None:
    with_numpy = solve(method, rtol=1e-6, end=0.3)
    with_torch = solve(method, rtol=1e-6, end=0.3, y0=torch.asarray(Y0), atol=torch.full((3,), 1e-6).numpy())
    beside = solve(method, rtol=1e-6, end=0.3, atol=np.full(3, 1e-6))
    assert isinstance(with_torch.y, torch.Tensor)
    np.testing.assert_array_equal(with_torch.t, beside.t)
    np.testing.assert_allclose(with_torch.y.numpy(), beside.y, rtol=1e-12)
    assert with_numpy.success


def test_a_batch_is_solved_with_steps_for_all() -> None:
    batch = np.stack([Y0, 0.5 * Y0, 2 * Y0])
    solution = solve(rtol=1e-8, atol=1e-10, y0=batch)
    assert solution.y.shape == (len(solution.t), 3, 3)
    for row, y0 in zip(solution.y_end, batch):
        np.testing.assert_allclose(row, solve(rtol=1e-10, atol=1e-12, y0=y0).y_end, rtol=1e-6)


def test_the_callback_sees_every_accepted_state() -> None:
    seen = []
    solution = solve(rtol=1e-5, callback=lambda t, y: seen.append(t))
    np.testing.assert_array_equal(seen, solution.t)


@pytest.mark.parametrize("method", ["auto", "expint43", "exprb43"])
def test_every_component_may_have_a_relative_tolerance_of_its_own(method: str) -> None:
    """Equal numbers give the run of one number; a tighter component is what the run obeys."""
    y0 = np.array([1.0, 0.4, 0.2])
    given = {"linear": np.array([-1.0, -3.0, -30.0]), "method": method, "atol": 1e-12}

    def run(rtol: object) -> expint.Solution:
        return expint.solve_ivp(lambda t, y: np.sin(y) * y[::-1], (0, 2), y0, rtol=rtol, **given)

    one, same, tighter = run(1e-5), run(np.full(3, 1e-5)), run(np.array([1e-5, 1e-9, 1e-5]))
    np.testing.assert_array_equal(one.y, same.y)
    exact = run(1e-12).y_end
    assert abs(tighter.y_end[1] - exact[1]) < 1e-8 * abs(exact[1])
    assert tighter.stats.steps > one.stats.steps
    with pytest.raises(ValueError, match=r"expected rtol to be a number, or to broadcast to y0 of shape \(3,\)"):
        run(np.full(2, 1e-5))


@pytest.mark.parametrize("q", range(1, 7))
@pytest.mark.parametrize("name", ["burgers", "schroedinger_soliton"])
def test_exponential_adams_bashforth_of_every_order_takes_steps_of_any_length(name: str, q: int) -> None:
    """One evaluation a step, from the first on, with decaying and with undamped modes; rejected steps cost one, too."""
    problem = problems.make(name, n=64, t_end=0.5)
    exact = expint.solve(problem, "pec6", rtol=1e-10).y_end
    rtol = 1e-3 if q == 1 else 1e-5
    solution = expint.solve(problem, f"adams{q}", rtol=rtol)
    assert solution.success
    assert np.linalg.norm(solution.y_end - exact) < (300 if q == 1 else 60) * rtol * np.linalg.norm(exact)
    assert solution.calls == 2 + solution.stats.steps + solution.stats.rejected
    assert len(set(np.round(np.diff(solution.t), 12))) > 2


def test_more_exponential_adams_steps_are_taken_only_where_an_order_is_unstable() -> None:
    """The error of orders beyond their limit of stability betrays them: they go on with shorter steps."""
    steps = {q: expint.solve(problems.burgers(), f"adams{q}", rtol=1e-7).stats.steps for q in (2, 3, 4)}
    assert steps[2] > steps[3] > steps[4]
    loose = expint.solve(problems.kuramoto_sivashinsky(t_end=10.0), "adams6", rtol=1e-4)
    assert loose.success
    assert loose.stats.rejected < 0.05 * loose.stats.steps + 5


@pytest.mark.parametrize("method", ["etd34", "auto", "adams4", "exprb43"])
@pytest.mark.parametrize("beta", [(1.0, 0.0, 0.0), (0.7, -0.4, 0.0), (0.49, -0.34, 0.1)], ids=["I", "PI", "PID"])
def test_every_family_takes_every_controller(method: str, beta: tuple[float, float, float]) -> None:
    solution, exact = (solve(method, rtol=rtol, controller=Controller(beta)).y_end for rtol in (1e-5, 1e-9))
    np.testing.assert_allclose(solution, exact, rtol=1e-3, atol=1e-6)


def test_a_controller_of_another_kind_is_refused_with_the_remedy() -> None:
    with pytest.raises(
        TypeError, match=r"expected controller to be an expint.run.Controller, received .* of type str; .*\(1, 0, 0\)"
    ):
        solve(controller="PI")
