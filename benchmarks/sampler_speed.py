"""What a step of each sampler costs beside its network: tensor operations and time, beside loops written by hand.

Run it as ``python -m benchmarks.sampler_speed``. The network returns a constant and predicts noise; its own time is
taken off. All contestants take turns, and of each the shortest time counts. On a CUDA device every sampler is also run
with waiting for the device forbidden, from the first call of the network to the last. A second table compares whole
runs with the calls of the shipped network that they make.
"""

# ruff: noqa: ARG005  (networks take x and t, whether they look at them or not)

from __future__ import annotations

import copy
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

import diffusion
from benchmarks import parser
from benchmarks.tensor_operations import operations_per_step, run_without_synchronisation
from diffusion.adapters.networks import in_dtype
from diffusion.planning.plan import plan_sampler

SHAPE = (1, 4, 64, 64)
SAMPLERS = ("ddim", "deis-tab3", "ipndm", "lms4", "dpm3m", "dpmpp-3m", "unipc3", "sa3")
SHORT, LONG, PLANNED = 20, 120, 50
REPEATS, RUNS = 60, 12
NETWORK_CALLS = 10

Loop = Callable[[int], object]


def th_deis(x: torch.Tensor, output: torch.Tensor, steps: int, slopes: int = 4) -> torch.Tensor:
    """Return the end of a run as th_deis makes it: Σ coefficient · slope term by term, coefficients as tensors."""
    coefficients = [torch.tensor(0.1, device=x.device) for _ in range(slopes + 1)]
    past: list[torch.Tensor] = [output] * (slopes - 1)
    for i in range(steps):
        t = torch.ones(x.shape[0], device=x.device) * (1.0 - i / steps)
        del t  # the network would be called with it
        known = [output, *past]
        x = coefficients[0] * x
        for coefficient, slope in zip(coefficients[1:], known):
            x += coefficient * slope
        past = known[:-1]
    return x


def by_hand(x: torch.Tensor, output: torch.Tensor, steps: int, slopes: int = 4) -> torch.Tensor:
    """Return the end of the shortest loop: one operation in place for each slope, and nothing looked at."""
    past = (output,) * slopes
    for _ in range(steps):
        past = (output, *past[:-1])
        point = 0.1 * x
        for slope in past:
            point.add_(slope, alpha=0.1)
        x = point
    return x


def contestants(x: torch.Tensor, samplers: Sequence[str]) -> dict[str, Loop]:
    """Return the loops by name, each a function of the number of steps."""
    output = torch.zeros_like(x)
    denoiser = diffusion.Denoiser(lambda x, t: output)
    ours = {
        name: lambda steps, name=name: diffusion.sample(denoiser, x, sampler=name, steps=steps) for name in samplers
    }
    return {
        "the loop of th_deis, 4 slopes": lambda steps: th_deis(x, output, steps),
        "written by hand, 4 slopes": lambda steps: by_hand(x, output, steps),
        **ours,
    }


