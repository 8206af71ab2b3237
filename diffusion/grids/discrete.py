"""Grids for networks that know some times only: rounded, moved to known times, or the timesteps of diffusers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import numpy as np

from diffusion.names import resolve
from diffusion.process.clock import FLOW
from diffusion.process.schedule import FlowMatching, NoiseSchedule
from diffusion.process.vp import VP
from expint.arguments import checked, flag, integer, seen
from expint.arrays import real_values

__all__ = ["nearest", "rounded", "timesteps"]


def finite_times(name: str, values: Any) -> np.ndarray:
    """Return times as an array with one axis, or refuse what is none."""
    times = real_values(name, values, ndim=1)
    if not times.size or not np.all(np.isfinite(times)):
        raise ValueError(f"expected {name} as finite times, received {seen(values)}")
    return times


@checked(count=partial(integer, least=1, most=10**9))
def rounded(grid: Sequence[float] | np.ndarray, count: int = 1000) -> np.ndarray:
    """Return the grid rounded to the times i/N, N = ``count``, of a discrete-time network.

    Raises
    ------
    ValueError
        If two times are rounded together.

    Examples
    --------
    >>> import diffusion
    >>> diffusion.grids.rounded([0.98765, 0.5001], 1000).tolist()
    [0.988, 0.5]
    """
    grid = finite_times("grid", grid)
    return kept_apart(grid, np.round(grid * count) / count, "times", "rounded", f"1/{count}")


def nearest(grid: Sequence[float] | np.ndarray, times: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return the grid with each of its times moved to the nearest of ``times``, those that a network was trained at.

    EDM's ``round_sigma`` on networks with discrete noise levels.

    Raises
    ------
    ValueError
        If two times are moved together.

    Examples
    --------
    >>> import diffusion
    >>> diffusion.grids.nearest([0.9, 0.45], [1.0, 0.8, 0.5, 0.1]).tolist()
    [1.0, 0.5]
    """
    given, known = finite_times("grid", grid), finite_times("times", times)
    moved = known[np.argmin(np.abs(given[:, None] - known), axis=1)]
    return kept_apart(given, moved, "times", "moved", f"one of {known.size}")


def kept_apart(given: np.ndarray, moved: np.ndarray, what: str, verb: str, to: str) -> np.ndarray:
    """Return the times or levels ``moved``, or refuse two neighbours that became one.

    Parameters
    ----------
    given, moved
        Before and after.
    what, verb, to
        Words for the message: "times" "rounded" to "1/1000".

    Raises
    ------
    ValueError
        If two are the same.
    """
    same = np.flatnonzero(np.diff(moved) == 0.0)
    if same.size:
        i = int(same[0])
        raise ValueError(
            f"expected {what} that stay apart when {verb} to {to}, received {given[i]} and {given[i + 1]} at index "
            f"{i}, both {verb} to {moved[i]}; take fewer steps or another grid"
        )
    return moved


