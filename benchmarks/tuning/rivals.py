"""The rivals: named samplers on hand-made and on tuned grids, and published ways to fit, as options of ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

import diffusion
from benchmarks.kept import digest, form_of

__all__ = ["FITTED", "NAMES", "ON_TUNED_GRIDS", "Rival", "hand_made"]

NAMES = tuple(name for name in diffusion.sampler_names() if name != "auto")
"""Every named sampler that draws no noise, with the variants of other libraries."""

GRIDS = (("t", 1.0), ("t", 2.0), ("lambda", 1.0), ("rho", 7.0))
"""Clock and exponent: uniform in t, in √t, in λ, and Karras' grid."""


def root_of_flow(steps: int, schedule: diffusion.NoiseSchedule) -> np.ndarray:
    """Return a grid uniform in the root of the flow time: where the search for times begins."""
    return diffusion.grids.power(steps, 2.0, "flow", schedule=schedule)


ON_TUNED_GRIDS = tuple(diffusion.sampler(name, grid=root_of_flow) for name in ("unipc3", "deis-tab3"))
"""Exact weights, to be put on times that are tuned to the network."""

STARTED_FROM = diffusion.sampler("dpmpp-2m", grid=root_of_flow)
"""Where published fits begin that name a solver: on times on which it does well."""

FITTED: dict[str, dict[str, Any]] = {
    "BNS: times and weights by gradient": {"by": "gradient", "sampler": STARTED_FROM},
    "LD3: times, weights of UniPC-3": {"what": "grid", "sampler": ON_TUNED_GRIDS[0]},
    "DMN: times of the least weight": {"what": "grid", "search": "total-weight", "sampler": ON_TUNED_GRIDS[0]},
    "GITS, OptimalSteps: times by dynamic programming": {"what": "grid", "search": "dp", "sampler": STARTED_FROM},
    "OLSS: rows by least squares": {"what": "rows", "by": "closed-form", "sampler": STARTED_FROM},
    "`diffusion.tune` as it is": {},
}
"""Published ways to fit a sampler, as far as their formulas say it: the free numbers, and how they are found."""


class Rival(NamedTuple):
    """A named sampler on a grid, as options of `diffusion.sample`, with the numbers of its plan."""

    name: str
    how: dict[str, Any]
    form: tuple[np.ndarray, ...]


def hand_made(net: diffusion.Denoiser, calls: int, names: Sequence[str] = NAMES) -> list[Rival]:
    """Return named samplers on hand-made grids, those whose runs have no more than so many calls, equal ones once."""
    schedule, found = net.schedule, dict[str, Rival]()
    grids = {pair: _grids(schedule, *pair, calls) for pair in GRIDS}
    for name in names:
        steps = calls // max(diffusion.sampler(name).method.stages, 1)  # type: ignore[union-attr]  # named samplers of this table have methods
        for (clock, exponent), laid_out in grids.items():
            if steps not in laid_out:
                continue
            grid = laid_out[steps]
            try:
                form = form_of(diffusion.sampler(name).on(schedule, grid).plan(schedule, grid))
            except ValueError:  # infinite at an end
                continue
            rival = Rival(f"{name} on {clock}^(1/{exponent:g})", {"sampler": name, "grid": grid}, form)
            if len(form[0]) <= calls:
                found.setdefault(digest(form), rival)
    return list(found.values())


def _grids(schedule: diffusion.NoiseSchedule, clock: str, exponent: float, most: int) -> dict[int, np.ndarray]:
    """Return the grids of up to so many steps, none where the clock is infinite at an end."""
    try:
        return {n: diffusion.grids.power(n, exponent, clock, schedule=schedule) for n in range(1, most + 1)}
    except ValueError:
        return {}
