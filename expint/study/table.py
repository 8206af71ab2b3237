"""How a study is run: the truth of each problem, then its cells, then the table with what there is to say about it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

from expint.study.cells import UNDONE, Cache, Interrupted, Job, Outcome, run_jobs, workers
from expint.study.report import Cell, Study

__all__ = ["NotKeptWarning", "StudyInterrupted", "check_result", "distinct", "run_table"]


class NotKeptWarning(UserWarning):
    """Results of a study are not kept in the cache that was asked for."""


class StudyInterrupted(KeyboardInterrupt):
    """Ctrl-C while a study ran; ``study`` holds the cells that are done, the others as failed."""

    def __init__(self, study: Study) -> None:
        super().__init__(study)
        self.study = study

    def __str__(self) -> str:
        return "a study was interrupted; the attribute `study` of this exception holds what is done"


def run_table(
    truths: Mapping[str, Job | None],
    methods: Mapping[str, Any],
    values: Sequence[float],
    cell: Callable[[str, str, float, dict[str, Any]], Job],
    *,
    parameter: str,
    measure: str,
    executor: Executor | None,
    cache: str | os.PathLike[str] | None,
    key: str | None,
    progress: bool,
) -> Study:
    """Run the jobs of the truths by problem, then those that ``cell`` makes of (problem, method, value, truth).

    Raises
    ------
    StudyInterrupted
        At Ctrl-C, with the cells that are done.
    """
    if key is not None and not (isinstance(key, str) and key):
        raise TypeError(f"expected key as text that is not empty, received {key!r}; leave it out if nothing is hidden")
    keep = Cache(cache)
    places = [(label, method, value) for label in truths for method in methods for value in values]
    wanted = {label: job for label, job in truths.items() if job is not None}
    with workers(executor) as pool:
        found, interrupted = _ran(list(wanted.values()), pool, keep, False, key)
        known = dict.fromkeys(truths, Outcome({})) | dict(zip(wanted, found, strict=True))
        jobs = [cell(*place, known[place[0]].result) for place in places if not known[place[0]].failure]
        done = [Outcome({}, UNDONE)] * len(jobs)
        if not interrupted:
            done, interrupted = _ran(jobs, pool, keep, progress, key)
        outcomes = _placed(places, known, iter(done))
        cells = [Cell(*place, **o.result, failure=o.failure) for place, o in zip(places, outcomes, strict=True)]
        study = Study(tuple(cells), parameter, measure, tuple(_remarks([*found, *outcomes])))
        if interrupted:
            raise StudyInterrupted(study)  # within the context, whose processes it ends
    for remark in study.remarks:
        if "not kept" in remark:
            warnings.warn(remark, NotKeptWarning, stacklevel=4)
    return study


def _ran(
    jobs: Sequence[Job], pool: Executor, cache: Cache, progress: bool, key: str | None
) -> tuple[list[Outcome], bool]:
    """Return the outcomes of jobs, and whether Ctrl-C came between."""
    try:
        return run_jobs(jobs, pool, cache, progress, key=key), False
    except Interrupted as error:
        return error.outcomes, True


def _placed(places: Sequence[Any], truths: Mapping[str, Outcome], done: Iterator[Outcome]) -> list[Outcome]:
    """Return the outcome of each place: the next one done, or the failure of its truth."""
    failed = {label: truth.failure for label, truth in truths.items()}
    return [Outcome({}, f"no reference: {failed[label]}") if failed[label] else next(done) for label, _, _ in places]


def _remarks(outcomes: Sequence[Outcome]) -> list[str]:
    """Return the remarks: how many results come from the cache and from when, which are not kept and why."""
    remarks = []
    times = sorted(outcome.kept for outcome in outcomes if outcome.kept)
    if times:
        when = times[0] if times[0] == times[-1] else f"{times[0]} to {times[-1]}"
        remarks.append(f"{len(times)} of {len(outcomes)} results come from the cache, computed {when}.")
    for reason in dict.fromkeys(outcome.not_kept for outcome in outcomes if outcome.not_kept):
        count = sum(outcome.not_kept == reason for outcome in outcomes)
        remarks.append(f"{count} of {len(outcomes)} results are not kept in the cache: {reason}.")
    return remarks


def check_result(result: Mapping[str, Any]) -> None:
    """Raise ValueError if a mapping is no result of a cell: a finite error ≥ 0, counts, and seconds."""
    measured = [result.get(name) for name in ("error", "seconds")]
    numbers = all(isinstance(n, int | float) and type(n) is not bool and 0 <= n < float("inf") for n in measured)
    counts = all(type(result.get(name)) is int and result[name] >= 0 for name in ("calls", "steps"))
    if set(result) != {"error", "calls", "steps", "seconds"} or not (numbers and counts):
        raise ValueError(f"expected a finite error ≥ 0, counts and seconds, received {dict(result)}")


def distinct(names: Sequence[str], what: str) -> None:
    """Raise ValueError if two of the ``what`` of a study have one name: they would be one curve."""
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise ValueError(f"expected {what} of different names, received {twice[0]!r} twice; name them apart")
