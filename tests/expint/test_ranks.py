"""Ranks that make the same call together, each its share of the jobs."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from expint.study import Rank, Ranks


def on_ranks(count: int, program: Callable[[Ranks], Any]) -> list[Any]:
    """Return what a program makes on each of so many ranks, threads here."""
    barrier, desk = threading.Barrier(count, timeout=20.0), [None] * count

    def allgather(number: int, part: Any) -> list[Any]:
        desk[number] = part
        barrier.wait()
        parts = list(desk)
        barrier.wait()
        return parts

    def start(number: int) -> Any:
        return program(Ranks(Rank(number, count), lambda part: allgather(number, part)))

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(start, range(count)))


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("jobs", [0, 1, 3, 8])
def test_every_rank_has_all_results_in_order_and_each_job_is_done_once(count: int, jobs: int) -> None:
    done: list[int] = []

    def job(a: int, b: int) -> tuple[int, int]:
        done.append(a)
        return a, b

    expected = [(a, a + 10) for a in range(jobs)]
    assert on_ranks(count, lambda ranks: list(ranks.map(job, range(jobs), range(10, 99)))) == [expected] * count
    assert sorted(done) == list(range(jobs))


def test_a_job_that_fails_on_one_rank_raises_on_all_of_them() -> None:
    def inverse(x: float) -> float:
        return 1.0 / x

    def program(ranks: Ranks) -> str:
        with pytest.raises(ZeroDivisionError) as found:
            ranks.map(inverse, [1.0, 2.0, 0.0, 4.0])
        return str(found.value)

    assert len(set(on_ranks(2, program))) == 1


def test_a_job_alone_is_run_here() -> None:
    ranks = Ranks(Rank(1, 2), lambda part: [part])
    assert ranks.submit(max, 1, 2).result() == 2
    assert isinstance(ranks.submit(int, "x").exception(), ValueError)


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: Ranks(Rank(2, 2), list), ValueError, r"0 ≤ number < of, received Rank\(number=2, of=2\)"),
        (lambda: Ranks((0, 1), list), TypeError, "rank"),
        (lambda: Ranks(Rank(), [1]), TypeError, "allgather"),
        (lambda: Ranks(Rank(), lambda part: []).map(abs, [1]), ValueError, r"1 ranks that share 1 jobs, received \[\]"),
        (lambda: Ranks(Rank(0, 2), lambda part: [part] * 2).map(abs, [1]), ValueError, "the same calls"),
        (lambda: Ranks(Rank(), lambda part: [part]).map(abs, [1], timeout=1.0), ValueError, "timeout=None"),
    ],
)
def test_ranks_that_make_no_sense_are_refused(make: Callable[[], Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        make()
