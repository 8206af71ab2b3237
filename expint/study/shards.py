"""Many runs, one for each seed, in shards: files that appear whole, over any number of ranks, resumable."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import expint
from expint.arguments import function, instance, integer, one_line, seen
from expint.arguments import path as checked_path
from expint.backend import to_numpy
from expint.files import whole_file

__all__ = ["Rank", "Shards"]

_LARGEST = 2**63 - 1
_VARIABLES = (
    ("RANK", "WORLD_SIZE"),
    ("SLURM_PROCID", "SLURM_NTASKS"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
)
"""Of torchrun and its kin, of Slurm's srun, of Open MPI and of MPICH; the first pair of which one is set counts."""

_OWN = ("seeds", "about")


class Rank(NamedTuple):
    """One process of several that share a work: the ``number``-th, from 0 on, ``of`` so many.

    Examples
    --------
    >>> from expint.study import Rank
    >>> rank = Rank(1, of=4)
    >>> list(range(10))[rank.number :: rank.of]
    [1, 5, 9]
    """

    number: int = 0
    of: int = 1

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] | None = None) -> Rank:
        """Return the rank that RANK and WORLD_SIZE say, or else the variables of Slurm or MPI; without them 0 of 1.

        Raises
        ------
        ValueError
            If one of a pair is missing, or they are no integers with 0 ≤ rank < size.

        Examples
        --------
        >>> Rank.of_environment({"SLURM_PROCID": "3", "SLURM_NTASKS": "8"})
        Rank(number=3, of=8)
        """
        given = os.environ if environment is None else environment
        for pair in _VARIABLES:
            values = [given.get(name) for name in pair]
            if values == [None, None]:
                continue
            if not all(value is not None and value.isascii() and value.isdigit() for value in values):
                raise ValueError(_unfit(pair, values))
            number, of = (int(str(value)[:20]) for value in values)
            if not number < of:
                raise ValueError(_unfit(pair, values))
            return cls(number, of)
        return cls()


def _unfit(names: tuple[str, str], values: list[str | None]) -> str:
    return (
        f"expected integers 0 ≤ {names[0]} < {names[1]} in the environment, received {seen(values[0])} and "
        f"{seen(values[1])}; set both, or neither"
    )


