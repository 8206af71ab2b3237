"""From the values of a run to the sampler that they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffusion.denoiser import Denoiser
from diffusion.samplers.fitted import FittedSampler, Report
from diffusion.tuning.values import Values

__all__ = ["as_sampler"]


def as_sampler(
    values: Values,
    denoiser: Denoiser,
    times: np.ndarray,
    *,
    shape: tuple[int, ...],
    report: Report,
) -> FittedSampler:
    """Return the sampler with these ``values``, for a run that was laid out over ``times``.

    Where the first call is not made at the first state of a run, its point is an inner stage of the first step. The
    network may be told times in any order; the points then lie at the ``times`` of the run as it was laid out.
    """
    schedule = denoiser.schedule
    told, first, end, n = values.times, float(schedule.t_start), float(times[-1]), values.calls
    early = float(told[0]) != first or np.any(values.c[0] != 1.0)
    nodes = told if np.all(np.diff(np.append(told, end)) < 0.0) else times[:-1]
    name = f"tuned-{n}"
    nodes, told = (np.append(first, part) if early else part for part in (nodes, told))
    shared: dict[str, Any] = {
        "times": told,
        "bands": values.bands,
        "predicts": denoiser.predicts,
        "shape": shape,
        "report": report,
    }
    if not early:
        return FittedSampler(name, schedule, np.append(nodes, end), values.c[1:], values.D[1:], **shared)
    D = np.zeros((n + 1, n + 1, *values.D.shape[2:]))
    D[:, 1:] = values.D
    accepted = np.arange(n + 1) > 0
    return FittedSampler(name, schedule, np.append(nodes, end), values.c, D, accepted=accepted, **shared)
