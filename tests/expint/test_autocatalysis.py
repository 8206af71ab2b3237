"""Explosions that the Jacobian at the start of a step does not foresee are followed to the tolerance.

An explosion multiplies every error before it; what counts is when it comes. Errors are those of that time, in units of
rtol times the time in which the explosion prepares.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import expint
from expint.ivp.bind import linearises
from expint.methods import method as find_method

PAIRS = sorted(
    {
        found.name
        for found in map(find_method, expint.method_names())
        if linearises(found) and getattr(found, "error_order", None)
    }
)
SCIPY = (20.22068963, 323.07881448)
"""When y_1 of the Oregonator rises through 100: by SciPy's Radau with rtol = 1e-11, atol = 1e-13."""
S, W, Q = 77.27, 0.161, 8.375e-6


def oregonator(t: float, y: np.ndarray) -> np.ndarray:
    a, b, c = y
    return np.array([S * (b + a * (1 - Q * a - b)), (c - (1 + a) * b) / S, W * (a - c)])


def its_jacobian(t: float, y: np.ndarray) -> np.ndarray:
    a, b, _ = y
    return np.array([[S * (1 - 2 * Q * a - b), S * (1 - a), 0], [-b / S, -(1 + a) / S, 1 / S], [W, 0, -W]])


def explodes(t: float, y: np.ndarray) -> float:
    return float(y[0]) - 100.0


explodes.direction = 1


@pytest.mark.parametrize("method", ["rosenbrock-ladder5", "rosenbrock-ladder6"])
def test_spikes_of_the_oregonator_come_when_they_come_for_scipy(method: str) -> None:
    rtol, y0 = 1e-3, np.array([1.0, 2.0, 3.0])
    run = expint.solve_ivp(
        oregonator, (0, 360), y0, method=method, jac=its_jacobian, rtol=rtol, atol=1e-3 * rtol, events=explodes
    )
    assert len(run.t_events[0]) == 2
    assert np.max(np.abs(run.t_events[0] - np.array(SCIPY))) < 30 * rtol  # by BDF of SciPy 170


JUMP = 81.17237790
"""When y of van der Pol's equation with μ = 100 first falls through zero: by SciPy's Radau with rtol = 1e-10."""


@pytest.mark.parametrize("rtol", [1e-3, 1e-5])
@pytest.mark.parametrize("method", PAIRS)
def test_the_jump_of_van_der_pols_relaxation_comes_when_it_comes_for_scipy(method: str, rtol: float) -> None:
    mu = 100.0
    run = expint.solve_ivp(
        lambda t, y: np.array([y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]]),
        (0, 90),
        np.array([2.0, 0.0]),
        method=method,
        jac=lambda t, y: np.array([[0, 1], [-2 * mu * y[0] * y[1] - 1, mu * (1 - y[0] ** 2)]]),
        rtol=rtol,
        atol=rtol,
        events=lambda t, y: y[0],
    )
    assert len(run.t_events[0]) == 1
    assert abs(run.t_events[0][0] / JUMP - 1) < 20 * rtol  # by BDF of SciPy 24 and 39, by LSODA 15 and 42


def time_of_cubic(y: Any, rate: float) -> Any:
    """The time at which y' = k y² (1 - y) is at y, but for a constant."""
    return (-1 / y + np.log(y / (1 - y))) / rate


def time_of_power(y: Any, rate: float) -> Any:
    """The time at which y' = k y³ is at y, but for a constant."""
    return -1 / (2 * rate * y**2)


KINDS: dict[str, tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any], float]] = {
    "cubic": (lambda y, k: k * y**2 * (1 - y), lambda y, k: k * (2 * y - 3 * y**2), time_of_cubic, 2.0),
    "power": (lambda y, k: k * y**3, lambda y, k: 3 * k * y**2, time_of_power, 0.4999),
}
"""By name: f(y), f'(y), the time at y, and the end of the run, in units of the time in which y_0 changes."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", PAIRS)
def test_autocatalysis_from_next_to_nothing_explodes_in_time(method: str, kind: str) -> None:
    slope, derivative, time, end = KINDS[kind]
    for y0, rate, rtol in ((1e-2, 1.0, 1e-3), (1e-4, 1.0, 1e-5), (1e-3, 1e3, 1e-4)):
        unit = y0 / slope(y0, rate)
        run = expint.solve_ivp(
            lambda t, y, f=slope, k=rate: f(y, k),
            (0, end * unit),
            np.array([y0]),
            method=method,
            jac=lambda t, y, d=derivative, k=rate: np.atleast_2d(d(y[0], k)),
            rtol=rtol,
            atol=1e-3 * rtol * y0,
        )
        assert run.success
        y = run.y[0] if run.y.shape[0] == 1 else run.y[:, 0]
        on_way = y < 0.999 if kind == "cubic" else y > 0
        late = time(y[on_way], rate) - time(y0, rate) - run.t[on_way]
        assert np.max(np.abs(late)) < 3 * rtol * unit
