"""The policy that chooses steps, for methods of one order."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from expint.run.control.controller import Controller, on_ladder
from expint.run.control.protocol import ErrorOf

__all__ = ["GROWTH_OF_MULTISTEP", "HOLD", "StepPolicy", "Steps"]

HOLD = (0.9, 1.2)
"""Factors between these leave the step as it is: a new step size costs new φ-functions, and a multistep method its
history."""

GROWTH_OF_MULTISTEP = 2.0
"""The largest factor from one step of a multistep method to the next: beyond it the older slopes crowd together, seen
from the new step, and the error estimate, which leaves out the oldest of them, becomes blind."""


class Steps(NamedTuple):
    """What is remembered from step to step.

    Attributes
    ----------
    h, order, previous
        As in ``Decision``.
    errors
        The errors of the last three accepted steps, newest first.
    """

    h: float
    order: int
    previous: float
    errors: tuple[float, float, float]

    @property
    def rung(self) -> float:
        """Steps have one length, near a stop and far from it."""
        return self.h


@dataclass(frozen=True)
class StepPolicy:
    """Chooses steps by the controller, quantised to a ladder, and kept where a change would gain little.

    Attributes
    ----------
    controller
        The controller.
    order
        The order p of the error estimate.
    span, rungs
        Steps are span · 2^{j/rungs}.
    largest
        The largest step.
    growth
        The largest factor from one step to the next.
    at_rest
        The longest step while N rests.
    """

    controller: Controller
    order: int
    span: float
    rungs: int
    largest: float = math.inf
    growth: float = math.inf
    at_rest: float = math.inf

    def begin(self, first: float | None, choose: Callable[..., float]) -> Steps:
        """Return the state before the first step."""
        h = min(choose(power=self.order + 1), self.at_rest) if first is None else first
        return Steps(h, self.order, 0.0, (1.0, 1.0, 1.0))

    def prepare(self, state: Steps) -> Steps:
        """Return the state with a step on the ladder, at most the largest."""
        h = min(on_ladder(state.h, self.span, self.rungs), self.largest)
        return state if h == state.h else state._replace(h=h)

    def strictness(self, state: Steps, h: float) -> float:
        """Return 1: all steps count alike."""
        del state, h
        return 1.0

    def rejected(self, state: Steps, h: float, error: float, order: int, error_of: ErrorOf) -> Steps:
        """Return the state with a shorter step."""
        del error_of
        return state._replace(h=h * self.controller.retreat(error, order), order=order)

    def accepted(self, state: Steps, h: float, error: float, order: int, error_of: ErrorOf, left: float) -> Steps:
        """Return the state with the step that the controller advises, or the same step."""
        del error_of, left
        errors, wanted = (error, *state.errors[:2]), state.h
        factor = self.controller.factor(errors, order)
        if h == state.previous and 2.0 ** (1 / self.rungs) > HOLD[1]:  # small factors are lost between the rungs
            factor = max(factor, self.controller.settled(max(errors[:2]), order))
        factor = min(factor, self.growth)
        if h < state.h:
            wanted = max(h * factor, state.h)  # a step shortened to land says little about h
        elif not HOLD[0] <= factor <= HOLD[1]:
            wanted = h * factor
        return Steps(wanted, order, h, errors)

    def watchful(self, state: Steps) -> Steps:
        """Return the state with a step no longer than is good while N rests."""
        return state._replace(h=min(state.h, self.at_rest))
