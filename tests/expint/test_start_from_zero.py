"""A start from zero has no size: without atol the tolerance is that of the states reached, whatever the units."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad

import expint
from expint import Status

RATES = np.array([-1.0, -50.0])
FORCES = {
    "a constant": (lambda t: 1.0, lambda t: math.cos(t)),
    "nothing at the start": (lambda t: math.sin(t), lambda t: t * t),
    "a pulse": (lambda t: math.exp(-(((t - 1) / 0.1) ** 2)), lambda t: 0.0),
}


def exact(force):
    """∫ e^{λ(2-s)} g(s) ds for each component."""

    def forced(s, rate, g):
        return math.exp(rate * (2 - s)) * g(s)

    found = [quad(forced, 0, 2, (rate, g), epsabs=1e-15, epsrel=1e-12, limit=200) for rate, g in zip(RATES, force)]
    return np.array([value for value, _ in found])


def solve(force, time=1.0, size=1.0, method="auto", start=None, **options):
    def nonlinear(t, y):
        return np.array([g(t / time) for g in force]) * (size / time)

    start = np.zeros(2) if start is None else start
    return expint.solve_ivp(nonlinear, (0, 2 * time), start, linear=RATES / time, method=method, **options)


@pytest.mark.parametrize("method", ["auto", "pec4", "expint43", "lawson-dormand-prince54", "exprb43"])
@pytest.mark.parametrize("name", FORCES)
def test_units_of_time_and_state_change_nothing(name: str, method: str) -> None:
    usual, expected = solve(FORCES[name], method=method, rtol=1e-4), exact(FORCES[name])
    assert np.max(np.abs(usual.y_end - expected)) < 1e-4 * np.max(np.abs(expected))
    assert usual.stats.steps > 3
    for time, size in [(1.0, 1e-15), (1.0, 1e15), (1e-12, 1.0), (1e12, 1e-9)]:
        found = solve(FORCES[name], time, size, method, rtol=1e-4)
        np.testing.assert_allclose(found.y_end / size, usual.y_end, rtol=1e-4, atol=1e-6)
        assert abs(found.stats.steps - usual.stats.steps) <= 0.1 * usual.stats.steps


def test_a_state_far_smaller_than_its_force_is_followed_to_its_own_size() -> None:
    """y' = 10⁸ (sin t - y): of size one, where N over the span is of size 10⁸."""
    solution = expint.solve_ivp(
        lambda t, y: 1e8 * np.sin(t) + 0 * y, (0, 1), np.zeros(1), linear=np.array([-1e8]), method="expint43", rtol=1e-6
    )
    assert abs(solution.y_end[0] - math.sin(1) + 1e-8 * math.cos(1)) < 1e-6


def test_what_a_start_from_zero_looks_at_is_counted() -> None:
    calls = 0

    def nonlinear(t, y):
        nonlocal calls
        calls += 1
        return np.cos(t) + 0 * y

    for options in ({}, {"events": lambda t, y: y[0] - 0.3}, {"method": "expint43"}):
        calls = 0
        solution = expint.solve_ivp(nonlinear, (0, 1), np.zeros(2), linear=RATES, **options)
        assert solution.stats.nonlinear_evaluations == calls


def test_a_state_that_stays_zero_is_solved_in_few_steps() -> None:
    for force in (lambda t, y: 0 * y, lambda t, y: y * y, None):
        solution = expint.solve_ivp(force, (0, 1), np.zeros(2), linear=RATES)
        assert solution.status == Status.SUCCESS
        assert not np.any(solution.y)
        assert solution.stats.steps < 120


def test_breakpoints_and_torch_start_from_zero_too() -> None:
    force = FORCES["a constant"]
    tiny = solve(force, size=1e-12, breakpoints=[0.7], rtol=1e-6)
    np.testing.assert_allclose(tiny.y_end / 1e-12, exact(force), rtol=1e-5)
    solution = expint.solve_ivp(
        lambda t, y: torch.ones_like(y) * 1e-12,
        (0, 2),
        torch.zeros(2, dtype=torch.float64),
        linear=torch.asarray(RATES),
        rtol=1e-6,
    )
    np.testing.assert_allclose(solution.y_end.numpy() / 1e-12, (1 - np.exp(2 * RATES)) / -RATES, rtol=1e-5)


@pytest.mark.parametrize("size", [1e-200, 1e-15, 1e200])
def test_the_default_atol_of_any_other_start_has_its_size(size: float) -> None:
    usual = solve(FORCES["a constant"], start=np.array([1.0, 0.0]), rtol=1e-6)
    found = solve(FORCES["a constant"], size=size, start=np.array([size, 0.0]), rtol=1e-6)
    assert found.stats == usual.stats
    np.testing.assert_allclose(found.y_end / size, usual.y_end, rtol=1e-9)
