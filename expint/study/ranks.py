"""Ranks as an executor: one call that every one of them makes, each doing its share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from typing import Any

from expint.arguments import function, instance
from expint.study.shards import Rank

__all__ = ["Ranks"]


class Ranks(Executor):
    """An executor whose jobs several processes share that all run the same program, as under MPI.

    Every rank calls ``map`` with the same jobs, at the same place of the program. Rank r of n does the jobs r, r + n,
    …; the results are gathered, and every rank goes on with all of them, in the order of the jobs. So a sum over
    results is the same to the last bit on one rank and on a hundred. No MPI is needed here: any collective operation
    will do that hands round what each rank brings.

    Parameters
    ----------
    rank
        Which of the ranks this is.
    allgather
        Called with an object by every rank at once; it returns the list of all of them, in the order of the ranks:
        ``comm.allgather`` of mpi4py.

    Raises
    ------
    TypeError
        If ``rank`` is no `Rank`, or ``allgather`` no function.
    ValueError
        If the number of the rank does not lie below their count.

    Notes
    -----
    A job that raises does so on every rank, the first in their order, so that none waits for another that has left.
    What ranks decide from gathered results they decide alike; what each works out by itself has to come out the same,
    as it does on like machines.

    Examples
    --------
    >>> import expint.study
    >>> alone = expint.study.Ranks(expint.study.Rank(0, 1), lambda part: [part])
    >>> list(alone.map(abs, [-1, 2, -3]))
    [1, 2, 3]
    """

    def __init__(self, rank: Rank, allgather: Callable[[Any], list[Any]]) -> None:
        self.rank = instance("rank", rank, Rank)
        if not 0 <= rank.number < rank.of:
            raise ValueError(f"expected a Rank(number, of) with 0 ≤ number < of, received {rank!r}")
        self.allgather = function("allgather", allgather, "allgather(part) -> parts of all ranks")

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run ``fn(*args, **kwargs)`` on this rank, now: a job alone is nothing to share."""
        found: Future[Any] = Future()
        try:
            found.set_result(fn(*args, **kwargs))
        except Exception as error:  # the future's, whatever it is
            found.set_exception(error)
        return found

    def map(
        self, fn: Callable[..., Any], *iterables: Any, timeout: float | None = None, chunksize: int = 1
    ) -> Iterator[Any]:
        """Return the results of ``fn`` for all jobs, each done by one of the ranks.

        Parameters
        ----------
        fn, iterables
            As of the built-in ``map``.
        timeout, chunksize
            As of every executor; ranks neither give up on each other nor divide the jobs otherwise.

        Raises
        ------
        ValueError
            If a timeout is asked for, or ``allgather`` did not return a part for each rank.
        """
        if timeout is not None:
            raise ValueError(f"expected timeout=None, since ranks have to wait for each other, received {timeout!r}")
        del chunksize
        jobs = list(zip(*iterables, strict=False))
        number, count = self.rank
        own = [self.submit(fn, *job) for job in jobs[number::count]]
        parts = self.allgather([(future.exception(), _value(future)) for future in own])
        if len(parts) != count or [len(part) for part in parts] != [len(jobs[k::count]) for k in range(count)]:
            raise ValueError(
                f"expected from allgather the parts of {count} ranks that share {len(jobs)} jobs, received "
                f"{[len(part) for part in parts]}; let every rank make the same calls"
            )
        gathered = [parts[k % count][k // count] for k in range(len(jobs))]
        for error, _ in gathered:
            if error is not None:
                raise error
        return iter([value for _, value in gathered])


def _value(future: Future[Any]) -> Any:
    return None if future.exception() is not None else future.result()
