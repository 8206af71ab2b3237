"""Where a run stands, as plain numbers in a file, from which it goes on to the last bit."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from importlib import import_module
from typing import Any

import numpy as np

from expint.backend import Array, is_array, to_numpy
from expint.files import whole_file
from expint.ivp.archive import load, save
from expint.ivp.sound import check
from expint.run.control.orders import Orders
from expint.run.control.steps import Steps
from expint.run.dense.halved import Halves
from expint.run.keeping import Kept
from expint.run.loops import Accepted
from expint.run.standing import Standing
from expint.run.watch import Watch
from expint.solution import Solution, Stats, Status

__all__ = ["VERSION", "Checkpoints", "packed", "read", "unpacked"]

VERSION = 2
"""That of the form of the file; files of another are refused."""

_KIND = "expint checkpoint"

_OF_RUN = ("steps", "standing", "kept", "watch", "told", "before", "records")
"""What a file says of a run."""


_RECORDS = {kind.__name__: kind for kind in (Halves, Orders, Standing, Steps)}


class Checkpoints:
    """Writes where a run stands, from time to time, and lets it go on from where an earlier one stood.

    Parameters
    ----------
    path
        The file.
    every
        After how many steps, an integer, or after how many seconds, a float.
    header
        What was given, of plain values and arrays.
    told
        What tells the problem apart from others, likewise.
    value
        N(t, y), by which it is told apart where the run stands, too.
    before
        The pieces before that which is being solved, of runs with breakpoints.
    records
        Says how far the file of results is written, where there is one.
    earlier
        What a file says of the run that goes on, None for one that begins.

    Attributes
    ----------
    standing
        Where the earlier run stood.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        every: float,
        header: Mapping[str, Any],
        told: Mapping[str, Any],
        value: Callable[[float, Array], Array],
        before: Sequence[Solution] = (),
        records: Callable[[], Any] | None = None,
        earlier: dict[str, Any] | None = None,
    ) -> None:
        self._path, self._every, self._header, self._earlier = path, every, dict(header), earlier
        self._told, self._value, self._before, self._records = dict(told), value, before, records
        self.standing: Standing | None = None if earlier is None else earlier["standing"]
        self._ask: Callable[[], Standing] | None = None
        self._written = time.monotonic()

    def note(self, ask: Callable[[], Standing]) -> None:
        """Take note of how to ask where the run stands."""
        self._ask = ask

    def resume(self, last: Accepted, kept: Kept, watch: Watch | None) -> tuple[Accepted, int]:
        """Return the last state and its number, and give back what was kept; ``last`` and 0 for a run that begins."""
        if self._earlier is None or self.standing is None:
            return last, 0
        kept.unpack(self._earlier["kept"])
        if watch is not None:
            watch.unpack(self._earlier["watch"])
        t, y, evaluations, rejected = self.standing[:4]
        return last._replace(t=t, y=y, evaluations=evaluations, rejected=rejected), self._earlier["steps"]

    def look(self, steps: int, kept: Kept, watch: Watch | None) -> None:
        """Write the file if it is due after so many ``steps``.

        Raises
        ------
        OSError
            If it cannot be written; what was there before stays.
        TypeError
            If what is kept is not plain.
        """
        if self._ask is None or not steps:
            return
        if isinstance(self._every, int):
            due = steps % self._every == 0
        else:
            due = time.monotonic() - self._written >= self._every
        if due:
            seen = None if watch is None else watch.pack()
            run: dict[str, Any] = {"steps": steps, "standing": self._ask(), "kept": kept.pack(), "watch": seen}
            records = None if self._records is None else self._records()
            before = [_of_solution(own) for own in self._before]
            here = self._value(run["standing"].t, run["standing"].y)
            self._write({**run, "told": {**self._told, "here": here}, "before": before, "records": records})
            self._written = time.monotonic()

    def _write(self, run: Mapping[str, Any]) -> None:
        arrays: list[np.ndarray] = []
        tree = {"kind": _KIND, "version": VERSION, "header": packed(self._header, arrays), "run": packed(run, arrays)}
        with whole_file(self._path) as file:
            save(file, tree, arrays)


