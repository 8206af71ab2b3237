"""A named sampler on one schedule and grid, written out as the numbers of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import expint
from diffusion.planning.rows import Rows
from diffusion.process.prediction import coefficients
from diffusion.process.schedule import NoiseSchedule
from diffusion.samplers.catalogue import AnySampler
from diffusion.samplers.fitted import SLOPES, FittedSampler
from diffusion.samplers.laid_out import laid_out
from expint.arguments import instance, text

__all__ = ["freeze"]


def freeze(
    sampler: str | AnySampler,
    schedule: NoiseSchedule,
    *,
    steps: int | None = None,
    grid: str | Sequence[float] | np.ndarray | None = None,
    name: str | None = None,
) -> FittedSampler:
    """Return a sampler on one schedule and grid as plain data: its rows x_{i+1} = Σ A_ij x_j + Σ D_ij f(x_j, τ_j).

    It is the same map, for any network and samples of any shape: its plan equals that of the sampler, to rounding. It
    can be saved, shared, run where this library is not, and fitted further.

    Parameters
    ----------
    sampler
        A name, or a sampler.
    schedule
        The schedule.
    steps, grid
        As of `diffusion.sample`: the number of steps, or their times, or a number and the name of a grid.
    name
        What it is called; None is the name of the sampler.

    Returns
    -------
    FittedSampler
        n steps; as many calls as the sampler makes.

    Raises
    ------
    TypeError
        If weights are no numbers, as those of DPM-Solver-v3 with its tables.
    ValueError
        As `diffusion.sample` does.

    Notes
    -----
    Its rows are those of Shaul et al., *Bespoke non-stationary solvers*, 2024, that of every linear sampler.

    Examples
    --------
    >>> import diffusion
    >>> vp = diffusion.VP.linear()
    >>> six = diffusion.freeze("dpmpp-2m", vp, steps=6)
    >>> six.steps, six.calls, six.plan_on(vp) == diffusion.sampler("dpmpp-2m").plan(vp, six.nodes)
    (6, 6, True)
    """
    instance("schedule", schedule, NoiseSchedule)
    chosen, times, to_zero = laid_out(schedule, sampler, steps, grid)
    called = chosen.name if name is None else text("name", name)
    plan = chosen.plan(schedule, times, to_zero=to_zero)
    if isinstance(chosen, FittedSampler):
        return chosen
    plan.require_numbers(one_each=True)
    rows, kind = _transcribed(plan), chosen.gauge.predicts
    if not isinstance(kind, str) or kind not in SLOPES:
        rows, kind = _in_data(rows, kind, schedule), "data"
    if kind == "edm" and float(chosen.gauge.sigma_data) != schedule.sigma_data:
        rows, kind = _in_data(rows, kind, schedule), "data"
    reference = chosen.reference
    return FittedSampler(
        called, schedule, rows.nodes, rows.c, rows.D, rows.A, rows.times, rows.accepted, kind, reference=reference
    )


def _transcribed(plan: expint.Plan) -> Rows:
    """Return the rows of a plan by the points that they combine."""
    every, layout = list(plan.rows), plan.layout
    n = len(every) - 1
    nodes, times = np.array([t for t, _ in every]), np.array([row.told(t) for t, row in every[:-1]])
    c, A, D = np.zeros(n), np.zeros((n, n)), np.zeros((n, n))
    states, values = [0], [0] if every[0][1].evaluate else []  # the points in memory, newest first
    for i, (_, row) in enumerate(every[1:]):
        parts = layout.parts(row.weights)
        if any(parts.noise) or any(parts.constant[: layout.constant]):
            raise TypeError("expected a deterministic sampler without a constant, received one whose rows have such")
        _enter(A[i], states, parts.states)
        _enter(D[i], values, parts.values)
        c[i] = parts.constant[-1] or 0.0 if layout.first else 0.0
        states = [i + 1, *states] if row.accept else states
        values = [i + 1, *values] if row.evaluate else values
    accepted = np.array([row.accept for _, row in every[1:]])
    return Rows(nodes, times, accepted, c, A, D)


def _enter(row: np.ndarray, points: Sequence[int], weights: Sequence[Any]) -> None:
    for point, weight in zip(points, weights):
        if weight is not None:
            row[point] += weight


def _in_data(rows: Rows, kind: Any, schedule: NoiseSchedule) -> Rows:
    """Return the rows for predictions of the data: f_j = p x_j + q x₀(x_j, τ_j), x_j as its own row makes it."""
    A, D, c, given = rows.A.copy(), rows.D.copy(), rows.c.copy(), rows.D
    accepted = np.append(True, rows.accepted)
    for i in range(len(c)):
        for j in np.flatnonzero(given[i]):
            t, weight = rows.times[j], given[i, j]
            p, q = coefficients("data", kind, float(schedule.alpha(t)), float(schedule.sigma(t)), schedule.sigma_data)
            D[i, j] += weight * (q - 1.0)
            if accepted[j]:
                A[i, j] += weight * p
            else:  # an inner stage, which A does not look at
                A[i], D[i], c[i] = (
                    A[i] + weight * p * A[j - 1],
                    D[i] + weight * p * D[j - 1],
                    c[i] + weight * p * c[j - 1],
                )
    return rows._replace(A=A, D=D, c=c)
