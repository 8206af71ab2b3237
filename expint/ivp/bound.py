"""What is solved, and a method bound to it, as values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from expint.backend import Array
from expint.derive.kinds.stage import Method
from expint.derive.orders.forcing import follows_flow
from expint.ivp.runner import PLAIN, Runner
from expint.lower.plan import Plan
from expint.operators import Operator
from expint.run import ErrorNorm
from expint.run.dense.collocated import Collocated
from expint.run.dense.continuous import Counted, Interpolation
from expint.run.steppers import Slope, Stepper
from expint.solution import Solution

__all__ = ["Bound", "Problem", "Tolerance", "said"]


class Problem(NamedTuple):
    """An initial value problem y' = L y + N(t, y) as it is given; the attributes are those of ``solve_ivp``.

    Attributes
    ----------
    flow
        Instead of N: its flow (t, τ, y), for splittings.
    recorded
        Whether torch records a run that linearises.
    alone
        Whether the numbers of a step depend on nothing but it, as in runs that are resumed.
    runner
        What combines the rows; see ``expint.ivp.runner``.
    """

    nonlinear: Callable[..., Array] | None
    y0: Array
    span: tuple[float, float]
    linear: Any = None
    jac: Any = None
    args: tuple[Any, ...] = ()
    flow: Slope | None = None
    alone: bool = False
    recorded: bool = False
    runner: Runner = PLAIN


class Tolerance(NamedTuple):
    """What a run to a tolerance is asked to keep; the attributes are those of ``solve_ivp``."""

    rtol: float | Array | None = None
    atol: float | Array | None = None
    norm: Any = None


@dataclass(frozen=True)
class Bound:
    """A problem and a method, ready to run.

    Attributes
    ----------
    method
        The method.
    slope
        What is evaluated along the run.
    make
        Makes the stepper.
    error
        The norm of a run to a tolerance, None of one with steps that are given.
    lowered
        The plan for a grid, where the steps of a run with given steps are known beforehand.
    operator
        L, where it is fixed and the plan is all that is needed.
    why
        The reason for the method, where it was chosen.
    tell
        Returns a solution with what the stepper has counted and has to say.
    """

    method: Method
    slope: Slope
    make: Callable[[], Stepper[Any]]
    error: ErrorNorm | None = None
    lowered: Callable[[np.ndarray], Plan] | None = None
    operator: Operator | None = None
    why: str = ""
    tell: Callable[[Solution], Solution] = lambda solution: solution

    @cached_property
    def stepper(self) -> Stepper[Any]:
        """What makes the steps."""
        return self.make()

    def interpolation(self, slope: Counted) -> Interpolation:
        """Return what makes the solution between the steps; ``slope`` is that of the run, counted."""
        if self.operator is not None and not follows_flow(self.method):
            return Collocated.of(self.operator, self.method, slope)
        return self.stepper.interpolation(slope)

    def told(self, solution: Solution) -> Solution:
        """Return the solution with all that is to be said of it."""
        return said(self.tell(solution), self.why)


def said(solution: Solution, sentence: str) -> Solution:
    """Return the solution with a further sentence in its message."""
    if not sentence:
        return solution
    message = solution.message if solution.message.endswith((".", ")")) else f"{solution.message}."
    return replace(solution, message=f"{message} {sentence}")
