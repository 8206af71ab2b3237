"""Time grids: strictly decreasing float64 arrays of a schedule's times, from noise to data.

A grid is plain data. The functions here place it uniformly in a power of a clock; any decreasing list serves as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from diffusion.grids.discrete import nearest, rounded, timesteps
from diffusion.process.clock import Clock
from diffusion.process.clock import clock as clock_of
from diffusion.process.schedule import NoiseSchedule
from expint.arguments import checked, instance, integer, numbers, seen
from expint.arrays import real_values

__all__ = ["check", "check_with_zero", "karras", "nearest", "power", "rounded", "through", "timesteps", "uniform"]

_ROUNDING = (1e-5, 0.02)
"""Relative: times that far above the schedule's range, or below it, are still its ends. Published noise levels are
rounded: 0.029 for σ = 0.02917 is 1.2 % in the time."""


number_of_times = partial(integer, most=1_000_000)
"""Checks a number of steps that a grid can have."""


@checked(steps=number_of_times)
def uniform(
    steps: int,
    clock: str | Clock = "t",
    *,
    schedule: NoiseSchedule,
    t_start: float | None = None,
    t_end: float | None = None,
) -> np.ndarray:
    """Return ``steps`` + 1 times, uniform in ``clock``: s_i = s_0 + (i/n) (s_n − s_0).

    Parameters
    ----------
    steps
        Number n of steps.
    clock
        A clock or its name: ``"t"``, ``"lambda"``, ``"rho"``, ``"angle"``, ``"flow"``, ``"log-flow"``, ``"edm-angle"``.
    schedule
        The schedule whose times these are.
    t_start, t_end
        Ends of the grid; the schedule's own by default.

    Raises
    ------
    ValueError
        If ``steps`` < 1, if the ends are not ``t_start`` > ``t_end``, or if the clock is not finite at an end.

    Examples
    --------
    >>> import diffusion
    >>> [round(float(t), 3) for t in diffusion.grids.uniform(3, schedule=diffusion.VP.linear(t_end=0.1))]
    [1.0, 0.7, 0.4, 0.1]
    """
    return power(steps, 1, clock, schedule=schedule, t_start=t_start, t_end=t_end)


@checked(steps=number_of_times)
def power(
    steps: int,
    exponent: float,
    clock: str | Clock = "t",
    *,
    schedule: NoiseSchedule,
    t_start: float | None = None,
    t_end: float | None = None,
) -> np.ndarray:
    """Return ``steps`` + 1 times, uniform in the root of a clock: s_i = (s_0^{1/k} + (i/n) (s_n^{1/k} − s_0^{1/k}))^k.

    Parameters
    ----------
    steps
        Number n of steps.
    exponent
        The power k > 0; the larger, the more of the steps lie near s = 0. k = 1 is `uniform`.
    clock
        The variable s, not negative unless k = 1: a clock or its name.
    schedule
        The schedule whose times these are.
    t_start, t_end
        Ends of the grid; the schedule's own by default.

    Raises
    ------
    ValueError
        If ``steps`` < 1, ``exponent`` is not positive, the ends are not ``t_start`` > ``t_end``, or the clock is not
        finite, or negative where a root of it is wanted, at an end.

    Examples
    --------
    >>> import diffusion
    >>> [round(float(t), 4) for t in diffusion.grids.power(2, 2, schedule=diffusion.VP.linear(t_end=0.01))]
    [1.0, 0.3025, 0.01]
    """
    if not 0.0 < exponent < float("inf"):
        raise ValueError(f"expected an exponent > 0; received {exponent!r}; 1 is uniform, 2 and 7 are usual")
    start, end = _ends(schedule, t_start, t_end)
    variable = clock_of(clock)
    with np.errstate(divide="ignore", invalid="ignore"):
        s = np.asarray(variable.value(schedule, np.array([start, end])))
    if not np.all(np.isfinite(s)):
        raise ValueError(
            f"expected the clock {variable.name!r} finite at both ends; received {s[0]} at t = {start} and {s[1]} at "
            f"t = {end}; move the end, or take a grid that is uniform in a bounded clock, such as "
            "grid=diffusion.grids.uniform(steps, 'angle', schedule=schedule)"
        )
    if exponent != 1 and np.any(s < 0.0):
        raise ValueError(
            f"expected a clock that is not negative for exponent {exponent!r}; received {variable.name!r} with values "
            f"{s[0]} … {s[1]}; use exponent 1 or another clock"
        )
    roots = s ** (1.0 / exponent)
    times = variable.time(schedule, np.linspace(roots[0], roots[1], steps + 1)[1:-1] ** exponent)
    return np.concatenate(([start], times, [end]))


@checked(steps=number_of_times)
def karras(
    steps: int,
    rho: float = 7.0,
    *,
    schedule: NoiseSchedule,
    t_start: float | None = None,
    t_end: float | None = None,
) -> np.ndarray:
    """Return the grid of Karras et al. 2022, eq. (5): uniform in σ^{1/``rho``}, σ that of the process x/α (σ/α here).

    Raises
    ------
    ValueError
        As `power` does.

    Examples
    --------
    >>> import diffusion
    >>> [round(float(t), 3) for t in diffusion.grids.karras(3, schedule=diffusion.EDM(0.1, 10.0))]
    [10.0, 2.934, 0.663, 0.1]
    """
    return power(steps, rho, "rho", schedule=schedule, t_start=t_start, t_end=t_end)


def through(grid: np.ndarray, times: Sequence[float]) -> np.ndarray:
    """Return the grid with its nearest inner times moved to those of ``times`` that lie inside it.

    Raises
    ------
    ValueError
        If two of them are nearest to one time of the grid, or none is left inside. Inside a grid of one time, from
        which one step leads to σ = 0, lies nothing.

    Examples
    --------
    >>> import numpy as np, diffusion
    >>> diffusion.grids.through(np.array([1.0, 0.7, 0.3, 0.1]), [0.6]).tolist()
    [1.0, 0.6, 0.3, 0.1]
    """
    moved = real_values("grid", grid, ndim=1).copy()
    if not moved.size:
        raise ValueError("expected a grid of at least one time; received none")
    grid, inside = moved.copy(), numbers("times", times)
    inside = [t for t in inside if grid[-1] < t < grid[0]]
    nearest = [1 + int(np.argmin(np.abs(grid[1:-1] - t))) if grid.size > 2 else 0 for t in inside]
    if len(set(nearest)) < len(inside) or 0 in nearest:
        raise ValueError(
            f"expected a grid fine enough to have steps end at each of the times {inside}; received {grid.size - 1} "
            "steps; take more"
        )
    moved[nearest] = inside
    return moved


def check(grid: Sequence[float] | np.ndarray, schedule: NoiseSchedule, least: int = 2) -> np.ndarray:
    """Return ``grid`` as a float64 array if it can be sampled on.

    Raises
    ------
    ValueError
        If it has fewer than ``least`` times, is not one-dimensional, finite and strictly decreasing, or leaves
        [``schedule.t_end``, ``schedule.t_start``] by more than rounding, which is taken back.

    Examples
    --------
    >>> import diffusion
    >>> diffusion.grids.check([1.0, 0.5, 0.1], diffusion.VP.linear()).tolist()
    [1.0, 0.5, 0.1]
    """
    instance("schedule", schedule, NoiseSchedule)
    least = integer("least", least, least=1)
    try:
        times = real_values("grid", grid)
    except TypeError:
        raise ValueError(
            f"expected a grid of real times; received {seen(grid)}; pass a decreasing list of floats"
        ) from None
    if times.ndim != 1 or times.size < least:
        raise ValueError(
            f"expected a grid of at least two times in one dimension; received shape {times.shape}; "
            "pass times such as [1.0, 0.5, 0.001] or build them with grids.uniform"
        )
    if not np.all(np.isfinite(times)):
        bad = int(np.flatnonzero(~np.isfinite(times))[0])
        raise ValueError(f"expected finite times; received {times[bad]} at index {bad}; remove it")
    if not np.all(np.diff(times) < 0.0):
        bad = int(np.flatnonzero(np.diff(times) >= 0.0)[0])
        raise ValueError(
            f"expected strictly decreasing times, from noise to data; received {times[bad]} followed by "
            f"{times[bad + 1]} at index {bad}; sort them in descending order and drop repeated ones"
        )
    if times[0] > schedule.t_start * (1.0 + _ROUNDING[0]) or times[-1] < schedule.t_end * (1.0 - _ROUNDING[1]):
        raise ValueError(
            f"expected times within the schedule's range [{schedule.t_end}, {schedule.t_start}]; received "
            f"[{times[-1]}, {times[0]}]; shorten the grid or widen the schedule's t_start or t_end"
        )
    return np.clip(times, schedule.t_end, schedule.t_start)


def check_with_zero(grid: Sequence[float] | np.ndarray, schedule: NoiseSchedule) -> tuple[np.ndarray, bool]:
    """Return the times of ``grid`` at which σ > 0, and whether the grid goes on from the last of them to σ = 0.

    It does if it ends at the schedule's ``t_clean`` and the schedule ends before, as the times of a run do; so it does
    if it ends in 0, which then stands for the time, t or index, of clean data.

    Raises
    ------
    ValueError
        As `check` does for the other times.

    Examples
    --------
    >>> import diffusion
    >>> times, to_zero = diffusion.grids.check_with_zero([1.0, 0.5, 0.0], diffusion.VP.linear())
    >>> times.tolist(), to_zero
    ([1.0, 0.5], True)
    """
    instance("schedule", schedule, NoiseSchedule)
    try:
        times = real_values("grid", grid)
    except TypeError:
        return check(grid, schedule), False  # which refuses it
    clean = times.ndim == 1 and times.size > 1 and times[-1] in (0.0, schedule.t_clean)
    to_zero = clean and times[-1] < schedule.t_end
    return (check(times[:-1], schedule, least=1), True) if to_zero else (check(grid, schedule), False)


def _ends(schedule: NoiseSchedule, t_start: float | None, t_end: float | None) -> tuple[float, float]:
    if not isinstance(schedule, NoiseSchedule):
        raise TypeError(
            f"expected a NoiseSchedule; received {type(schedule).__name__}; pass schedule=VP.linear() or another"
        )
    start = schedule.t_start if t_start is None else float(t_start)
    end = schedule.t_end if t_end is None else float(t_end)
    if not start > end:
        raise ValueError(f"expected t_start > t_end; received t_start = {start}, t_end = {end}; exchange them")
    return start, end
