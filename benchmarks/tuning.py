"""Tuned samplers beside the default, every named sampler on hand-made grids, and UniPC and DEIS on tuned grids.

Run it as ``python -m benchmarks.tuning``; with ``--write`` it renews docs/tuning.md. Errors are relative distances to a
fine solve of the same network from the same start, on starts that nothing was fitted to: median (mean). The best of the
named is chosen with the answer known, for the median and for the mean by itself. Seconds are those of the processor.
"""

from __future__ import annotations

import resource
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

import diffusion
from benchmarks import Page
from benchmarks.defaults import NAMED
from diffusion.study import normal_noise

PAGE = Page("tuning.md", "benchmarks.tuning")
GRIDS = (("t", 1.0), ("t", 2.0), ("lambda", 1.0), ("rho", 7.0))
ON_TUNED_GRIDS = ("unipc3", "deis-tab3")


class Case(NamedTuple):
    """A network, and on what it is tuned and judged.

    Attributes
    ----------
    name
        Its name.
    make
        Makes the denoiser.
    shape
        That of a sample.
    tensors
        Whether it takes tensors.
    starts, unseen
        How many starts are tuned on, half of them to decide, and how many judge.
    calls
        Numbers of network calls.
    """

    name: str
    make: Callable[[], diffusion.Denoiser]
    shape: tuple[int, ...]
    tensors: bool
    starts: int
    unseen: int
    calls: tuple[int, ...]


def mixture(seed: int, schedule: diffusion.NoiseSchedule) -> diffusion.Denoiser:
    """Return a mixture of six Gaussians with full covariances in eight dimensions."""
    rng, size, count = np.random.default_rng(seed), 8, 6
    weights, means = rng.uniform(0.5, 1.5, count), rng.normal(size=(count, size))
    spread = 0.15 * rng.normal(size=(count, size, size))
    covariances = spread @ spread.swapaxes(1, 2) + 0.003 * np.eye(size)
    return diffusion.models.gaussian_mixture(weights, means, covariances, schedule)


def cases() -> list[Case]:
    """Return the cases."""

    def mixed(name: str, seed: int, schedule: diffusion.NoiseSchedule, calls: tuple[int, ...]) -> Case:
        return Case(name, lambda: mixture(seed, schedule), (8,), False, 256, 512, calls)

    return [
        *(mixed(f"mixture {seed}, VP", seed, diffusion.VP.linear(), (5, 8, 10)) for seed in (1, 2, 3, 4)),
        mixed("mixture 5, cosine", 5, diffusion.VP.cosine(), (5, 8)),
        mixed("mixture 6, EDM", 6, diffusion.EDM(), (5, 8)),
        mixed("mixture 7, flow", 7, diffusion.FlowMatching(), (5, 8)),
        Case("digits, ideal", diffusion.models.ideal_digits, (1, 8, 8), False, 256, 256, (5, 8)),
        Case("digits, network", diffusion.models.digits, (1, 8, 8), True, 64, 128, (6,)),
    ]


class Row(NamedTuple):
    """A line of the table: errors by what was run."""

    name: str
    calls: int
    best: np.ndarray
    best_name: str
    auto: np.ndarray
    on_tuned_grid: np.ndarray
    tuned: np.ndarray
    spent: float
    seconds: float


