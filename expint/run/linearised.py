r"""Steps whose operator is made anew each time: y' = f(t, y) linearised at every (t_n, y_n)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from expint.backend import Array
from expint.derive.increments import increment
from expint.derive.linearised_ladder import LinearisedAdams
from expint.derive.phisum import Terms
from expint.derive.spread import reach
from expint.derive.stage import Method, Stage, StepContext
from expint.jacobian import JacobianFailure, Linearisation, Lineariser
from expint.lower.cache import PhiTables, lower_stage
from expint.lower.lower import same_step
from expint.operators.base import Operator
from expint.run.adaptive import AdaptiveFailure
from expint.run.fixed import Accepted
from expint.run.stepsize import finite
from expint.run.trial import Slope, Trial, trusted_order
from expint.solution import Status

__all__ = ["LinearisedSteps", "Remembered", "linearised_states"]


class Remembered(NamedTuple):
    """A point of the solution that a multistep method looks back to: when it was, y and N(t, y)."""

    t: float
    y: Array
    value: Array


Past = Sequence[tuple[float, Remembered]]
"""Remembered points, newest first, with their positions seen from the start of a step."""


class LinearisedSteps:
    """Makes the steps of methods that linearise; a step that is tried again keeps its Jacobian.

    Parameters
    ----------
    method
        A method that linearises.
    operator
        The linear part that stays the same, with which the first step is estimated.
    linearise
        Linearises the right-hand side.
    like
        A state.
    doubling
        Whether adaptive steps are tried by doubling.
    """

    START: tuple[float | None, ...] = (0.0,)

    def __init__(
        self, method: Method, operator: Operator, linearise: Lineariser, like: Array, doubling: bool = False
    ) -> None:
        self.method, self.operator, self.linearise, self.like = method, operator, linearise, like
        self.doubling = doubling
        self._newest: tuple[Array, Linearisation] | None = None
        self._forms: dict[int, tuple[Stage, Stage]] = {}

    def at(self, t: float, y: Array, value: Array, h: float) -> Linearisation:
        """Return the linearisation at the start of a step; it is kept until another state asks for one.

        Raises
        ------
        AdaptiveFailure
            If the Jacobian is not finite.
        """
        if self._newest is None or self._newest[0] is not y:
            try:
                self._newest = (y, self.linearise(t, y, value, h))
            except JacobianFailure as failure:
                raise AdaptiveFailure(Status.NON_FINITE, str(failure)) from failure
        return self._newest[1]

    def attempt(
        self,
        steps: LinearisedSteps,
        combine: Callable[..., Array],
        slope: Slope,
        t: float,
        end: float,
        h: float,
        y: Array,
        slopes: tuple[Array, ...],
        memory: tuple[float | None, ...],
    ) -> Trial:
        """Return one step of a one-step method, as ``expint.run.trial.embedded`` does for a fixed operator."""
        del steps, combine, memory
        local = self.at(t, y, slopes[0], h)
        if not self.doubling:
            point, error, order = self.advance(local, slope, h, ())
            return Trial(point, (), self.START, error, order, pending=True)
        half = h / 2
        single, _, _ = self.advance(local, slope, h, ())
        middle, _, _ = self.advance(local, slope, half, ())
        try:
            further = self.linearise(t + half, middle, slope(t + half, middle), half)
        except JacobianFailure:  # a state that is not accepted yet
            further = None
        order = trusted_order(self.method)
        if further is None:
            return Trial(middle, (), self.START, single * float("nan"), order, pending=True)
        point, _, _ = self.advance(further, slope, end - t - half, ())
        return Trial(point, (), self.START, (point - single) / (2**order - 1), order, pending=True)

    def advance(
        self,
        local: Linearisation,
        slope: Slope,
        h: float,
        past: Past,
        method: Method | None = None,
    ) -> tuple[Array, Array | None, int]:
        """Return the state after a step of length ``h``, its error estimate, and the order of that.

        Parameters
        ----------
        local
            The linearisation at the start of the step.
        slope
            N(t, y).
        h
            The length of the step.
        past
            The points that the method looks back to.
        method
            Another method than that of the run.
        """
        method, flat, back = method or self.method, self.linearise.coordinates.flat, self.linearise.coordinates.back
        context = StepContext(local.t, h, (0.0, *(at / h for at, _ in past)))
        recipe, estimate = [self._form(stage) for stage in method.recipe(context)], method.error(context)
        forms = recipe if estimate is None else [*recipe, self._form(estimate.stage)]
        tables = PhiTables(local.operator, h, evaluate=local.evaluate)
        known = [flat(point.y) for _, point in past]
        base: list[Array | None] = [
            local.slope,
            None if local.in_time is None else h * local.in_time,
            *(local.remainder(p.t, x, flat(p.value)) for x, (_, p) in zip(known, past)),
        ]
        slots = (True,) * len(base)
        tables.announce(forms, slots)
        combine, inner = local.operator.combiner(), list[Array]()

        def combined(form: Stage) -> Array:
            columns = (local.x, *inner, *base)
            row = lower_stage(form, local.operator, h, slots, local.x, tables)
            weights = [None if column is None else weight for weight, column in zip(row.weights, columns)]
            return combine(weights, columns)

        with np.errstate(all="ignore"):  # what overflows on trial is rejected, or ends the run by name
            for form in recipe:
                x = local.x + combined(form)
                if form.accept or not finite(x):
                    break
                t = local.t + form.c * h
                inner.insert(0, local.remainder(t, x, flat(slope(t, back(x)))))
            if estimate is None:
                return back(x), None, 0
            error = combined(forms[-1]) if form.accept else math.nan * x
            return back(x), back(error), estimate.order

    def _form(self, stage: Stage) -> Stage:
        """Return the stage for increments, made once."""
        kept = self._forms.get(id(stage))
        if kept is None:
            if len(self._forms) >= 64:
                self._forms.clear()
            kept = self._forms[id(stage)] = (stage, _in_floats(increment(stage)))  # holding it keeps its id unique
        return kept[1]


def _in_floats(stage: Stage) -> Stage:
    """Return the stage with floating-point numbers: no exact arithmetic is left for the steps."""

    def numbers(columns: Sequence[Terms]) -> tuple[Terms, ...]:
        return tuple({(k, float(c)): float(r) for (k, c), r in terms.items()} for terms in columns)

    return replace(stage, c=float(stage.c), stages=numbers(stage.stages), past=numbers(stage.past))


def linearised_states(
    steps: LinearisedSteps,
    nonlinear: Callable[[float, Array], Array],
    y0: Array,
    times: Sequence[float],
    starter: Method | None = None,
) -> Iterator[Accepted]:
    """Run over given ``times`` and yield every state, the first of them y_0.

    Parameters
    ----------
    steps
        The steps.
    nonlinear
        N(t, y).
    y0
        The first state.
    times
        The step boundaries.
    starter
        The one-step method of the first steps of a multistep method.

    Raises
    ------
    AdaptiveFailure
        If the Jacobian is not finite.
    ActionFailure
        If φ-functions cannot be applied.
    """
    evaluations, history, h = 0, steps.method.history, 0.0
    past: Past = ()

    def slope(t: float, y: Array) -> Array:
        nonlocal evaluations
        evaluations += 1
        return nonlinear(t, y)

    value, y = slope(times[0], y0), y0
    yield Accepted(times[0], y, evaluations, ahead=value)
    for start, end in pairwise(times):
        h = same_step(h, start, end)
        local = steps.at(start, y, value, h)
        seen = _seen(steps.method, past, h)
        begins = len(seen) + 1 < history
        point, _, _ = steps.advance(local, slope, h, () if begins else seen, starter if begins else None)
        past = tuple((at - h, own) for at, own in ((0.0, Remembered(start, y, value)), *past))
        past = past[: reach([0.0, *(at for at, _ in past)], history) - 1]
        before, y = value, point
        if end != times[-1]:
            value = slope(end, y)
            yield Accepted(end, y, evaluations, slope=before, ahead=value)
        else:
            yield Accepted(end, y, evaluations, slope=before)


def _seen(method: Method, past: Past, h: float) -> Past:
    """Return the points that a step of length ``h`` looks back to: of those that nearly coincide, one."""
    if not isinstance(method, LinearisedAdams):
        return ()
    taken = method.looks_at([0.0, *(at / h for at, _ in past)])
    return [past[k - 1] for k in taken[1:]]
