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
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from functools import partial
from itertools import repeat
from pathlib import Path
from textwrap import fill
from typing import Any, NamedTuple

import numpy as np

import diffusion
import diffusion.tuning
from benchmarks import Page
from benchmarks.kept import Results, form_of
from benchmarks.tuning.models import KINDS, SEEDS, Instance, Kind, instances, relative_errors, summary, together
from benchmarks.tuning.rivals import FITTED, NAMES, ON_TUNED_GRIDS, Rival, hand_made
from diffusion.checks import lay_out

__all__ = ["CODE", "PAGE", "main", "rule_of", "written"]

PAGE = Page("tuning.md", "benchmarks.tuning")
LEFT = 12
"""Rivals that run from all starts, for each seed, in the median and in the mean each."""
CODE = tuple(path.read_text(encoding="utf-8") for path in sorted(Path(diffusion.tuning.__path__[0]).glob("*.py")))
"""What tuned samplers are kept under, beside the rule "auto" and the model."""


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


def race(kind: Kind, found: Sequence[Instance], calls: int, rivals: Sequence[Rival]) -> np.ndarray:
    """Return the errors of all rivals, (rivals, seeds, 2), inf for those that are left behind.

    All run from a part of the starts; the first few of each seed, in the median or in the mean, from all of them.
    """
    few = [one._replace(unseen=one.unseen[: kind.first], exact=one.exact[: kind.first]) for one in found]
    first = np.array([run_all(kind, few, calls, **rival.how) for rival in rivals])
    ahead = np.unique(np.argsort(first, axis=0)[:LEFT])
    errors = np.full_like(first, np.inf)
    for i in ahead:
        errors[i] = run_all(kind, found, calls, **rivals[i].how)
    return errors


def cell(kind: Kind, calls: int, found: Sequence[Instance], setting: Setting, results: Results) -> Cell:
    """Return the cell of a kind and a number of calls."""
    options, size = dict(setting.options), (kind.starts, kind.unseen, kind.first)
    of = (kind.name, calls, *size, *setting.seeds[: kind.most])
    rivals = hand_made(found[0].denoiser, calls, setting.names)
    errors = results(partial(race, kind, found, calls, rivals), "race", LEFT, *of, *(x for r in rivals for x in r.form))
    best = np.min(errors, axis=0)
    often = Counter(rivals[int(np.argmin(errors[:, i, 0]))].name for i in range(len(found))).most_common(1)[0][0]
    made = Cell(kind.name, calls, best, often.split(" ")[0], run_all(kind, found, calls, steps=calls))
    if calls not in kind.tuned:
        return made
    rows = []
    for seed, one in zip(setting.seeds, found[: kind.tuned_seeds], strict=False):
        own = (kind.name, calls, *size, seed, *setting.options)
        grids = [
            results(partial(fitted, one, calls, **options, what="grid", sampler=s), "grid", s.name, *own)
            for s in ON_TUNED_GRIDS
        ]
        tuned = results(partial(fitted, one, calls, **options), "tuned", *CODE, *rule_of(one.denoiser, calls), *own)
        rows.append((np.min(grids, axis=0)[:2], tuned))
    grid, tuned = (np.array(part) for part in zip(*rows, strict=True))
    return made._replace(grid=grid, tuned=tuned[:, :2], spent=tuned[:, 2].mean(), seconds=tuned[:, 3].mean())


def rule_of(net: diffusion.Denoiser, calls: int) -> Iterator[np.ndarray]:
    """Yield the numbers of the rule "auto", from which a tuning starts and by which it is taught."""
    for steps in (calls, 50):
        sampler, times, to_zero = lay_out(net, "auto", steps, None)
        yield from form_of(sampler.plan(net.schedule, times, to_zero=to_zero))


