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
    end: float,
    *,
    shape: tuple[int, ...],
    report: Report,
) -> FittedSampler:
    """Return the sampler with these ``values``, whose run ends at the time ``end``.

    Where the first call is not made at the first state of a run, its point is an inner stage of the first step.
    """
    schedule = denoiser.schedule
    nodes, first, n = values.times, float(schedule.t_start), values.calls
    early = float(nodes[0]) != first or np.any(values.c[0] != 1.0)
    name = f"tuned-{n}"
    shared: dict[str, Any] = {"bands": values.bands, "predicts": denoiser.predicts, "shape": shape, "report": report}
    if not early:
        return FittedSampler(name, schedule, np.append(nodes, end), values.c[1:], values.D[1:], **shared)
    D = np.zeros((n + 1, n + 1, *values.D.shape[2:]))
    D[:, 1:] = values.D
    accepted = np.arange(n + 1) > 0
    return FittedSampler(
        name, schedule, np.concatenate([[first], nodes, [end]]), values.c, D, accepted=accepted, **shared
    )
