"""A pulse that wakes a resting N is met by runs to a tolerance."""

import math

import numpy as np
import pytest

import expint
from benchmarks import pulses
from expint.derive import Splitting
from expint.run.control import Controller
from expint.run.control.orders import OrderPolicy
from expint.run.control.rest import LOOKS, longest_at_rest, look_ahead, widest_gap
from expint.run.control.steps import StepPolicy

METHODS = ("auto", "adams4", "pec5", "pece4", "expint43", "lawson-dormand-prince54", "exprb43", "pexprb54s4")


def pulse(t: float, start: float, width: float) -> float:
    return 5.0 * (start < t < start + width)


def after_pulse(t: float, start: float, width: float) -> float:
    """The solution of y' = -y + pulse, y(0) = 1, after the pulse."""
    return math.exp(-t) + 5 * (math.exp(start + width - t) - math.exp(start - t))


@pytest.mark.parametrize("method", METHODS)
def test_rectangular_pulses_wherever_they_are_are_met_to_the_tolerance(method: str) -> None:
    for start in (1.0, 4.111111111111111, 7.9):
        for width in (0.2, 1.5):
            run = expint.solve_ivp(
                lambda t, y, a=start, w=width: pulse(t, a, w) + 0 * y, (0, 10), np.ones(1), linear=-1.0, method=method
            )
            assert run.success
            assert abs(run.y_end[0] - after_pulse(10, start, width)) < 3e-5


@pytest.mark.parametrize("method", METHODS)
def test_a_gaussian_whose_tail_is_all_that_is_seen_at_first_is_met(method: str) -> None:
    run = expint.solve_ivp(
        lambda t, y: np.exp(-(((t - 5) / 0.95) ** 2)) + 0 * y, (0, 10), np.ones(1), linear=0.0, method=method, rtol=1e-8
    )
    assert abs(run.y_end[0] - 1 - 0.95 * math.sqrt(math.pi) * math.erf(5 / 0.95)) < 1e-6


@pytest.mark.parametrize("method", METHODS)
def test_a_pulse_on_one_of_many_components_backwards_in_time_is_met(method: str) -> None:
    def force(t: float, y: np.ndarray) -> np.ndarray:
        return np.where(np.arange(len(y)) == 3, pulse(t, -6.3, 0.3), 0.0)

    run = expint.solve_ivp(
        force, (0, -10), np.ones(20), linear=1.0, method=method, max_step=-math.inf, rtol=1e-6, atol=1e-6
    )
    expected = math.exp(-10) - 5 * (math.exp(-3.7) - math.exp(-4.0))
    assert abs(run.y_end[3] - expected) < 1e-4


def test_of_a_fuzz_of_pulses_no_more_are_missed_than_by_runge_kutta_of_scipy() -> None:
    drawn = [case for case in pulses.cases(1, seed=3) if case[0].rate != -1000.0 and case[1] > 1e-9]
    missed = {
        method: sum(pulses.solve(pulse, method, rtol).missed for pulse, rtol in drawn)
        for method in ("RK45", "auto", "expint43")
    }
    assert missed["RK45"] >= 5  # the fuzz is hard
    assert max(missed[method] for method in ("auto", "expint43")) <= missed["RK45"] / 3


@pytest.mark.parametrize("method", ["lie", "lie the other way round", "strang", "yoshida4", "blanes-moan6"])
def test_splittings_miss_none_of_a_fuzz_of_pulses(method: str) -> None:
    other = Splitting("other", (0, 1), (1,), 1)
    chosen = other if method.endswith("round") else expint.method(method)
    for drawn, rtol in (case for case in pulses.cases(2, seed=5) if case[0].rate != -1000.0 and case[1] > 1e-6):
        y0 = np.full(drawn.size, drawn.y0, complex if isinstance(drawn.rate, complex) else float)
        run = expint.run_splitting(chosen, drawn.rate, drawn.flow(), y0, [0.0, 10.0], rtol=rtol, atol=rtol)
        exact = drawn.exact()(run.t[-1:])[0]
        assert run.success
        assert abs(run.y_end[-1] - exact) < 40 * rtol * (1 + abs(exact))


def test_a_run_in_which_nothing_happens_takes_a_few_dozen_evaluations() -> None:
    assert pulses.idle("auto", 1e-6, -1.0) <= 75
    assert max(pulses.idle(method, 1e-6, -1.0) for method in ("pece4", "expint43", "exprb43")) <= 100
    assert pulses.idle("lawson-dormand-prince54", 1e-6, -1.0) <= 120


