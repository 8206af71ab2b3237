"""Error estimates by step doubling, for any one-step method."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from expint.backend import Array
from expint.run.control.steps import StepPolicy
from expint.run.dense.continuous import Counted, Interpolation
from expint.run.dense.halved import Halved, Halves
from expint.run.steppers.protocol import Attempt, Foretold, Slope, Stepper, Trial
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
    lacking
        From the second half, h and q to what the estimate does not see, or None; see ``by_halves``.
    """

    def __init__(self, inner: Stepper[Any], lacking: Callable[[Any, float, int], Array | None] | None = None) -> None:
        self.inner, self.name, self.order, self._lacking = inner, inner.name, inner.order, lacking
        self.repeats, self.starts_with_slope = inner.repeats, inner.starts_with_slope
        self.foretells = inner.foretells

    def policy(self, control: StepControl, span: float) -> StepPolicy:
        """Return the policy that chooses steps."""
        policy = self.inner.policy(control, span)
        assert isinstance(policy, StepPolicy)  # a method of several steps, which chooses orders, is not doubled
        return replace(policy, order=self.order, at_rest=2 * policy.at_rest)

    def value(self, slope: Slope, t: float, y: Array) -> Array:
        """Return N(t, y)."""
        return self.inner.value(slope, t, y)

    def start(self, t: float, y: Array, slope: Array | None) -> Any:
        """Return the memory at the start of a run."""
        return self.inner.start(t, y, slope)

    def pack(self, memory: Any) -> Any:
        """Return the memory in plain values, from which ``unpack`` makes it; asked where the inner stepper has it."""
        inner: Any = self.inner
        return inner.pack(memory)

    def unpack(self, packed: Any, y: Array) -> Any:
        """Return the memory, where the state is ``y``."""
        inner: Any = self.inner
        return inner.unpack(packed, y)

    def newest(self, memory: Any) -> Array | None:
        """Return the newest value of N in memory."""
        return self.inner.newest(memory)

    def interpolation(self, slope: Counted) -> Interpolation:
        """Return what makes the solution between the steps, and between their halves."""
        return Halved(self.inner.interpolation(slope))

    def foretold(self, memory: Any, slope: Slope, t: float, h: float) -> Foretold:
        """Return what tells how far N is from what it is if it goes on resting."""
        return self.inner.foretold(memory, slope, t, h)

    def euler(self, memory: Any) -> Callable[[float], Array]:
        """Return h ↦ the state after a short step of the exponential Euler method."""
        return self.inner.euler(memory)

    def advance(self, memory: Any, slope: Slope, t: float, end: float, h: float) -> Attempt:
        """Return one step of the whole length."""
        return self.inner.advance(memory, slope, t, end, h)

    def attempt(self, memory: Any, slope: Slope, t: float, end: float, h: float, order: int) -> Trial:
        """Return two steps of half the length, with the estimate of their error."""
        del order
        inner, half, middle = self.inner, h / 2, t + h / 2
        whole = inner.advance(memory, slope, t, end, h)
        first = inner.advance(memory, slope, t, middle, half)
        found = first.finish()
        between, ahead = first.commit(found)
        try:
            second = inner.advance(between, slope, middle, end, half if inner.repeats else end - t - half)
        except AdaptiveFailure:  # no way on from a state that is not accepted yet
            return Trial(first.y, self.order, lambda _: whole.y * math.nan, first.finish, first.commit)
        error = (second.y - whole.y) / (2**self.order - 1)
        unseen = None if self._lacking is None else self._lacking(second, h, self.order)
        error = error if unseen is None else error + unseen

        def changes(reached: Array | None) -> list[Array]:
            return [2 * change for change in (*second.changes(reached), *first.changes(found))]

        halves = Halves(whole.local, second.local, middle, first.y, ahead)
        return Trial(second.y, self.order, lambda _: error, second.finish, second.commit, changes, halves)
