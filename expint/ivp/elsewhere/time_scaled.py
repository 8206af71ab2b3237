"""Solving y' = g(t) A y + N(t, y) in the clock s = ∫ g dt, in which the linear part is constant."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from expint.backend import Array
from expint.given import given_moments, given_times
from expint.ivp.checks import check_slopes, check_state
from expint.ivp.times import MOST_STEPS, StepLimits, lay_out_stops, lay_out_times
from expint.operators.over_time.time_scaled import Part, TimeScaled
from expint.run.events import check_events
from expint.solution import Solution, Status

if TYPE_CHECKING:
    from expint.operators.over_time.time_integral import Clock

__all__ = ["ClockedOutput", "solve_in_clock"]


def solve_in_clock(
    solve: Callable[..., Solution],
    nonlinear: Callable[..., Array],
    t_span: tuple[float, float],
    y0: Array,
    *,
    linear: TimeScaled,
    step: float | None = None,
    grid: Sequence[float] | None = None,
    t_eval: Sequence[float] | None = None,
    first_step: float | None = None,
    max_step: float = math.inf,
    max_steps: int = MOST_STEPS,
    events: Any = None,
    args: tuple[Any, ...] = (),
    callback: Callable[[float, Array], None] | None = None,
    save: Callable[[float, Array], Any] | None = None,
    jac: Any = None,
    **options: Any,
) -> Solution:
    """Solve by ``solve`` in the clock; the other arguments are those of ``solve_ivp``, times t.

    What comes out has times t, too. Steps that are given are those in t; steps that are chosen are chosen in the clock,
    where they repeat.
    """
    part = _only_part(linear, jac)
    y0, given = check_state(y0), given_times(t_span, step, grid, t_eval, first_step, max_step, max_steps)
    if step is not None or grid is not None:
        times, wanted = lay_out_times(given.span, given.step, given.grid, given.t_eval)
        asked, run = None if wanted is None else times[wanted], _Clocked(part, times)
        steps: dict[str, Any] = {"grid": run.into(times), "first_step": first_step, "max_step": max_step}
        steps["max_steps"] = max_steps
    else:
        limits, asked = StepLimits(given.first, given.largest, given.most), given.t_eval
        times = np.array([given.span[0], *lay_out_stops(given.span, given.t_eval, limits)])
        run = _Clocked(part, times)
        steps = run.limits(limits)
    try:
        solution = solve(
            run.slope(check_slopes(nonlinear, args, y0)),
            tuple(run.into(times[[0, -1]])),
            y0,
            linear=part.operator,
            t_eval=None if asked is None else run.into(asked),
            events=[run.event(event) for event in check_events(events, args)] or None,
            callback=None if callback is None else lambda s, y: callback(run.time(s), y),
            save=None if save is None else lambda s, y: save(run.time(s), y),
            **steps,
            **options,
        )
    except BaseException as error:
        if hasattr(error, "solution"):
            error.solution = run.back(error.solution)
            error.add_note("times in the note above are those of the clock s = ∫ g dt")
        raise
    return run.back(solution)


def _only_part(linear: TimeScaled, jac: Any) -> Part:
    """Return the one g(t) A, refusing sums of several, for which there is no clock, and Jacobians."""
    if len(linear.parts) > 1:
        raise ValueError(
            f"expected one function of time beside N(t, y), received {linear!r}, for which there is no clock; take "
            "linear=TimeDependent(…) of it with method='cfree4'"
        )
    if jac is not None:
        raise ValueError(
            f"expected no jac= beside {linear!r}, received one: steps are made in the clock s = ∫ g dt, in which the "
            "right-hand side is divided by g; leave jac out, or leave g(t) A to nonlinear"
        )
    return linear.parts[0]


class _Clocked:
    """What is translated between t and s, for the times of one run, which come back as they went in."""

    def __init__(self, part: Part, times: np.ndarray) -> None:
        self.start, self.end = float(times[0]), float(times[-1])
        self.ahead, self.rate = self.end - self.start, part.rate
        from expint.operators.over_time.time_integral import Clock  # few problems need it

        self.clock = Clock(part.rate, self.start, self.end, part.integral)
        self._known = {self.clock(t): t for t in times.tolist()}

    def limits(self, limits: StepLimits) -> dict[str, Any]:
        """Return first, largest and most steps of the clock, as ``solve_ivp`` takes them."""
        first, largest, most = limits.sizes()
        backwards, largest = math.copysign(1.0, self.clock(self.end)), largest * self.clock.least
        steps: dict[str, Any] = {"first_step": None, "max_step": backwards * largest, "max_steps": most}
        if first is not None:
            end = self.start + math.copysign(min(first, abs(self.ahead)), self.ahead)
            steps["first_step"] = backwards * min(abs(self.clock(end)), largest)
        return steps

    def into(self, times: np.ndarray) -> list[float]:
        """Return times of the clock."""
        return [self.clock(t) for t in times.tolist()]

    def time(self, s: float) -> float:
        """Return t."""
        return self._known[s] if s in self._known else self.clock.time(s)

    def slope(self, nonlinear: Callable[[float, Array], Array]) -> Callable[[float, Array], Array]:
        """Return N(t(s), y) / g(t(s))."""

        def scaled(s: float, y: Array) -> Array:
            t = self.time(s)
            return nonlinear(t, y) / float(self.rate(t))

        return scaled

    def event(self, event: Any) -> Any:
        """Return the event as a function of s, with the attributes of the original."""

        def shifted(s: float, y: Array) -> float:
            return event(self.time(s), y)

        vars(shifted).update({name: getattr(event, name) for name in ("terminal", "direction") if hasattr(event, name)})
        return shifted

    def back(self, solution: Solution) -> Solution:
        """Return the solution with its times as t."""

        def times(values: Any) -> np.ndarray:
            return np.array([self.time(s) for s in values.tolist()])

        t_events = None if solution.t_events is None else [times(values) for values in solution.t_events]
        message = solution.message
        if solution.status is Status.TERMINATED and t_events:
            last = max((t for values in t_events for t in values), key=lambda t: self.ahead * t)
            message = f"{Status.TERMINATED.sentence} It was at t = {last:.6g}."
        elif not solution.success:
            message += f" (Times in this message are those of the clock s = ∫ g dt from t = {self.start:.6g}.)"
        sol = None if solution.sol is None else ClockedOutput(solution.sol, self.clock, self.time)
        return replace(solution, t=times(solution.t), t_events=t_events, message=message, sol=sol)


class ClockedOutput:
    """The continuous solution as a function of t.

    Parameters
    ----------
    states
        The continuous solution as a function of s.
    clock
        t ↦ s.
    time
        s ↦ t.
    """

    def __init__(self, states: Any, clock: Clock, time: Callable[[float], float]) -> None:
        self._states, self._clock = states, clock
        self.times = [time(s) for s in states.times]

    def __call__(self, t: float | Sequence[float] | np.ndarray) -> Array:
        """Return the state at the time ``t``, or the states at several times along a new first axis.

        Raises
        ------
        ValueError
            If a time lies outside the span of the run.
        """
        times, first, last = given_moments(t), self.times[0], self.times[-1]
        outside = times[~((times >= min(first, last)) & (times <= max(first, last)))]
        if outside.size:
            raise ValueError(f"expected a time between {first} and {last}, received {outside.flat[0]}")
        ends = sorted((self._states.times[0], self._states.times[-1]))
        if times.ndim == 0:
            return self._states(min(max(self._clock(float(times)), ends[0]), ends[1]))
        return self._states([min(max(self._clock(time), ends[0]), ends[1]) for time in times.tolist()])

    def __repr__(self) -> str:
        return f"{self._states!r} in the clock of t = {self.times[0]:.6g} … {self.times[-1]:.6g}"
