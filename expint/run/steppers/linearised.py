r"""Steps whose operator is made anew each time: y' = f(t, y) linearised at every (t_n, y_n)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np

from expint.backend import Array, all_finite
from expint.derive.algebra.phisum import Terms
from expint.derive.algebra.spread import lookback
from expint.derive.kinds.presentation import uniform_step
from expint.derive.kinds.rosenbrock import increment
from expint.derive.kinds.stage import Method, Stage, StepContext
from expint.jacobian import JacobianFailure, Linearisation, Lineariser
from expint.jacobian.source import Before
from expint.lower.cache import PhiTables, columns_of
from expint.lower.memory import PLAIN
from expint.operators.base import Operator
from expint.run.control import Controller
from expint.run.control.rest import longest_at_rest, widest_gap
from expint.run.control.steps import StepPolicy
from expint.run.dense.continuous import Counted
from expint.run.dense.linearised import OfLinearised
from expint.run.flow import flow
from expint.run.steppers.protocol import Foretold, OfNonlinear, Slope, Trial, no_estimate, trusted_order
from expint.run.tolerance import AdaptiveFailure, StepControl
from expint.solution import Stats, Status

__all__ = ["LinearisedSteps", "Remembered"]


class Remembered(NamedTuple):
    """A point of the solution that a multistep method looks back to: when it was, y and N(t, y)."""

    t: float
    y: Array
    value: Array


Past = Sequence[tuple[float, Remembered]]
"""Remembered points, newest first, with their positions seen from the start of a step."""


@dataclass(eq=False)
class _Memory:
    """What is remembered where a step starts.

    Attributes
    ----------
    t, y, value
        The time, the state, and N there.
    past
        The points before it, newest first, with their positions seen from the state.
    local
        The linearisation there, once a step has asked for it: a step that is tried again keeps it.
    told
        What the linearisation before told.
    """

    t: float
    y: Array
    value: Array | None
    past: Past
    local: Linearisation | None = None
    told: Before | None = None

    @property
    def slopes(self) -> tuple[Array, ...]:
        """N at the state."""
        return () if self.value is None else (self.value,)

    @property
    def places(self) -> tuple[float | None, ...]:
        """Where it lies, seen from the state."""
        return (0.0,)


class LinearisedSteps(OfNonlinear):
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
    starter
        The one-step method of the first steps of a multistep method.
    """

    repeats, starts_with_slope, foretells = False, True, True

    def __init__(
        self, method: Method, operator: Operator, linearise: Lineariser, like: Array, starter: Method | None = None
    ) -> None:
        self.method, self.operator, self.linearise, self.like = method, operator, linearise, like
        self.name, self._starter = method.name, starter
        self._forms: dict[int, tuple[Stage, Stage]] = {}

    @property
    def order(self) -> int:
        """The order that step doubling may rely on."""
        return trusted_order(self.method)

    def policy(self, control: StepControl, span: float) -> StepPolicy:
        """Return the policy that chooses steps."""
        order, controller = int(self.method.error_order or 0), control.controller or Controller()
        gap = widest_gap(stage.c for stage in self.method.recipe(uniform_step(self.method.history)))
        at_rest = longest_at_rest(span, control.looks, gap)
        return StepPolicy(controller, order, abs(span), self.operator.rungs, control.largest, at_rest=at_rest)

    def start(self, t: float, y: Array, slope: Array | None) -> _Memory:
        """Return the memory at the start of a run."""
        return _Memory(t, y, slope, ())

    def pack(self, memory: _Memory) -> Any:
        """Return the memory in plain values, and what derivatives have cost so far; nothing is linearised there yet."""
        past = [(at, tuple(own)) for at, own in memory.past]
        told = None if memory.told is None else tuple(memory.told)
        return memory.t, memory.y, memory.value, past, told, astuple(self.linearise.stats)

    def unpack(self, packed: Any, y: Array) -> _Memory:
        """Return the memory, where the state is ``y``."""
        t, _, value, past, told, spent = packed
        for own, count in zip(fields(Stats), spent, strict=True):
            setattr(self.linearise.stats, own.name, count)
        known = [(at, Remembered(*own)) for at, own in past]
        return _Memory(t, y, value, known, told=None if told is None else Before(*told))

    def newest(self, memory: _Memory) -> Array | None:
        """Return N at the state."""
        return memory.value

    def interpolation(self, slope: Counted) -> OfLinearised:
        """Return what makes the solution between the steps."""
        return OfLinearised(self.linearise.coordinates, self.method.order, slope)

    def foretold(self, memory: _Memory, slope: Slope, t: float, h: float) -> Foretold:
        """Return what tells the remainder of N along the solution of the linearised equation."""
        local, flat, back = self.at(memory, h), self.linearise.coordinates.flat, self.linearise.coordinates.back

        def after(ahead: float) -> tuple[Array, Array]:
            x = local.x + flow(local.operator, ahead, 0 * local.x, local.rhs, local.in_time)
            y = back(x)
            return y, back(local.remainder(t + ahead, x, flat(slope(t + ahead, y))))

        return after

    def euler(self, memory: _Memory) -> Callable[[float], Array]:
        """Return h ↦ the state after a short step with the linear part that stays the same."""
        return lambda h: flow(self.operator, h, memory.y, memory.value)

    def at(self, memory: _Memory, h: float) -> Linearisation:
        """Return the linearisation where a step of length ``h`` starts.

        Raises
        ------
        AdaptiveFailure
            If the Jacobian is not finite.
        """
        if memory.local is None:
            assert memory.value is not None  # only after the last step of a run it may not be known
            try:
                memory.local = self.linearise(memory.t, memory.y, memory.value, h, memory.told)
            except JacobianFailure as failure:
                raise AdaptiveFailure(Status.NON_FINITE, str(failure)) from failure
        return memory.local

    def advance(self, memory: _Memory, slope: Slope, t: float, end: float, h: float) -> Trial:
        """Return a step from ``t`` to ``end``, without error estimate."""
        return self._made(memory, slope, t, end, h, estimated=False)._replace(order=0, error=no_estimate)

    def attempt(self, memory: _Memory, slope: Slope, t: float, end: float, h: float, order: int) -> Trial:
        """Return a step with the error estimate of its method, None if it has none."""
        del order
        return self._made(memory, slope, t, end, h, estimated=True)

    def _made(self, memory: _Memory, slope: Slope, t: float, end: float, h: float, estimated: bool) -> Trial:
        looked_at, method = _seen(self.method, memory.past, h), self.method
        if self._starter is not None and len(looked_at) + 1 < method.history:
            looked_at, method = (), self._starter
        local = self.at(memory, h)
        point, error, error_order, inner, ended = self.reach(local, slope, h, looked_at, method, estimated)

        def commit(found: Array | None) -> tuple[_Memory, Array | None]:
            start = Remembered(t, memory.y, memory.value)
            moved = [(at - h, own) for at, own in ((0.0, start), *memory.past)]
            count = lookback([0.0, *(at for at, _ in moved)], self.method.history) - 1
            return _Memory(end, point, found, moved[:count], told=local.told), found

        def changes(found: Array | None) -> list[Array]:
            flat, back = self.linearise.coordinates.flat, self.linearise.coordinates.back
            last = [] if found is None else [local.remainder(end, flat(point), flat(found))]
            return [h * back(remainder) for remainder in (*last, *inner)]

        finish = (lambda: slope(end, point)) if ended is None else lambda: ended
        return Trial(point, error_order, lambda _: error, finish, commit, changes, local)

    def reach(
        self,
        local: Linearisation,
        slope: Slope,
        h: float,
        past: Past,
        method: Method | None = None,
        estimated: bool = False,
    ) -> tuple[Array, Array | None, int, list[Array], Array | None]:
        """Return the state after a step of length ``h``, its error estimate, the order of that, and the remainders.

        N at the end comes last, where the estimate looks at it.

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
        estimated
            Whether the error estimate is asked for.
        """
        method, flat, back = method or self.method, self.linearise.coordinates.flat, self.linearise.coordinates.back
        context = StepContext(local.t, h, (0.0, *(at / h for at, _ in past)))
        recipe = [self._form(stage) for stage in method.recipe(context)]
        estimate, ended = method.error(context) if estimated else None, None
        forms = recipe if estimate is None else [*recipe, self._form(estimate.stage)]
        tables = PhiTables(local.operator, h, evaluate=local.evaluate)
        known = [flat(point.y) for _, point in past]
        base: list[Array | None] = [
            local.rhs,
            None if local.in_time is None else h * local.in_time,
            *(local.remainder(p.t, x, flat(p.value)) for x, (_, p) in zip(known, past)),
        ]
        slots = (True,) * len(base)
        tables.announce(forms, slots)
        act, inner = local.operator.acting(), list[Array]()

        def combined(form: Stage) -> Array:
            columns = PLAIN.arrange((local.x,), (*inner, *base))
            sums = columns_of(form, slots, PLAIN)
            return act(sums, PLAIN.factors(1.0, h, len(sums)), tables, columns)

        with np.errstate(all="ignore"):  # what overflows on trial is rejected, or ends the run by name
            for form in recipe:
                x = local.x + combined(form)
                if form.accept or not all_finite(x):
                    break
                t = local.t + form.c * h
                inner.insert(0, local.remainder(t, x, flat(slope(t, back(x)))))
            if estimate is None:
                return back(x), None, 0, inner, None
            if not (form.accept and all_finite(x)):
                return back(x), back(math.nan * x), estimate.order, inner, None
            if len(estimate.stage.stages) > len(inner):
                ended = slope(local.t + h, back(x))
                inner.insert(0, local.remainder(local.t + h, x, flat(ended)))
            return back(x), back(combined(forms[-1])), estimate.order, inner, ended

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


def _seen(method: Method, past: Past, h: float) -> Past:
    """Return the points that a step of length ``h`` looks back to: of those that nearly coincide, one."""
    looks_at = getattr(method, "looks_at", None)
    if looks_at is None:
        return ()
    taken = looks_at([0.0, *(at / h for at, _ in past)])
    return [past[k - 1] for k in taken[1:]]
