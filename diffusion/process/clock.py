"""Clocks: monotone maps from the time of a schedule to the variable in which something is uniform or polynomial."""

# ruff: noqa: ARG002, ARG005  (clocks and formulas share one signature; some need no schedule, namespace, α or σ)

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from diffusion.names import resolve
from diffusion.process.pointwise import pointwise
from diffusion.process.schedule import NoiseSchedule
from expint.arguments import number, seen
from expint.backend import Array

__all__ = ["CLOCKS", "Clock", "StateClock", "TimeClock", "clock", "edm_angle"]


class Clock(ABC):
    """A strictly monotone function s of the time t of a noise schedule, for numbers, arrays and tensors.

    Examples
    --------
    >>> import numpy as np
    >>> import diffusion
    >>> schedule, clock = diffusion.VP.linear(), diffusion.clock.clock("lambda")
    >>> isinstance(clock, diffusion.Clock), clock.name
    (True, 'lambda')
    >>> times = np.array([0.9, 0.5])
    >>> np.allclose(clock.time(schedule, clock.value(schedule, times)), times)
    True
    """

    name: str

    @abstractmethod
    def value(self, schedule: NoiseSchedule, t: Array) -> Array:
        """Return s at the times ``t`` of ``schedule``."""

    @abstractmethod
    def time(self, schedule: NoiseSchedule, s: Array) -> Array:
        """Return the times of ``schedule`` at which the clock shows ``s``: the inverse of `value`."""

    @abstractmethod
    def rate(self, schedule: NoiseSchedule, t: Array) -> Array:
        """Return ds/dt at the times ``t``."""


@dataclass(frozen=True)
class TimeClock(Clock):
    """The time of the schedule itself, s = t."""

    name: str = "t"

    def value(self, schedule: NoiseSchedule, t: Array) -> Array:
        """Return ``t``."""
        return pointwise(lambda xp, t: 1.0 * t, t)

    def time(self, schedule: NoiseSchedule, s: Array) -> Array:
        """Return ``s``."""
        return pointwise(lambda xp, s: 1.0 * s, s)

    def rate(self, schedule: NoiseSchedule, t: Array) -> Array:
        """Return ones."""
        return pointwise(lambda xp, t: 0.0 * t + 1.0, t)


