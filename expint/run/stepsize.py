"""How long the first step is."""

from __future__ import annotations

import math
from collections.abc import Callable

from expint.backend import Array
from expint.run.control.controller import on_ladder
from expint.run.tolerance import StepControl

__all__ = ["FIRST", "GLANCE", "first_step"]

FIRST = 64
"""The shortest first step that is chosen, in units in the last place of t: it can be halved, and still be a step."""

GLANCE = 1e-3
"""The first step at whose end N is looked at, in units of the span, where N is too small to choose it."""


def first_step(
    euler: Callable[[float], Array],
    nonlinear: Callable[[float, Array], Array],
    y: Array,
    slope: Array,
    t: float,
    end: float,
    control: StepControl,
    power: float,
    target: float = 0.01,
) -> float:
    r"""Return a first step from the size of N and of its change (after Hairer, Nørsett and Wanner, I, II.4).

    The linear part is integrated exactly and does not limit the step; so only N enters, not L y. N is looked at a
    second time after a short step by the exponential Euler method, y(t + h) ≈ ``euler(h)``. With τ = ‖N‖/‖N'‖, the time
    in which N changes, the error of a step, ‖N‖ τ (h/τ)^power, is meant to be ``target`` in units of the tolerance. So
    the step is the same whatever the unit of time. Where the change is all there is, τ is the time in which it alone
    leads as far as the error may. Where y is zero and tells no scale, that is the size of what a short step reaches.
    """
    span, scale, norm = abs(end - t), control.error.scale(y), control.error
    if norm.grows:
        glance = min(GLANCE * span, control.largest)
        short = euler(math.copysign(glance, end - t))
        if norm.size(short, scale) <= 1.0:
            return glance  # nothing moves yet
        scale = norm.scale(short)
    least = min(FIRST * math.ulp(max(abs(t), abs(end))), span)
    size, rate = control.error.size(y, scale), control.error.size(slope, scale)
    guess = 0.01 * size / rate if rate * span > 1e-10 and size > 1e-10 else 1e-6 * span
    if rate * span < 1.0:  # so small an N does not tell how fast it changes
        guess = min(guess, GLANCE * span)
    guess = max(min(guess, span, control.largest), least)
    guess = on_ladder(guess, span, 1)  # runs that differ by rounding begin alike
    ahead = t + math.copysign(guess, end - t)
    change = control.error.size(nonlinear(ahead, euler(ahead - t)) - slope, scale) / abs(ahead - t)
    if not math.isfinite(max(rate, change)):
        return max(guess * 1e-3, least)
    wanted = span
    if change * span > 1e-15 * rate + 1e-15 / span:
        time = max(rate / change, math.sqrt(target / change))
        wanted = time * (target / (max(rate, change * time) * time)) ** (1 / power)
    return min(max(min(100 * guess, wanted), least), span, control.largest)
