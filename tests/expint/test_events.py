"""Events: located on the dense output, heeding direction and terminal as SciPy does."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.integrate
import torch

import expint
from expint import Status, problems
from expint.derive.kinds.predictor_corrector import PredictorCorrector
from expint.operators import TimeScaled
from tests.conftest import name_of

METHODS = ["etd34", "zoto-bowman43", "adams4", PredictorCorrector(4, ramp=True)]


def event(function: Callable[[float, Any], Any], **attributes: Any) -> Callable[[float, Any], Any]:
    for name, value in attributes.items():
        setattr(function, name, value)
    return function


def nothing(t: float, y: Any) -> Any:
    return 0 * y


def circle(events: Any, end: float = 10.0, **options: Any) -> Any:
    """y = e^{it}: the real part is cos t."""
    return expint.solve_ivp(
        nothing,
        (0, end),
        np.array([1.0 + 0j]),
        linear=1j,
        events=events,
        **({"rtol": 1e-6, "max_step": 0.4} | options),
    )


def test_all_zeros_of_an_event_are_found_in_order() -> None:
    solution = circle(lambda t, y: y[0].real)
    np.testing.assert_allclose(solution.t_events[0], np.pi / 2 + np.pi * np.arange(3), rtol=1e-12)
    np.testing.assert_allclose(solution.y_events[0][:, 0], np.exp(1j * solution.t_events[0]), atol=1e-12)
    assert solution.status is Status.SUCCESS


@pytest.mark.parametrize(("direction", "expected"), [(1, [1.5]), (-1, [0.5, 2.5]), (0, [0.5, 1.5, 2.5])])
def test_direction_chooses_rising_or_falling_zeros(direction: int, expected: list[float]) -> None:
    solution = circle(event(lambda t, y: y[0].real, direction=direction))
    np.testing.assert_allclose(solution.t_events[0], np.pi * np.array(expected), rtol=1e-12)


def test_a_terminal_event_ends_the_run_there() -> None:
    solution = circle(event(lambda t, y: y[0].real, terminal=True), dense_output=True)
    assert solution.status is Status.TERMINATED
    assert solution.success
    assert solution.t[-1] == solution.t_events[0][0] == pytest.approx(np.pi / 2, rel=1e-12)
    np.testing.assert_array_equal(solution.y_end, solution.y_events[0][0])
    assert "A terminal event occurred" in solution.message
    np.testing.assert_allclose(solution.sol(1.5), np.exp(1.5j), rtol=1e-6)
    np.testing.assert_array_equal(solution.sol(solution.t[-1]), solution.y_end)
    with pytest.raises(ValueError, match="expected a time between"):
        solution.sol(1.6)


def test_terminal_can_count_occurrences_as_in_scipy() -> None:
    solution = circle(event(lambda t, y: y[0].real, terminal=2))
    assert solution.status is Status.TERMINATED
    np.testing.assert_allclose(solution.t_events[0], np.pi * np.array([0.5, 1.5]), rtol=1e-12)


def test_several_events_are_kept_apart_and_those_after_the_end_are_dropped() -> None:
    def falls_through_half(t: float, y: np.ndarray) -> float:
        return y[0].real - 0.5

    ends = event(lambda t, y: y[0].imag + 0.5, terminal=True)
    never = event(lambda t, y: abs(y[0]) - 2)
    solution = circle([falls_through_half, ends, never], max_step=2.0, first_step=2.0)
    np.testing.assert_allclose(solution.t_events[1], [7 * np.pi / 6], rtol=1e-10)
    np.testing.assert_allclose(solution.t_events[0], [np.pi / 3], rtol=1e-10)
    assert len(solution.t_events[2]) == 0
    assert solution.y_events[2].shape == (0, 1)


@pytest.mark.parametrize("method", METHODS, ids=name_of)
@pytest.mark.parametrize("rate", [-1.0, -1e4])
def test_events_of_stiff_problems_are_located_to_the_tolerance(method: Any, rate: float) -> None:
    """y = cos t is the slow solution of y' = λ(y - cos t) - sin t, at any stiffness."""

    def nonlinear(t: float, y: np.ndarray) -> np.ndarray:
        return np.array([-rate * math.cos(t) - math.sin(t)]) + 0.1 * (y - math.cos(t)) ** 2

    crossing = event(lambda t, y: y[0] - 0.2, terminal=True)
    solution = expint.solve_ivp(
        nonlinear,
        (0, 3),
        np.ones(1),
        linear=rate,
        method=method,
        rtol=1e-7,
        atol=1e-7,
        max_step=0.1 if method == "etd34" else math.inf,
        events=crossing,
    )
    tolerance = 1e-5 if method == "etd34" else 2e-6
    assert solution.t_events[0][0] == pytest.approx(math.acos(0.2), abs=tolerance)


