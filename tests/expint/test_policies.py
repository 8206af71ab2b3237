"""Policies are pure functions, and no sequence of errors leads them or the loop astray: no equation is solved here."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expint.run.control import Controller
from expint.run.control.orders import ELEMENTARY, OrderPolicy
from expint.run.control.steps import StepPolicy
from expint.run.loops import to_tolerance
from expint.run.steppers import Trial
from expint.run.tolerance import AdaptiveFailure, ErrorNorm, StepControl

SPAN = 7.0
errors = st.floats(1e-8, 1e4)
sizes = st.floats(1e-3, 1.0)
largest = st.sampled_from([math.inf, 0.8, 0.1])
step_policies = st.builds(
    StepPolicy,
    st.sampled_from([Controller(), Controller((1.0, 0.0, 0.0)), Controller((0.49, -0.34, 0.1))]),
    st.integers(1, 5),
    st.just(SPAN),
    st.sampled_from([1, 2, 8]),
    largest,
    st.sampled_from([2.0, math.inf]),
)
order_policies = st.builds(
    OrderPolicy, st.just(ELEMENTARY), st.integers(2, 6), st.just(SPAN), st.booleans(), st.just(4.0), largest
)
policies = st.one_of(step_policies, order_policies)


def walked(policy: Any, first: float, told: Sequence[tuple[float, float]]) -> list[tuple[Any, float, float, Any]]:
    """Return, attempt by attempt, the state before it, the step, its error, and the state after it.

    ``told`` are the errors of the steps and those of the neighbouring orders in their units.
    """
    state, seen = policy.begin(first, lambda **aim: math.nan), []
    for error, other in told:
        state = policy.prepare(state)
        h = state.rung

        def error_of(order: int, error: float = error, other: float = other) -> float:
            return error * other if 1 <= order <= getattr(policy, "highest", order) else math.nan

        if error > 1.0:
            after = policy.rejected(state, h, error, state.order, error_of)
        else:
            after = policy.accepted(state, h, error, state.order, error_of, SPAN)
        seen.append((state, h, error, after))
        state = after
    return seen


stories = st.lists(st.tuples(errors, st.floats(0.1, 10.0)), min_size=1, max_size=30)


@given(policies, sizes, stories)
def test_what_a_policy_decides_depends_on_what_it_is_told_alone(policy: Any, first: float, told: Any) -> None:
    assert walked(policy, first, told) == walked(policy, first, told)


@given(policies, sizes, stories)
def test_a_rejected_step_shrinks(policy: Any, first: float, told: Any) -> None:
    for _, h, error, after in walked(policy, first, told):
        if error > 1.0:
            assert policy.prepare(after).h < h
            assert policy.prepare(after).rung < h


@given(policies, sizes, stories)
def test_an_accepted_step_never_leads_beyond_the_bounds(policy: Any, first: float, told: Any) -> None:
    for before, h, error, after in walked(policy, first, told):
        assert policy.prepare(after).h <= policy.largest
        if error <= 1.0:
            assert after.h <= max(h * policy.controller.largest, before.h)
            assert after.h <= max(h * getattr(policy, "growth", 4.0), before.h)


@given(order_policies, sizes, stories)
def test_orders_change_by_one_and_stay_between_their_bounds(policy: OrderPolicy, first: float, told: Any) -> None:
    for before, _, _, after in walked(policy, first, told):
        assert 1 <= after.order <= policy.highest
        assert abs(after.order - before.order) <= 1


class Scripted:
    """A stepper without an equation: its errors are told, its state is the time reached."""

    name, order, repeats, starts_with_slope, foretells = "scripted", 2, True, True, False

    def __init__(self, told: Sequence[float]) -> None:
        self.coming = iter(told)

    def value(self, slope: Callable[..., Any], t: float, y: Any) -> Any:
        return slope(t, y)

    def start(self, t: float, y: Any, slope: Any) -> Any:
        return y

    def newest(self, memory: Any) -> None:
        return None

    def foretold(self, memory: Any, slope: Any, t: float, h: float) -> Any:
        raise AssertionError("expected no look inside steps of a stepper that foretells nothing")

    def euler(self, memory: Any) -> Callable[[float], Any]:
        return lambda h: memory

    def attempt(self, memory: Any, slope: Any, t: float, end: float, h: float, order: int) -> Trial:
        error, y = next(self.coming, 1e-4), np.array([end])
        assert end - t == pytest.approx(h, abs=1e-12)
        estimate = lambda k: np.array([error]) if k == order else None
        return Trial(y, order, estimate, lambda: None, lambda found: (y, None))


@settings(max_examples=40)
@given(
    policies,
    st.floats(0.05, 1.0),
    st.lists(st.floats(1e-6, 2.0), max_size=8),
    st.lists(st.floats(0.01, SPAN - 0.01), max_size=5, unique=True),
    st.sampled_from([1.0, -1.0]),
)
def test_all_times_asked_for_are_landed_on_exactly(
    policy: Any, first: float, told: list[float], inner: list[float], direction: float
) -> None:
    stops = [direction * stop for stop in sorted({round(at, 3) for at in inner})] + [direction * SPAN]
    first = min(first, policy.largest)  # as the door sees to
    first = min(first, policy.largest)  # the doors refuse a longer one
    control = StepControl(ErrorNorm(0.0, 1.0, norm=lambda e: float(e[0])), first=first, most=100_000)
    reached = [s.t for s in to_tolerance(Scripted(told), policy, lambda t, y: 0 * y, np.zeros(1), 0.0, stops, control)]
    assert set(stops) <= set(reached)
    assert reached[-1] == stops[-1]
    assert all(direction * after > direction * before for before, after in pairwise(reached))
    steps = np.abs(np.diff(reached))
    assert np.all(steps <= policy.largest * (1 + 1e-12))


@given(policies, sizes)
def test_a_run_that_is_always_rejected_ends_by_name(policy: Any, first: float) -> None:
    control = StepControl(ErrorNorm(0.0, 1.0, norm=lambda e: float(e[0])), first=first)
    run = to_tolerance(Scripted([1e9] * 10_000), policy, lambda t, y: 0 * y, np.zeros(1), 1.0, [1.0 + SPAN], control)
    with pytest.raises(AdaptiveFailure, match="as small as the precision of t allows"):
        list(run)


@pytest.mark.parametrize("controller", [Controller(), Controller((1.0, 0.0, 0.0)), Controller((0.49, -0.34, 0.1))])
@pytest.mark.parametrize("rungs", [1, 2, 3])
@pytest.mark.parametrize("order", [1, 3, 5])
def test_steps_of_one_small_error_grow_to_where_the_controller_leads(
    controller: Controller, rungs: int, order: int
) -> None:
    """Steps of the error C h^{p+1} reach, but for a tenth of it and one rung, the one that the controller holds."""
    policy = StepPolicy(controller, order, SPAN, rungs)
    settled = controller.safety ** ((order + 1) / sum(controller.beta))
    state = policy.begin(1e-3, lambda **aim: math.nan)
    for _ in range(200):
        state = policy.prepare(state)
        h = state.rung
        error = settled * h ** (order + 1)  # the step that the controller holds is 1
        state = policy.accepted(state, h, error, order, lambda _: math.nan, SPAN)
    assert 0.1 ** (1 / (order + 1)) * 2.0 ** (-1 / rungs) < policy.prepare(state).h <= 1.2