@checked(spare=partial(integer, least=0, most=1_000_000), offset=partial(integer, least=0, most=1_000_000))
def timesteps(
    steps: int | Sequence[int],
    spacing: Literal["linspace", "leading", "trailing"] = "linspace",
    *,
    schedule: NoiseSchedule,
    offset: int = 0,
    final: Literal["zero", "sigma_min"] = "zero",
    spare: int = 1,
    whole: bool = True,
) -> np.ndarray:
    """Return the grid of diffusers' schedulers: the times (i + 1)/N of whole timesteps i, and the time of the end.

    N is that of a table, or 1000. With m = ``steps`` + ``spare``, "linspace" rounds m numbers from N − 1 to 0,
    "leading" takes the multiples of ⌊N/m⌋ below m ⌊N/m⌋, plus ``offset``, and "trailing" rounds N, N − N/n, …, minus 1.
    The first n = ``steps`` of these are the timesteps. Where they are given as a list, they are these.

    Parameters
    ----------
    steps
        Number n of steps, or the timesteps themselves: whole numbers from N − 1 to 0 at most, decreasing; of flow
        matching 1000 σ, from 1000 to more than 0.
    spacing
        The rule; its names are those of Lin et al. 2023, table 2. Given timesteps have none.
    schedule
        A variance-preserving schedule; for given timesteps also flow matching.
    offset
        What is added to "leading" timesteps; diffusers' ``steps_offset``.
    final
        Where the last step leads: "zero" is σ = 0, which the grid says by a last time 0, and "sigma_min" timestep 0.
    spare
        1 as in the multistep schedulers (DPM-Solver, DEIS, UniPC), 0 as in those of DDIM and Euler.
    whole
        Whether "linspace" is rounded to whole timesteps; the schedulers of Euler, Heun and KDPM2 do not. The others
        are whole.

    Raises
    ------
    ValueError
        If the schedule is not variance preserving, a name is unknown, rounding puts two times together, or given
        timesteps do not decrease or are none of the schedule.

    Examples
    --------
    >>> import diffusion
    >>> [round(float(t), 3) for t in diffusion.grids.timesteps(4, schedule=diffusion.VP.linear())]
    [1.0, 0.75, 0.501, 0.251, 0.0]
    """
    resolve(spacing, dict.fromkeys(("linspace", "leading", "trailing")), {}, "spacing")
    resolve(final, dict.fromkeys(("zero", "sigma_min")), {}, "final")
    if not isinstance(steps, int | np.integer | float):
        return _of_timesteps(finite_times("steps", steps), schedule, final)
    n = integer("steps", steps, most=1_000_000)
    if not isinstance(schedule, VP):
        raise ValueError(
            f"expected a variance-preserving schedule, whose times are (i + 1)/N, received {type(schedule).__name__}; "
            "take another grid"
        )
    if not flag("whole", whole) and spacing != "linspace":
        raise ValueError(
            f"expected whole=True for timesteps that are whole anyway, {spacing!r}; received False; drop it"
        )
    count, points = len(getattr(schedule, "half_log_snrs", range(1000))), n + spare
    even = np.linspace(0, count - 1, points)[::-1]
    indices = {
        "linspace": np.round(even) if whole else even,
        "leading": np.arange(points)[::-1] * (count // points) + offset,
        "trailing": np.round(np.arange(count, 0, -count / n)) - 1,
    }[spacing][:n]
    times = np.append((indices + 1) / count, 0.0 if final == "zero" else 1 / count)
    same = np.flatnonzero(np.diff(times) >= 0.0)
    if same.size:
        raise ValueError(
            f"expected times that stay apart when rounded to 1/{count}; received {times[same[0]]:g} followed by "
            f"{times[same[0] + 1]:g}; take fewer steps than {n}, or another spacing"
        )
    return times


def _of_timesteps(given: np.ndarray, schedule: NoiseSchedule, final: str) -> np.ndarray:
    """Return the times of timesteps as models count them, and that of the end."""
    flow = isinstance(schedule, FlowMatching)
    if not (flow or isinstance(schedule, VP)):
        raise ValueError(
            f"expected a variance-preserving schedule or flow matching, which have timesteps, received "
            f"{type(schedule).__name__}; give noise levels instead: grids.sigmas(values, schedule=schedule)"
        )
    count = len(getattr(schedule, "half_log_snrs", range(1000)))
    within = np.all((given > 0) & (given <= count)) if flow else np.all((given >= 0) & (given < count))
    if not within or np.any(np.diff(given) >= 0.0):
        bounds = f"{count} to more than 0" if flow else f"{count - 1} to 0"
        raise ValueError(f"expected decreasing timesteps from {bounds}, received {seen(given.tolist())}; sort them")
    with np.errstate(divide="ignore"):
        times = np.asarray(FLOW.time(schedule, given / count)) if flow else (given + 1.0) / count
    if final == "sigma_min":
        return np.append(times, 1.0 / count) if times[-1] > 1.0 / count else times
    return np.append(times, 0.0)
