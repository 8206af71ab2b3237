"""Where the random columns of a plan lie on a Brownian path, and in which clock they are its increments."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import exp, isclose, isfinite
from typing import Any

import expint
from diffusion.process.schedule import NoiseSchedule
from diffusion.process.sde import sde
from diffusion.process.strength import Constant

__all__ = ["increments"]

Places = list[list[tuple[float, float]]]


def increments(
    sampler: Any, schedule: NoiseSchedule, plan: expint.Plan
) -> tuple[Places, Callable[[float, float], float]]:
    """Return for each step the intervals in λ of its columns, and the variance of the path between two values of λ.

    Raises
    ------
    ValueError
        If the strength is not one number: then the clock of the path depends on the steps.
    """
    strength = getattr(sampler, "stochasticity", None)
    if not isinstance(strength, Constant) or not isfinite(strength.tau):
        raise ValueError(
            f"expected a sampler of one finite strength τ for a Brownian path, received {sampler.name!r}, whose noise "
            "depends on its steps; take diffusion.sampler('dpmpp-2m', stochasticity=1), or seeds"
        )
    lam = [[float(schedule.half_log_snr(t)) for t in step.times] for step in plan.steps[:-1]]
    last = plan.steps[-1]
    noisy = any(w is not None for row in last.rows for w in plan.layout.parts(row.weights).noise)
    lam += [[float(schedule.half_log_snr(t)) for t in last.times]] if noisy else []
    if not isfinite(lam[0][0]):
        raise ValueError(
            f"expected a run from α > 0 for a Brownian path, received λ = {lam[0][0]} at its start; take another "
            "grid, or seeds"
        )
    equation, square = sde(sampler.gauge), strength.tau**2
    linear, rho = equation.constants(square)[0], equation.growth is None

    def variance(start: float, end: float) -> float:
        s, t = (exp(-start), exp(-end)) if rho else (start, end)
        return exp(-2.0 * linear * t) * equation.variance(square, s, t)

    return [_intervals(before[-1], own) for before, own in pairwise(lam)], variance


def _intervals(start: float, places: list[float]) -> list[tuple[float, float]]:
    """Return the intervals between the different places of a step."""
    ends = [start]
    for at in sorted(places):
        if not isclose(at, ends[-1], rel_tol=0, abs_tol=1e-12 * (1 + abs(at))):
            ends.append(at)
    return list(pairwise(ends))
