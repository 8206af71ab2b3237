"""Step-size control: pure functions of a few numbers, with the fixed points and bounds of the theory."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expint.run.control import Controller

CONTROLLERS = {
    "I": Controller((1.0, 0.0, 0.0)),
    "PI": Controller(),
    "PID": Controller((0.49, -0.34, 0.10)),
}
errors = st.floats(1e-12, 1e6)
orders = st.integers(1, 7)
controllers = st.sampled_from(sorted(CONTROLLERS))


@given(controllers, orders)
def test_an_error_equal_to_the_tolerance_leaves_the_step_but_for_the_safety(name: str, order: int) -> None:
    controller = CONTROLLERS[name]
    assert controller.factor((1.0, 1.0, 1.0), order) == pytest.approx(controller.safety)


@given(controllers, st.tuples(errors, errors, errors), orders)
def test_factors_stay_within_their_bounds(name: str, history: tuple[float, ...], order: int) -> None:
    controller = CONTROLLERS[name]
    assert controller.smallest <= controller.factor(history, order) <= controller.largest


@given(controllers, errors, errors, st.tuples(errors, errors), orders)
def test_a_smaller_error_never_gives_a_smaller_step(
    name: str, a: float, b: float, before: tuple[float, float], order: int
) -> None:
    controller = CONTROLLERS[name]
    small, large = sorted((a, b))
    assert controller.factor((small, *before), order) >= controller.factor((large, *before), order)


@given(st.floats(1e-2, 20.0), orders)
def test_the_elementary_controller_aims_at_the_tolerance(error: float, order: int) -> None:
    controller = Controller((1.0, 0.0, 0.0), safety=1.0, smallest=1e-3, largest=1e3)
    factor = controller.factor((error,), order)
    assert error * factor ** (order + 1) == pytest.approx(1.0)


@pytest.mark.parametrize("name", CONTROLLERS)
@pytest.mark.parametrize("order", [1, 3, 5])
def test_the_loop_of_step_and_error_settles_below_the_tolerance(name: str, order: int) -> None:
    """A step whose error is C h^{p+1} has the fixed point e = safety^{(p+1)/(β₁+β₂+β₃)}."""
    controller = CONTROLLERS[name]
    h, history = 1.0, (1.0, 1.0, 1.0)
    for _ in range(200):
        history = (2000.0 * h ** (order + 1), *history[:2])
        h *= controller.factor(history, order)
    settled = controller.safety ** ((order + 1) / sum(controller.beta))
    assert history[0] == pytest.approx(settled, rel=1e-3)


@given(controllers, st.floats(1.0, 1e300), orders)
def test_a_rejected_step_shrinks(name: str, error: float, order: int) -> None:
    controller = CONTROLLERS[name]
    assert controller.smallest <= controller.retreat(error, order) <= 0.9


@pytest.mark.parametrize("error", [math.inf, math.nan])
def test_a_step_into_nowhere_shrinks_as_much_as_is_allowed(error: float) -> None:
    assert Controller(smallest=0.1).retreat(error, 3) == 0.1


def test_an_error_of_zero_is_no_reason_to_fail() -> None:
    assert Controller().factor((0.0, 1.0, 1.0), 4) == Controller().largest
    assert Controller().factor((0.0, 0.0, 0.0), 4) > 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"beta": (0.7, -0.4)}, "expected beta to be three numbers"),
        ({"beta": (0.4, -0.5, 0.0)}, "the first and the sum positive"),
        ({"safety": 0.0}, "expected 0 < safety ≤ 1"),
        ({"smallest": 1.5}, "0 < smallest < 1 < largest"),
        ({"largest": math.nan}, "0 < smallest < 1 < largest"),
    ],
)
def test_controllers_that_do_not_control_are_refused(wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Controller(**wrong)
