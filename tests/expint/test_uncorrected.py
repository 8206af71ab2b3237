"""Plans without the corrected states between: the same evaluations, the same end, one point a step."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import expint
from expint.lower.uncorrected import without_corrected
from expint.operators import Scalar
from expint.run.loops import over_plan
from tests.expint.catalogue import FIXED_L

Y0 = np.array([1.0, -0.5])


def run(plan: expint.Plan) -> tuple[list[np.ndarray], list[tuple[float, np.ndarray]]]:
    """Return the accepted states, and where N was evaluated."""
    seen: list[tuple[float, np.ndarray]] = []

    def nonlinear(t: float, y: np.ndarray) -> np.ndarray:
        seen.append((t, y))
        return np.sin(y[::-1]) + np.cos(3 * t)

    return [state.y for state in over_plan(plan, nonlinear, Y0)], seen


@settings(max_examples=60)
@given(
    st.sampled_from([*FIXED_L, *(f"pec{order}" for order in range(2, 7))]),
    st.floats(-20, 2),
    st.lists(st.floats(0.02, 0.1), min_size=1, max_size=12),
)
def test_the_points_evaluated_and_the_last_state_stay_as_they_were(name: str, value: float, sizes: list[float]) -> None:
    plan = expint.lower(expint.method(name), Scalar(value), np.cumsum([0.0, *sizes]))
    states, evaluated = run(plan)
    found, at = run(without_corrected(plan))
    assert len(found) == len(states)
    np.testing.assert_allclose(found[-1], states[-1], rtol=1e-12, atol=1e-13)
    for (t, point), (expected_t, expected) in zip(at, evaluated, strict=True):
        assert t == expected_t
        np.testing.assert_allclose(point, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("order", range(2, 7))
def test_a_step_that_predicts_evaluates_and_corrects_keeps_one_point(order: int) -> None:
    plan = expint.lower(expint.method(f"pec{order}"), Scalar(-2.0), np.linspace(0, 1, 13))
    assert {len(step.rows) for step in plan.steps[order:]} == {2}
    short = without_corrected(plan)
    assert {len(step.rows) for step in short.steps[order:-1]} == {1}
    assert short.depth <= plan.depth + 1  # the slopes of the predictor, and the one it leads to


@pytest.mark.parametrize("name", ["adams3", "krogstad4", "pece3"])
def test_states_at_which_something_is_evaluated_are_kept(name: str) -> None:
    plan = expint.lower(expint.method(name), Scalar(-2.0), np.linspace(0, 1, 9))
    assert without_corrected(plan).steps == plan.steps
