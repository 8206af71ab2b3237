"""Times at which N or L(t) jumps are landed on, and seen from one side."""

import math
from typing import Any

import numpy as np
import pytest
import scipy.linalg

import expint
from expint.operators import TimeDependent, TimeScaled

A = np.array([[-1.0, 2.0], [-2.0, -1.0]])
B = np.array([[-0.5, 0.0], [3.0, -2.0]])
Y0 = np.array([1.0, 0.5])
START, END = 2.1, 2.15


def force(t: float, y: Any) -> Any:
    return 5.0 * (START <= t < END) + 0 * y


def exact(t: float) -> float:
    return math.exp(-t) + 5 * (math.exp(min(END, t) - t) - math.exp(min(START, t) - t))


@pytest.mark.parametrize(
    "method", ["auto", "adams4", "pece4", "expint43", "lawson-dormand-prince54", "exprb43", "etd34"]
)
def test_a_pulse_with_known_edges_is_met_to_the_tolerance(method: str) -> None:
    run = expint.solve_ivp(
        force, (0, 10), np.ones(1), linear=-1.0, method=method, breakpoints=[START, END], dense_output=True
    )
    assert {START, END} <= set(run.t)
    assert np.all(np.diff(run.t) > 0)
    np.testing.assert_allclose(run.y[:, 0], [exact(t) for t in run.t], atol=3e-6)
    np.testing.assert_allclose(
        run.sol([1.0, 2.12, 2.2, 9.0])[:, 0], [exact(t) for t in (1.0, 2.12, 2.2, 9.0)], atol=1e-5
    )


@pytest.mark.parametrize("method", ["etdrk4", "adams3", "pec3", "exprb43"])
def test_fixed_steps_land_on_breakpoints_and_lose_nothing_there(method: str) -> None:
    run = expint.solve_ivp(
        force, (0, 4), np.ones(1), linear=-1.0, method=method, step=0.01, breakpoints=[END, START], t_eval=[4]
    )
    assert run.t.tolist() == [4.0]
    np.testing.assert_allclose(run.y_end[0], exact(4.0), rtol=1e-9)


def test_a_grid_must_hold_the_breakpoints() -> None:
    with pytest.raises(ValueError, match=r"among the times of grid, received 2.1 which is none"):
        expint.solve_ivp(force, (0, 4), np.ones(1), linear=-1.0, grid=[0, 1, 2, 3, 4], breakpoints=[START])


@pytest.mark.parametrize("method", ["magnus2", "magnus4", "cf4", "cfree4"])
@pytest.mark.parametrize("fixed", [False, True])
def test_a_piecewise_constant_operator_is_followed_exactly(method: str, fixed: bool) -> None:
    run = expint.solve_ivp(
        None,
        (0, 5),
        Y0,
        linear=TimeDependent(lambda t: B if START <= t < END else A),
        method=method,
        breakpoints=[START, END],
        **({"step": 0.5} if fixed else {"rtol": 1e-6}),
    )
    expected = (
        scipy.linalg.expm(A * (5 - END)) @ scipy.linalg.expm(B * (END - START)) @ scipy.linalg.expm(A * START) @ Y0
    )
    np.testing.assert_allclose(run.y_end, expected, rtol=1e-6 if method == "cfree4" else 1e-11, atol=1e-12)


@pytest.mark.parametrize("forced", [False, True])
def test_a_rate_that_jumps_needs_no_resolving(forced: bool) -> None:
    calls = []

    def rate(t: float) -> float:
        calls.append(t)
        return 3.0 if t >= START else 1.0

    nonlinear = (lambda t, y: 0.1 * rate(t) + 0 * y) if forced else None
    run = expint.solve_ivp(nonlinear, (0, 4), np.ones(2), linear=TimeScaled(rate, -1.0), rtol=1e-9, breakpoints=[START])
    s = START + 3 * (4 - START)
    expected = 0.1 * (1 - math.exp(-s)) + math.exp(-s) if forced else math.exp(-s)
    np.testing.assert_allclose(run.y_end, expected, rtol=1e-8)
    assert START not in calls


def test_both_sides_of_a_breakpoint_are_seen_from_inside_backwards_too() -> None:
    for t_span, options in (((0.0, 2.0), {}), ((2.0, 0.0), {"max_step": -math.inf})):
        seen: list[float] = []

        def nonlinear(t: float, y: Any, seen: list[float] = seen) -> Any:
            seen.append(t)
            return 0 * y

        expint.solve_ivp(nonlinear, t_span, np.ones(1), linear=-1.0, breakpoints=[1.0], **options)
        assert 1.0 not in seen
        assert {math.nextafter(1.0, 0.0), math.nextafter(1.0, 2.0)} <= set(seen)


def test_events_callbacks_and_limits_count_over_all_pieces() -> None:
    def crossing(t: float, y: Any) -> float:
        return y[0].real

    crossing.terminal = 3
    times: list[float] = []
    run = expint.solve_ivp(
        None,
        (0, 20),
        np.array([1.0 + 0j]),
        linear=1j,
        breakpoints=[2.0, 5.0, 6.0],
        events=crossing,
        callback=lambda t, y: times.append(t),
    )
    np.testing.assert_allclose(run.t_events[0], np.pi * np.array([0.5, 1.5, 2.5]))
    assert run.status == expint.Status.TERMINATED
    assert times == run.t.tolist()
    assert not expint.solve_ivp(force, (0, 10), np.ones(1), linear=-1.0, breakpoints=[5.0], max_steps=40).success


@pytest.mark.parametrize("given", ["soon", [[1.0]], [11.0], [math.nan]])
def test_what_is_no_time_within_the_span_is_refused(given: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="expected breakpoints"):
        expint.solve_ivp(force, (0, 10), np.ones(1), linear=-1.0, breakpoints=given)


def test_a_multistep_method_refuses_pieces_shorter_than_its_history() -> None:
    with pytest.raises(
        ValueError, match="expected at least 3 steps for adams3, which looks at 3 values of N, received 1"
    ):
        expint.solve_ivp(force, (0, 4), np.ones(1), linear=-1.0, method="adams3", step=0.1, breakpoints=[START, END])


def test_what_stops_a_run_between_two_pieces_keeps_the_pieces_before() -> None:
    rest = lambda t, y: -(y**3)
    with pytest.raises(ValueError, match="at least 4 steps for adams4") as raised:
        expint.solve_ivp(rest, (0, 1), np.ones(2), linear=-1.0, method="adams4", step=0.1, breakpoints=[0.8])
    kept = raised.value.solution
    assert kept.t[-1] == 0.8
    assert len(kept.t) == 9
    assert kept.status == expint.Status.RAISED
    assert "ValueError raised after t = 0.8" in kept.message
