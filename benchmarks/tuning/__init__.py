"""The fewest calls: "auto" and tuned samplers beside every named one on hand-made grids and beside fitted ones.

Run it as ``python -m benchmarks.tuning``; with ``--write`` it renews docs/tuning.md. Errors are relative distances to a
fine solve of the same network from the same start, on starts that nothing was fitted to, for four seeds of models and
starts (two of the network): the median (mean) of the starts, and of these the geometric mean over the seeds. The best
of the named is chosen with the answer known, for each seed, for the median and for the mean by itself. Seconds are
those of the processor.
"""

from __future__ import annotations

import resource
import time
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np

import diffusion
from benchmarks import Page
from benchmarks.tuning.models import KINDS, SEEDS, Instance, Kind, instances, relative_errors, summary, together
from benchmarks.tuning.rivals import FITTED, NAMES, ON_TUNED_GRIDS, hand_made

__all__ = ["PAGE", "main"]

PAGE = Page("tuning.md", "benchmarks.tuning")


class Cell(NamedTuple):
    """What a kind of models and a number of calls gave; errors are of shape (seeds, 2), medians and means.

    ``grid`` and ``tuned`` are None where no sampler was tuned.
    """

    kind: str
    calls: int
    best: np.ndarray
    best_name: str
    auto: np.ndarray
    grid: np.ndarray | None = None
    tuned: np.ndarray | None = None
    spent: float = np.nan
    seconds: float = np.nan


def run_all(kind: Kind, found: Sequence[Instance], calls: int, **how: Any) -> np.ndarray:
    """Return what one way to sample makes of all instances, (seeds, 2), inf where it makes more calls."""
    if kind.tensors:
        import torch

        net, starts = found[0].denoiser, torch.cat([one.unseen for one in found])
    else:
        net, starts = together([one.denoiser for one in found]), np.stack([one.unseen for one in found])
    run = diffusion.trajectory(net, starts, **how)
    if run.calls > calls or not run.success:
        return np.full((len(found), 2), np.inf)
    ends = run.y_end.reshape(len(found), -1, *kind.shape)
    return np.array([summary(relative_errors(end, one.exact)) for end, one in zip(ends, found, strict=True)])


def cell(kind: Kind, calls: int, found: Sequence[Instance], names: Sequence[str], options: Mapping[str, Any]) -> Cell:
    """Return the cell of a kind and a number of calls."""
    ways = dict(hand_made(found[0].denoiser, calls, names))
    rivals = {name: run_all(kind, found, calls, **how) for name, how in ways.items()}
    best = np.min([*rivals.values()], axis=0)
    often = Counter(min(rivals, key=lambda name: rivals[name][i, 0]) for i in range(len(found))).most_common(1)[0][0]
    made = Cell(kind.name, calls, best, often.split(" ")[0], run_all(kind, found, calls, steps=calls))
    if calls not in kind.tuned:
        return made
    grids = np.array(
        [np.min([fitted(one, calls, **options, **_grid(s))[0] for s in ON_TUNED_GRIDS], axis=0) for one in found]
    )
    begun = time.process_time()
    tuned = [fitted(one, calls, **options) for one in found]
    seconds = (time.process_time() - begun) / len(found)
    spent = float(np.mean([calls_spent for _, calls_spent in tuned]))
    return made._replace(grid=grids, tuned=np.array([e for e, _ in tuned]), spent=spent, seconds=seconds)


def _grid(sampler: Any) -> dict[str, Any]:
    return {"what": "grid", "sampler": sampler}


def fitted(one: Instance, calls: int, **options: Any) -> tuple[np.ndarray, float]:
    """Return the errors of a sampler that is tuned so, and the calls spent on a start; inf where there is none."""
    try:
        sampler = diffusion.tune(one.denoiser, one.starts, steps=calls, **options)
    except ValueError:  # DEIS does not start from pure noise
        return np.full(2, np.inf), np.nan
    assert sampler.report is not None
    end = diffusion.sample(one.denoiser, one.unseen, sampler=sampler)
    return summary(relative_errors(end, one.exact)), sampler.report.details["calls of a start"]


def mean(values: np.ndarray) -> np.ndarray:
    """Return the geometric mean over the seeds, (2,)."""
    return np.exp(np.mean(np.log(values), axis=0))


def written(values: np.ndarray | None, form: str = ".1e") -> str:
    """Return the geometric means of a median and of a mean."""
    if values is None:
        return "–"
    median, average = mean(values)
    return f"{median:{form}} ({average:{form}})"


HEAD = (
    "model",
    "calls",
    "best of all named, on 4 grids",
    "which (median)",
    "`auto`",
    "`auto` / best",
    "best of UniPC-3, DEIS-tab3 on a tuned grid",
    "tuned",
    "tuned / best",
    "worst seed",
    "calls a start",
    "s",
)


