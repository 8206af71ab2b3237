"""From the values of a run to the sampler that they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffusion.denoiser import Denoiser
from diffusion.samplers.bands import Bands
from diffusion.samplers.fitted import FittedSampler, Report
from diffusion.tuning.values import Values

__all__ = ["as_sampler"]


def as_sampler(
    values: Values,
    denoiser: Denoiser,
    end: float,
    *,
    name: str,
    shape: tuple[int, ...],
    bands: Bands | None,
    report: Report,
) -> FittedSampler:
    """Return the sampler with these ``values``, whose run ends at the time ``end``.

    Where the first call is not made at the first state of a run, its point is an inner stage of the first step.
    """
    schedule, weights = denoiser.schedule, {"c": values.c, "D": values.D}
    nodes, first, n = values.times, float(denoiser.schedule.t_start), values.calls
    early = float(nodes[0]) != first or np.any(values.c[0] != 1.0)
    shared: dict[str, Any] = {"bands": bands, "predicts": denoiser.predicts, "shape": shape, "report": report}
    if not early:
        return FittedSampler(name, schedule, [*nodes, end], weights["c"][1:], weights["D"][1:], **shared)
    D = np.zeros((n + 1, n + 1, *values.D.shape[2:]))
    D[:, 1:] = values.D
    accepted = np.arange(n + 1) > 0
    return FittedSampler(name, schedule, [first, *nodes, end], values.c, D, accepted=accepted, **shared)