def test_while_n_rests_a_look_inside_a_long_step_costs_one_evaluation() -> None:
    looks: list[float] = []

    def nothing(t: float, y: np.ndarray) -> np.ndarray:
        looks.append(t)
        return 0 * y

    run = expint.solve_ivp(nothing, (0, 64), np.ones(1), linear=-1.0, method="expint43")
    assert len(run.t) < 10
    assert np.max(np.diff(np.sort([0.0, *looks]))) <= 1.0


@pytest.mark.parametrize("method", ["exprb43", "pexprb54s4", "expint43", "pece4", "lawson-dormand-prince54"])
def test_long_steps_are_as_exact_inside_and_short_where_zeros_of_events_are_sought(method: str) -> None:
    turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    whole = "expr" in method
    options = {"method": method} if whole else {"method": method, "linear": turn}
    times = np.linspace(0, 1000, 777)

    def nonlinear(t: float, y: np.ndarray) -> np.ndarray:
        return turn @ y if whole else 0 * y

    long = expint.solve_ivp(nonlinear, (0, 1000), np.array([1.0, 0.0]), dense_output=True, **options)
    assert len(long.t) < 20
    assert np.max(np.abs(long.sol(times)[:, 0] - np.cos(times))) < 1e-10
    short = expint.solve_ivp(nonlinear, (0, 300), np.array([1.0, 0.0]), events=lambda t, y: y[0], **options)
    np.testing.assert_allclose(short.t_events[0], np.pi * (0.5 + np.arange(95)), rtol=1e-8)


@pytest.mark.parametrize("method", ["exprb43", "expint43", "pece4"])
@pytest.mark.parametrize("end", [10.0, -10.0])
def test_a_pulse_far_below_the_state_at_first_and_far_above_it_later_is_met(method: str, end: float) -> None:
    away = math.copysign(1.0, end)  # y' = -y + pulse, followed in the direction of the run
    run = expint.solve_ivp(
        lambda t, y: 1e-3 * away * pulse(away * t, 7.0, 0.5) + 0 * y,
        (0, end),
        np.ones(1),
        linear=-away,
        method=method,
        rtol=1e-6,
        atol=1e-12,
    )
    expected = math.exp(-10) + 5e-3 * (math.exp(-2.5) - math.exp(-3.0))
    assert abs(run.y_end[0] / expected - 1) < 1e-4


def test_looking_ahead_ends_before_the_first_change_and_goes_one_look_at_least() -> None:
    apart = 64.0 / LOOKS
    asked: list[float] = []

    def change(ahead: float, wakes: float) -> float:
        asked.append(ahead)
        return 0.0 if ahead < wakes else math.nan

    assert look_ahead(lambda ahead: change(ahead, 99.0), 10.5 * apart, 64.0) == 10.5 * apart
    assert asked == [k * apart for k in range(1, 11)]
    assert look_ahead(lambda ahead: change(ahead, 4.5 * apart), 10.5 * apart, 64.0) == 4 * apart
    assert look_ahead(lambda ahead: change(ahead, 0.5 * apart), 10.5 * apart, 64.0) == apart
    assert look_ahead(lambda ahead: change(ahead, 0.0), 0.7 * apart, 64.0) == 0.7 * apart


def test_steps_are_bounded_while_n_rests_and_free_while_it_moves() -> None:
    resting = expint.solve_ivp(lambda t, y: 0 * y + 1.0, (0, 64), np.ones(1), linear=-1.0, rtol=1e-3)
    moving = expint.solve_ivp(lambda t, y: 0 * y + 5 * math.sin(t / 20), (0, 64), np.ones(1), linear=-1.0, rtol=1e-3)
    assert np.max(np.diff(resting.t)) <= 1.0
    assert np.max(np.diff(moving.t)) > 2.0


@pytest.mark.parametrize("gap", [1.0, 0.5])
def test_watchful_states_never_have_longer_steps_and_short_ones_stay(gap: float) -> None:
    at_rest = longest_at_rest(10.0, gap=gap)
    steps = StepPolicy(Controller(), 3, 10.0, 1, at_rest=at_rest)
    orders = OrderPolicy(Controller((1.0, 0.0, 0.0)), 4, 10.0, True, 10.0, at_rest=at_rest)
    for policy in (steps, orders):
        for first in (10.0, at_rest, 1e-3):
            before = policy.begin(first, lambda **_: math.nan)
            after = policy.watchful(before)
            assert after.h <= at_rest
            assert after.rung <= max(at_rest, before.rung)
            assert before.h > at_rest or after == before


def test_the_widest_gap_counts_both_ends() -> None:
    assert widest_gap([0.5]) == 0.5
    assert widest_gap([1.0]) == 1.0
    assert widest_gap([0.25, 0.5, 0.9, 1.0]) == pytest.approx(0.4)