def shortest(calls: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return the shortest time in seconds of each of the calls, which take turns."""
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time  # not what others do meanwhile
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(repeats):
        for name, call in calls.items():
            start = clock()
            call()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            best[name] = min(best[name], clock() - start)
    return best


def step_times(loops: Mapping[str, Loop], repeats: int) -> dict[str, float]:
    """Return the seconds per step of each of the loops: the slope between a short and a long run."""
    calls = {f"{name} {n}": lambda run=run, n=n: run(n) for name, run in loops.items() for n in (SHORT, LONG)}
    best = shortest(calls, repeats)
    return {name: (best[f"{name} {LONG}"] - best[f"{name} {SHORT}"]) / (LONG - SHORT) for name in loops}


def planning_time(sampler: str, repeats: int) -> float:
    """Return the seconds that a plan of fifty steps takes, made anew."""
    schedule, chosen = diffusion.VP.linear(), diffusion.sampler(sampler)
    grid = chosen.grid(PLANNED, schedule)

    def plan() -> None:
        plan_sampler.cache_clear()
        chosen.plan(schedule, grid)

    return shortest({sampler: plan}, repeats)[sampler]


def print_steps(x: torch.Tensor, samplers: Sequence[str], repeats: int) -> None:
    """Print what a step costs."""
    times = step_times(contestants(x, samplers), repeats)
    theirs = times["the loop of th_deis, 4 slopes"]
    print(f"| {x.device.type}, {'×'.join(map(str, x.shape))}, float32 | operations a step | µs a step | of th_deis |")
    print("|---|---|---|---|")
    for name, seconds in times.items():
        count = f"{operations_per_step(name, x):.0f}" if name in samplers else ""
        print(f"| {name} | {count} | {seconds * 1e6:.1f} | {seconds / theirs:.2f} |")


def print_planning(samplers: Sequence[str], repeats: int) -> None:
    """Print what planning costs."""
    print(f"\n| planning {PLANNED} steps | ms |\n|---|---|")
    for name in samplers:
        print(f"| {name} | {planning_time(name, repeats) * 1e3:.1f} |")


def shipped_networks(device: str) -> dict[str, tuple[Any, Any]]:
    """Return the shipped network in single and half precision: the module, and what a float32 state calls."""
    single: Any = copy.deepcopy(diffusion.models.digits().network).to(device)
    half = copy.deepcopy(single).to(torch.bfloat16)
    return {"float32": (single, single), "bfloat16": (half, in_dtype(half, torch.bfloat16, cast_time=False))}


def print_whole_runs(device: str, samplers: Sequence[str], batches: Sequence[int], repeats: int) -> None:
    """Print how long whole runs with the shipped network take, and its calls alone."""
    print(f"\n| digits, {NETWORK_CALLS} calls | the run, ms | its calls alone, ms | beside them |\n|---|---|---|---|")
    for precision, (module, network) in shipped_networks(device).items():
        emulated = device == "cpu" and precision == "bfloat16"  # by most processors, at a tenth of the speed
        for batch in batches[:1] if emulated else batches:
            x = torch.randn(batch, 1, 8, 8, generator=torch.Generator().manual_seed(0)).to(device)
            like, t = x.to(module.position.dtype), torch.full((batch,), 0.5, device=device)
            denoiser = diffusion.Denoiser(network)

            def alone(module: Any = module, like: torch.Tensor = like, t: torch.Tensor = t) -> None:
                with torch.no_grad():
                    for _ in range(NETWORK_CALLS):
                        module(like, t)

            runs = {
                name: lambda name=name, x=x, denoiser=denoiser: diffusion.sample(
                    denoiser, x, sampler=name, steps=NETWORK_CALLS, rng=7 if name.endswith("sde") else None
                )
                for name in samplers
            }
            best = shortest({"alone": alone, **runs}, repeats)
            for name in samplers:
                row = f"{name}, {precision} network, batch {batch}"
                beside = best[name] / best["alone"] - 1
                print(f"| {row} | {best[name] * 1e3:.2f} | {best['alone'] * 1e3:.2f} | {beside:.1%} |")


class Given:
    """Noise that is there already."""

    def __init__(self, noise: Any) -> None:
        self.noise = noise

    def draw(self, step: int, column: int, like: Any) -> Any:
        """Return it."""
        del step, column, like
        return self.noise


def print_noise(shapes: Sequence[tuple[int, ...]], repeats: int) -> None:
    """Print what a step with noise costs beside one without: with noise that is there, and with drawing it."""
    print("\n| NumPy, float64 | dpmpp-2m, µs a step | with noise that is there | with drawing | normals alone |")
    print("|---|---|---|---|---|")
    for shape in shapes:
        x = np.random.default_rng(0).standard_normal(shape)
        denoiser, plain = diffusion.Denoiser(lambda x, t, own=0.5 * x: own, "data"), np.random.default_rng(1)
        given: dict[str, Any] = {"dpmpp-2m": None, "given": Given(x), "drawn": 7}
        loops: dict[str, Loop] = {
            name: lambda steps, name=name, rng=rng, x=x, denoiser=denoiser: diffusion.sample(
                denoiser, x, sampler="dpmpp-2m" if rng is None else "dpmpp-2m-sde", steps=steps, rng=rng
            )
            for name, rng in given.items()
        }
        times = step_times(loops, repeats)
        alone = shortest({"": lambda x=x, plain=plain: plain.standard_normal(out=x.copy())}, repeats)[""]
        one = times["dpmpp-2m"]
        ratios = " | ".join(f"× {times[name] / one:.2f}" for name in ("given", "drawn"))
        print(f"| {'×'.join(map(str, shape))} | {one * 1e6:.1f} | {ratios} | {alone * 1e6:.1f} µs |")


def check_for_waiting(x: torch.Tensor, samplers: Sequence[str]) -> None:
    """Raise if a run waits for the CUDA device between its first and its last call, and say that none does."""
    for name in samplers:
        for dtype in (torch.float32, torch.bfloat16):
            run_without_synchronisation(name, x, PLANNED, dtype)
        for _, network in shipped_networks(x.device.type).values():
            run_without_synchronisation(name, x[:1, :1, :8, :8], PLANNED, x.dtype, network)
    print("no sampler waits for the device between its first and its last call, float32 and bfloat16 networks\n")


def main(arguments: Sequence[str] = ()) -> None:
    """Print the tables."""
    quick = parser("benchmarks.sampler_speed", __doc__).parse_args(arguments).quick
    shape, samplers, repeats, runs = ((1, 1, 8, 8), SAMPLERS[:2], 3, 2) if quick else (SHAPE, SAMPLERS, REPEATS, RUNS)
    warnings.simplefilter("ignore", diffusion.OffScaleWarning)
    torch.set_num_threads(1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(device)
    if device == "cuda":
        check_for_waiting(x, samplers)
    with torch.no_grad():
        print_steps(x, samplers, repeats)
    print_planning(samplers, runs)
    batches = (1,) if quick else (1, 64, 4096) if device == "cuda" else (1, 64)
    print_noise(((8, 2),) if quick else ((8, 2), (8, 64), (1, 4, 64, 64), (8, 4, 64, 64)), min(repeats, 20))
    print_whole_runs(
        device, samplers[:2] if quick else ("deis-tab3", "unipc3", "dpmpp-2m", "dpmpp-2m-sde"), batches, runs
    )


if __name__ == "__main__":
    main(sys.argv[1:])
