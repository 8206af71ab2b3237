"""Worker processes: where one dies, its job fails and the others go on."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any

__all__ = ["Processes", "WorkerDied", "WorkersCannotStart", "workers"]

_SPAWN = multiprocessing.get_context("spawn")
"""Fresh processes, since a copy of a process that runs threads, as numerical libraries do, may hang."""


class WorkerDied(RuntimeError):
    """The process that ran a job ended before it answered."""


class WorkersCannotStart(RuntimeError):
    """A worker process ended before its first job."""


class Processes(Executor):
    """A pool of processes. A process that dies fails the job that it ran, with the reason, and is replaced.

    The processes end with the one that made them, however that ends, and leave Ctrl-C to it.

    Parameters
    ----------
    max_workers
        How many; by default one for each core that this process may use. They are started as needed.

    Examples
    --------
    >>> from expint.study import Processes
    >>> with Processes(1) as pool:
    ...     found = pool.submit(abs, -3).result()
    >>> found
    3
    """

    def __init__(self, max_workers: int | None = None) -> None:
        self.count = max_workers or _cores()
        self._threads = ThreadPoolExecutor(self.count, thread_name_prefix="expint-study")  # one waits for each process
        self._idle: list[_Worker] = []
        self._started: list[_Worker] = []
        self._ended = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run ``fn(*args, **kwargs)`` in a process and return its future.

        Its exception is `WorkerDied` if the process died, `WorkersCannotStart` if none came to life.
        """
        return self._threads.submit(self._run, pickle.dumps((fn, args, kwargs)))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes when their jobs are done."""
        self._threads.shutdown(wait, cancel_futures=cancel_futures)
        for worker in self._started:
            worker.pipe.close()  # which ends one that waits for a job
        for worker in self._started:
            if wait:
                worker.process.join()

    def kill(self) -> None:
        """End the processes now."""
        self._ended = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in list(self._started):
            worker.process.kill()

    def _run(self, job: bytes) -> Any:
        try:
            worker = self._idle.pop()
        except IndexError:
            worker = self._start()
        try:
            worker.pipe.send_bytes(job)
            answer = worker.pipe.recv_bytes()
        except (EOFError, OSError):
            raise WorkerDied(worker.obituary()) from None
        self._idle.append(worker)
        fine, value = pickle.loads(answer)  # of our own process
        if fine:
            return value
        raise value

    def _start(self) -> _Worker:
        try:
            worker = _Worker()
            self._started.append(worker)
            if self._ended:
                worker.process.kill()
            worker.pipe.recv_bytes()
        except (EOFError, OSError, RuntimeError) as error:
            raise WorkersCannotStart(
                "expected worker processes that start, received one that ended before its first job; in a script call "
                'the study under `if __name__ == "__main__":`, or pass executor=ThreadPoolExecutor()'
            ) from error
        return worker


class _Worker:
    """A process that runs one job after the other, and the pipe to it."""

    def __init__(self) -> None:
        self.pipe, theirs = _SPAWN.Pipe()
        self.process = _SPAWN.Process(target=_serve, args=(theirs,))
        self.process.start()
        theirs.close()

    def obituary(self) -> str:
        """Return the sentence that says how the process ended."""
        self.process.join(10)
        code = self.process.exitcode
        if code is None or code >= 0:
            return f"the worker process that ran it ended with exit code {code}"
        names = {entry.value: entry.name for entry in signal.Signals}
        memory = ", as the system does when memory runs out" if names.get(-code) == "SIGKILL" else ""
        return f"the worker process that ran it was ended by {names.get(-code, f'signal {-code}')}{memory}"


@contextmanager
def workers(executor: Executor | None) -> Iterator[Executor]:
    """Yield the executor, or for the time of the context a pool of fresh processes, one for each core, as needed.

    Raises
    ------
    TypeError
        If the executor has not the interface of ``concurrent.futures``.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from expint.study import workers
    >>> threads = ThreadPoolExecutor(1)
    >>> with workers(threads) as own: print(own is threads)
    True
    """
    if executor is not None:
        if isinstance(executor, type) or not callable(getattr(executor, "submit", None)):
            raise TypeError(
                "expected an executor with the method submit, as those of concurrent.futures, received "
                f"{executor!r}; pass ThreadPoolExecutor(), or leave it out"
            )
        yield executor
        return
    pool = Processes()
    try:
        yield pool
    except BaseException:
        pool.kill()
        raise
    finally:
        pool.shutdown()


def _serve(pipe: Connection) -> None:
    """Run the jobs that come by a pipe until it is closed."""
    with suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it, and ends us
    threading.Thread(target=_follow_parent, daemon=True).start()
    pipe.send_bytes(b"ready")
    while True:
        try:
            job = pipe.recv_bytes()
        except (EOFError, OSError):
            return
        try:
            function, args, kwargs = pickle.loads(job)
            answer = pickle.dumps((True, function(*args, **kwargs)))
        except BaseException as error:  # the job's, whatever it is; this process goes on
            answer = _raised(error)
        pipe.send_bytes(answer)


def _raised(error: BaseException) -> bytes:
    """Return an exception to be raised by the parent, or one that tells of it if it cannot travel."""
    try:
        answer = pickle.dumps((False, error))
        pickle.loads(answer)
    except Exception:
        return pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))
    return answer


def _follow_parent() -> None:
    """End this process when its parent has ended, in the middle of a job, too."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
