"""A problem in other units is the same problem: no threshold inside is a time, a state or a rate."""

import math

import numpy as np
import pytest

import expint

UNITS = [(1e-15, 1.0), (1e15, 1.0), (1.0, 1e-15), (1.0, 1e15), (1e-12, 1e9), (1e12, 1e-9)]
METHODS = ["auto", "pec4", "adams3", "expint43", "lawson-dormand-prince54", "exprb43", "pexprb54s4"]
FIXED = ["krogstad4", "adams4", "pec5", "eglm433", "exprb43", "linearised-adams4", "lawson-rk4"]
LINEARISED = ["exprb43", "pexprb54s4", "linearised-adams4"]
ROUNDING = {False: 1e-10, True: 1e-7}  # differences amplify rounding
SYMBOL = np.array([-0.3, -4.0])
START = np.array([1.0, 0.4])
SPAN = 3.0


def scaled_force(time, size):
    """N of y' = Ly + N in units: t in units of ``time``, y in units of ``size``."""

    def force(t, y):
        s, x = t / time, y / size
        return np.array([math.cos(2 * s) * x[1] - 0.2 * x[0] * x[1], math.sin(3 * s) + x[0]]) * (size / time)

    return force


def crossing(size, level=0.6):
    def event(t, y):
        return y[0] / size - level

    return event


def solve(time, size, **options):
    for name in ("first_step", "max_step", "step"):
        if name in options:
            options[name] *= time
    if "atol" in options:
        options["atol"] *= size
    if "t_eval" in options:
        options["t_eval"] = np.array(options["t_eval"]) * time
    events = [crossing(size), lambda t, y: y[1] - 0.2 * size]  # one is a pure number, one a state
    linear, force = options.pop("linear", SYMBOL), scaled_force(time, size)
    solution = expint.solve_ivp(
        force if linear is not None else lambda t, y: SYMBOL / time * y + force(t, y),
        (0, SPAN * time),
        START * size,
        linear=None if linear is None else linear / time,
        events=events,
        dense_output=True,
        **options,
    )
    assert solution.success, solution.message
    return solution


def assert_the_same(found, usual, time, size, accuracy):
    assert found.stats == usual.stats
    np.testing.assert_allclose(found.t / time, usual.t, rtol=1e-12, atol=0)
    np.testing.assert_allclose(found.y / size, usual.y, rtol=0, atol=accuracy)
    for own, other in zip(found.t_events, usual.t_events):
        assert len(own) == len(other) > 0
        np.testing.assert_allclose(own / time, other, rtol=accuracy, atol=0)
    middle = np.linspace(0, SPAN, 41)[1:-1]
    np.testing.assert_allclose(found.sol(middle * time) / size, usual.sol(middle), rtol=0, atol=accuracy)


@pytest.mark.parametrize("method", METHODS)
def test_a_run_to_a_tolerance_is_the_same_in_any_units(method):
    options = {"method": method, "rtol": 1e-6, "atol": 1e-8}
    usual = solve(1.0, 1.0, **options)
    for time, size in UNITS:
        assert_the_same(solve(time, size, **options), usual, time, size, accuracy=ROUNDING[method in LINEARISED])


@pytest.mark.parametrize("method", FIXED)
def test_fixed_steps_are_the_same_in_any_units(method):
    options = {"method": method, "step": 0.11, "t_eval": [0.5, 0.5 + 1e-9, 2.0, SPAN]}
    usual = solve(1.0, 1.0, **options)
    for time, size in UNITS:
        assert_the_same(solve(time, size, **options), usual, time, size, accuracy=ROUNDING[method in LINEARISED])


@pytest.mark.parametrize("error", ["embedded", "doubling"])
def test_problems_without_a_linear_part_are_the_same_in_any_units(error):
    options = {"method": "exprb43", "linear": None, "rtol": 1e-6, "atol": 1e-8, "error": error}
    usual = solve(1.0, 1.0, **options)
    for time, size in UNITS:
        assert_the_same(solve(time, size, **options), usual, time, size, accuracy=1e-7)


