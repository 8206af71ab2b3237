"""Splitting: y' = L y + N(t, y) where the flow of N is known."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from expint.arguments import flag, function
from expint.arrays import check_state
from expint.backend import Array
from expint.derive.kinds.splitting import Splitting
from expint.exchange import as_state, ask, lent
from expint.given import given_callback, given_save, given_sequence, given_times
from expint.ivp.bind import bind
from expint.ivp.bound import Bound, Problem, Tolerance
from expint.ivp.checks import check_controller
from expint.ivp.elsewhere.to_file import solve_to_file
from expint.ivp.resuming import Written, checkpoints_of, written_down
from expint.ivp.run import Shown, over, to_stops
from expint.ivp.times import MOST_STEPS, StepLimits, lay_out_stops
from expint.lower.lower import check_grid
from expint.methods import method as find_method
from expint.progress import Progress
from expint.run import Controller, StepControl
from expint.run.events import Event, check_events
from expint.solution import Solution

__all__ = ["run_again", "run_splitting"]


def run_splitting(
    method: Splitting,
    linear: Any,
    flow: Callable[[float, float, Array], Array],
    y0: Array,
    grid: Sequence[float] | np.ndarray,
    *,
    rtol: float | Array | None = None,
    atol: float | Array | None = None,
    norm: Any = None,
    first_step: float | None = None,
    max_step: float = math.inf,
    max_steps: float = MOST_STEPS,
    controller: Controller | None = None,
    land: bool = False,
    save: Callable[[float, Array], Any] | None = None,
    save_to: str | os.PathLike[str] | None = None,
    dense_output: bool = False,
    events: Event | Sequence[Event] | None = None,
    callback: Callable[[float, Array], None] | None = None,
    progress: Progress = False,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: float | None = None,
) -> Solution:
    """Run a splitting method over a grid, or to a tolerance.

    Parameters
    ----------
    method
        The method, such as ``expint.method("strang")``.
    linear
        L, as in ``solve_ivp``: a number, an array that multiplies elementwise, a square matrix, or an operator.
    flow
        flow(t, τ, y): the solution after a time τ of v' = N(t + s, v), v(0) = y. In methods of order above 2 some τ run
        backwards, and some t lie outside the step.
    y0
        The initial state.
    grid
        Strictly monotone times; the states there are returned. They are the step boundaries; or, to a tolerance, the
        ends of the run and times in it, which are ``t_eval`` of ``solve_ivp``.
    rtol, atol, norm, first_step, max_step, max_steps, controller
        As in ``solve_ivp``: with ``rtol`` or ``atol`` steps are chosen, by the difference between one step and two of
        half the length; sizes of steps are positive. Without both, none of the others may be given.
    land, save, save_to, dense_output, events, callback, progress, checkpoint, checkpoint_every
        As in ``solve_ivp``. Between the steps the solution is that of a shorter step. A run that was stopped goes on by
        ``expint.resume(path, flow)``.

    Returns
    -------
    Solution
        Its statistics count flows as evaluations of N. A run that meets inf or nan ends there, with the states reached
        before.

    Raises
    ------
    ValueError, TypeError
        If the grid is not strictly monotone, L cannot act on y0, the method is no splitting, or a tolerance makes no
        sense. If ``flow`` raises, its exception is passed on with the states reached so far in its attribute
        ``solution``.

    Examples
    --------
    >>> import numpy as np, expint
    >>> decay = lambda t, h, y: y / (1.0 + h * y)  # the flow of N(y) = −y²
    >>> run = expint.run_splitting(expint.method("strang"), -1.0, decay, np.array([1.0]), np.linspace(0.0, 1.0, 101))
    >>> bool(np.isclose(run.y_end[0], 1.0 / (2.0 * np.e - 1.0), atol=1e-5))
    True
    """
    asked = {name: value for name, value in locals().items() if name not in ("flow", "y0")}
    function("flow(t, τ, y)", flow)
    y0 = check_state(y0)
    times = check_grid(given_sequence("grid", grid))
    if linear is None:
        raise TypeError("expected linear= to be the L of y' = L y + N(t, y), received None; take 0.0 if there is none")
    span = (float(times[0]), float(times[-1]))
    written = written_down(asked, "run_splitting", span, y0)
    if save_to is not None:
        again = {
            name: value for name, value in asked.items() if name not in ("save_to", "checkpoint", "checkpoint_every")
        }
        return solve_to_file(run_again, flow, span, y0, save_to=save_to, checkpoint=written, **again)
    problem = Problem(None, y0, span, linear, flow=_Asked(flow), alone=written is not None)
    dense_output, progress, land = flag("dense_output", dense_output), flag("progress", progress), flag("land", land)
    shown = Shown(dense_output, check_events(events, ()), given_callback(callback), progress, land, given_save(save))
    given = given_times(problem.span, None, None, None, first_step, max_step, max_steps)
    if rtol is None and atol is None:
        bounds = StepLimits(first_step, max_step, max_steps).given()
        _refuse(norm=norm, controller=controller, **bounds)
        bound = bind(problem, method)
        return over(bound, y0, times, None, _with(shown, written, problem, bound))
    check_controller(controller)
    limits = StepLimits(given.first, given.largest, given.most)
    stops = lay_out_stops(problem.span, times, limits)
    bound = bind(problem, method, tolerance=Tolerance(rtol, atol, norm))
    assert bound.error is not None  # a tolerance was asked for
    control = StepControl(bound.error, controller, *limits.sizes())
    return to_stops(bound, y0, float(times[0]), stops, control, times, _with(shown, written, problem, bound))


def run_again(
    flow: Any, span: Any, y0: Array, *, method: Any, linear: Any, grid: Any, t_eval: None = None, **options: Any
) -> Solution:
    """Run a splitting as ``run_splitting`` does, with arguments as ``solve_ivp`` has them; the grid says the times."""
    del span, t_eval
    found: Any = find_method(method) if isinstance(method, str) else method
    return run_splitting(found, linear, flow, y0, grid, **options)


def _with(shown: Shown, written: Written | None, problem: Problem, bound: Bound) -> Shown:
    """Return what is wanted of a run with what writes it down."""
    return shown._replace(checkpoints=checkpoints_of(written, problem, bound, shown.dense_output))


@dataclass(frozen=True)
class _Asked:
    """The flow of the user, to which states are lent, and whose values are ours."""

    flow: Callable[[float, float, Array], Array]

    def __call__(self, t: float, duration: float, y: Array) -> Array:
        return _as_moved(ask(self.flow, t, duration, lent(y)), y)


def _as_moved(value: Any, y: Array) -> Array:
    """Return what the flow returned, which is the state from here on: an array of the shape and dtype of ``y``."""
    if isinstance(value, list | tuple):
        raise TypeError(
            f"expected flow(t, τ, y) to return an array like y, received {type(value).__name__}; return an array"
        )
    moved = as_state(value, y, "flow(t, τ, y)")
    if moved.dtype != y.dtype:
        raise TypeError(
            f"expected flow(t, τ, y) to return dtype {y.dtype}, that of y, received {moved.dtype}; convert it, as the "
            "run goes on from there"
        )
    return moved


def _refuse(**given: object) -> None:
    """Refuse what would be ignored where steps are given."""
    names = [name for name, value in given.items() if value is not None]
    if names:
        raise ValueError(
            f"expected rtol or atol beside {', '.join(names)}, received neither: the grid gives the steps; give a "
            "tolerance, or leave the others out"
        )
