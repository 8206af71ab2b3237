"""What is kept of a run: times, and the states there or what is saved of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from expint.backend import Array, array_namespace, device, is_array, stack

__all__ = ["WRITTEN", "Kept", "Save", "Saved", "checked_saved", "form_of", "joined"]

Save = Callable[[float, Array], Any]
"""What is to be kept of a state: a number, an array, or several by their names."""

Saved = Any
"""Such values along a new first axis, by their names where they have some."""


WRITTEN = object()
"""What ``save`` returns where it has written down by itself what is to be kept: nothing of it stays in memory."""


class Kept:
    """Times of a run, with the states there; or with what ``save`` returns of them, and the last state alone.

    Parameters
    ----------
    like
        A state.
    save
        save(t, y), which checks nothing; None keeps states.
    """

    def __init__(self, like: Array, save: Save | None = None) -> None:
        self.times: list[float] = []
        self._like, self._save, self._values, self._states = like, save, list[Any](), list[Array]()

    def add(self, t: float, y: Array) -> None:
        """Keep a state, or what is saved of it.

        Raises
        ------
        ValueError, TypeError
            If what is saved is no number and no array, or differs in shape from what was saved before.
        """
        if self._save is not None:
            value = self._save(t, y)
            if value is not WRITTEN:
                self._take(checked_saved(value, t), t)
            self._states.clear()
        self.times.append(t)
        self._states.append(y)

    def _take(self, value: Any, t: float) -> None:
        if self._values and form_of(value) != form_of(self._values[0]):
            raise ValueError(
                f"expected save(t, y) to return {form_of(self._values[0])} at every time, as at the first, received "
                f"{form_of(value)} at t = {t:.6g}; return values of equal shape"
            )
        self._values.append(value)

    def end(self, t: float, y: Array) -> None:
        """Keep the last good state of a run that failed, asked for or not."""
        if self._save is not None:
            self._states[:] = [y]
        elif not self.times or self.times[-1] != t:
            self.times.append(t)
            self._states.append(y)

    def pack(self) -> tuple[Any, ...]:
        """Return all that is kept in plain values, from which ``unpack`` makes it."""
        return list(self.times), list(self._states), list(self._values)

    def unpack(self, packed: tuple[Any, ...]) -> None:
        """Take what was packed."""
        self.times, self._states, self._values = packed

    def fields(self) -> dict[str, Any]:
        """Return ``t``, ``y`` and ``saved`` of a solution."""
        states = stack(self._states) if self._states else self._nothing()
        return {"t": np.array(self.times), "y": states, "saved": None if self._save is None else self._stacked()}

    def _nothing(self) -> Array:
        like = self._like
        return array_namespace(like).empty((0, *like.shape), dtype=like.dtype, device=device(like))

    def _stacked(self) -> Saved:
        values = self._values
        if not values:
            return np.empty((len(self.times), 0)) if self.times else np.empty(0)  # all was written down
        if isinstance(values[0], dict):
            return {name: _along_times([value[name] for value in values]) for name in values[0]}
        return _along_times(values)


def joined(pieces: Sequence[Saved], wanted: np.ndarray | None) -> Saved:
    """Return what several runs, one after the other, have saved; of that what is ``wanted``, all if None."""
    pieces = [piece for piece in pieces if isinstance(piece, dict) or piece.shape[0]] or pieces[:1]
    if isinstance(pieces[0], dict):
        return {name: joined([piece[name] for piece in pieces], wanted) for name in pieces[0]}
    xp = array_namespace(pieces[0])
    whole = xp.concat(pieces) if len(pieces) > 1 else pieces[0]
    return whole if wanted is None else xp.take(whole, xp.asarray(np.flatnonzero(wanted), device=device(whole)), axis=0)


def checked_saved(value: Any, t: float) -> Any:
    """Return what was saved as an array, or several by their names."""
    if isinstance(value, Mapping):
        return {name: checked_saved(own, t) for name, own in value.items()}
    if is_array(value):
        return value
    made = None if value is None else np.asarray(value)
    if made is None or made.dtype.kind not in "biufc":
        raise TypeError(
            f"expected save(t, y) to return a number, an array, or a dict of them, received {type(value).__name__} at "
            f"t = {t:.6g}; return one, such as abs(y).max()"
        )
    return made


def form_of(value: Any) -> Any:
    """Return the shape of what was saved, by its names where it has some."""
    if isinstance(value, dict):
        return {name: form_of(own) for name, own in value.items()}
    return f"shape {tuple(value.shape)}"


def _along_times(values: Sequence[Any]) -> Array:
    return stack(values) if not isinstance(values[0], np.ndarray | np.generic) else np.stack(values)