def test_a_step_by_differences_from_zero_has_the_size_of_what_follows():
    """Of a state that is zero nothing is known but how far N leads from it."""

    def run(size):
        def force(t, y):
            return size * np.array([1.0 + (y[0] / size) ** 2, math.sin(3 * t) - (y[1] / size) ** 3])

        return expint.solve_ivp(force, (0, 1), np.zeros(2), rtol=1e-7, atol=1e-9 * size, method="exprb43").y_end / size

    for size in (1e-15, 1e-9, 1e12):
        np.testing.assert_allclose(run(size), run(1.0), rtol=1e-6)
    np.testing.assert_allclose(run(1e-15)[0], math.tan(1.0), rtol=1e-6)


@pytest.mark.parametrize("period", [1e-300, 1e-18, 1e-12, 1e-3, 1e9, 1e18])
@pytest.mark.parametrize("size", [1e-200, 1.0, 1e200])
def test_events_of_oscillations_of_any_period_and_size_are_found_to_rounding(period, size):
    """cos(2πt/T) vanishes at T/4, 3T/4, …; the linear part makes the motion exact."""
    rate = 2j * math.pi / period
    found = expint.solve_ivp(
        lambda t, y: 0 * y,
        (0, 2.6 * period),
        np.array([1.0 + 0j]) * size,
        linear=np.array([rate]),
        method="krogstad4",
        step=0.1 * period,
        events=lambda t, y: y[0].real,
    )
    expected = (2 * np.arange(5) + 1) / 4 * period
    np.testing.assert_allclose(found.t_events[0], expected, rtol=4e-15)


@pytest.mark.parametrize("start", [1.7e9, -1.7e9, 1e12])
def test_events_far_from_the_origin_of_time_are_found_to_the_resolution_of_the_clock(start):
    found = expint.solve_ivp(
        lambda t, y: 0 * y,
        (start, start + 8.0),
        np.array([1.0]),
        linear=-0.25,
        method="krogstad4",
        step=0.5,
        events=lambda t, y: y[0] - 0.5,
    )
    assert abs(found.t_events[0][0] - (start + 4 * math.log(2))) <= 2 * math.ulp(start)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("start", [1.7e9, -1.7e9])
def test_a_run_may_start_at_a_time_stamp(method, start):
    """Seconds since 1970 resolve a quarter of a microsecond; the problem is that from t = 0."""
    force = scaled_force(1.0, 1.0)
    usual = expint.solve_ivp(force, (0, SPAN), START, linear=SYMBOL, method=method, rtol=1e-6)
    found = expint.solve_ivp(
        lambda t, y: force(t - start, y), (start, start + SPAN), START, linear=SYMBOL, method=method, rtol=1e-6
    )
    assert found.success, found.message
    np.testing.assert_allclose(found.y_end, usual.y_end, rtol=0, atol=2e-5)


@pytest.mark.parametrize("method", METHODS)
def test_a_start_faster_than_the_clock_resolves_is_run_or_told_truly(method):
    """y' = 1e9 (cos(t - t0) - y), t0 = 1.7e9: y settles within a tick of the clock, of 2.4e-7."""
    start = 1.7e9

    def force(t, y):
        return 1e9 * (math.cos(t - start) - y)

    found = expint.solve_ivp(force, (start, start + 1), np.zeros(1), linear=np.zeros(1), method=method, max_steps=2000)
    assert "inf or nan" not in found.message  # N is finite
    assert found.success or str(found.status.name) in ("STEP_TOO_SMALL", "TOO_MANY_STEPS")
    assert len(found.t) > 0


def test_a_first_step_below_the_clock_is_told_as_that():
    for method in ("auto", "expint43"):
        found = expint.solve_ivp(
            lambda t, y: -y, (1.7e9, 1.7e9 + 1), np.ones(2), linear=-1.0, method=method, first_step=1e-9
        )
        assert not found.success
        assert "units in the last place of t" in found.message
