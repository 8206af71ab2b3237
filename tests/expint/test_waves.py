"""Evaluations that need not wait for each other: found in plans, and made together."""

from typing import Any

import numpy as np
import pytest
import torch

import expint
from expint.derive.kinds.stage import kind_of_method
from expint.lower import Plan, two_sided
from expint.operators import Dense, Diagonal, Operator
from expint.run import over_plan
from expint.run.compiled import by_waves

SYMBOL, MATRIX = np.array([-1.0, -20.0, -3.0]), np.array([[-2.0, 1.0, 0.0], [0.5, -9.0, 1.0], [0.0, -1.0, -4.0]])
START, GRID = np.array([0.3, 0.5, -0.2]), np.linspace(0.0, 1.0, 13)
FIXED_L = [name for name in expint.method_names() if kind_of_method(expint.method(name)) == "fixed L"]


def plan_of(name: str, operator: Operator, like: Any = START) -> Plan:
    return expint.lower(expint.method(name), operator, GRID, like=like)


@pytest.mark.parametrize(
    ("name", "calls", "waves"),
    [
        ("krogstad4", 4, 4),
        ("luan4", 6, 4),
        ("luan5", 10, 5),
        ("ladder6", 15, 6),
        ("lawson-rk4", 4, 4),
        ("etd2rk", 2, 2),
    ],
)
def test_a_step_waits_as_often_as_its_stages_depend_on_each_other(name: str, calls: int, waves: int) -> None:
    plan = plan_of(name, Diagonal(SYMBOL))
    assert (plan.evaluations, len(plan.waves())) == (12 * calls, 12 * waves)


def test_waves_hold_every_evaluation_once_and_in_order() -> None:
    for name in FIXED_L:
        plan = plan_of(name, Diagonal(SYMBOL))
        waves = plan.waves()
        assert sorted(number for wave in waves for number in wave) == list(range(plan.evaluations)), name
        assert all(list(wave) == sorted(wave) and wave for wave in waves), name


@pytest.mark.parametrize("operator", [Diagonal(SYMBOL), Dense(MATRIX)], ids=["symbol", "matrix"])
@pytest.mark.parametrize("make", [np.asarray, torch.tensor])
def test_a_run_by_waves_is_the_run_one_by_one_to_rounding(operator: Operator, make: Any) -> None:
    for name in FIXED_L:
        plan, sizes = plan_of(name, operator, make(START)), list[int]()

        def together(times: list[float], points: Any, sizes: list[int] = sizes) -> Any:
            sizes.append(len(times))
            return -(points**2) * make(np.cos(times))[:, None]

        found = list(by_waves(plan, together, make(START)))
        right = list(over_plan(plan, lambda t, y: -(y**2) * np.cos(t), make(START)))
        assert [state.t for state in found] == [state.t for state in right]
        assert sizes == [len(wave) for wave in plan.waves()]
        for own, other in zip(found, right, strict=True):
            np.testing.assert_allclose(np.asarray(own.y), np.asarray(other.y), rtol=1e-13, atol=1e-15, err_msg=name)


def test_calls_may_be_kept_small() -> None:
    plan, sizes = plan_of("ladder6", Diagonal(SYMBOL)), list[int]()

    def few(times: list[float], points: np.ndarray) -> np.ndarray:
        sizes.append(len(times))
        return -(points**2)

    ends = [list(by_waves(plan, few, START, together=most))[-1].y for most in (None, 2)]
    np.testing.assert_allclose(ends[1], ends[0], rtol=1e-14)
    assert max(sizes) > 2
    assert sum(sizes) == 2 * plan.evaluations


def test_plans_with_noise_or_two_states_are_run_one_by_one() -> None:
    plan = expint.lower(expint.Adams(1), expint.operators.Scalar(-1.0), [0.0, 0.5, 1.0])
    pairs = two_sided(plan, expint.lower(expint.Adams(1), plan.operator, [1.0, 0.5, 0.0]), [1.0])
    with pytest.raises(ValueError, match="expected a plan of one state and without noise, received one of 2 states"):
        by_waves(pairs, lambda t, y: y, START)
    with pytest.raises(ValueError, match="expected together to be an integer ≥ 1, received 0"):
        by_waves(plan, lambda t, y: y, START, together=0)
