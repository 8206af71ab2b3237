"""Plan: its table, its times, and the same run in other coordinates."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import expint
from expint.operators import Diagonal, Scalar
from tests.expint.catalogue import FIXED_L

GRID = [0.2, 0.3, 0.5, 0.55, 0.7, 1.0, 1.1, 1.3, 1.5]


def nonlinear(t: float, y: complex) -> complex:
    return np.cos(3 * t) + y**2 / 4


@settings(max_examples=40)
@given(
    st.sampled_from(FIXED_L),
    st.floats(-3, 2) | st.builds(complex, st.floats(-3, 2), st.floats(-3, 3)),
    st.floats(-1, 1),
    st.floats(0.25, 4) | st.floats(-4, -0.25),
)
def test_running_in_other_coordinates_is_running_and_rescaling(
    name: str, value: complex, growth: float, slope: float
) -> None:
    def scale(t: float) -> float:
        return 2 + np.sin(5 * t) + growth

    def clock(t: float) -> float:
        return np.log(t)

    plan = expint.lower(expint.method(name), Scalar(value), GRID)
    y0 = np.asarray(0.4 + 0 * value)
    plain = expint.run_plan(plan, nonlinear, y0)

    def seen(tau: float, x: complex) -> complex:
        t = np.exp(tau)
        return nonlinear(t, x / scale(t)) / slope

    moved = plan.in_coordinates(plan.map_times(scale), plan.map_times(clock), slope=slope)
    run = expint.run_plan(moved, seen, scale(GRID[0]) * y0)
    np.testing.assert_allclose(run.t, np.log(GRID), rtol=0, atol=1e-15)
    np.testing.assert_allclose(run.y, scale(np.array(GRID)) * plain.y, rtol=0, atol=1e-12)
    assert moved.evaluations == plan.evaluations


@pytest.mark.parametrize("name", ["exponential-euler", "krogstad4", "adams3", "zoto-bowman43"])
def test_the_table_alone_is_enough_to_run_the_plan(name: str) -> None:
    plan = expint.lower(expint.method(name), Scalar(-2.0), GRID)
    table = plan.table()
    assert table.shape == (sum(len(step.rows) for step in plan.steps), 1 + plan.depth)
    y, slopes, states = 0.4, np.zeros(plan.depth), []
    for weights, (t, row) in zip(table, plan.rows, strict=True):
        point = weights[0] * y + weights[1:] @ slopes
        if row.accept:
            y = point
            states.append(y)
        if row.evaluate:
            slopes = np.concatenate([[nonlinear(t, point)], slopes[:-1]])
    np.testing.assert_allclose(states, expint.run_plan(plan, nonlinear, np.asarray(0.4)).y, rtol=1e-14)


def test_the_table_of_a_complex_number_is_complex() -> None:
    plan = expint.lower(expint.method("etd2rk"), Scalar(1j), [0.0, 0.5])
    assert plan.table().dtype == np.complex128
    np.testing.assert_allclose(plan.table()[-1, 0], np.exp(0.5j))


@pytest.mark.parametrize("name", FIXED_L)
def test_the_accepted_times_are_the_grid_to_the_last_bit(name: str) -> None:
    plan = expint.lower(expint.method(name), Scalar(-1.0), GRID)
    np.testing.assert_array_equal(plan.times, GRID)
    assert [sum(row.accept for row in step.rows) for step in plan.steps] == [1] * len(GRID)
    assert plan.steps[-1].rows[-1].evaluate is False


def test_weights_that_are_no_numbers_have_no_table_and_no_other_coordinates() -> None:
    plan = expint.lower(expint.method("etd2rk"), Diagonal([-1.0, -2.0]), GRID)
    with pytest.raises(TypeError, match=r"expected a plan of a Scalar operator, received Diagonal.*no numbers"):
        plan.table()
    with pytest.raises(TypeError, match=r"expected a plan of a Scalar operator, received Diagonal.*no numbers"):
        plan.in_coordinates(plan.map_times(float), plan.map_times(float))


def test_a_plan_prints_what_it_will_do() -> None:
    plan = expint.lower(expint.method("krogstad4"), Scalar(-1.0), GRID)
    assert repr(plan) == "Plan(8 steps from 0.2 to 1.5, 32 evaluations, Scalar(-1.0))"
