"""Plans turned inside out: the same run as that of the loop, N handed in from outside."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import expint
from expint.lower import Layout, Plan, Row, Step
from expint.operators import Scalar
from expint.run import over_plan
from expint.run.compiled import pushed
from tests.expint.catalogue import FIXED_L

GRID = [0.0, 0.1, 0.25, 0.3, 0.45, 0.6, 0.65, 0.8, 0.9, 1.0]
Y0 = np.array([[1.0, -0.5], [0.3, 0.8]])


def nonlinear(t: float, y: np.ndarray) -> np.ndarray:
    return np.sin(y[:, ::-1]) + np.cos(3 * t)


def pushed_through(plan: Plan, y: np.ndarray) -> np.ndarray:
    run, memory = pushed(plan), None
    for number, (t, _, _) in enumerate(run.evaluations):
        memory, y = run.advance(memory, number, y, nonlinear(t, y))
    return y


@settings(max_examples=60)
@given(st.sampled_from(FIXED_L), st.floats(-30, 2), st.integers(2, len(GRID)))
def test_handing_values_in_is_the_loop_that_asks_for_them(name: str, value: float, points: int) -> None:
    plan = expint.lower(expint.method(name), Scalar(value), GRID[:points])
    *_, last = over_plan(plan, nonlinear, Y0)
    np.testing.assert_array_equal(pushed_through(plan, Y0), last.y)


@pytest.mark.parametrize("name", ["krogstad4", "hochbruck-ostermann4"])
def test_a_state_that_the_host_changes_is_the_state(name: str) -> None:
    plan = expint.lower(expint.method(name), Scalar(-1.0), GRID)
    run, memory, y, reached = pushed(plan), None, Y0, iter(GRID)
    expected = Y0
    for number, (t, of_state, _) in enumerate(run.evaluations):
        if of_state:
            np.testing.assert_allclose(y, expected, rtol=1e-13)
            y, start = 0.5 * y, next(reached)
            end = GRID[GRID.index(start) + 1] if start < GRID[-1] else start
            if end > start:
                step = expint.lower(expint.method(name), Scalar(-1.0), [start, end])
                *_, last = over_plan(step, nonlinear, y)
                expected = last.y
        memory, y = run.advance(memory, number, y, nonlinear(t, y))
    np.testing.assert_allclose(y, expected, rtol=1e-13)


def test_noise_is_asked_for_once_a_step_as_by_the_loop() -> None:
    layout, draw = Layout(noise=2), np.random.default_rng(3)
    noise = draw.standard_normal((4, 2, *Y0.shape))
    inner = Row(layout.arrange((0.9,), (0.1,), (0.3, None)), evaluate=True, accept=False)
    outer = Row(layout.arrange((0.8,), (0.2, 0.1), (0.2, 0.4)), evaluate=True, accept=True)
    rise = Row(layout.arrange((1.0,), (), (None, 0.5)), evaluate=True, accept=True)
    first = Step((0.0,), (Row(layout.arrange((1.0,), (), (None, None)), True, True),))
    silent = (inner, outer._replace(evaluate=False))
    steps = (first, Step((0.1, 0.2), (inner, outer)), Step((0.3, 0.4), silent), Step((0.5,), (rise,)))
    plan = Plan(Scalar(0.0), (*steps, Step((0.6,), (outer._replace(evaluate=False),))), 2, layout)
    asked: list[tuple[int, tuple[bool, ...]]] = []

    def columns(step: int, used: tuple[bool, ...]) -> list[np.ndarray | None]:
        asked.append((step, used))
        return [own if wanted else None for own, wanted in zip(noise[step - 1], used)]

    order = iter(range(1, 5))
    *_, last = over_plan(plan, nonlinear, Y0, noise=lambda _: list(noise[next(order) - 1]))
    run, memory, y = pushed(plan), None, Y0
    for number, (t, _, _) in enumerate(run.evaluations):
        memory, y = run.advance(memory, number, y, nonlinear(t, y), columns)
    np.testing.assert_array_equal(y, last.y)
    assert asked == [(1, (True, True)), (2, (True, True)), (3, (False, True)), (4, (True, True))]
    with pytest.raises(ValueError, match="expected noise for a plan that draws some, received none"):
        run.advance(None, 0, Y0, Y0)


def test_what_cannot_be_handed_in_is_refused() -> None:
    silent = Plan(Scalar(0.0), (Step((0.0,), (Row((1.0,), False, True),)),), 1)
    with pytest.raises(ValueError, match="received one that does not"):
        pushed(silent)
