"""The loop over slopes: the same run as that over rows, in fewer operations, for every method."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

import expint
from expint.operators import Diagonal, Scalar
from expint.run.compiled import can_scatter, scatter, scattered_states
from expint.run.loops import Accepted, over_plan
from tests.expint.catalogue import FIXED_L

GRID = [0.0, 0.1, 0.25, 0.3, 0.45, 0.6, 0.65, 0.8, 0.9, 1.0]
Y0 = torch.tensor([[1.0, -0.5], [0.3, 0.8]], dtype=torch.float64)


def nonlinear(t: float, y: torch.Tensor) -> torch.Tensor:
    return torch.sin(y.flip(1)) + np.cos(3 * t)


def run(
    loop: Callable[..., Any], plan: expint.Plan, y0: torch.Tensor = Y0, slope: Callable[..., Any] = nonlinear
) -> tuple[list[Accepted], list[float]]:
    times: list[float] = []

    def seen(t: float, y: torch.Tensor) -> torch.Tensor:
        times.append(t)
        return slope(t, y)

    return list(loop(plan, seen, y0)), times


@settings(max_examples=60)
@given(
    st.sampled_from(FIXED_L),
    st.floats(-30, 2) | st.builds(complex, st.floats(-5, 1), st.floats(-20, 20)),
    st.integers(2, len(GRID)),
)
def test_scattering_slopes_is_gathering_them(name: str, value: complex, points: int) -> None:
    plan = expint.lower(expint.method(name), Scalar(value), GRID[:points])
    y0 = Y0 + 0 * value
    gathered, times = run(over_plan, plan, y0)
    scattered, same_times = run(scattered_states, plan, y0)
    assert same_times == times
    assert [(state.t, state.evaluations) for state in scattered] == [(s.t, s.evaluations) for s in gathered]
    for found, expected in zip(scattered, gathered, strict=True):
        assert found.y.dtype == y0.dtype
        torch.testing.assert_close(found.y, expected.y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["adams4", "krogstad4"])
def test_slopes_given_divided_by_factors_make_the_same_run(name: str) -> None:
    plan = expint.lower(expint.method(name), Scalar(-2.0), GRID)
    expected, _ = run(over_plan, plan)
    factors = [1.5 + np.sin(7 * i) for i in range(plan.evaluations)]
    for loop in (over_plan, scattered_states):
        coming = iter(factors)
        found, _ = run(loop, plan.with_slopes(factors), slope=lambda t, y: nonlinear(t, y) / next(coming))  # noqa: B023  # called within the turn
        torch.testing.assert_close(found[-1].y, expected[-1].y, rtol=1e-13, atol=0)


@pytest.mark.parametrize(("name", "most"), [("adams1", 3), ("adams5", 3), ("abnorsett4", 3), ("krogstad4", 12)])
def test_a_step_costs_few_operations_whatever_the_order(name: str, most: int) -> None:
    def operations(steps: int) -> int:
        plan = expint.lower(expint.method(name), Scalar(-2.0), np.linspace(0, 1, steps + 1))
        scatter(plan)
        with Counter() as counter:
            run(scattered_states, plan, slope=lambda t, y: y)
        return counter.count

    assert (operations(40) - operations(20)) / 20 <= most


class Counter(TorchDispatchMode):
    """Counts operations that are no views."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += not func.is_view
        return func(*args, **(kwargs or {}))


def test_a_function_may_return_the_same_memory_again_and_again() -> None:
    plan = expint.lower(expint.method("adams4"), Scalar(-2.0), GRID)
    memory = torch.empty_like(Y0)
    expected, _ = run(over_plan, plan)
    found, _ = run(scattered_states, plan, slope=lambda t, y: memory.copy_(nonlinear(t, y)))
    torch.testing.assert_close(found[-1].y, expected[-1].y, rtol=1e-13, atol=0)


def test_the_states_are_memory_of_their_own_and_the_first_is_kept_as_it_is() -> None:
    plan = expint.lower(expint.method("adams3"), Scalar(-2.0), GRID)
    y0 = Y0.clone()
    states = [state.y for state in scattered_states(plan, lambda t, y: y.mul_(0.5), y0)]
    assert len({state.untyped_storage().data_ptr() for state in (y0, *states)}) == len(states) + 1
    torch.testing.assert_close(y0, Y0, rtol=0, atol=0)


def test_what_cannot_be_scattered_is_told() -> None:
    plan = expint.lower(expint.method("adams3"), Scalar(-2.0), GRID)
    assert can_scatter(plan, Y0)
    assert not can_scatter(plan, Y0.numpy())
    assert not can_scatter(plan, Y0.to(torch.bfloat16))
    assert not can_scatter(plan, Y0.T)
    assert not can_scatter(plan, Y0.clone().requires_grad_())
    other = expint.lower(expint.method("adams3"), Diagonal([-1.0, -2.0]), GRID)
    assert not can_scatter(other, Y0)
    for asked in (lambda: scatter(other), lambda: other.with_slopes([1.0])):
        with pytest.raises(TypeError, match="expected a plan of a Scalar operator"):
            asked()