def fitted(one: Instance, calls: int, **options: Any) -> np.ndarray:
    """Return the errors of a sampler that is tuned so, the calls spent on a start, and the seconds of the processor.

    The errors are infinite where there is no such sampler.
    """
    begun = time.process_time()
    try:
        sampler = diffusion.tune(one.denoiser, one.starts, steps=calls, **options)
    except ValueError:  # DEIS does not start from pure noise
        return np.array([np.inf, np.inf, np.nan, np.nan])
    seconds = time.process_time() - begun
    assert sampler.report is not None
    end = diffusion.sample(one.denoiser, one.unseen, sampler=sampler)
    spent = sampler.report.details["calls of a start"]
    return np.array([*summary(relative_errors(end, one.exact)), spent, seconds])


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
    ratio = None if found.tuned is None else found.tuned / found.best[: len(found.tuned)]
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
    worst = [cells[i] for i in np.argmax(ratios, axis=0)]
    told = ", ".join(
        f"{r:.2f} ({one.kind}, {one.calls} calls)" for r, one in zip(ratios.max(axis=0), worst, strict=True)
    )
    text = (
        f"{names} named samplers on 4 grids, {seeds} seeds. Over the {len(cells)} rows of exact models `auto` stands "
        f"at {_two(ratios)} of the best, in the median (the mean) of the starts; its worst rows have {told}."
    )
    flow = np.array([ratio for ratio, one in zip(ratios, cells, strict=True) if "flow" in one.kind])
    text += f" On flow matching it stands at {_two(flow)}." if len(flow) else ""
    tuned = [one for one in cells if one.tuned is not None and one.grid is not None]
    below = sum(bool(np.all(mean(one.tuned) <= mean(one.auto))) for one in tuned)
    beside = sum(bool(np.all(mean(one.tuned) <= mean(one.grid))) for one in tuned)
    text += (
        f" Tuned samplers lie below `auto`, in the median and in the mean, in {below} rows of {len(tuned)}, and below "
        f"exact weights on tuned grids in {beside}."
    )
    return fill(text, 128) + "\n"


def _two(ratios: np.ndarray) -> str:
    return "{:.2f} ({:.2f})".format(*mean(ratios))


def fits(kind: Kind, calls: int, setting: Setting, results: Results) -> str:
    """Return the table of the ways to fit, on the first of the mixtures, which torch differentiates."""
    import torch

    (one,), options = instances(kind, setting.seeds[:1]), dict(setting.options)
    own = one._replace(starts=torch.from_numpy(one.starts), unseen=torch.from_numpy(one.unseen))
    made = _row(("fitted as", "error", "calls a start", "s")) + _row(("---",) * 4)
    of = (*CODE, *rule_of(one.denoiser, calls), kind.name, kind.starts, calls, setting.seeds[0], *setting.options)
    for name, how in FITTED.items():
        found = results(partial(fitted, own, calls, **options, **how), "fitted as", name, *of)
        made += _row((name, written(found[None, :2]), f"{found[2]:.0f}", f"{found[3]:.0f}"))
    return f"\nFitted in other ways, {calls} calls on {kind.name}, the first of the seeds:\n\n{made}"


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


def cells(kind: Kind, setting: Setting, results: Results) -> list[Cell]:
    """Return the cells of a kind."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", diffusion.OffScaleWarning)
        own = instances(kind, setting.seeds)
        return [cell(kind, calls, own, setting, results) for calls in kind.calls]


def peak() -> float:
    """Return the largest memory of a process so far, in MB."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(one).ru_maxrss for one in who) / 1024


def main(arguments: Sequence[str] = ()) -> None:
    """Print the tables, or write them into the page."""
    command = PAGE.parser(__doc__)
    command.add_argument("--only", default="", help="the kinds of models whose names begin so")
    command.add_argument("--jobs", type=int, default=1, help="processes among which the kinds are divided")
    command.add_argument("--fresh", action="store_true", help="measure anew what is kept in out/kept")
    given = command.parse_args(arguments)
    setting = QUICK if given.quick else Setting(tuple(kind for kind in KINDS if kind.name.startswith(given.only)))
    results = Results(given.fresh, None) if given.quick else Results(given.fresh)
    made, every = _row(HEAD) + _row(("---",) * len(HEAD)), []
    print(made, end="", flush=True)
    with ProcessPoolExecutor(given.jobs) if given.jobs > 1 else nullcontext() as pool:
        for found in (map if pool is None else pool.map)(cells, setting.kinds, repeat(setting), repeat(results)):
            every += found
            lines = "".join(map(line, found))
            made += lines
            print(lines, end="", flush=True)
    exact = [one for one in every if one.kind != KINDS[-1].name]
    said = claims(exact, len(setting.names), len(setting.seeds)) if exact else ""
    text = fits(setting.kinds[0], setting.kinds[0].tuned[-1], setting, results)
    print(said + text)
    if given.write:
        PAGE.show(f"\n{said}\n{made}\nPeak memory of a process: {peak():.0f} MB.\n{text}", write=True)
