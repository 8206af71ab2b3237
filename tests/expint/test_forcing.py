"""Which error estimates see a forcing N(t): what is derived is what is measured."""

from typing import Any

import numpy as np
import pytest

import expint
from expint.derive.orders.forcing import sees_forcing

ESTIMATING = [name for name in expint.method_names() if getattr(expint.method(name), "error_order", None) is not None]


def error(name: str) -> float:
    """Return the error of y' = -y/10 + cos 3t at t = 8 in units of 1e-4; no step is so long that L damps much in it."""
    solution = expint.solve_ivp(
        lambda t, y: np.cos(3 * t) + 0 * y, (0, 8), np.ones(1), linear=-0.1, method=name, rtol=1e-4, atol=1e-4
    )
    assert solution.success

    def forced(t: float) -> float:
        return float(0.1 * np.cos(3 * t) + 3 * np.sin(3 * t)) / 9.01

    return abs(solution.y_end[0] - forced(8.0) - (1 - forced(0.0)) * np.exp(-0.8)) / 1e-4


@pytest.mark.parametrize("name", ESTIMATING)
def test_estimates_that_see_a_forcing_keep_the_tolerance(name: str) -> None:
    assert (error(name) < 10) == sees_forcing(expint.method(name))


def test_methods_without_estimate_are_blind_to_nothing() -> None:
    assert sees_forcing(expint.method("krogstad4"))


@pytest.mark.parametrize("name", ["etd34", "lawson-rk43"])
def test_a_run_whose_estimate_is_blind_to_forcing_says_so(name: str) -> None:
    def solve(**options: Any) -> str:
        return expint.solve_ivp(lambda t, y: 0 * y + np.cos(t), (0, 1), np.ones(1), linear=-1.0, **options).message

    assert f"The error estimate of {name} does not see a part of N that depends on time alone" in solve(method=name)
    for options in ({"method": name, "error": "doubling"}, {"method": name, "step": 0.1}, {"method": "zoto-bowman43"}):
        assert "does not see" not in solve(**options)
