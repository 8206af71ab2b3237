"""Solving for v = u - w, where w(t, x) meets the conditions at the walls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from expint.backend import Array, asarray_like, stack
from expint.given import given_moments
from expint.ivp.checks import check_slopes, check_state
from expint.operators.over_time.lifted import Lift, Lifted
from expint.run.events import check_events
from expint.solution import Solution

__all__ = ["LiftedOutput", "solve_lifted"]


def solve_lifted(
    solve: Callable[..., Solution],
    nonlinear: Callable[..., Array] | None,
    t_span: tuple[float, float],
    y0: Array,
    *,
    linear: Lifted,
    events: Any = None,
    args: tuple[Any, ...] = (),
    callback: Callable[[float, Array], None] | None = None,
    save: Callable[[float, Array], Any] | None = None,
    jac: Any = None,
    **options: Any,
) -> Solution:
    """Solve by ``solve`` for v; the other arguments are those of ``solve_ivp``, for u.

    Raises
    ------
    ValueError
        If ``jac`` is given.
    """
    if jac is not None:
        raise ValueError(
            f"expected no jac= beside {linear!r}, received one: the run is made for v = u - w; leave it out, or "
            "subtract a function that meets the conditions by hand"
        )
    y0, lift = check_state(y0), linear.lift
    given = None if nonlinear is None else check_slopes(nonlinear, args, y0)

    def on(t: float, v: Array) -> Array:
        return v + asarray_like(lift.values(t), v)

    def shifted(t: float, v: Array) -> Array:
        force = asarray_like(linear.force(t), v)
        return force + 0 * v if given is None else given(t, on(t, v)) + force

    start = float(t_span[0])
    try:
        solution = solve(
            shifted,
            t_span,
            y0 - asarray_like(lift.values(start), y0),
            linear=linear.operator,
            events=[_event(event, on) for event in check_events(events, args)] or None,
            callback=None if callback is None else lambda t, v: callback(t, on(t, v)),
            save=None if save is None else lambda t, v: save(t, on(t, v)),
            **options,
        )
    except BaseException as error:
        if hasattr(error, "solution"):
            error.solution = _back(error.solution, lift)
        raise
    return _back(solution, lift)


def _event(event: Any, on: Callable[[float, Array], Array]) -> Any:
    """Return the event as a function of v, with the attributes of the original."""

    def moved(t: float, v: Array) -> float:
        return event(t, on(t, v))

    vars(moved).update({name: getattr(event, name) for name in ("terminal", "direction") if hasattr(event, name)})
    return moved


def _lifted(lift: Lift, times: Any, states: Array) -> Array:
    """Return states plus w at their times."""
    if not len(times):
        return states
    return states + stack([asarray_like(lift.values(float(t)), states) for t in times])


def _back(solution: Solution, lift: Lift) -> Solution:
    """Return the solution with its states as u."""
    times = solution.t[-len(solution.y) :] if len(solution.y) else solution.t[:0]
    found = None
    if solution.y_events is not None and solution.t_events is not None:
        found = [_lifted(lift, t, y) for t, y in zip(solution.t_events, solution.y_events)]
    sol = None if solution.sol is None else LiftedOutput(solution.sol, lift)
    return replace(solution, y=_lifted(lift, times, solution.y), y_events=found, sol=sol)


class LiftedOutput:
    """The continuous solution u(t) = v(t) + w(t).

    Parameters
    ----------
    states
        The continuous solution v.
    lift
        w.
    """

    def __init__(self, states: Any, lift: Lift) -> None:
        self._states, self._lift = states, lift
        self.times = states.times

    def __call__(self, t: float | Sequence[float] | np.ndarray) -> Array:
        """Return the state at the time ``t``, or the states at several times along a new first axis.

        Raises
        ------
        ValueError
            If a time lies outside the span of the run.
        """
        moments, states = given_moments(t), self._states(t)
        if moments.ndim == 0:
            return states + asarray_like(self._lift.values(float(moments)), states)
        return _lifted(self._lift, moments.tolist(), states)

    def __repr__(self) -> str:
        return f"{self._states!r}, lifted to the conditions at the walls"