def row(case: Case, calls: int, names: Sequence[str], options: dict[str, Any]) -> Row:
    """Return the line of a case and a number of calls."""
    net = case.make()
    starts, unseen = (
        normal_noise(n, case.shape, seed, case.tensors) for n, seed in ((case.starts, 0), (case.unseen, 1))
    )
    exact = _flat(diffusion.sample(net, unseen, steps=100))

    def errors(**how: Any) -> np.ndarray:
        found = diffusion.trajectory(net, unseen, **how)
        if found.calls > calls or not found.success:
            return np.full(len(exact), np.inf)
        return np.linalg.norm(_flat(found.y_end) - exact, axis=1) / np.linalg.norm(exact, axis=1)

    def summary(found: np.ndarray) -> np.ndarray:
        return np.array([np.median(found), np.mean(found)])

    rivals = {name: summary(errors(**how)) for name, how in _hand_made(net, calls, names)}
    best = np.min([*rivals.values()], axis=0)
    on_grid = np.full(2, np.inf)
    for name in ON_TUNED_GRIDS:
        untuned = diffusion.sampler(name, grid=_root_of_flow)
        try:
            fitted = diffusion.tune(net, starts, steps=calls, sampler=untuned, what="grid", **options)
        except ValueError:  # DEIS does not start from pure noise
            continue
        on_grid = np.minimum(on_grid, summary(errors(sampler=fitted)))
    begun = time.process_time()
    tuned = diffusion.tune(net, starts, steps=calls, **options)
    seconds = time.process_time() - begun
    assert tuned.report is not None
    return Row(
        case.name,
        calls,
        best,
        min(rivals, key=lambda name: rivals[name][0]),
        summary(errors(steps=calls)),
        on_grid,
        summary(errors(sampler=tuned)),
        tuned.report.details["calls of a start"],
        seconds,
    )


def _hand_made(net: diffusion.Denoiser, calls: int, names: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield named samplers on hand-made grids, those whose runs have no more than so many calls."""
    schedule = net.schedule
    for name in names:
        steps = calls // max(diffusion.sampler(name).method.stages, 1)  # type: ignore[union-attr]  # named samplers of this table have methods
        for clock, exponent in GRIDS:
            try:
                grid = diffusion.grids.power(steps, exponent, clock, schedule=schedule)
                diffusion.sampler(name).on(schedule, grid).plan(schedule, grid)
            except ValueError:  # infinite at an end
                continue
            yield f"{name} on {clock}^(1/{exponent:g})", {"sampler": name, "grid": grid}


def _root_of_flow(steps: int, schedule: diffusion.NoiseSchedule) -> np.ndarray:
    return diffusion.grids.power(steps, 2.0, "flow", schedule=schedule)


def _flat(x: Any) -> np.ndarray:
    return np.asarray(x, dtype=np.float64).reshape(len(x), -1)


def written(pair: np.ndarray) -> str:
    """Return a median and a mean."""
    return f"{pair[0]:.1e} ({pair[1]:.1e})"


HEAD = (
    "model",
    "calls",
    "best of all named, on 4 grids",
    "which (median)",
    "`auto`",
    "best of UniPC-3, DEIS-tab3 on a tuned grid",
    "tuned",
    "tuned / best: median (mean)",
    "calls a start",
    "s",
)


def line(found: Row) -> str:
    """Return a line of the table."""
    ratio = found.tuned / found.best
    fields = [
        found.name,
        str(found.calls),
        written(found.best),
        f"`{found.best_name.split(' ')[0]}`",
        written(found.auto),
        written(found.on_tuned_grid),
        written(found.tuned),
        f"{ratio[0]:.2f} ({ratio[1]:.2f})",
        f"{found.spent:.0f}",
        f"{found.seconds:.0f}",
    ]
    return f"| {' | '.join(fields)} |\n"


def main(arguments: Sequence[str] = ()) -> None:
    """Print the table, or write it into the page."""
    command = PAGE.parser(__doc__)
    command.add_argument("--only", default="", help="the cases whose names begin so")
    given = command.parse_args(arguments)
    chosen, names, options = [case for case in cases() if case.name.startswith(given.only)], NAMED, {}
    if given.quick:
        chosen = [chosen[0]._replace(starts=16, unseen=16, calls=(3,))]
        names, options = ("ddim", "unipc2"), {"iterations": 2, "teacher": 20}
    made = f"| {' | '.join(HEAD)} |\n|{' --- |' * len(HEAD)}\n"
    print(made, end="")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", diffusion.OffScaleWarning)
        for case in chosen:
            for calls in case.calls:
                made += (found := line(row(case, calls, names, options)))
                print(found, end="", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    made += (last := f"\nPeak memory of the process: {peak:.0f} MB.\n")
    print(last, end="")
    if given.write:
        PAGE.show("\n" + made, write=True)


if __name__ == "__main__":
    main(sys.argv[1:])