@dataclass(frozen=True)
class StateClock(Clock):
    """A variable that depends on t through ρ = σ/α only, and so means the same for every schedule.

    Parameters
    ----------
    name
        Its name.
    of_state
        s as a function of (xp, α, σ), finite also where α = 0 or σ = 0 if the variable is.
    half_log_snr
        Its inverse: λ = log(α/σ) as a function of (xp, s).
    slope
        ds/dλ as a function of ρ.
    """

    name: str
    of_state: Callable[[Any, Any, Any], Any] = field(repr=False)
    half_log_snr: Callable[[Any, Any], Any] = field(repr=False)
    slope: Callable[[Any], Any] = field(repr=False)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Return how to find a clock of ours again: by name, or by the σ_data it was made with."""
        if _BY_NAME.get(self.name) is self:
            return clock, (self.name,)
        name, _, number = self.name.partition("(")
        if name == "edm-angle" and number and edm_angle(float(number[:-1])) is self:
            return edm_angle, (float(number[:-1]),)
        return super().__reduce_ex__(protocol)

    def value(self, schedule: NoiseSchedule, t: Array) -> Array:
        """Return s at the times ``t`` of ``schedule``."""
        _check(schedule)
        return self.at(schedule.alpha(t), schedule.sigma(t))

    def at(self, alpha: Array, sigma: Array) -> Array:
        """Return s where the signal and noise scales are ``alpha`` and ``sigma``."""
        try:
            return pointwise(self.of_state, alpha, sigma)
        except ZeroDivisionError:
            raise ValueError(f"expected σ > 0 for the clock {self.name!r}, received σ = {sigma}") from None

    def time(self, schedule: NoiseSchedule, s: Array) -> Array:
        """Return the times of ``schedule`` at which the clock shows ``s``."""
        _check(schedule)
        return schedule.time(pointwise(self.half_log_snr, s))

    def rate(self, schedule: NoiseSchedule, t: Array) -> Array:
        """Return ds/dt = (ds/dλ) (dλ/dt)."""
        return self.slope(schedule.rho(t)) * schedule.half_log_snr_rate(t)


def _check(schedule: Any) -> None:
    if isinstance(schedule, type) or not (hasattr(schedule, "alpha") and hasattr(schedule, "time")):
        raise TypeError(f"expected schedule as a diffusion.NoiseSchedule, received {seen(schedule)}; pass VP.linear()")


TIME = TimeClock()
LAMBDA = StateClock(
    "lambda",
    of_state=lambda xp, a, s: xp.log(a / s),
    half_log_snr=lambda xp, lam: 1.0 * lam,
    slope=lambda rho: 0.0 * rho + 1.0,
)
RHO = StateClock(
    "rho",
    of_state=lambda xp, a, s: s / a,
    half_log_snr=lambda xp, rho: -xp.log(rho),
    slope=lambda rho: -rho,
)
ANGLE = StateClock(
    "angle",
    of_state=lambda xp, a, s: xp.atan2(s, a),
    half_log_snr=lambda xp, angle: -xp.log(xp.tan(angle)),
    slope=lambda rho: -rho / (1.0 + rho * rho),
)
FLOW = StateClock(
    "flow",
    of_state=lambda xp, a, s: s / (a + s),
    half_log_snr=lambda xp, tau: xp.log1p(-tau) - xp.log(tau),
    slope=lambda rho: -rho / (1.0 + rho) ** 2,
)
SIGNAL = StateClock(
    "signal",
    of_state=lambda xp, a, s: a / s,
    half_log_snr=lambda xp, r: xp.log(r),
    slope=lambda rho: 1.0 / rho,
)
LOG_FLOW = StateClock(  # −log of the time of the straight path, with the sign of λ
    "log-flow",
    of_state=lambda xp, a, s: xp.log1p(a / s),
    half_log_snr=lambda xp, u: u + xp.log(-xp.expm1(-u)),
    slope=lambda rho: 1.0 / (1.0 + rho),
)


def edm_angle(sigma_data: float = 0.5) -> StateClock:
    """Return the clock arctan(ρ/σ_data), in which an EDM-preconditioned network gives the slope of its state.

    Raises
    ------
    ValueError
        If ``sigma_data`` is not positive.
    """
    sigma_data = number("sigma_data", sigma_data, above=0.0)
    return _edm_angle(float(sigma_data))


@lru_cache(maxsize=64)
def _edm_angle(sigma_data: float) -> StateClock:
    return StateClock(
        f"edm-angle({_written(sigma_data)})",
        of_state=lambda xp, a, s: xp.atan2(s, sigma_data * a),
        half_log_snr=lambda xp, angle: -xp.log(sigma_data * xp.tan(angle)),
        slope=lambda rho: -sigma_data * rho / (sigma_data**2 + rho * rho),
    )


def _written(number: float) -> str:
    """Return the number in few digits if they are all that it has."""
    return f"{number:g}" if float(f"{number:g}") == number else repr(float(number))


CLOCKS: dict[str, Clock] = {
    "t": TIME,
    "lambda": LAMBDA,
    "rho": RHO,
    "angle": ANGLE,
    "flow": FLOW,
    "signal": SIGNAL,
    "log-flow": LOG_FLOW,
    "edm-angle": edm_angle(),
}
"""The clocks by name; ``"edm-angle"`` is that of σ_data = 1/2."""

_BY_NAME = {entry.name: entry for entry in CLOCKS.values() if "(" not in entry.name}

_ALIASES = {
    "time": "t",
    "λ": "lambda",
    "half_log_snr": "lambda",
    "half-log-snr": "lambda",
    "logsnr": "lambda",
    "ρ": "rho",
}


def clock(name: str | Clock) -> Clock:
    """Return the clock called ``name``; a clock is returned as it is.

    Raises
    ------
    ValueError
        If no clock has this name; the message gives the nearest.
    """
    return name if isinstance(name, Clock) else CLOCKS[resolve(name, CLOCKS, _ALIASES, "clock")]
