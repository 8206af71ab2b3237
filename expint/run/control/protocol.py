"""What the loop asks a policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

__all__ = ["Decision", "ErrorOf", "Policy"]

ErrorOf = Callable[[int], float]
"""By an order, the error of the step in units of what is allowed; nan where there is no estimate of that order."""


class Decision(Protocol):
    """What a policy remembers from step to step, as far as the loop reads it."""

    @property
    def h(self) -> float:
        """The length of the next step."""

    @property
    def rung(self) -> float:
        """Its length far from the times to land on."""

    @property
    def order(self) -> int:
        """The order of the next step."""

    @property
    def previous(self) -> float:
        """The length of the last accepted step, 0 before the first."""


S = TypeVar("S", bound=Decision)


class Policy(Protocol[S]):
    """Decides about steps and orders: values in, values out.

    Lengths are positive, errors in units of what is allowed: at most 1 where a step is accepted.
    """

    def begin(self, first: float | None, choose: Callable[..., float]) -> S:
        """Return the state before the first step.

        Parameters
        ----------
        first
            The first step, if it is given.
        choose
            Looks for one: choose(power=p + 1) for errors O(h^{p+1}), and ``target``, the error that is aimed at. It
            evaluates N once.
        """

    def prepare(self, state: S) -> S:
        """Return the state before an attempt, its steps brought to the ladder and below the largest."""

    def strictness(self, state: S, h: float) -> float:
        """Return the factor by which the error of a step of length ``h`` counts."""

    def rejected(self, state: S, h: float, error: float, order: int, error_of: ErrorOf) -> S:
        """Return the state after a rejected step.

        Parameters
        ----------
        state
            The state before.
        h
            The length of the step.
        error, order
            Its error and the order of that; inf where the step could not be made.
        error_of
            The errors of other orders; asked only where ``error`` is finite.
        """

    def accepted(self, state: S, h: float, error: float, order: int, error_of: ErrorOf, left: float) -> S:
        """Return the state after an accepted step; ``left`` is the time left until the end of the run."""
