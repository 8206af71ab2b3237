"""What a step on a short state costs: microseconds of processor time, beside another checkout of the library.

    python -m benchmarks.step_speed [OTHER] [--only NAME …] [--repeats N] [--calls] [--quick]

Every checkout is a process of its own that does nothing but run, one run at a time; they take turns, and of each the
shortest counts, so that what else the machine does meanwhile hardly shows. A step is an attempt, accepted or rejected;
evaluations of N, which are cheap here, are counted in. ``OTHER`` is the root of another checkout, compared as this one
over the other: below 1 this one is faster. With ``--calls`` function calls are counted in place of microseconds, those
into C included, a step and before the first: figures that no other process disturbs.
"""

# ruff: noqa: ARG001, ARG005  (right-hand sides and networks take t, whether they look at it or not)

from __future__ import annotations

import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SPAN, REPEATS = 4.0, 60
"""Runs of a few milliseconds, which a busy machine seldom interrupts, and many of them."""

QUICK_SPAN = 0.5

Run = Callable[[], float]
"""Runs once and returns how many steps were tried."""


def worker(only: Sequence[str], span: float) -> None:
    """Answer each line of input, the name of a run, with seconds a step."""
    runs = all_runs(span)
    for name in only:
        runs[name]()  # what is made once is made now
    for line in sys.stdin:
        run = runs[line.strip()]
        start = time.process_time()
        steps = run()
        print((time.process_time() - start) / steps, flush=True)


def counted(only: Sequence[str], span: float) -> None:
    """Print the calls a step of each run, and those before the first step, by a run and one of twice its steps."""
    runs, longer = all_runs(span), all_runs(2.0 * span)
    for name in only:
        (steps, calls), (more, further) = (_calls(own[name]) for own in (runs, longer))
        each = (further - calls) / (more - steps) if more > steps else calls / steps
        print(each, calls - each * steps, flush=True)


def _calls(run: Run) -> tuple[float, int]:
    """Return the steps of a run and the function calls that it made, once all that is kept has been made."""
    seen = 0

    def enter(frame: Any, event: str, argument: Any) -> None:
        nonlocal seen
        seen += event in ("call", "c_call")

    run()
    sys.setprofile(enter)
    try:
        steps = run()
    finally:
        sys.setprofile(None)
    return steps, seen


def all_runs(span: float) -> dict[str, Run]:
    """Return the runs by name."""
    import numpy as np

    import expint

    diagonal, start = np.array([-10.0, -1.0, -8.0 / 3.0]), np.array([1.0, 2.0, 20.0])

    def coupling(t: float, y: Any) -> Any:
        x, v, z = y.tolist()
        return np.array([10.0 * v, x * (28.0 - z), x * v])

    def lorenz(t: float, y: Any) -> Any:
        x, v, z = y.tolist()
        return np.array([10.0 * (v - x), x * (28.0 - z) - v, x * v - 8.0 / 3.0 * z])

    def waves(t: float, y: Any) -> Any:
        return y * 0.5

    def adaptive(method: str, nonlinear: Any = coupling, rtol: float = 1e-6, span: float = span, **options: Any) -> Run:
        def run() -> float:
            solution = expint.solve_ivp(nonlinear, (0.0, span), start, method=method, rtol=rtol, **options)
            return solution.stats.steps + solution.stats.rejected

        return run

    def given(method: str, nonlinear: Any, y0: Any, steps: int, **options: Any) -> Run:
        def run() -> float:
            end = round(steps * span / SPAN) * 0.01
            return expint.solve_ivp(nonlinear, (0.0, end), y0, method=method, step=0.01, **options).stats.steps

        return run

    symbol, modes = -1j * np.arange(65.0), np.ones(65, complex)
    diagonally = {"linear": diagonal}
    return {
        "auto": adaptive("auto", **diagonally),
        "auto, short runs": adaptive("auto", span=span / 4, **diagonally),
        "auto, dense output": adaptive("auto", dense_output=True, **diagonally),
        "pec5": adaptive("pec5", **diagonally),
        "expint43": adaptive("expint43", **diagonally),
        "etd34": adaptive("etd34", **diagonally),
        "lawson-dormand-prince54": adaptive("lawson-dormand-prince54", **diagonally),
        "exprb43": adaptive("exprb43", lorenz, span=span / 4),
        "exprb43, given steps": given("exprb43", lorenz, start, 50),
        "etdrk4, given steps": given("etdrk4", coupling, start, 400, **diagonally),
        "etdrk4, given steps, 65 complex": given("etdrk4", waves, modes, 400, linear=symbol),
        "ipndm, 10 steps": sampled("ipndm", 10),
        "ipndm, many steps": sampled("ipndm", int(100 * span)),
    }


