"""Runs that follow the log-densities of several models: which frame a superposed denoiser runs in."""

from __future__ import annotations

from itertools import pairwise
from math import isfinite
from typing import Any

import expint
from diffusion.guidance.along_flow import AlongFlow, WithDensities
from diffusion.guidance.reverse import Following, Reverse
from diffusion.guidance.superposed import Superposed
from diffusion.planning.frame import Frame

__all__ = ["Tracked"]


class Tracked(Frame):
    """The frame of a superposed denoiser, before its run is laid out."""

    denoiser: Superposed

    def for_run(self, plan: expint.Plan, sampler: Any, rng: Any) -> Frame:
        """Return the frame of one run.

        Raises
        ------
        ValueError
            If the run leads from data to noise, or the sampler does not fit; see `superpose`.
        """
        del rng
        models = self.denoiser
        if not models.mode.tracks:
            return self
        if plan.steps[-1].times[-1] > plan.steps[0].times[0]:
            raise ValueError(
                f"expected a run from noise, where all models have one density, received one from data for {models!r}; "
                "take fixed weights, or each model alone"
            )
        if not plan.layout.noise:
            return AlongFlow(WithDensities(*_parts(models), source=models), plan=plan)
        _check_strength(models, plan, sampler)
        return Reverse(Following(*_parts(models), source=models, plan=plan, sampler=sampler), plan=plan)


def _parts(models: Superposed) -> tuple[Any, ...]:
    return models.network, "data", models.schedule, models.condition, models.discontinuities


def _check_strength(models: Superposed, plan: expint.Plan, sampler: Any) -> None:
    """Raise ValueError unless a sampler runs the reverse of the noising process, in steps that can be followed."""
    lam = [float(models.schedule.half_log_snr(step.times[-1])) for step in plan.steps]
    spent = getattr(getattr(sampler, "stochasticity", None), "spent", None)
    inner = [(a, b) for a, b in pairwise(lam) if isfinite(a) and isfinite(b)]
    if spent is None or any(abs(spent(a, b) - (b - a)) > 1e-9 * (b - a) for a, b in inner):
        raise ValueError(
            f"expected a sampler of strength 1, the reverse of the noising process, by whose steps densities are "
            f"followed, received {sampler.name!r}; take 'ddpm', 'dpmpp-2m-sde', or 'dpmpp-2m', which draws no noise"
        )
    if any(row.accept and not row.evaluate for step in plan.steps[:-1] for row in step.rows):
        raise ValueError(
            f"expected a sampler that calls the network at its states, received {sampler.name!r}, which corrects them "
            "afterwards; take 'ddpm' or 'dpmpp-2m-sde'"
        )
    if models.mode.foresees and any(len(step.rows) > 1 for step in plan.steps):
        raise ValueError(
            f"expected a sampler of one call a step for 'and', received {sampler.name!r}, whose noise acts on stages "
            "that are not known when the weights are chosen; take 'ddpm' or 'dpmpp-2m-sde'"
        )