def line(found: Cell) -> str:
    """Return a line of the table."""
    ratio = None if found.tuned is None else found.tuned / found.best
    worst = "–" if ratio is None else "{:.2f} ({:.2f})".format(*ratio.max(axis=0))
    fields = [
        found.kind,
        str(found.calls),
        written(found.best),
        f"`{found.best_name}`",
        written(found.auto),
        written(found.auto / found.best, ".2f"),
        written(found.grid),
        written(found.tuned),
        written(ratio, ".2f"),
        worst,
        "–" if ratio is None else f"{found.spent:.0f}",
        "–" if ratio is None else f"{found.seconds:.0f}",
    ]
    return _row(fields)


def _row(fields: Sequence[str]) -> str:
    return f"| {' | '.join(fields)} |\n"


def claims(cells: Sequence[Cell], names: int, seeds: int) -> str:
    """Return what the table says in sentences, of the exact models."""
    ratios = np.array([mean(one.auto / one.best) for one in cells])
    worst = cells[int(np.argmax(ratios.max(axis=1)))]
    text = (
        f"{names} named samplers on 4 grids, {seeds} seeds. Over the {len(cells)} rows of exact models `auto` stands "
        f"at {_two(ratios)} of the best, in the median (the mean) of the starts; its worst row has "
        f"{ratios.max():.2f} ({worst.kind}, {worst.calls} calls)."
    )
    flow = np.array([ratio for ratio, one in zip(ratios, cells, strict=True) if "flow" in one.kind])
    text += f" On flow matching it stands at {_two(flow)}." if len(flow) else ""
    tuned = [one for one in cells if one.tuned is not None and one.grid is not None]
    below = sum(bool(np.all(mean(one.tuned) <= mean(one.auto))) for one in tuned)
    beside = sum(bool(np.all(mean(one.tuned) <= mean(one.grid))) for one in tuned)
    return text + (
        f" Tuned samplers lie below `auto`, in the median and in the mean, in {below} rows of {len(tuned)}, and below "
        f"exact weights on tuned grids in {beside}.\n"
    )


def _two(ratios: np.ndarray) -> str:
    return "{:.2f} ({:.2f})".format(*mean(ratios))


def fits(calls: int, found: Sequence[Instance], options: Mapping[str, Any]) -> str:
    """Return the table of the ways to fit, on mixtures that torch differentiates."""
    import torch

    own = [one._replace(starts=torch.from_numpy(one.starts), unseen=torch.from_numpy(one.unseen)) for one in found]
    made = _row(("fitted as", "error", "calls a start")) + _row(("---",) * 3)
    for name, how in FITTED.items():
        results = [fitted(one, calls, **options, **how) for one in own]
        errors, spent = np.array([e for e, _ in results]), float(np.mean([calls for _, calls in results]))
        made += _row((name, written(errors), f"{spent:.0f}"))
    return made


class Setting(NamedTuple):
    """What is run: kinds of models and seeds, names of rivals, options of `diffusion.tune`."""

    kinds: tuple[Kind, ...] = KINDS
    seeds: tuple[int, ...] = SEEDS
    names: tuple[str, ...] = NAMES
    options: tuple[tuple[str, Any], ...] = ()


QUICK = Setting(
    (KINDS[0]._replace(starts=16, unseen=16, calls=(3,), tuned=(3,)),),
    SEEDS[:2],
    ("ddim", "unipc2"),
    (("iterations", 2), ("teacher", 20)),
)


def cells(kind: Kind, setting: Setting) -> list[Cell]:
    """Return the cells of a kind."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", diffusion.OffScaleWarning)
        own = instances(kind, setting.seeds)
        return [cell(kind, calls, own, setting.names, dict(setting.options)) for calls in kind.calls]


def peak() -> float:
    """Return the largest memory of a process so far, in MB."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(one).ru_maxrss for one in who) / 1024


def main(arguments: Sequence[str] = ()) -> None:
    """Print the tables, or write them into the page."""
    command = PAGE.parser(__doc__)
    command.add_argument("--only", default="", help="the kinds of models whose names begin so")
    command.add_argument("--jobs", type=int, default=1, help="processes among which the kinds are divided")
    given = command.parse_args(arguments)
    setting = QUICK if given.quick else Setting(tuple(kind for kind in KINDS if kind.name.startswith(given.only)))
    made, every = _row(HEAD) + _row(("---",) * len(HEAD)), []
    print(made, end="")
    with ProcessPoolExecutor(given.jobs) if given.jobs > 1 else nullcontext() as pool:
        for found in (map if pool is None else pool.map)(cells, setting.kinds, repeat(setting)):
            every += found
            lines = "".join(map(line, found))
            made += lines
            print(lines, end="", flush=True)
    exact = [one for one in every if one.kind != KINDS[-1].name]
    said = claims(exact, len(setting.names), len(setting.seeds)) if exact else ""
    first = setting.kinds[0]
    text = f"\nFitted in other ways, {first.tuned[-1]} calls on {first.name}, two seeds:\n\n"
    text += fits(first.tuned[-1], instances(first, setting.seeds[:2]), dict(setting.options))
    print(said + text)
    if given.write:
        PAGE.show(f"\n{said}\n{made}\nPeak memory of a process: {peak():.0f} MB.\n{text}", write=True)
