"""What a tuning takes: seconds of the processor and of the clock, the largest memory, each in a fresh process.

Run it as ``python -m benchmarks.tuning.seconds``. The memory is that of the whole process, libraries and network
included; what it held before the tuning began is told beside it.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import diffusion
from benchmarks import parser
from benchmarks.tuning.models import KINDS
from diffusion.study import normal_noise

CASES = ((7, 6), (0, 5), (0, 8), (0, 10), (4, 8))
"""Kinds of models by their place in `KINDS`, and numbers of calls: the shipped network, then exact models."""


def measured(place: int, calls: int, quick: bool) -> str:
    """Return a row of the table."""
    kind = KINDS[place]
    if kind.tensors:
        import torch

        torch.set_num_threads(2)
    net, starts = kind.make(1), normal_noise(16 if quick else kind.starts, kind.shape, 1, kind.tensors)
    net(starts, net.schedule.t_start)  # what is loaded once
    before, begun, clock = _peak(), time.process_time(), time.perf_counter()
    options: dict[str, Any] = {"iterations": 1, "teacher": 12} if quick else {}
    report = diffusion.tune(net, starts, steps=calls, **options).report
    seconds, wall = time.process_time() - begun, time.perf_counter() - clock
    assert report is not None
    spent = report.details["calls of a start"]
    fields = [kind.name, calls, len(starts), f"{spent:.0f}", f"{seconds:.0f}", f"{wall:.0f}"]
    fields += [f"{before:.0f}", f"{_peak():.0f}", f"{report.before:.1e}", f"{report.after:.1e}"]
    return f"| {' | '.join(map(str, fields))} |"


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table."""
    given = parser("benchmarks.tuning.seconds", __doc__).parse_args(arguments)
    head = ("model", "calls", "starts", "calls a start", "s of the processor", "s", "MB before", "MB at most")
    print(f"| {' | '.join((*head, 'error before', 'after'))} |\n|{' --- |' * (len(head) + 2)}")
    for place, calls in CASES[1:2] if given.quick else CASES:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as fresh:
            print(fresh.submit(measured, place, calls, given.quick).result(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
