"""What a solve of many trajectories returns: a ``Solution`` for each, and the same in arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

import numpy as np

from expint.backend import Array, array_namespace, device
from expint.solution import Solution, Stats, Status

__all__ = ["Kept", "Solutions"]


@dataclass(frozen=True)
class Kept:
    """The states that are kept of all trajectories, one trajectory after the other.

    Attributes
    ----------
    t, y
        The times and states, along one axis.
    first
        Of shape (B + 1,): where those of each trajectory begin.
    column
        Which of the times asked for each is, -1 for none of them.
    """

    t: np.ndarray
    y: Array
    first: np.ndarray
    column: np.ndarray


@dataclass(frozen=True)
class Solutions(Sequence[Solution]):
    """The result of ``solve_ivp(…, batched=True)``: a sequence of one ``Solution`` for each of B trajectories.

    Attributes
    ----------
    t_end, y_end
        The last times, of shape (B,), and the states there, of shape (B, *state).
    status
        How each ended, of shape (B,): values of ``Status``, negative for failures.
    messages
        What happened to each, and on failure what to try.
    stats
        What each cost: the fields are arrays of shape (B,).
    method
        The name of the method.
    kept, wanted
        The states that are kept, and the times asked for, of shape (B, m), None if none were.
    remark
        What there is to be said of all of them.
    sols, t_events, y_events
        For each the fields ``sol``, ``t_events`` and ``y_events`` of its solution, None if they were not asked for.

    Examples
    --------
    >>> import numpy as np
    >>> import expint
    >>> runs = expint.solve_ivp(lambda t, y: -(y**3), (0, 1), np.array([[1.0], [2.0]]), linear=-1.0, batched=True)
    >>> len(runs), runs.y_end.shape, runs.success.tolist(), float(runs[1].t[-1])
    (2, (2, 1), [True, True], 1.0)
    """

    t_end: np.ndarray
    y_end: Array
    status: np.ndarray
    messages: tuple[str, ...]
    stats: Stats
    method: str
    kept: Kept
    wanted: np.ndarray | None = None
    sols: tuple[Callable[..., Array] | None, ...] | None = None
    t_events: tuple[list[Any], ...] | None = None
    y_events: tuple[list[Any], ...] | None = None
    remark: str = ""

    def __len__(self) -> int:
        return len(self.status)

    @overload
    def __getitem__(self, i: int) -> Solution: ...

    @overload
    def __getitem__(self, i: slice) -> list[Solution]: ...

    def __getitem__(self, i: int | slice) -> Solution | list[Solution]:
        """Return the solution of one trajectory, or a list of some."""
        numbers = range(len(self))[i]
        return self._one(numbers) if isinstance(numbers, int) else [self._one(j) for j in numbers]

    def __iter__(self) -> Iterator[Solution]:
        return map(self._one, range(len(self)))

    def _one(self, i: int) -> Solution:
        own = slice(int(self.kept.first[i]), int(self.kept.first[i + 1]))
        stats = Stats(**{name: int(values[i]) for name, values in vars(self.stats).items()})
        return Solution(
            self.kept.t[own],
            self.kept.y[own, ...],
            Status(int(self.status[i])),
            f"{self.messages[i]} {self.remark}".rstrip(),
            stats,
            self.method,
            None if self.sols is None else self.sols[i],
            None if self.t_events is None else self.t_events[i],
            None if self.y_events is None else self.y_events[i],
        )

    @property
    def success(self) -> np.ndarray:
        """Whether each reached its end, or a terminal event: truth values of shape (B,)."""
        return self.status >= 0

    @property
    def nfev(self) -> np.ndarray:
        """How often N was evaluated for each, of shape (B,)."""
        return self.stats.nonlinear_evaluations  # type: ignore[return-value]  # an array, one entry for each

    @property
    def calls(self) -> np.ndarray:
        """Another name of ``nfev``: network calls, for diffusion."""
        return self.nfev

    @property
    def t(self) -> Any:
        """The times asked for, of shape (B, m); without ``t_eval`` a list: those of the steps of each."""
        if self.wanted is not None:
            return self.wanted
        return np.split(self.kept.t, self.kept.first[1:-1]) if len(self) else []

    @cached_property
    def y(self) -> Any:
        """The states at the times asked for, of shape (B, m, *state), nan where a trajectory did not get.

        Without ``t_eval`` a list: those of the steps of each, of shape (its times, *state).
        """
        if self.wanted is None:
            return [self.kept.y[int(a) : int(b), ...] for a, b in zip(self.kept.first[:-1], self.kept.first[1:])]
        xp, count, like = array_namespace(self.y_end), self.wanted.shape[-1], self.kept.y
        shape = (len(self), count, *self.y_end.shape[1:])
        # every state asked for has one place; where nothing was reached the place is that of a row of nan, the last
        place = np.full(len(self) * count, len(self.kept.t))
        asked = self.kept.column >= 0
        owner = np.repeat(np.arange(len(self)), np.diff(self.kept.first))
        place[owner[asked] * count + self.kept.column[asked]] = np.flatnonzero(asked)
        nothing = xp.full((1, *shape[2:]), np.nan, dtype=like.dtype, device=device(like))
        found = xp.take(xp.concat([like, nothing]), xp.asarray(place, device=device(like)), axis=0)
        return xp.reshape(found, shape)

    def __repr__(self) -> str:
        ended = ", ".join(
            f"{int(np.sum(self.status == own))} {own.name.lower().replace('_', ' ')}"
            for own in Status
            if np.any(self.status == own)
        )
        return (
            f"Solutions ({self.method}): {len(self)} trajectories{': ' if ended else ''}{ended}\n"
            f"  y        {'×'.join(str(n) for n in self.y_end.shape[1:]) or 'scalar'}, {self.y_end.dtype}\n"
            f"  steps    {_spread(self.stats.steps)}\n"
            f"  N calls  {_spread(self.nfev)}"
        )


def _spread(counts: Any) -> str:
    return f"{np.min(counts)} … {np.max(counts)}" if len(counts) else "none"