def test_scipy_finds_the_same_events() -> None:
    def pendulum(t: float, y: np.ndarray) -> np.ndarray:
        return np.array([0.0, -math.sin(y[0])])

    down = event(lambda t, y: y[0], direction=-1)
    swing = event(lambda t, y: y[1])
    y0, linear = np.array([1.0, 0.0]), expint.operators.Dense(np.array([[0.0, 1.0], [0.0, -0.1]]))
    ours = expint.solve_ivp(
        pendulum, (0, 15), y0, linear=linear, method="zoto-bowman43", rtol=1e-8, events=[down, swing]
    )
    theirs = scipy.integrate.solve_ivp(
        lambda t, y: linear.matrix @ y + pendulum(t, y), (0, 15), y0, rtol=1e-9, atol=1e-10, events=[down, swing]
    )
    for own, other in zip(ours.t_events, [theirs.t_events[0], theirs.t_events[1][1:]]):  # SciPy counts the start
        np.testing.assert_allclose(own, other, rtol=1e-6)


def test_fixed_steps_find_events_with_the_accuracy_of_the_method() -> None:
    problem = expint.problems.riccati()
    crossing = event(lambda t, y: y - 0.12, terminal=True)
    errors = []
    for step in (0.1, 0.05, 0.025):
        solution = expint.solve(problem, "etd2rk", step=step, events=crossing)
        errors.append(abs(solution.t_events[0][0] - math.log((1 / 0.12 - 1) / 4)))
    assert math.log2(errors[0] / errors[2]) / 2 > 1.7


def test_events_are_found_backwards() -> None:
    solution = expint.solve_ivp(
        nothing,
        (0, -4),
        np.array([1.0 + 0j]),
        linear=1j,
        rtol=1e-6,
        max_step=-0.5,
        events=lambda t, y: y[0].real,
    )
    np.testing.assert_allclose(solution.t_events[0], [-np.pi / 2], rtol=1e-12)


def test_a_zero_at_the_start_does_not_count_and_one_at_a_step_counts_once() -> None:
    solution = circle(lambda t, y: t - 0.0)
    assert len(solution.t_events[0]) == 0
    solution = circle(lambda t, y: t - 5.0, step=1.0, rtol=None, max_step=math.inf)
    np.testing.assert_array_equal(solution.t_events[0], [5.0])


def test_events_work_with_torch() -> None:
    solution = expint.solve_ivp(
        nothing,
        (0, 2),
        torch.ones(1, dtype=torch.complex128),
        linear=1j,
        rtol=1e-6,
        max_step=0.4,
        events=lambda t, y: y[0].real,
    )
    assert isinstance(solution.y_events[0], torch.Tensor)
    np.testing.assert_allclose(solution.t_events[0], [np.pi / 2], rtol=1e-12)


