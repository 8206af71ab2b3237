"""Solving across times at which N or L(t) jumps: piece by piece, each with values from its own side."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from itertools import pairwise
from typing import Any

import numpy as np

from expint.arrays import check_state
from expint.backend import Array, array_namespace, to_numpy
from expint.given import given_moments, given_sequence, given_span
from expint.ivp.checks import check_rtol, default_atol
from expint.operators.over_time.lifted import Lifted
from expint.operators.over_time.time_dependent import TimeDependent
from expint.operators.over_time.time_scaled import TimeScaled
from expint.run.events import check_events
from expint.run.keeping import joined
from expint.solution import Solution, Stats, Status

__all__ = ["PiecewiseOutput", "solve_in_pieces"]


def solve_in_pieces(
    solve: Callable[..., Solution],
    nonlinear: Callable[..., Array] | None,
    t_span: tuple[float, float],
    y0: Array,
    *,
    breakpoints: Sequence[float],
    linear: Any = None,
    jac: Any = None,
    grid: Sequence[float] | None = None,
    t_eval: Sequence[float] | None = None,
    events: Any = None,
    args: tuple[Any, ...] = (),
    callback: Callable[[float, Array], None] | None = None,
    **options: Any,
) -> Solution:
    """Solve by ``solve`` from breakpoint to breakpoint; the arguments are those of ``solve_ivp``.

    It is called for every piece, with functions that see only that.
    """
    times, y = _check(breakpoints, t_span), check_state(y0)
    if options.get("step") is None and grid is None and options.get("atol") is None:
        atol = default_atol(check_rtol(options.get("rtol"), y), y)  # that of y_0, not of every piece
        options["atol"] = atol if np.any(to_numpy(atol)) else None
    written = options.get("checkpoint")
    watched, found = check_events(events, args), list[Solution](() if written is None else written.before)
    on_grid = None if grid is None else _divided(grid, times)
    asked = None if t_eval is None else given_sequence("t_eval", t_eval)
    most, chosen = options.pop("max_steps", 1_000_000), options.get("step") is None and grid is None
    try:
        y = found[-1].y_end if found else y
        for n, (start, end) in enumerate(pairwise(times)):
            if n < len(found):
                continue  # it was solved before the run was stopped
            sees = _Sides(start, end)
            own = _options_of_piece(options, n, (start, end), found, None if on_grid is None else on_grid[n], asked)
            begins = n > 0 and getattr(own.get("checkpoint"), "run", None) is None
            if chosen:
                spent = sum(piece.stats.steps + piece.stats.rejected for piece in found)
                own["max_steps"] = max(1, most - spent)
            piece = solve(
                None if nonlinear is None else sees.function(nonlinear),
                (start, end),
                y,
                linear=sees.operator(linear),
                jac=sees.function(jac) if callable(jac) else jac,
                events=[_further(event, i, found) for i, event in enumerate(watched)] or None,
                args=args,
                callback=_from_second(callback) if callback is not None and begins else callback,
                **own,
            )
            found.append(piece)
            if piece.status != Status.SUCCESS:
                break
            y = piece.y_end
        return _joined(found, asked)
    except BaseException as error:  # whichever moment it comes at, between the pieces, too
        _keep(error, found, asked)
        raise


def _options_of_piece(
    options: dict[str, Any],
    n: int,
    span: tuple[float, float],
    found: Sequence[Solution],
    grid: np.ndarray | None,
    asked: np.ndarray | None,
) -> dict[str, Any]:
    """Return the options of the n-th piece: what concerns its times and how it is written down is its own."""
    (start, end), own = span, dict(options)
    if own.get("checkpoint") is not None:
        own["checkpoint"] = own["checkpoint"].piece(found)
    if grid is not None:
        own["grid"] = grid
    if asked is not None:
        low, high = min(start, end), max(start, end)
        inside = asked[(asked > low) & (asked < high)].tolist()
        own["t_eval"] = [*([start] if n == 0 and start in asked else []), *inside, end]
    if n and own.get("first_step") is not None:
        own["first_step"] = math.copysign(min(abs(own["first_step"]), abs(end - start)), own["first_step"])
    return own


def _keep(error: Any, found: list[Solution], asked: np.ndarray | None) -> None:
    """Let an exception hold what was reached: the pieces before, and what of its own piece it holds already."""
    pieces = [*found, error.solution] if hasattr(error, "solution") else found
    if not pieces:
        return
    if pieces is found:
        why = f"{type(error).__name__} raised after t = {found[-1].t[-1]:.6g}: {error}".rstrip(": ")
        pieces = [*found[:-1], replace(found[-1], status=Status.RAISED, message=why)]
    error.solution = _joined(pieces, asked)


class _Sides:
    """Functions of time as they are within a piece: at its ends they are told the next time inside."""

    def __init__(self, start: float, end: float) -> None:
        self.first, self.last = sorted((math.nextafter(start, end), math.nextafter(end, start)))

    def function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function of time and of what else it takes."""

        def within(t: Any, *rest: Any) -> Any:
            inside = self.first <= t <= self.last
            return function(t if inside else min(max(t, self.first), self.last), *rest)

        return within

    def operator(self, linear: Any) -> Any:
        """Return the linear part; it changes only where it depends on time."""
        if isinstance(linear, Lifted):
            return linear.seen(self.function)
        if isinstance(linear, TimeDependent):
            forcing = None if linear.forcing is None else self.function(linear.forcing)
            return TimeDependent(self.function(linear.operator), forcing)
        if isinstance(linear, TimeScaled):
            first, *others = (TimeScaled(self.function(g), operator, exact) for g, operator, exact in linear.parts)
            return sum(others, start=first)
        return linear


