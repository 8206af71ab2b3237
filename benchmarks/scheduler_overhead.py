"""What a step of a scheduler costs beside the network: ours and those of diffusers, in one run on the same machine.

Run it as ``python -m benchmarks.scheduler_overhead``. A loop like that of a pipeline hands in the same output again and
again, so that only the scheduler is timed; of all steps of its runs the median counts, and the schedulers take turns.
The other columns count operations on tensors in a step: all of them, those on whole states, and looks at single values,
each of which waits for a device. ``--device cuda`` times on a GPU, with waiting for it forbidden in our steps.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks import parser
from benchmarks.machine import describe, load

SHAPE = (1, 4, 64, 64)
OURS = ("euler", "dpmpp-2m", "dpmpp-3m", "deis-tab2", "unipc3", "auto", "edm-heun")
THEIRS = {
    "FlowMatchEulerDiscreteScheduler": {},
    "EulerDiscreteScheduler": {},
    "DDIMScheduler": {},
    "HeunDiscreteScheduler": {},
    "DPMSolverMultistepScheduler": {"solver_order": 3},
    "UniPCMultistepScheduler": {"solver_order": 3},
    "DEISMultistepScheduler": {"solver_order": 3},
}


class Counted(TorchDispatchMode):
    """Counts operations on tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.all, self.whole, self.looks = 0, 0, 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count one operation."""
        del types
        result = function(*args, **(kwargs or {}))
        self.all += 1
        self.whole += isinstance(result, torch.Tensor) and result.numel() > 1000
        self.looks += any(word in str(function) for word in ("_local_scalar_dense", "nonzero"))
        return result


def run(scheduler: Any, x: torch.Tensor, output: torch.Tensor, around: Callable[[Callable[[], object]], None]) -> None:
    """Run the loop of a pipeline, with ``around`` called with each of its steps, the first two left out."""
    for number, t in enumerate(scheduler.timesteps):
        given = scheduler.scale_model_input(x, t) if hasattr(scheduler, "scale_model_input") else x
        del given

        def step(t: Any = t) -> object:
            return scheduler.step(output, t, x, return_dict=False)

        around(step) if number > 1 else step()


def schedulers() -> dict[str, Any]:
    """Return the contestants by what the table calls them."""
    import diffusers

    from diffusion.adapters.diffusers import Scheduler

    theirs = {name: getattr(diffusers, name)(**options) for name, options in THEIRS.items()}
    config = theirs["DPMSolverMultistepScheduler"].config
    ours = {name: Scheduler.from_config(config, sampler=name) for name in OURS}
    orders = {name: f" ({options['solver_order']})" if options else "" for name, options in THEIRS.items()}
    return {
        **{f"Scheduler, {name}": one for name, one in ours.items()},
        **{n + orders[n]: s for n, s in theirs.items()},
    }


def table(steps: int, rounds: int, device: str) -> list[list[str]]:
    """Return the rows of the table."""
    x, output = (torch.randn(SHAPE, device=device) for _ in range(2))
    contestants = schedulers()
    times: dict[str, list[float]] = {name: [] for name in contestants}

    def timed(name: str) -> Callable[[Callable[[], object]], None]:
        def around(step: Callable[[], object]) -> None:
            start = time.perf_counter()
            step()
            times[name].append(time.perf_counter() - start)

        return around

    for _ in range(rounds):
        for name, scheduler in contestants.items():
            scheduler.set_timesteps(steps, device=device)
            begin_at_noise(scheduler)
            if device != "cpu" and name.startswith("Scheduler"):
                torch.cuda.set_sync_debug_mode("error")
            run(scheduler, x, output, timed(name))
            if device != "cpu":
                torch.cuda.set_sync_debug_mode("default")
    lines = []
    for name, scheduler in contestants.items():
        scheduler.set_timesteps(steps, device=device)
        begin_at_noise(scheduler)
        counted = Counted()

        def around(step: Callable[[], object], counted: Counted = counted) -> None:
            with counted:
                step()

        run(scheduler, x, output, around)
        calls = len(times[name]) // rounds
        median = sorted(times[name])[len(times[name]) // 2]
        counts = [f"{value / calls:.0f}" for value in (counted.all, counted.whole, counted.looks)]
        lines.append([name, f"{1e6 * median:.0f}", *counts])
    return lines


def begin_at_noise(scheduler: Any) -> None:
    """Say where a run begins, as pipelines do."""
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(0)


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table."""
    command = parser("benchmarks.scheduler_overhead", __doc__)
    command.add_argument("--device", default="cpu", help="where the states lie")
    options = command.parse_args(arguments)
    torch.set_num_threads(1)
    print(f"{describe(('torch', 'diffusers', 'numpy'))}; {load()}; states of shape {SHAPE}, one thread")
    print("| scheduler | µs a step | operations | on whole states | looks at values |\n| --- | --- | --- | --- | --- |")
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # theirs: of NumPy's copies
        for line in table(6 if options.quick else 20, 1 if options.quick else 30, options.device):
            print(f"| {' | '.join(line)} |")


if __name__ == "__main__":
    main(sys.argv[1:])
