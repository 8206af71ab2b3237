"""States between the steps of one-step methods, by steps of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from expint.backend import Array, stack
from expint.operators.base import Operator
from expint.run.control.controller import inside
from expint.run.dense.continuous import Continuous, Counted, Reached
from expint.run.steppers.protocol import Stepper

__all__ = ["Stepped", "SteppedOutput"]


class SteppedOutput(Continuous):
    """The continuous solution of a run, callable at any time in its span: a step from the state before.

    The rule inside a step is the method itself: y(t_n + θh) is what a step of length θh gives, joined to y_{n+1}. So it
    has the order of the method, and costs what a step costs.

    Parameters
    ----------
    reached
        The states, in order.
    stepper
        Makes the steps, each from a state and N there.
    slope
        What the stepper evaluates, counted.
    operator
        The operator whose flow is a part of every step, None if it is not the same in all.
    """

    def __init__(
        self, reached: Sequence[Reached], stepper: Stepper[Any], slope: Counted, operator: Operator | None = None
    ) -> None:
        super().__init__([own.t for own in reached], [own.y for own in reached], slope)
        self._reached, self._stepper, self._operator = list(reached), stepper, operator

    @property
    def operator_within(self) -> Operator | None:
        """The operator whose flow is a part of the step."""
        return self._operator

    def made(self, places: Sequence[tuple[int, float]]) -> list[Array]:
        """Return what a step of length θh from the n-th time gives, for each (n, θ)."""
        return [self._stepped(n, theta) for n, theta in places]

    def _follow(self, places: Sequence[tuple[int, float]]) -> Array:
        return stack(self.made(places))

    def _stepped(self, n: int, theta: float) -> Array:
        start, end = self._reached[n], self.times[n + 1]
        memory, h = self._stepper.start(start.t, start.y, start.value), theta * (end - start.t)

        def slope(t: float, *where: Any) -> Array:
            assert self._slope is not None  # it is kept
            return self._slope(inside(t, start.t, end), *where)

        return self._stepper.advance(memory, slope, start.t, start.t + h, h).y


class Stepped(NamedTuple):
    """Interpolates by steps: see ``SteppedOutput``.

    Attributes
    ----------
    stepper, slope, operator
        As in ``SteppedOutput``.
    """

    stepper: Stepper[Any]
    slope: Counted
    operator: Operator | None = None
    points: int = 2

    def through(self, reached: Sequence[Reached]) -> SteppedOutput:
        """Return the continuous solution through two states or more."""
        return SteppedOutput(reached, self.stepper, self.slope, self.operator)
