"""Run a plan to a Solution: keep the states that are wanted, and look for non-finite values on the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection

import numpy as np

from expint.backend import Array, array_namespace, device
from expint.lower.plan import Plan
from expint.progress import Progress, progress_bar
from expint.run.fixed import Accepted, accepted_states
from expint.solution import Solution, Stats, Status

__all__ = ["run_plan"]

_CHECK_EVERY = 32
"""Accepted steps between two looks for non-finite values when not every state is kept: a look synchronises a GPU."""


def run_plan(
    plan: Plan,
    nonlinear: Callable[[float, Array], Array],
    y0: Array,
    *,
    keep: Collection[int] | None = None,
    name: str = "",
    callback: Callable[[float, Array], None] | None = None,
    progress: Progress = False,
) -> Solution:
    """Run ``plan`` from ``y0``.

    Parameters
    ----------
    plan
        The plan.
    nonlinear
        What is evaluated at the points: N(t, y).
    y0
        The first state.
    keep
        Indices of the states to keep (0 is y_0); None keeps all.
    name
        What the solution calls its method.
    callback
        Called as callback(t, y) with every accepted state, y_0 among them.
    progress
        Whether to show a progress bar.

    Returns
    -------
    Solution
        A run that meets inf or nan ends there with the states kept so far. If ``nonlinear`` (or ``callback``) raises,
        the exception is passed on with the states kept so far in its attribute ``solution``.
    """
    xp = array_namespace(y0)
    wanted = None if keep is None else frozenset(int(i) for i in keep)
    kept: list[Accepted] = []
    last, index = Accepted(math.nan, y0, 0), 0

    def finish(status: Status, message: str) -> Solution:
        nothing = xp.empty((0, *y0.shape), dtype=y0.dtype, device=device(y0))
        states = xp.stack([state.y for state in kept]) if kept else nothing
        stats = Stats(nonlinear_evaluations=last.evaluations, steps=index)
        return Solution(np.array([state.t for state in kept]), states, status, message, stats, name)

    with progress_bar(progress, len(plan.steps) - 1, name) as advance:
        try:
            for index, last in enumerate(accepted_states(plan, nonlinear, y0)):
                asked = wanted is None or index in wanted
                due = asked or index % _CHECK_EVERY == 0 or index == len(plan.steps) - 1
                if due and not bool(xp.all(xp.isfinite(last.y))):
                    return finish(Status.NON_FINITE, _non_finite(last.t, index))
                if asked:
                    kept.append(last)
                if callback is not None:
                    callback(last.t, last.y)
                if index:
                    advance()
        except Exception as error:
            where = f"after t = {last.t:.6g}"
            error.solution = finish(Status.RAISED, f"{type(error).__name__} raised {where}: {error}")  # type: ignore[attr-defined]
            error.add_note(
                f"raised {where}; the states reached so far are in the attribute 'solution' of this exception"
            )
            raise
    return finish(Status.SUCCESS, Status.SUCCESS.sentence)


def _non_finite(t: float, steps: int) -> str:
    return (
        f"expected finite states, received inf or nan found at t = {t:.6g} after {steps} steps; try a smaller step, "
        "a method "
        "of higher stiff order, or check that nonlinear is finite there"
    )
