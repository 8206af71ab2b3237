"""Grids given by noise levels: lists of σ, levels found by others, and the shifted ones of flow models."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import exp
from typing import Any

import numpy as np

from diffusion.grids.rules import number_of_times
from diffusion.process.clock import Clock
from diffusion.process.clock import clock as clock_of
from diffusion.process.schedule import FlowMatching, NoiseSchedule
from expint.arguments import checked, instance, number, seen
from expint.arrays import real_values

__all__ = ["inside", "mu_of_tokens", "native", "shifted", "sigmas"]

_ROUNDED = 1e-3
"""Relative: a first time above the start of a schedule by less is moved to it; published levels are rounded."""


def native(schedule: NoiseSchedule) -> str:
    """Return the clock that other programs call σ: that of the flow, σ/(α+σ), for straight paths, else σ/α."""
    return "flow" if isinstance(schedule, FlowMatching) else "rho"


def inside(times: np.ndarray, schedule: NoiseSchedule, beyond: float = _ROUNDED) -> np.ndarray:
    """Return the times, the first moved to the start of the ``schedule`` if it lies above it by a little at most."""
    start = schedule.t_start
    near = start < times[0] <= start * (1.0 + beyond) and not (len(times) > 1 and times[1] >= start)
    return np.append(start, times[1:]) if near else times


def sigmas(
    values: Sequence[float] | np.ndarray, *, schedule: NoiseSchedule, clock: str | Clock | None = None
) -> np.ndarray:
    r"""Return the grid whose noise levels are these, a last 0 being the step to σ = 0.

    Levels are what programs call σ: the noise-to-signal ratio ρ = σ/α, which for α = 1 is σ itself; for flow matching
    σ/(α + σ), the time after the shift.

    Parameters
    ----------
    values
        Levels, strictly decreasing, not negative; only the last may be 0.
    schedule
        The schedule whose times are returned.
    clock
        What the levels are, if something else: a clock or its name.

    Returns
    -------
    array
        As many times as values. A first one above the start of the schedule by a thousandth or less is moved to it.

    Raises
    ------
    ValueError
        If the values are none, or do not decrease.

    Examples
    --------
    >>> import diffusion
    >>> diffusion.grids.sigmas([80, 10.98, 3.881, 0.5666, 0.002, 0], schedule=diffusion.EDM()).round(12).tolist()
    [80.0, 10.98, 3.881, 0.5666, 0.002, 0.0]
    """
    instance("schedule", schedule, NoiseSchedule)
    levels = real_values("values", values, ndim=1)
    falls = levels.size and np.all(np.isfinite(levels)) and np.all(np.diff(levels) < 0.0)
    if not falls or levels[-1] < 0.0:
        raise ValueError(
            f"expected noise levels that decrease strictly to a positive one or 0, received {seen(levels.tolist())}; "
            "sort them from noise to data"
        )
    to_zero = levels[-1] == 0.0
    of = clock_of(native(schedule) if clock is None else clock)
    with np.errstate(all="ignore"):
        times = np.asarray(of.time(schedule, levels[:-1] if to_zero else levels))
    if not times.size or not np.all(np.isfinite(times)):
        raise ValueError(
            f"expected noise levels that the schedule has, of the clock {of.name!r}, received {seen(levels.tolist())}; "
            "the first is to be positive, and those of flow matching are at most 1"
        )
    times = inside(times, schedule)
    return np.append(times, schedule.t_clean) if to_zero else times


@checked(
    steps=number_of_times,
    shift=partial(number, above=0.0),
    mu=partial(number, least=-50.0, most=50.0),
    terminal=partial(number, above=0.0, below=1.0),
)
def shifted(
    steps: int,
    *,
    schedule: NoiseSchedule,
    shift: float | None = None,
    mu: float | None = None,
    terminal: float | None = None,
) -> np.ndarray:
    r"""Return the grid of flow models: σ_i = m t_i/(1 + (m − 1) t_i) with t_i = 1, 1 − 1/n, …, 1/n, and then σ = 0.

    Parameters
    ----------
    steps
        Number n of steps.
    schedule
        A schedule; σ is σ/(α + σ) of it. The shift of a `FlowMatching` is another matter: it says which t has which σ.
    shift
        m > 0, as of Stable Diffusion 3, Wan and AuraFlow.
    mu
        log m instead, as of FLUX, where it grows with the number of tokens (`mu_of_tokens`).
    terminal
        The last positive level, to which 1 − σ is stretched; None leaves it. LTX-Video takes 0.1.

    Raises
    ------
    ValueError
        If not one of ``shift`` and ``mu`` is given, the shift is not positive, or levels are not of the schedule.

    Notes
    -----
    Esser et al., *Scaling rectified flow transformers*, 2024, §5.3.2. It is that of diffusers' scheduler
    ``FlowMatchEulerDiscreteScheduler`` with ``sigmas=linspace(1, 1/n, n)``, as its pipelines call it.

    Examples
    --------
    >>> import diffusion
    >>> [round(float(t), 4) for t in diffusion.grids.shifted(4, shift=3.0, schedule=diffusion.FlowMatching())]
    [0.9999, 0.9, 0.75, 0.5, 0.0]
    """
    if (shift is None) == (mu is None):
        received = "neither" if shift is None else "both"
        raise ValueError(f"expected either shift= or mu= (its logarithm), received {received}")
    m = exp(mu) if shift is None else shift  # type: ignore[arg-type]  # one of both is given
    t = np.arange(steps, 0, -1) / steps
    levels = m * t / (1.0 + (m - 1.0) * t)
    if terminal is not None and steps > 1:
        levels = 1.0 - (1.0 - levels) * (1.0 - terminal) / (1.0 - levels[-1])
    return sigmas(np.append(levels, 0.0), schedule=schedule, clock="flow")


@checked(tokens=partial(number, above=0.0))
def mu_of_tokens(
    tokens: float, *, few: float = 256.0, many: float = 4096.0, at_few: float = 0.5, at_many: float = 1.15
) -> float:
    """Return FLUX's ``mu`` for so many image tokens: linear between two numbers of them, and beyond.

    Parameters
    ----------
    tokens
        The number of tokens: of FLUX height · width / 256, in pixels.
    few, many
        Two numbers of tokens.
    at_few, at_many
        ``mu`` there.

    Raises
    ------
    ValueError
        If the two numbers of tokens are the same.

    Examples
    --------
    >>> import diffusion
    >>> diffusion.grids.mu_of_tokens(4096)
    1.15
    """
    if few == many:
        raise ValueError(f"expected two numbers of tokens, received few = many = {few:g}")
    return float(at_few + (tokens - few) * (at_many - at_few) / (many - few))


def loglinear(levels: Sequence[float], count: int) -> np.ndarray:
    """Return ``count`` levels, their logarithms linear between those of given ones at equal distances."""
    given = np.log(np.asarray(levels, dtype=float))
    places = np.linspace(0.0, len(given) - 1.0, count)
    found: Any = np.exp(np.interp(places, np.arange(len(given)), given))
    found[0], found[-1] = levels[0], levels[-1]
    return np.asarray(found)