@dataclass(frozen=True)
class Shards:
    """Results for a range of seeds, kept in a folder as files of ``size`` seeds each.

    Which seeds stand in a file depends on ``seeds`` and ``size`` only, not on the number of ranks: rank r of n makes
    the files r, r + n, …, each in one call. So any split gives the same results to the last bit, a rank that died
    makes what is missing when it comes back, and so does a later run of any other number of ranks. A file appears when
    it is complete.

    Parameters
    ----------
    folder
        Where the files are; it is made by `make`.
    seeds
        A range of integers ≥ 0, of step 1.
    size
        Seeds in a file; the last may have fewer.
    about
        What the results depend on beside the seed, as plain data (it is written as JSON). Files of anything else, or
        of another version of expint, are refused.

    Raises
    ------
    ValueError, TypeError
        If an argument makes no sense; by `make`, `missing` and `arrays` if the folder holds a file of another work or
        one that is damaged. Nothing is overwritten.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> shards = Shards(tempfile.mkdtemp(), range(10), size=4)
    >>> for rank in (Rank(0, 2), Rank(1, 2)):
    ...     made = shards.make(lambda seeds: {"square": [seed**2 for seed in seeds]}, rank=rank)
    >>> shards.arrays()["square"]
    array([ 0,  1,  4,  9, 16, 25, 36, 49, 64, 81])
    """

    folder: str | os.PathLike[str]
    seeds: range
    size: int = 256
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checked_path("folder", self.folder)
        instance("seeds", self.seeds, range, "a range of seeds", "for instance range(50_000)")
        if not self.seeds or self.seeds.step != 1 or self.seeds[0] < 0 or self.seeds[-1] > _LARGEST:
            raise ValueError(f"expected a range of integers 0 … 2⁶³ − 1 of step 1, received {self.seeds!r}")
        object.__setattr__(self, "size", integer("size", self.size))
        try:
            json.dumps(dict(self.about), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise TypeError(f"expected plain data in about, received {seen(self.about)} ({error})") from None

    def __len__(self) -> int:
        return -(-len(self.seeds) // self.size)

    def make(
        self,
        results: Callable[[list[int]], Mapping[str, Any]],
        rank: Rank | None = None,
        callback: Callable[[Path], Any] | None = None,
    ) -> list[Path]:
        """Make the files of this rank that are missing, and return their paths.

        Parameters
        ----------
        results
            Called with the seeds of one file; it returns arrays by name, each with one entry for each seed along its
            first axis. The entry of a seed has to depend on nothing but that seed.
        rank
            Which share to make; that of the environment by default (`Rank.of_environment`).
        callback
            Called with the path of each file when it is complete.

        Raises
        ------
        RuntimeError
            If ``results`` failed for some files. The others are made and kept; the message names the first.
        OSError
            If a file cannot be written, as on a full disk; those made before are kept.
        """
        function("results", results, "results(seeds)")
        own = Rank.of_environment() if rank is None else rank
        if not (isinstance(own, Rank) and 0 <= own.number < own.of):
            raise ValueError(f"expected a Rank(number, of) with 0 ≤ number < of, received {own!r}")
        todo = [index for index in self._missing() if index % own.of == own.number]
        Path(self.folder).mkdir(parents=True, exist_ok=True)
        made, failed = [], []
        for index in todo:
            seeds, path = self._part(index), self._path(index)
            try:
                arrays = self._checked(results(seeds), len(seeds))
            except (ArithmeticError, RuntimeError) as error:  # the other files are kept and made
                failed.append((path, error))
                continue
            about = np.array(self._about)
            with whole_file(path) as file:
                np.savez(file, allow_pickle=False, seeds=np.array(seeds, dtype=np.int64), about=about, **arrays)
            made.append(path)
            if callback is not None:
                callback(path)
        if failed:
            first, cause = failed[0]
            raise RuntimeError(
                f"expected results for all of {len(todo)} files, received none for {len(failed)}; the first, "
                f"{first.name}: {one_line(cause)}; the others are kept, run again for these"
            ) from cause
        return made

    def missing(self) -> list[Path]:
        """Return the paths of the files that are still to be made, by any rank."""
        return [self._path(index) for index in self._missing()]

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the results of all seeds, in their order.

        Raises
        ------
        FileNotFoundError
            If files are missing; the message says how many.
        """
        if missing := self.missing():
            raise FileNotFoundError(
                f"expected all {len(self)} files in {os.fspath(self.folder)!r}, received {len(self) - len(missing)}; "
                f"make the rest, of which {missing[0].name} is the first"
            )
        parts = [self._read(index, every=True) for index in range(len(self))]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0] if name not in _OWN}

    @property
    def _about(self) -> str:
        return json.dumps({"expint": expint.__version__, **self.about}, sort_keys=True)

    def _part(self, index: int) -> list[int]:
        return list(self.seeds[index * self.size : (index + 1) * self.size])

    def _path(self, index: int) -> Path:
        part = self.seeds[index * self.size : (index + 1) * self.size]
        return Path(self.folder) / f"{part[0]:09}-{part[-1]:09}.npz"

    def _missing(self) -> Iterator[int]:
        for index in range(len(self)):
            if not self._path(index).exists():
                yield index
            else:
                self._read(index)

    def _checked(self, found: Mapping[str, Any], count: int) -> dict[str, np.ndarray]:
        instance("what results returned", found, Mapping, "arrays by name")
        arrays = {str(name): np.asarray(to_numpy(value)) for name, value in found.items()}
        for name, array in arrays.items():
            if name in _OWN or array.ndim == 0 or len(array) != count or array.dtype.kind not in "biufc":
                raise ValueError(
                    f"expected numbers with one entry for each of {count} seeds, under a name other than "
                    f"{' and '.join(_OWN)}, received {name!r} of shape {array.shape} and dtype {array.dtype}"
                )
        if not arrays:
            raise ValueError("expected at least one array by name of results, received none")
        return arrays

    def _read(self, index: int, every: bool = False) -> dict[str, np.ndarray]:
        """Return what a file holds; without ``every`` only what says whose it is."""
        path = self._path(index)
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
                found = {name: stored[name] for name in (stored.files if every else _OWN)}
            about, seeds = str(found["about"]), found["seeds"].tolist()
        except (ValueError, KeyError, EOFError, AttributeError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"expected a file of shards, received {str(path)!r}, which is none or is damaged "
                f"({one_line(error)}); delete it, and it is made again"
            ) from error
        if about != self._about or seeds != self._part(index):
            raise ValueError(
                f"expected results of {seen(self._about, 300)}, received {str(path)!r} of {seen(about, 300)}; take "
                "another folder"
            )
        return found
