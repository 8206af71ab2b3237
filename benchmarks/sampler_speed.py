"""What a step of each sampler costs beside its network: tensor operations and time, as a Markdown table.

Run it as ``python -m benchmarks.sampler_speed``. The network returns a constant, so that only the sampler is measured:
the cost of a step is the slope between a short and a long run. On a CUDA device the steps are also run with
synchronisation forbidden, between the first and the last call of the network.
"""

# ruff: noqa: ARG001, ARG005  (networks take x and t, whether they look at them or not)

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

import diffusion
from benchmarks import parser

SHAPE = (1, 4, 64, 64)
SAMPLERS = ("ddim", "deis-tab2", "deis-tab3", "ipndm", "dpm3m", "dpmpp-2m", "dpmpp-3m", "unipc2", "unipc3")
SHORT, LONG = 20, 120
REPEATS = 15


class CountOperations(TorchDispatchMode):
    """Counts the operations whose result has the size of a state."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size, self.count = size, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.count += isinstance(result, torch.Tensor) and result.numel() >= self.size
        return result


def seconds(call: Callable[[], object], repeats: int) -> float:
    """Return the shortest of a few timings."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return best


def operations(call: Callable[[], object], size: int) -> int:
    """Return how many operations on whole states a call makes."""
    with CountOperations(size) as counter:
        call()
    return counter.count


def without_synchronisation(sampler: str, x: torch.Tensor, steps: int) -> None:
    """Run with synchronisation forbidden from the first call of the network to the last; raises where one is needed."""
    calls = 0

    def network(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        torch.cuda.set_sync_debug_mode("error" if calls < steps else "default")
        return torch.zeros_like(x)

    diffusion.sample(diffusion.Denoiser(network), x, sampler=sampler, steps=steps)


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table."""
    quick = parser("benchmarks.sampler_speed", __doc__).parse_args(arguments).quick
    shape, samplers, repeats = ((1, 1, 8, 8), SAMPLERS[:2], 1) if quick else (SHAPE, SAMPLERS, REPEATS)
    warnings.simplefilter("ignore", diffusion.OffScaleWarning)
    torch.set_num_threads(1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(device)
    output = torch.zeros_like(x)
    denoiser = diffusion.Denoiser(lambda x, t: output)
    print(f"| sampler ({device}, {'×'.join(map(str, shape))}, float32) | operations a step | µs a step |")
    print("|---|---|---|")
    for name in samplers:
        if device == "cuda":
            without_synchronisation(name, x, SHORT)
        runs = [lambda n=n, name=name: diffusion.sample(denoiser, x, sampler=name, steps=n) for n in (SHORT, LONG)]
        short, long = (seconds(run, repeats) for run in runs)
        few, many = (operations(run, x.numel()) for run in runs)
        print(f"| {name} | {(many - few) / (LONG - SHORT):.1f} | {(long - short) / (LONG - SHORT) * 1e6:.0f} |")


if __name__ == "__main__":
    main(sys.argv[1:])
