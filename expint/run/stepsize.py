"""Where steps end, how long the first one is, and when there is no way on."""

from __future__ import annotations

import math
from collections.abc import Callable

from expint.backend import Array, all_finite
from expint.run.tolerance import AdaptiveFailure, StepControl
from expint.solution import Status

__all__ = [
    "FIRST",
    "GLANCE",
    "PIECES",
    "ROUNDING",
    "SAME",
    "TINY",
    "approach",
    "begin",
    "check_first_slope",
    "check_step",
    "first_step",
    "inside",
    "on_ladder",
    "too_many_steps",
]

ROUNDING = 16
"""The smallest step, in units in the last place of t."""

FIRST = 64
"""The shortest first step that is chosen, in the same units: it can be halved, and still be a step."""

TINY = 1e-24
"""The smallest step, in units of the span; it counts near t = 0, where the last place of t is no bound."""

PIECES = 8
"""So many steps before a stop are made equal."""

GLANCE = 1e-3
"""The first step at whose end N is looked at, in units of the span, where N is too small to choose it."""

SAME = 4
"""Step sizes that differ by less, in units in the last place of t, are the same: times asked for carry rounding."""


def on_ladder(h: float, unit: float, rungs: int) -> float:
    """Return the largest step unit · 2^{j/rungs}, j an integer, that is not larger than ``h``."""
    return float(unit * 2.0 ** (math.floor(rungs * math.log2(h / unit) + 1e-9) / rungs))


def approach(h: float, rung: float, t: float, stop: float, previous: float) -> tuple[float, bool]:
    """Return the length of the next step on the way to ``stop``, and whether it ends there.

    Far from it steps have the length ``rung``, near it at most ``h``: the last few before a stop are equal, so that no
    sliver is left, and stops at equal distances are reached by equal steps. A step that differs from the previous one
    by rounding only is equal to it: φ-functions are reused.
    """
    reach = abs(stop - t)
    if rung * PIECES < reach:
        return rung, False
    pieces = max(1, math.ceil(reach / h * (1 - 1e-10)))
    trial = reach / pieces
    if trial != previous and abs(trial - previous) <= min(SAME * math.ulp(max(abs(t), abs(stop))), 1e-9 * trial):
        trial = previous
    return trial, pieces == 1


def begin(first: float, t: float, stop: float) -> tuple[float, bool]:
    """Return the length of a first step that is given, unless ``stop`` comes before, and whether it ends there."""
    reach = abs(stop - t)
    return min(first, reach), first >= reach


def inside(at: float, start: float, end: float) -> float:
    """Return ``at``, or that end of the step from ``start`` to ``end`` beyond which it lies by rounding only."""
    if start <= at <= end or end <= at <= start:
        return at
    low, high = (start, end) if start <= end else (end, start)
    nearest = min(max(at, low), high)
    return nearest if abs(at - nearest) <= 2 * SAME * math.ulp(max(-low, high)) else at


def check_first_slope(slope: Array, t: float) -> None:
    """Raise AdaptiveFailure if N is not finite at the initial state."""
    if not all_finite(slope):
        raise AdaptiveFailure(
            Status.NON_FINITE,
            f"expected nonlinear to be finite at the initial state, received inf or nan at t = {t:.6g}; check y0",
        )


def check_step(trial: float, t: float, span: float, failure: Exception | None, error: float) -> None:
    """Raise AdaptiveFailure if the step is too small to go on.

    ``failure`` or ``error`` is what made it so small; ``error`` is nan where none was tried.
    """
    if trial >= ROUNDING * math.ulp(t) and trial >= TINY * span:
        return
    if failure is not None:
        raise AdaptiveFailure(Status.ACTION_FAILED, f"at t = {t:.6g}, with a step of {trial:.3g}: {failure}")
    if math.isnan(error):
        raise AdaptiveFailure(
            Status.STEP_TOO_SMALL,
            f"expected steps of at least {ROUNDING} units in the last place of t, received one of {trial:.3g} at "
            f"t = {t:.6g}; give a longer first_step, measure t from the start of the run, or look for a singularity "
            "there",
        )
    if not math.isfinite(error):
        raise AdaptiveFailure(
            Status.STEP_TOO_SMALL,
            f"expected finite values of nonlinear near t = {t:.6g}, received inf or nan in every step down to "
            f"{trial:.3g}; look for a singularity there, or for arguments at which nonlinear is not defined",
        )
    raise AdaptiveFailure(
        Status.STEP_TOO_SMALL,
        f"expected an error within the tolerance at t = {t:.6g}, received {error:.3g} times as much with a step of "
        f"{trial:.3g}, as small as the precision of t allows; loosen rtol and atol, or look for a singularity or a "
        "discontinuity of N there",
    )


def too_many_steps(end: float, most: int, t: float, h: float) -> AdaptiveFailure:
    """Return the failure of a run that has used up its steps."""
    return AdaptiveFailure(
        Status.TOO_MANY_STEPS,
        f"expected to reach t = {end:.6g} in {most} steps, received t = {t:.6g} with step {h:.3g}; "
        "loosen the tolerances, raise max_steps, or take a method of higher stiff order",
    )


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
