"""Error estimates by step doubling, for any one-step method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from expint.backend import Array
from expint.run.control.steps import StepPolicy
from expint.run.steppers.protocol import Slope, Stepper, Trial
from expint.run.tolerance import AdaptiveFailure, StepControl

__all__ = ["Doubled"]


class Doubled:
    r"""Two steps of length h/2, compared with one of length h (Richardson), for one-step methods.

    The error of the two is (y'' - y')/(2^q - 1) for a method of order q; a method with s stages costs 3s - 1
    evaluations.

    Parameters
    ----------
    inner
        Makes the steps.
    """

    def __init__(self, inner: Stepper[Any]) -> None:
        self.inner, self.name, self.order = inner, inner.name, inner.order
        self.repeats, self.starts_with_slope = inner.repeats, inner.starts_with_slope

    def policy(self, control: StepControl, span: float) -> StepPolicy:
        """Return the policy that chooses steps."""
        policy = self.inner.policy(control, span)
        assert isinstance(policy, StepPolicy)  # a method of several steps, which chooses orders, is not doubled
        return replace(policy, order=self.order)

    def start(self, t: float, y: Array, slope: Array | None) -> Any:
        """Return the memory at the start of a run."""
        return self.inner.start(t, y, slope)

    def newest(self, memory: Any) -> Array | None:
        """Return the newest value of N in memory."""
        return self.inner.newest(memory)

    def euler(self, memory: Any) -> Callable[[float], Array]:
        """Return h ↦ the state after a short step of the exponential Euler method."""
        return self.inner.euler(memory)

    def advance(self, memory: Any, slope: Slope, t: float, end: float, h: float) -> Trial:
        """Return one step of the whole length."""
        return self.inner.advance(memory, slope, t, end, h)

    def attempt(self, memory: Any, slope: Slope, t: float, end: float, h: float, order: int) -> Trial:
        """Return two steps of half the length, with the estimate of their error."""
        del order
        inner, half, middle = self.inner, h / 2, t + h / 2
        single = inner.advance(memory, slope, t, end, h).y
        first = inner.advance(memory, slope, t, middle, half)
        between, _ = first.commit(first.finish())
        try:
            second = inner.advance(between, slope, middle, end, half if inner.repeats else end - t - half)
        except AdaptiveFailure:  # no way on from a state that is not accepted yet
            return first._replace(order=self.order, error=lambda _: single * float("nan"))
        error = (second.y - single) / (2**self.order - 1)
        return second._replace(order=self.order, error=lambda _: error)
