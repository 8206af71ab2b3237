"""Between equal steps of stiff problems y' = L(y - g(t)) + g'(t) the solution is as good as the method is.

At the steps stages at c = 1 make the error of a method 1/(h|L|) times what it is where L is small: as small as one
likes, for any h. No rule with finitely many values of N can do that between them, where y follows N/L. So the bar is
ten times the error at the steps, there or with L = -1 at the same h, whichever is larger.
"""

from functools import cache
from typing import Any

import numpy as np
import pytest

import expint
from expint.derive.kinds.lie_group import LieGroupMethod
from expint.derive.kinds.splitting import Splitting

NAMES = [
    name
    for name in expint.method_names()
    if not isinstance(expint.method(name), Splitting | LieGroupMethod) and "lawson" not in name
]
"""Lawson methods fail at steps that do not resolve L, at them and between."""

ROUNDING = 1e-12
BETWEEN = np.linspace(0.04, 0.96, 9)


def slow(t: Any) -> np.ndarray:
    return np.stack([np.cos(2 * t), np.sin(3 * t) + 1, np.exp(-t) + 1], axis=-1)


def drift(t: Any) -> np.ndarray:
    return np.stack([-2 * np.sin(2 * t), 3 * np.cos(3 * t), -np.exp(-t)], axis=-1)


@cache
def errors(name: str, rate: float, coupling: float, step: float = 0.1) -> tuple[float, float]:
    """The largest errors at the steps and between them."""
    linear = np.array([rate, rate / 10, -1.0])

    def nonlinear(t: float, y: Any) -> Any:
        known = slow(t)
        return drift(t) - linear * known + coupling * (y * y[::-1] - known * known[::-1])

    run = expint.solve_ivp(nonlinear, (0, 1), slow(0.0), linear=linear, method=name, step=step, dense_output=True)
    times = np.add.outer(run.t[:-1], step * BETWEEN).ravel()
    return float(np.max(np.abs(run.y - slow(run.t)))), float(np.max(np.abs(run.sol(times) - slow(times))))


@pytest.mark.parametrize("name", NAMES)
def test_between_stiff_steps_the_error_is_at_most_ten_times_that_at_steps_that_are_not(name: str) -> None:
    for rate, coupling in ((-1e2, 0.5), (-1e4, 0.0), (-1e6, 0.0)):
        at_steps, between = errors(name, rate, coupling)
        assert between <= 10 * max(at_steps, errors(name, -1.0, coupling)[0], ROUNDING)


@pytest.mark.parametrize(
    "name", ["etd2rk", "krogstad4", "hochbruck-ostermann4", "expint43", "exprb32", "exprb43", "rosenbrock-ladder5"]
)
@pytest.mark.parametrize("step", [0.1, 0.05])
def test_prothero_and_robinson_are_as_right_between_the_steps_as_at_them(name: str, step: float) -> None:
    """It was 251 times the error at the steps with etd2rk, 149 with exprb32, 78 with exprb43 and 57 with expint43."""
    run = expint.solve_ivp(
        lambda t, y: 1e4 * np.cos(t) - np.sin(t) + 0 * y,
        (0, 1),
        np.ones(1),
        linear=-1e4,
        method=name,
        step=step,
        dense_output=True,
    )
    times = np.add.outer(run.t[:-1], step * BETWEEN).ravel()
    between = np.max(np.abs(run.sol(times)[:, 0] - np.cos(times)))
    assert between <= 10 * max(np.max(np.abs(run.y[:, 0] - np.cos(run.t))), ROUNDING)


@pytest.mark.parametrize(("rate", "more"), [(-1e4, 1), (-0.1, 0), (0.1, 0)])
@pytest.mark.parametrize("linear", ["number", "matrix", "linearised"])
def test_a_step_over_which_l_damps_costs_one_evaluation_more_to_look_into(rate: float, more: int, linear: str) -> None:
    run = expint.solve_ivp(
        lambda t, y: np.sin(t) + 0 * y,
        (0, 1),
        np.ones(2),
        linear=rate if linear != "matrix" else expint.operators.Dense(rate * np.eye(2)),
        method="exprb43" if linear == "linearised" else "etd2rk",
        step=0.25,
        dense_output=True,
    )
    before = run.sol.evaluations
    run.sol(0.3)
    assert run.sol.evaluations - before == more + (linear == "linearised")
    run.sol(0.4)
    assert run.sol.evaluations - before == more + (linear == "linearised")
