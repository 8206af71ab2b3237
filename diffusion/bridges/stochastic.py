r"""The stochastic equations of an interpolant, in a clock in which a damping that is put in is constant.

For every ε(t) ≥ 0 the process has the law of the solutions of

.. math:: dx = (\pm b + ε s)\, dt + \sqrt{2 ε}\, dW, \qquad s = \nabla \log p_t,

upwards (+) and, in the time that is left, downwards (−): what the noise adds, the drift along the score takes away.
Where the law has details of a variance v of their own, the score pulls with a rate of about ε/(γ² + v). That rate is
taken out of the drift exactly: with κ = 1 + ε/(γ² + v) and du = κ dt,

.. math:: dx = (F - x)\, du + \sqrt{2 ε/κ}\, dW_u, \qquad F = x + (\pm b + ε s)/κ,

holds whatever v is, and is y′ = L y + N with L = −1 for any exponential method.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite
from typing import Any

import numpy as np
from scipy.optimize import brentq

import expint
from diffusion.planning.noise import lowered_with_noise
from diffusion.process.interpolant import Combination, Interpolant
from expint.arguments import number, seen
from expint.derive import Method

__all__ = ["Damped", "noise_rate"]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)


def noise_rate(given: Any) -> Callable[[float], float] | None:
    """Return ε as a function of t; None where it is the number 0.

    Raises
    ------
    TypeError, ValueError
        If it is neither a number nor a function, or negative or not finite.
    """
    if callable(given) and not hasattr(given, "__float__"):
        return lambda t: _checked(given(t), t)
    if isinstance(given, bool) or not hasattr(given, "__float__"):
        raise TypeError(f"expected epsilon= a number ε ≥ 0 or a function of t, received {seen(given)}; 0 is no noise")
    rate = number("epsilon", given, least=0.0)
    return partial(_constant, rate) if rate else None


def _constant(rate: float, t: float) -> float:
    del t
    return float(rate)


def _checked(value: Any, t: float) -> float:
    if not (hasattr(value, "__float__") and isfinite(value) and value >= 0.0):
        raise ValueError(
            f"expected ε(t) to be finite and not negative, received {value!r:.40} at t = {t:.6g}; let the function "
            "return 0 where there is to be no noise"
        )
    return float(value)


@dataclass(frozen=True)
class Damped:
    """The stochastic equation of a process, laid out along the times of a run.

    Parameters
    ----------
    process
        The interpolant.
    rate
        ε(t).
    detail
        √v, the size of the finest details of both data sets, for the damping.
    times
        The ends of the steps, in the order of the run.
    """

    process: Interpolant
    rate: Callable[[float], float]
    detail: float
    times: Sequence[float]

    def plan(self, method: Method) -> expint.Plan:
        """Return the plan for x whose slopes are F, with a column of noise for each place in a step."""
        u = np.cumsum([0.0, *(float(self.integral(self.damping, *step)) for step in zip(self.times, self.times[1:]))])
        count = len(self.times) - 1
        equation = _Clocked(self, u.tolist())
        plan = lowered_with_noise(equation, u, [method] * count, [method.history + 1] * count, [0.0] * count)
        when = [[equation.time(at) for at in step.times] for step in plan.steps]
        return plan.in_coordinates([[1.0] * len(own) for own in when], when)

    def slope(self, kinds: Sequence[str], t: float) -> Combination:
        """Return F at a time as a combination of x and the outputs of some ``kinds``.

        Raises
        ------
        ValueError
            If they do not determine the velocity and the score there.
        """
        way = 1.0 if self.times[-1] > self.times[0] else -1.0
        kappa, epsilon = float(self.damping(np.array(t))), self.rate(t)
        parts = [(way / kappa, self.process.combination(kinds, "velocity", t))]
        if epsilon:
            parts.append((epsilon / kappa, self.process.combination(kinds, "score", t)))
        of_outputs = [sum(factor * part.of_outputs[i] for factor, part in parts) for i in range(len(kinds))]
        return Combination(1.0 + sum(factor * part.of_state for factor, part in parts), tuple(of_outputs))

    def integral(self, of: Callable[[np.ndarray], np.ndarray], start: Any, end: float) -> Any:
        """Return ∫ of |dt| between times by quadrature, one for each of ``start``; ``of`` takes arrays of times."""
        half = (end - np.asarray(start, dtype=float)) / 2
        inside = np.asarray(start)[..., None] + half[..., None] * (1.0 + _NODES)
        return np.abs(half) * (of(inside) @ _WEIGHTS)

    def damping(self, t: np.ndarray) -> np.ndarray:
        """Return κ."""
        return 1.0 + self.rates(t) / (self.process.coefficients(t)[2] ** 2 + self.detail**2)

    def rates(self, t: np.ndarray) -> np.ndarray:
        """Return ε."""
        return np.array([self.rate(float(at)) for at in t.ravel()]).reshape(t.shape)


@dataclass(frozen=True)
class _Clocked:
    """The equation in its clock u, known at the ends of the steps: L = −1, and the variance of its noise."""

    equation: Damped
    ends: list[float]

    def constants(self, square: float) -> tuple[float, float]:
        """Return L and the factor of F."""
        del square
        return -1.0, 1.0

    def variance(self, square: float, start: float, end: float) -> float:
        """Return ∫ e^{−2 (u(end) − u)} 2 ε dt between two values of u in one step."""
        del square
        of, first, last = self.equation, self.time(start), self.time(end)

        def left(t: np.ndarray) -> np.ndarray:
            return np.asarray(2.0 * of.rates(t) * np.exp(-2.0 * of.integral(of.damping, t, last)))

        return float(of.integral(left, first, last))

    def time(self, u: float) -> float:
        """Return t at a value of the clock."""
        ends, times = self.ends, self.equation.times
        k = int(np.argmin(np.abs(np.array(ends) - u)))
        if abs(u - ends[k]) <= 1e-12 * ends[-1]:
            return float(times[k])
        k = int(np.searchsorted(ends, u)) - 1

        def gap(t: float) -> float:
            return float(self.equation.integral(self.equation.damping, times[k], t)) - (u - ends[k])

        return float(brentq(gap, times[k], times[k + 1], xtol=1e-15, rtol=1e-14))
