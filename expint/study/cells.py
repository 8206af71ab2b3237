"""Cells of a study: run in parallel by any executor and kept on disk by content, failures included."""

from __future__ import annotations

import multiprocessing
import pickle
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from expint.progress import Progress, progress_bar
from expint.study.cache import Cache
from expint.study.fingerprint import NotKeyed, fingerprint
from expint.study.processes import Processes, WorkerDied, WorkersCannotStart, workers
from expint.study.surroundings import surroundings

__all__ = ["UNDONE", "Cache", "Interrupted", "Job", "Outcome", "run_jobs", "workers"]

UNDONE = "interrupted before it was done"


class Outcome(NamedTuple):
    """The result of a job: a mapping that JSON can hold, or the sentence of a failure.

    ``kept`` says when the result was computed, if it comes from a cache; ``not_kept`` why it is not kept in one.

    Examples
    --------
    >>> from expint.study import Outcome
    >>> Outcome({"error": 1e-6}).failure == "", Outcome({}, "ValueError: no").result
    (True, {})
    """

    result: dict[str, Any]
    failure: str = ""
    kept: str = ""
    not_kept: str = ""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C while jobs ran; ``outcomes`` are those of all jobs, of which some are not done."""

    def __init__(self, outcomes: Sequence[Outcome] = ()) -> None:
        super().__init__(outcomes)
        self.outcomes = list(outcomes)


@dataclass(frozen=True)
class Job:
    """A function of importable name with its arguments, which returns a mapping that JSON can hold.

    Attributes
    ----------
    function, arguments
        What is called; they must be fit to be sent to the executor.
    content
        What the result depends on, if the arguments are names that only stand for it.
    check
        Raises ValueError if a mapping from a cache is no result of the function.
    label
        What tells this job from others of its kind, where a key is given for what cannot be seen.

    Examples
    --------
    >>> import math
    >>> from expint.study import Job
    >>> Job(dict, ((("root", math.sqrt(2.0)),),))()
    Outcome(result={'root': 1.4142135623730951}, failure='', kept='', not_kept='')
    >>> Job(divmod, (1, 0))().failure
    'ZeroDivisionError: integer division or modulo by zero'
    """

    function: Callable[..., dict[str, Any]]
    arguments: tuple[Any, ...]
    content: Any = field(default=None, repr=False)
    check: Callable[[dict[str, Any]], Any] | None = field(default=None, repr=False)
    label: tuple[str, ...] = ()

    def key(self, given: str | None = None, around: Sequence[Any] | None = None) -> str:
        """Return the key under which the result is kept; ``around`` as in `fingerprint`.

        Raises
        ------
        NotKeyed
            If what it depends on cannot be seen in full, and no key is ``given`` for that.
        """
        stand_in = None if given is None else (given, *self.label)
        return fingerprint((self.function, self.arguments, self.content), given=stand_in, around=around)

    def __call__(self) -> Outcome:
        """Run the job; an exception becomes the sentence of a failure, SystemExit too.

        So does KeyboardInterrupt, but in the main thread of the program, where it is Ctrl-C.
        """
        try:
            return Outcome(self.function(*self.arguments))
        except KeyboardInterrupt as error:
            if threading.current_thread() is threading.main_thread() and multiprocessing.parent_process() is None:
                raise
            return Outcome({}, _told(error))
        except BaseException as error:  # whatever a user's problem raises is a result of this cell, not the end of all
            return Outcome({}, _told(error))


def run_jobs(
    jobs: Sequence[Job],
    executor: Executor,
    cache: Cache | None = None,
    progress: Progress = False,
    *,
    key: str | None = None,
) -> list[Outcome]:
    """Return the outcomes of jobs in their order; those in the cache are not run again.

    Parameters
    ----------
    jobs
        What is to be done.
    executor
        Anything with ``submit(function)`` that returns what has ``result()``, such as the executors of
        ``concurrent.futures``, of MPI (``mpi4py.futures``), or a client of Dask; see `workers`.
    cache
        Where results are kept; each is written as soon as it is there, so that an interrupted study resumes.
    progress
        True for a progress bar.
    key
        Text that stands for what a job depends on and cannot be seen. Without it such results are not kept.

    Raises
    ------
    ValueError
        If a job cannot be sent to another process.
    RuntimeError
        If the worker processes could not start.
    Interrupted
        At Ctrl-C, with what is done.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from expint.study import Job, run_jobs
    >>> job = Job(dict, ([("answer", 42)],))
    >>> outcomes = run_jobs([job, job], ThreadPoolExecutor(1))
    >>> outcomes[0].result
    {'answer': 42}
    """
    run = _Run(jobs, cache or Cache(None), key)
    if isinstance(executor, ProcessPoolExecutor | Processes):
        for index in run.waiting():
            _check_sendable(run.sent[index])
    with progress_bar(progress, len(run.waiting()), "study") as tick:
        try:
            run.on(executor, tick)
        except BrokenProcessPool as error:
            if not isinstance(executor, ProcessPoolExecutor):
                raise RuntimeError(
                    "expected worker processes that start and stay alive, received a broken pool; in a script call "
                    'the study under `if __name__ == "__main__":`, or pass executor=ThreadPoolExecutor()'
                ) from error
            with workers(None) as fresh:  # which tells the job whose process died from those that ran in parallel
                run.on(fresh, tick)
        except KeyboardInterrupt:
            raise Interrupted([outcome or Outcome({}, UNDONE) for outcome in run.outcomes]) from None
    return [outcome for outcome in run.outcomes if outcome is not None]


class _Run:
    """The outcomes of jobs, as they come."""

    def __init__(self, jobs: Sequence[Job], cache: Cache, given: str | None) -> None:
        self.cache, self.keys = cache, [""] * len(jobs)
        self.reasons = [""] * len(jobs)
        self.sent = [replace(job, content=None, check=None) for job in jobs]
        self.outcomes: list[Outcome | None] = [None] * len(jobs)
        if cache.folder is None:
            return
        around = surroundings()
        for index, job in enumerate(jobs):
            try:
                self.keys[index] = job.key(given, around)
            except NotKeyed as error:
                self.reasons[index] = f"{error}; pass key= to keep such results"
                continue
            self.outcomes[index] = self._found(job, self.keys[index])

    def _found(self, job: Job, key: str) -> Outcome | None:
        kept = self.cache.find(key)
        try:
            if kept is not None and job.check is not None:
                job.check(kept.result)
        except (ValueError, TypeError, KeyError):
            return None
        return None if kept is None else Outcome(kept.result, kept=kept.computed)

    def waiting(self) -> list[int]:
        """Return the places of the jobs that are not done."""
        return [index for index, outcome in enumerate(self.outcomes) if outcome is None]

    def on(self, executor: Executor, tick: Callable[[], None]) -> None:
        """Run the jobs that are not done; what is done is collected, however this ends."""
        futures = list[tuple[int, Any]]()
        try:
            for index in self.waiting():
                futures.append((index, executor.submit(self.sent[index])))
            for index, future in _as_they_come(futures):
                self._collect(index, future)
                tick()
        finally:
            for index, future in futures:
                if not isinstance(future, Future):
                    getattr(future, "cancel", lambda: None)()
                elif not future.cancel() and future.done() and future.exception() is None:
                    self._collect(index, future)

    def _collect(self, index: int, future: Any) -> None:
        if self.outcomes[index] is not None:
            return
        try:
            outcome = future.result()
        except (BrokenProcessPool, WorkersCannotStart, CancelledError):
            raise
        except WorkerDied as error:
            outcome = Outcome({}, str(error))
        except Exception as error:  # what stands in the way of a job, such as a module that the worker lacks
            outcome = Outcome({}, _told(error))
        self.outcomes[index] = outcome
        if self.keys[index] and not outcome.failure:
            try:
                self.cache.put(self.keys[index], outcome.result)
            except (OSError, ValueError, TypeError) as error:
                self.reasons[index] = f"it could not be written ({_told(error)})"
        if not outcome.failure:
            self.outcomes[index] = outcome._replace(not_kept=self.reasons[index])


def _as_they_come(futures: Sequence[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
    """Yield futures as they are done; those of other libraries, of which ``result`` alone is known, in their order."""
    if not all(isinstance(future, Future) for _, future in futures):
        yield from futures
        return
    places = {future: index for index, future in futures}
    for future in as_completed(places):
        yield places[future], future


def _told(error: BaseException) -> str:
    """Return an exception as one line."""
    try:
        text = " ".join(str(error).split())
    except Exception:
        text = "(no message)"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _check_sendable(job: Job) -> None:
    try:
        pickle.dumps(job)
    except Exception as error:  # pickle raises what the object's own methods raise
        raise ValueError(
            f"expected what a study runs to be fit for another process, received something that is not ({error}); pass "
            "names, functions of a module such as functools.partial(expint.problems.burgers, n=64), or "
            "executor=ThreadPoolExecutor()"
        ) from error
