"""A sampler's run on a GPU as CUDA graphs, its network included: overhead beside the network, and what is launched.

    python -m benchmarks.on_gpu [--steps 50] [--quick]

Where no CUDA device is at hand it says so and leaves. For each sampler: the run of ``diffusion.sample``, of
``diffusion.scan`` as CUDA graphs, and as many calls of the network alone, captured likewise; then kernels launched and
synchronisations in a run, by the profiler of torch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch

import diffusion
from benchmarks import parser
from benchmarks.machine import load

SAMPLERS = ("ddim", "deis-tab3", "dpmpp-2m", "unipc3")
WAITS = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")


def network(channels: int) -> torch.nn.Module:
    """Return a network of some milliseconds: convolutions on pictures."""
    layers: list[torch.nn.Module] = [torch.nn.Conv2d(4, channels, 3, padding=1)]
    for _ in range(6):
        layers += [torch.nn.SiLU(), torch.nn.Conv2d(channels, channels, 3, padding=1)]
    return torch.nn.Sequential(*layers, torch.nn.Conv2d(channels, 4, 3, padding=1))


def seconds(run: Callable[[], Any], rounds: int = 5) -> float:
    """Return the shortest time of a run on the device."""
    best = float("inf")
    for _ in range(rounds):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        torch.cuda.synchronize()
        best = min(best, start.elapsed_time(end) / 1e3)
    return best


def calls_alone(net: Callable[..., Any], x: torch.Tensor, calls: int) -> Callable[[], None]:
    """Return as many calls of the network, captured as one graph each."""
    t, still = torch.ones(x.shape[0], device=x.device), x.clone()
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        net(still, t)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        net(still, t)

    def run() -> None:
        for _ in range(calls):
            graph.replay()

    return run


def launched(run: Callable[[], Any]) -> tuple[int, int]:
    """Return how many graphs or kernels a run launches from the host, and how often the host waits."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen:
        run()
    names = [event.name for event in seen.events()]
    launches = sum(name in ("cudaLaunchKernel", "cudaGraphLaunch", "cuLaunchKernel") for name in names)
    return launches, sum(name in WAITS for name in names)


def line(name: str, denoiser: diffusion.Denoiser, x: torch.Tensor, steps: int) -> str:
    """Return a line of the table."""
    compiled = diffusion.scan(denoiser, sampler=name, steps=steps, backend="cuda-graph")
    difference = float((compiled(x) - diffusion.sample(denoiser, x, sampler=name, steps=steps)).abs().max())
    alone = seconds(calls_alone(denoiser.network, x, compiled.plan.evaluations))
    plain = seconds(lambda: diffusion.sample(denoiser, x, sampler=name, steps=steps))
    graphs = seconds(lambda: compiled(x))
    launches, waits = launched(lambda: compiled(x))
    over = f"{plain / alone - 1:+.1%} | {graphs / alone - 1:+.1%}"
    return f"| {name} | {1e3 * alone:.2f} | {over} | {launches / steps:.1f} | {waits} | {difference:.1e} |"


def main(arguments: Sequence[str] = ()) -> None:
    command = parser("benchmarks.on_gpu", __doc__)
    command.add_argument("--steps", type=int, default=50)
    options = command.parse_args(arguments)
    if not torch.cuda.is_available():
        print("no CUDA device is at hand: nothing was measured")
        return
    size, channels, steps = (16, 32, 10) if options.quick else (64, 256, options.steps)
    net = network(channels).cuda().eval()
    denoiser = diffusion.Denoiser(lambda x, t: net(x) * t[:, None, None, None], predicts="noise")
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}; {load()}; {steps} steps\n")
    print("| sampler | network alone, ms | sample | as CUDA graphs | launches a step | waits | difference |")
    print("|---|---|---|---|---|---|---|")
    with torch.no_grad():
        x = torch.randn(8, 4, size, size, device="cuda")
        for name in SAMPLERS:
            print(line(name, denoiser, x, steps), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