def packed(value: Any, arrays: list[np.ndarray]) -> Any:
    """Return a tree of plain values in the form of JSON; arrays are added to ``arrays``.

    Raises
    ------
    TypeError
        If it holds what is no plain value.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if type(value) in (int, float):
        return value
    if isinstance(value, complex | np.generic):
        arrays.append(np.asarray(value))
        return {"number": len(arrays) - 1}
    if is_array(value):
        arrays.append(to_numpy(value))
        return {"array": len(arrays) - 1, **({"torch": str(value.device)} if hasattr(value, "detach") else {})}
    if isinstance(value, tuple) and type(value).__name__ in _RECORDS:
        return {"record": type(value).__name__, "of": [packed(own, arrays) for own in value]}
    if isinstance(value, tuple):
        return {"tuple": [packed(own, arrays) for own in value]}
    if isinstance(value, list):
        return [packed(own, arrays) for own in value]
    if isinstance(value, Mapping):
        return {"dict": [[packed(key, arrays), packed(own, arrays)] for key, own in value.items()]}
    raise TypeError(
        f"expected plain numbers and arrays to write down, received {type(value).__name__}; leave it out of what is "
        "kept, or solve without checkpoint="
    )


def unpacked(tree: Any, arrays: Sequence[np.ndarray]) -> Any:
    """Return what ``packed`` was given."""
    if isinstance(tree, list):
        return [unpacked(own, arrays) for own in tree]
    if not isinstance(tree, dict):
        return tree
    if "array" in tree:
        host = _at(arrays, tree["array"])
        if "torch" in tree:
            torch = import_module("torch")  # whose states the run had
            return torch.from_numpy(host.copy()).to(tree["torch"])
        return host
    if "number" in tree:
        return _at(arrays, tree["number"])[()]
    if "record" in tree:
        return _RECORDS[tree["record"]](*(unpacked(own, arrays) for own in tree["of"]))
    if "tuple" in tree:
        return tuple(unpacked(own, arrays) for own in tree["tuple"])
    return {unpacked(key, arrays): unpacked(own, arrays) for key, own in tree["dict"]}


def _at(arrays: Sequence[np.ndarray], place: Any) -> np.ndarray:
    if type(place) is not int or not 0 <= place < len(arrays):
        raise IndexError(f"expected the number of one of {len(arrays)} arrays, received {place!r}")
    return arrays[place]


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a file says of the problem and of the run.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If it is no checkpoint, one of another version, or damaged.
    """
    try:
        tree, arrays = load(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"expected a checkpoint at {str(path)!r}, received no file; solve_ivp(…, checkpoint=path) writes one"
        ) from error
    kind, version = (tree.get(name) if isinstance(tree, dict) else None for name in ("kind", "version"))
    if kind != _KIND or version != VERSION:
        raise ValueError(
            f"expected a checkpoint of version {VERSION}, received {kind!r} of version {version!r} in {str(path)!r}; "
            "resume it by the version of expint that wrote it"
        )
    try:
        header, found = (unpacked(tree[name], arrays) for name in ("header", "run"))
        run = {name: found[name] for name in _OF_RUN}
        check(header, run)
        return header, {**run, "before": [_solution(*own) for own in run["before"]]}
    except (AttributeError, IndexError, KeyError, RecursionError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"expected a whole checkpoint, received {str(path)!r}, in which something is missing or wrong ({error!r}); "
            "solve from the start, or take an earlier copy"
        ) from error


def _of_solution(solution: Solution) -> tuple[Any, ...]:
    """Return a solution, but for its continuous one, in plain values."""
    values = {name: value for name, value in vars(solution).items() if name not in ("status", "stats", "sol")}
    return values, int(solution.status), astuple(solution.stats)


def _solution(values: dict[str, Any], status: int, stats: tuple[int, ...]) -> Solution:
    return Solution(**values, status=Status(status), stats=Stats(*stats))
