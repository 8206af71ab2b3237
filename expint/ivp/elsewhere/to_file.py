"""Solving with results written to a file on the way, so that memory holds one state."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from expint.arguments import seen
from expint.backend import Array, to_numpy
from expint.given import given_save, given_sequence
from expint.netcdf import Records
from expint.run.keeping import WRITTEN, checked_saved
from expint.solution import Solution

__all__ = ["solve_to_file"]


def solve_to_file(
    solve: Callable[..., Solution],
    nonlinear: Callable[..., Array] | None,
    t_span: tuple[float, float],
    y0: Array,
    *,
    save_to: str | os.PathLike[str],
    save: Callable[[float, Array], Any] | None = None,
    t_eval: Sequence[float] | None = None,
    checkpoint: Any = None,
    **options: Any,
) -> Solution:
    """Solve by ``solve``, with the states that are asked for, or what is saved of them, added to a file.

    Raises
    ------
    ValueError, TypeError, OSError
        If ``save_to`` is not the path of a NetCDF file, or cannot be written.
    """
    path, found = _path(save_to), None if checkpoint is None else checkpoint.run
    file = _ToFile(path, save, t_eval, (None, None) if found is None else found["records"])
    if checkpoint is not None:
        options["checkpoint"] = replace(checkpoint, records=file.stand)
    try:
        return replace(solve(nonlinear, t_span, y0, save=file.take, t_eval=t_eval, **options), saved={})
    except BaseException as error:
        if hasattr(error, "solution"):
            error.solution = replace(error.solution, saved={})
        raise
    finally:
        file.records.close()


class _ToFile:
    """Adds what is asked for to a file; ``stands`` says how many records it has, and the time of the last."""

    def __init__(self, path: Path, save: Any, t_eval: Any, stands: tuple[int | None, float | None]) -> None:
        count, self._last = stands
        if count and not path.is_file():
            raise FileNotFoundError(
                f"expected the file of {count} records that the run wrote, received no {str(path)!r}"
            )
        self.records, self._save = Records(path, "solution of y' = L y + N(t, y) by expint", count), given_save(save)
        self._asked = None if t_eval is None else frozenset(given_sequence("t_eval", t_eval).tolist())

    def take(self, t: float, y: Array) -> Any:
        """Add a record, unless a piece of the run ends or begins there that none asked for."""
        if t != self._last and (self._asked is None or t in self._asked):
            own = y if self._save is None else checked_saved(self._save(t, y), t)
            named = own if isinstance(own, dict) else {"y" if self._save is None else "saved": own}
            self.records.add(t, {name: to_numpy(value) for name, value in named.items()})
            self._last = t
        return WRITTEN

    def stand(self) -> tuple[int, float | None]:
        """Return how many records there are, once they are on the disk, and the time of the last."""
        self.records.flush()
        return self.records.count, self._last


def _path(given: Any) -> Path:
    if not isinstance(given, str | os.PathLike):
        raise TypeError(f'expected save_to to be the path of a file, received {seen(given)}; "run.nc" is one')
    path = Path(os.fspath(given))
    if path.suffix != ".nc":
        raise ValueError(f"expected save_to to end in .nc, a NetCDF file, received {str(path)!r}; add it")
    folder = path.absolute().parent
    if not folder.is_dir() or path.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        raise OSError(f"expected save_to in a folder that is there and can be written to, received {str(path)!r}")
    return path
