"""Cells of a study: run side by side by any executor, kept on disk by content, failures kept beside results."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from expint.progress import Progress, progress_bar
from expint.study.fingerprint import fingerprint

__all__ = ["Cache", "Job", "Outcome", "run_jobs", "workers"]


class Outcome(NamedTuple):
    """The result of a job: a mapping that JSON can hold, or the sentence of a failure."""

    result: dict[str, Any]
    failure: str = ""


@dataclass(frozen=True)
class Job:
    """A function of importable name with its arguments, which returns a mapping that JSON can hold.

    Attributes
    ----------
    function, arguments
        What is called; they must be fit to be sent to the executor.
    content
        What the result depends on, if the arguments are names that only stand for it.
    """

    function: Callable[..., dict[str, Any]]
    arguments: tuple[Any, ...]
    content: Any = field(default=None, repr=False)

    def key(self) -> str:
        """Return the key under which the result is kept."""
        return fingerprint((self.function, self.arguments, self.content))

    def __call__(self) -> Outcome:
        """Run the job; an exception becomes the sentence of a failure."""
        try:
            return Outcome(self.function(*self.arguments))
        except Exception as error:  # whatever a user's problem raises is a result of this cell, not the end of all
            return Outcome({}, f"{type(error).__name__}: {error}")


class Cache:
    """Results on disk, one file for each key.

    A file that is half-written, from elsewhere or for another key is no result: it is computed again and replaced.

    Parameters
    ----------
    folder
        Where the files lie; made if need be. None keeps nothing.
    """

    def __init__(self, folder: str | os.PathLike[str] | None) -> None:
        self.folder = None if folder is None else Path(folder)
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)

    def get(self, key: str) -> dict[str, Any] | None:
        """Return what is kept under a key, or None."""
        if self.folder is None:
            return None
        try:
            kept = json.loads(self._file(key).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(kept, dict) or kept.get("key") != key or not isinstance(kept.get("result"), dict):
            return None
        return dict(kept["result"])

    def put(self, key: str, result: dict[str, Any]) -> None:
        """Keep a result; the file appears complete or not at all."""
        if self.folder is None:
            return
        with tempfile.NamedTemporaryFile("w", dir=self.folder, suffix=".part", delete=False, encoding="utf-8") as file:
            json.dump({"key": key, "result": result}, file)
        os.replace(file.name, self._file(key))

    def _file(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{key}.json"


@contextmanager
def workers(executor: Executor | None) -> Iterator[Executor]:
    """Yield the executor, or for the time of the context a pool of fresh processes, one for each core, as needed.

    Fresh, since a copy of a process that runs threads, as numerical libraries do, may hang.
    """
    if executor is not None:
        yield executor
        return
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


def run_jobs(
    jobs: Sequence[Job], executor: Executor, cache: Cache | None = None, progress: Progress = False
) -> list[Outcome]:
    """Return the outcomes of jobs in their order; those in the cache are not run again.

    Parameters
    ----------
    jobs
        What is to be done.
    executor
        Anything of the interface of ``concurrent.futures``; see `workers`.
    cache
        Where results are kept; each is written as soon as it is there, so that an interrupted study resumes.
    progress
        True for a progress bar.

    Raises
    ------
    ValueError
        If a job cannot be sent to another process.
    RuntimeError
        If the worker processes could not start.
    """
    cache = cache or Cache(None)
    keys = [job.key() if cache.folder is not None else "" for job in jobs]
    kept = [cache.get(key) for key in keys]
    outcomes = [None if result is None else Outcome(result) for result in kept]
    sent = [replace(job, content=None) for job in jobs]
    waiting = [index for index, outcome in enumerate(outcomes) if outcome is None]
    if isinstance(executor, ProcessPoolExecutor):
        for index in waiting:
            _check_sendable(sent[index])
    with progress_bar(progress, len(waiting), "study") as tick:
        futures: dict[Future[Outcome], int] = {}

        def collect(future: Future[Outcome]) -> None:
            index = futures[future]
            if outcomes[index] is None:
                outcomes[index] = outcome = future.result()
                if not outcome.failure:
                    cache.put(keys[index], outcome.result)

        try:
            for index in waiting:
                futures[executor.submit(sent[index])] = index
            for future in as_completed(futures):
                collect(future)
                tick()
        except BrokenProcessPool as error:
            raise RuntimeError(
                "expected worker processes that start and stay alive, received a broken pool; in a script call the "
                'study under `if __name__ == "__main__":`, or pass executor=ThreadPoolExecutor()'
            ) from error
        finally:  # an interrupted study keeps what is done
            for future in futures:
                if not future.cancel() and future.done() and future.exception() is None:
                    collect(future)
    return [outcome for outcome in outcomes if outcome is not None]


def _check_sendable(job: Job) -> None:
    try:
        pickle.dumps(job)
    except Exception as error:  # pickle raises what the object's own methods raise
        raise ValueError(
            f"expected what a study runs to be fit for another process, received something that is not ({error}); pass "
            "names, functions of a module such as functools.partial(expint.problems.burgers, n=64), or "
            "executor=ThreadPoolExecutor()"
        ) from error