class PiecewiseOutput:
    """The continuous solution of a run over several pieces.

    Parameters
    ----------
    pieces
        Those of the pieces, in the order of the run.
    """

    def __init__(self, pieces: Sequence[Any]) -> None:
        self.pieces = tuple(pieces)
        self.times = [*self.pieces[0].times[:1], *(t for piece in self.pieces for t in piece.times[1:])]

    def __call__(self, t: float | Sequence[float] | np.ndarray) -> Array:
        """Return the state at the time ``t``, or the states at several times along a new first axis.

        Raises
        ------
        ValueError
            If a time lies outside the span of the run.
        """
        times = given_moments(t)
        if times.ndim == 0:
            return self._piece(float(times))(float(times))
        states = [self._piece(time)(time) for time in times.tolist()]
        return array_namespace(states[0]).stack(states) if states else self.pieces[0](times)

    def _piece(self, t: float) -> Any:
        ends = (abs(piece.times[-1] - self.times[0]) for piece in self.pieces[:-1])
        ahead = (t - self.times[0]) * math.copysign(1.0, self.times[-1] - self.times[0])
        return self.pieces[sum(end < ahead for end in ends)]

    def __repr__(self) -> str:
        return f"{self.pieces[0]!r} and {len(self.pieces) - 1} further pieces"


def _check(breakpoints: Sequence[float], t_span: tuple[float, float]) -> list[float]:
    """Return the ends of all pieces."""
    (start, end), inner = given_span(t_span), given_sequence("breakpoints", breakpoints)
    if inner.ndim != 1:
        raise ValueError(f"expected breakpoints to be a sequence of times, received an array of shape {inner.shape}")
    low, high = min(start, end), max(start, end)
    if not np.all((inner >= low) & (inner <= high)):
        raise ValueError(f"expected breakpoints within [{low}, {high}], received {inner.tolist()}")
    ordered = sorted({t for t in inner.tolist() if low < t < high}, reverse=end < start)
    return [start, *ordered, end]


def _divided(grid: Sequence[float], times: Sequence[float]) -> list[np.ndarray]:
    """Return the parts of the grid between the times, which must lie on it."""
    given = given_sequence("grid", grid)
    places = [int(np.argmin(np.abs(given - t))) for t in times]
    missing = [t for t, place in zip(times, places) if given[place] != t]
    if missing:
        raise ValueError(
            f"expected the breakpoints and the ends of t_span among the times of grid, received {missing[0]} which is "
            "none of them; add it to grid"
        )
    return [given[first : last + 1] for first, last in pairwise(places)]


def _further(event: Any, i: int, found: Sequence[Solution]) -> Any:
    """Return the event as the next piece watches it: the occurrences before count."""
    before = sum(len(piece.t_events[i]) for piece in found if piece.t_events is not None)
    terminal = int(getattr(event, "terminal", False))

    def watched(t: float, y: Array) -> float:
        return event(t, y)

    vars(watched).update(terminal=terminal and terminal - before, direction=getattr(event, "direction", 0))
    return watched


def _from_second(callback: Callable[[float, Array], None]) -> Callable[[float, Array], None]:
    """Return the callback for a piece whose first state it has seen as the last of the piece before."""
    calls = 0

    def later(t: float, y: Array) -> None:
        nonlocal calls
        calls += 1
        if calls > 1:
            callback(t, y)

    return later


def _joined(pieces: Sequence[Solution], asked: np.ndarray | None) -> Solution:
    """Return the solution over all pieces, of which all but the first begin where the one before ends."""
    last, skips = pieces[-1], [0]
    for before, piece in pairwise(pieces):
        skips.append(int(len(piece.t) > 0 and len(before.t) > 0 and piece.t[0] == before.t[-1]))
    t = np.concatenate([piece.t[skip:] for piece, skip in zip(pieces, skips)])
    wanted = None
    if asked is not None:
        wanted = np.isin(t, asked)
        if last.status < 0 and last.saved is None and len(t):
            wanted[-1] = True  # the last good state, asked for or not
    merged: dict[str, Any] = {"t": t if wanted is None else t[wanted]}
    if last.saved is None:
        merged["y"] = joined([piece.y[skip:, ...] for piece, skip in zip(pieces, skips)], wanted)
    else:
        merged["saved"] = joined([_from(piece.saved, skip) for piece, skip in zip(pieces, skips)], wanted)
    stats = Stats(**{f.name: sum(getattr(piece.stats, f.name) for piece in pieces) for f in fields(Stats)})
    if last.t_events is not None:
        count = range(len(last.t_events))
        merged["t_events"] = [np.concatenate([piece.t_events[i] for piece in pieces]) for i in count]  # type: ignore[index]  # all pieces have events
        concat = array_namespace(last.y).concat
        merged["y_events"] = [concat([piece.y_events[i] for piece in pieces]) for i in count]  # type: ignore[index]  # all pieces have events
    outputs = [piece.sol for piece in pieces if piece.sol is not None]
    if outputs:
        merged["sol"] = PiecewiseOutput(outputs)
    return replace(last, stats=stats, **merged)


def _from(saved: Any, skip: int) -> Any:
    """Return what was saved without its first entries."""
    return {name: own[skip:, ...] for name, own in saved.items()} if isinstance(saved, dict) else saved[skip:, ...]
