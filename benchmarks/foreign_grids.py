"""Samplers on the grids of pipelines of diffusers, with and without lower orders at their end.

Run it as ``python -m benchmarks.foreign_grids``. An exact model stands in place of the network. Errors are mean
distances to the solution of the ODE from the same noise; "kept" and "lowered" say how the last steps are
made; "euler" is what the scheduler of flow matching itself does.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

import diffusion
from benchmarks import parser

TABLE = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
GRIDS: dict[str, tuple[str, dict[str, Any]]] = {
    "SD, leading": ("DPMSolverMultistepScheduler", {**TABLE, "timestep_spacing": "leading", "steps_offset": 1}),
    "SD, Karras": ("DPMSolverMultistepScheduler", {**TABLE, "use_karras_sigmas": True}),
    "DDIM, trailing": ("DDIMScheduler", {"timestep_spacing": "trailing"}),
    "flow": ("FlowMatchEulerDiscreteScheduler", {"shift": 1.0}),
    "flow, shift 3": ("FlowMatchEulerDiscreteScheduler", {"shift": 3.0}),
    "flow, shift 7": ("FlowMatchEulerDiscreteScheduler", {"shift": 7.0}),
    "EDM": ("EDMEulerScheduler", {}),
}
NAMES = ("euler", "dpmpp-2m", "dpmpp-3m", "unipc3", "deis-rhoab1", "deis-tab3", "auto")


def errors(origin: str, options: dict[str, Any], name: str, steps: int) -> list[float]:
    """Return the mean errors of a sampler with its order kept and lowered at the end of a grid of diffusers."""
    import diffusers

    from diffusion.adapters.diffusers import Scheduler

    rng = np.random.default_rng(0)
    means, noise = rng.standard_normal((6, 4)), rng.standard_normal((32, 4))
    config = getattr(diffusers, origin)(**options).config
    found = []
    for lower in (False, True):
        scheduler = Scheduler.from_config(config, sampler=name, grid="config", lower_order_final=lower)
        scheduler.set_timesteps(steps)
        schedule, times = scheduler.schedule, scheduler.times
        net = diffusion.models.gaussian_mixture([1] * 6, means, [0.04 * np.eye(4)] * 6, schedule, predicts="data")
        first, last = (float(schedule.half_log_snr(t)) for t in (times[0], schedule.t_end))
        inner = np.asarray(schedule.time(np.linspace(max(first, -9.0), last, 300)))[1:-1]
        fine = np.concatenate([times[:1], inner, [schedule.t_end, schedule.t_clean]])
        exact = diffusion.sample(net, noise, sampler="dpmpp-2m", grid=fine[np.append(True, np.diff(fine) < 0)])
        own = diffusion.sample(net, noise, sampler=scheduler._rule, grid=times)
        found.append(float(np.linalg.norm(own - exact, axis=1).mean()))
    return found


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table."""
    options = parser("benchmarks.foreign_grids", __doc__).parse_args(arguments)
    print("| grid | steps | " + " | ".join(f"{name} kept / lowered" for name in NAMES) + " |")
    print("| --- " * (2 + len(NAMES)) + "|")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for grid, (origin, config) in list(GRIDS.items())[: 1 if options.quick else None]:
            for steps in (5,) if options.quick else (5, 8, 20):
                cells = ["{:.3f} / {:.3f}".format(*errors(origin, config, name, steps)) for name in NAMES]
                print(f"| {grid} | {steps} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main(sys.argv[1:])