def test_the_cost_of_an_event_does_not_grow_with_the_run() -> None:
    """Each step makes dense output of the newest steps only."""
    sizes = []
    original = expint.run.dense.collocated.DenseOutput.__init__

    def noted(self: Any, operator: Any, times: Any, *rest: Any) -> None:
        sizes.append(len(times))
        original(self, operator, times, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(expint.run.dense.collocated.DenseOutput, "__init__", noted)
        circle(lambda t, y: y[0].real, step=0.1, rtol=None, max_step=math.inf, dense_output=True)
    assert max(sizes[:-1]) <= 9  # 2 · 4 + 1: some of twice the order may coincide; the last is that of the whole run


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (lambda t, y: y, TypeError, r"expected an event to return a real number, received ndarray of shape \(1,\)"),
        (lambda t, y: y[0], TypeError, r"received complex128 of shape \(\), complex"),
        (lambda t, y: None, TypeError, "received NoneType"),
        (lambda t, y: math.nan, ValueError, "received nan; define it for all states"),
    ],
)
def test_events_that_return_no_number_are_refused(wrong: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        circle(wrong)


def test_events_must_be_functions() -> None:
    with pytest.raises(
        TypeError, match=r"expected events to be a function event\(t, y\) or a list of them, received 3"
    ):
        circle([3])


@pytest.mark.parametrize(
    ("attributes", "error", "message"),
    [
        ({"direction": "up"}, TypeError, "expected event.direction to be positive for rising zeros, .* received 'up'"),
        ({"terminal": -1}, ValueError, "expected event.terminal to be True, False or the number .* received -1"),
        ({"terminal": "yes"}, ValueError, "expected event.terminal to be True, False or the number .* received 'yes'"),
    ],
)
def test_attributes_of_events_that_mean_nothing_are_refused(
    attributes: dict, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        circle(event(lambda t, y: math.cos(t), **attributes))


@pytest.mark.parametrize("linear", [-1.0, TimeScaled(lambda t: 1 + t, -1.0)])
def test_further_arguments_reach_events_as_in_scipy(linear: Any) -> None:
    ends = event(lambda t, y, rate, when: t - when, terminal=True)
    solution = expint.solve_ivp(
        lambda t, y, rate, when: rate * y, (0, 1), np.ones(2), linear=linear, args=(0.5, 0.25), events=ends
    )
    assert solution.status == Status.TERMINATED
    np.testing.assert_allclose(solution.t[-1], 0.25, rtol=1e-12)


@pytest.mark.parametrize("method", [*METHODS, "exprb43"], ids=name_of)
def test_zeros_are_found_in_steps_that_are_longer_than_their_distance(method: Any) -> None:
    """Without N nothing limits the steps: the rotation is exact, however long they are."""
    if method == "exprb43":
        turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
        solution = expint.solve_ivp(
            None,
            (0, 50),
            np.array([1.0, 0.0]),
            linear=expint.operators.Dense(turn),
            method=method,
            rtol=1e-6,
            events=lambda t, y: y[0],
        )
    else:
        solution = expint.solve_ivp(
            None, (0, 50), np.array([1.0 + 0j]), linear=1j, method=method, rtol=1e-6, events=lambda t, y: y[0].real
        )
    assert max(np.diff(solution.t)) > 1.5 * np.pi
    np.testing.assert_allclose(solution.t_events[0], np.pi * (0.5 + np.arange(16)), rtol=1e-10)


def test_a_pair_of_zeros_between_two_steps_is_found_where_the_values_bend() -> None:
    """A ball thrown from the ground, in one step over its whole flight: zero at the start, below ground at the end."""
    ends = event(lambda t, y: y[0], terminal=True)
    solution = expint.solve_ivp(
        lambda t, y: np.array([0.0, -9.81]),
        (0, 5),
        np.array([0.0, 10.0]),
        linear=expint.operators.Dense(np.array([[0.0, 1.0], [0.0, 0.0]])),
        method="etd34",
        rtol=1e-6,
        first_step=5.0,
        events=[ends, lambda t, y: y[0] - 1.0],
    )
    high = np.roots([-9.81 / 2, 10.0, -1.0])
    np.testing.assert_allclose(solution.t_events[0], [20 / 9.81], rtol=1e-12)
    np.testing.assert_allclose(solution.t_events[1], sorted(high), rtol=1e-12)


def test_events_that_run_smoothly_through_the_steps_are_looked_at_where_these_end() -> None:
    calls = []
    solution = expint.solve(
        problems.kuramoto_sivashinsky(), rtol=1e-6, t_span=(0, 10), events=lambda t, y: calls.append(t) or y[1].real - 9
    )
    assert len(calls) < 1.5 * solution.stats.steps + 30


def test_values_that_no_division_resolves_are_taken_where_steps_end() -> None:
    """Rounding of a quantity that is conserved has no zeros worth finding."""
    solution = circle(lambda t, y: 1e-16 * math.sin(1e9 * t**3), step=1.0, rtol=None, max_step=math.inf)
    assert len(solution.t_events[0]) <= 10


@pytest.mark.parametrize("options", [{}, {"t_eval": np.linspace(0, 10, 23)}, {"dense_output": True}])
@pytest.mark.parametrize("terminal", [False, None, True, 3])
@pytest.mark.parametrize("direction", [-1, 0, 1])
def test_events_are_those_of_scipy_side_by_side(options: dict[str, Any], terminal: Any, direction: int) -> None:
    """Times, their number, status and the times kept; a start at zero apart, which SciPy counts."""
    linear = np.array([[0.0, 1.0], [0.0, -0.1]])

    def pendulum(t: float, y: np.ndarray) -> np.ndarray:
        return np.array([0.0, -math.sin(y[0])])

    down = event(lambda t, y: y[0] - 0.1, terminal=terminal, direction=direction)
    events = [down, event(lambda t, y: y[1] - 0.05, direction=-direction), lambda t, y: t - 7.0]
    own = expint.solve_ivp(
        pendulum,
        (0, 10),
        np.array([1.0, 0.0]),
        linear=expint.operators.Dense(linear),
        rtol=1e-7,
        events=events,
        **options,
    )
    other = scipy.integrate.solve_ivp(
        lambda t, y: linear @ y + pendulum(t, y), (0, 10), [1.0, 0.0], rtol=1e-9, atol=1e-9, events=events, **options
    )
    assert own.status == other.status
    for mine, theirs, states, others in zip(own.t_events, other.t_events, own.y_events, other.y_events):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5)
        # SciPy's are of shape (0,) if there are none
        np.testing.assert_allclose(states, others.reshape(-1, 2), atol=1e-5)
    if "t_eval" in options:
        np.testing.assert_array_equal(own.t, other.t)
        np.testing.assert_allclose(own.y, other.y.T, atol=1e-5)
    else:
        assert own.t[-1] == pytest.approx(other.t[-1], rel=1e-6)


@pytest.mark.parametrize("method", ["auto", "pec5", "adams4", "etd34", "expint43", "exprb43"])
@pytest.mark.parametrize("rate", [1.0, 2.7, 0.31])
def test_rotations_that_go_round_from_step_to_step_hide_no_zero(method: str, rate: float) -> None:
    run = expint.solve_ivp(
        lambda t, y: 0 * y, (0, 200), np.array([1 + 0j]), linear=1j * rate, method=method, events=lambda t, y: y[0].real
    )
    zeros = (np.arange(int(200 * rate / np.pi + 0.5)) + 0.5) * np.pi / rate
    np.testing.assert_allclose(run.t_events[0], zeros, rtol=1e-9)


@pytest.mark.parametrize("power", [1 / 5, 3, 9])
@pytest.mark.parametrize("size", [1e-100, 1.0, 1e100])
def test_zeros_are_located_however_flat_or_steep(power, size):
    def event(t, y):
        return size * math.copysign(abs(t - 0.3) ** power, t - 0.3)

    run = expint.solve_ivp(lambda t, y: -(y**2), (0, 1), [1.0], linear=-1.0, events=event)
    assert len(run.t_events[0]) == 1
    assert abs(run.t_events[0][0] - 0.3) < 1e-15
