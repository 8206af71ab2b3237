"""One-step methods that are a function from state to state, whose operators are made anew each time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

from expint.backend import Array
from expint.derive.kinds.lie_group import LieGroupMethod
from expint.operators.base import Operator
from expint.run.control import Controller
from expint.run.control.rest import longest_at_rest, widest_gap
from expint.run.control.steps import StepPolicy
from expint.run.dense.continuous import Counted
from expint.run.dense.stepped import Stepped
from expint.run.flow import flow
from expint.run.steppers.protocol import (
    OfNonlinear,
    Slope,
    Trial,
    no_estimate,
    nothing_pending,
    trusted_order,
)
from expint.run.tolerance import StepControl

__all__ = ["OneStep"]


class _Memory(NamedTuple):
    """The state, and N there where it is known."""

    y: Array
    value: Array | None

    @property
    def slopes(self) -> tuple[Array, ...]:
        """N at the state, where it is known."""
        return () if self.value is None else (self.value,)

    @property
    def places(self) -> tuple[float | None, ...]:
        """Where it lies, seen from the state."""
        return (0.0,)[: len(self.slopes)]


class OneStep(OfNonlinear, ABC):
    """Makes the steps of a one-step method whose operators are made anew each time.

    Parameters
    ----------
    method
        The method.
    like
        A state.
    has_nonlinear
        Whether the problem has an N.

    Attributes
    ----------
    operator
        L at the start.
    operators
        How often L(t) was evaluated.
    starts_with_slope
        Whether a step looks at N where it starts.
    """

    repeats = foretells = False
    operator: Operator
    operators: int = 0

    def __init__(self, method: LieGroupMethod, like: Array, has_nonlinear: bool) -> None:
        self.method, self.like, self.has_nonlinear, self.name = method, like, has_nonlinear, method.name
        self.starts_with_slope = has_nonlinear and bool(method.points)

    @property
    def order(self) -> int:
        """The order that step doubling may rely on."""
        return trusted_order(self.method) if self.has_nonlinear else self.method.order

    @abstractmethod
    def reach(self, slope: Slope, t: float, h: float, y: Array, first: Array | None = None) -> Array:
        """Return the state after a step.

        Parameters
        ----------
        slope
            N(t, y).
        t, h, y
            Where the step starts, its length, and the state there.
        first
            N(t, y) itself, if it is known.

        Raises
        ------
        ActionFailure
            If an exponential cannot be applied.
        """

    def policy(self, control: StepControl, span: float) -> StepPolicy:
        """Return the policy that chooses steps."""
        controller = control.controller or Controller()
        at_rest = longest_at_rest(span, control.looks, widest_gap(self.method.c))
        return StepPolicy(controller, self.order, abs(span), self.operator.rungs, control.largest, at_rest=at_rest)

    def start(self, t: float, y: Array, slope: Array | None) -> _Memory:
        """Return the memory at the start of a run."""
        del t
        return _Memory(y, slope)

    def pack(self, memory: _Memory) -> Any:
        """Return the memory in plain values, from which ``unpack`` makes it."""
        return tuple(memory)

    def unpack(self, packed: Any, y: Array) -> _Memory:
        """Return the memory, where the state is ``y``."""
        del y
        return _Memory(*packed)

    def newest(self, memory: _Memory) -> Array | None:
        """Return N at the state, None where no step looks at it."""
        return memory.value

    def interpolation(self, slope: Counted) -> Stepped:
        """Return what makes the solution between the steps."""
        return Stepped(self, slope)

    def euler(self, memory: _Memory) -> Callable[[float], Array]:
        """Return h ↦ the state after a short step of the exponential Euler method."""
        return lambda h: flow(self.operator, h, memory.y, memory.value)

    def advance(self, memory: _Memory, slope: Slope, t: float, end: float, h: float) -> Trial:
        """Return a step from ``t`` to ``end``; the method has no error estimate."""
        point = self.reach(slope, t, h, memory.y, memory.value)

        def commit(found: Array | None) -> tuple[_Memory, Array | None]:
            return _Memory(point, found), found

        finish = (lambda: slope(end, point)) if self.starts_with_slope else nothing_pending
        return Trial(point, 0, no_estimate, finish, commit)

    def attempt(self, memory: _Memory, slope: Slope, t: float, end: float, h: float, order: int) -> Trial:
        """Return a step without error estimate, as ``advance``."""
        del order
        return self.advance(memory, slope, t, end, h)