def sampled(sampler: str, steps: int) -> Run:
    """Return the runs of a sampler on three numbers, with a network that costs nothing."""

    def run() -> float:
        import torch

        import diffusion

        x = torch.zeros(1, 3)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it predicts nothing
            diffusion.sample(diffusion.Denoiser(lambda x, t: x), x, sampler=sampler, steps=steps)
        return steps

    return run


NAMES = (
    "auto",
    "auto, short runs",
    "auto, dense output",
    "pec5",
    "expint43",
    "etd34",
    "lawson-dormand-prince54",
    "exprb43",
    "exprb43, given steps",
    "etdrk4, given steps",
    "etdrk4, given steps, 65 complex",
    "ipndm, 10 steps",
    "ipndm, many steps",
)


def begun(root: Path, names: Sequence[str], span: float, role: str = "--worker") -> subprocess.Popen[str]:
    """Start the process that runs a checkout."""
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [sys.executable, __file__, role, str(span), *names]
    environment = {**os.environ, **single, "PYTHONPATH": str(root), "PYTHONSAFEPATH": "1"}
    return subprocess.Popen(
        command, cwd=root, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def asked(process: subprocess.Popen[str], name: str) -> float:
    """Return the seconds a step of one run of a checkout."""
    assert process.stdin is not None  # both are pipes
    assert process.stdout is not None
    process.stdin.write(f"{name}\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        raise RuntimeError(f"expected the seconds a step of {name}, received nothing; run that checkout alone")
    return float(answer)


def shortest(roots: Sequence[Path], names: Sequence[str], repeats: int, span: float) -> dict[str, list[float]]:
    """Return, by the name of a run, the least seconds a step of each checkout."""
    with ExitStack() as running:  # which end where their input does
        processes = [running.enter_context(begun(root, names, span)) for root in roots]
        return {
            name: [min(times) for times in zip(*[[asked(p, name) for p in processes] for _ in range(repeats)])]
            for name in names
        }


def calls(roots: Sequence[Path], names: Sequence[str], span: float) -> dict[str, list[str]]:
    """Return, by the name of a run, the calls a step of each checkout and those before the first step."""
    answers = []
    for root in roots:
        with begun(root, names, span, "--counter") as process:
            answers.append([line.split() for line in process.communicate()[0].splitlines()])
    return {
        name: [f"{float(each):.1f}, {float(first):.0f} before" for each, first in own]
        for name, own in zip(names, zip(*answers, strict=True), strict=True)
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table."""
    from benchmarks import parser

    made = parser("benchmarks.step_speed", __doc__)
    made.add_argument("other", nargs="?", type=Path, help="the root of another checkout")
    made.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help="these runs alone")
    made.add_argument("--repeats", type=int, default=REPEATS, help="how often each run is made")
    made.add_argument("--calls", action="store_true", help="count function calls")
    arguments = made.parse_args(argv)
    roots = [ROOT] if arguments.other is None else [ROOT, arguments.other.resolve()]
    repeats, span = (1, QUICK_SPAN) if arguments.quick else (arguments.repeats, SPAN)
    if arguments.calls:
        print("| calls a step | this checkout | the other |\n|---|---|---|")
        for name, told in calls(roots, arguments.only, span).items():
            print("|", " | ".join([name, *told]), "|" if len(told) > 1 else "| |")
        return
    print("| µs a step | this checkout | the other | this over the other |\n|---|---|---|---|")
    for name, times in shortest(roots, arguments.only, repeats, span).items():
        figures = [f"{1e6 * seconds:.1f}" for seconds in times]
        ratio = [f"{times[0] / times[1]:.2f}"] if len(times) > 1 else ["", ""]
        print("|", " | ".join([name, *figures, *ratio]), "|")


if __name__ == "__main__":
    if sys.argv[1:2] in (["--worker"], ["--counter"]):
        (worker if sys.argv[1] == "--worker" else counted)(sys.argv[3:], float(sys.argv[2]))
    else:
        main()
